"""Runs small enough for a test: random rows and weights, precisions, and a training on batches of any law."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from padding import ALONE

from plas_jax.types import Transition
from plas_jax.verification.parity import training

BATCH = 16
quickly_compiled = training.jitted  # what runs for milliseconds is not worth optimising


def random_batch(seed, sizes=ALONE, batch=BATCH):
    """Random transitions of the true sizes in the padding of `sizes`, of which the first and every fourth are last."""
    generator = np.random.default_rng(seed)
    observation, action = sizes.observation, sizes.action

    def columns(values, axis):
        return np.pad(values, ((0, 0), (0, axis.padded - axis.true)))

    transitions = Transition(
        columns(generator.normal(size=(batch, observation.true)), observation),
        columns(np.tanh(1.5 * generator.normal(size=(batch, action.true))), action),
        generator.normal(size=batch),
        columns(generator.normal(size=(batch, observation.true)), observation),
        np.arange(batch) % 4 > 0,
        columns(np.tanh(1.5 * generator.normal(size=(batch, action.true))), action),
    )
    return jax.tree.map(np.float32, transitions)


def filled(shapes, seed):
    """Normal numbers in these shapes, away from any initial law, which would also take seconds to draw by."""
    generator = np.random.default_rng(seed)
    return jax.tree.map(lambda leaf: jnp.float32(0.4 * generator.normal(size=leaf.shape)), shapes)


def filled_gaussian(shapes, seed):
    """The same for a policy of BRAC's: stds of about a half, or a few actions would outweigh all others."""
    policy = filled(shapes, seed)
    policy["params"]["Perceptron_2"]["Linear_0"]["bias"] += 1.0
    return policy


# Precisions: in float64 a training's rounding errors stay far below any mistake.


def in_precision(tree, dtype):
    """A copy with its floating-point arrays in this precision, as NumPy arrays; keys of jax.random stay."""

    def converted(leaf):
        if isinstance(leaf, jax.Array) and jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            return leaf
        leaf = np.asarray(leaf)
        return leaf.astype(dtype) if leaf.dtype.kind == "f" else leaf

    return jax.tree.map(converted, tree)


in_float64 = partial(in_precision, dtype=np.float64)


def computing_in(dtype):
    """JAX with or without float64."""
    return jax.enable_x64(dtype is np.float64)


@partial(jax.jit, static_argnames=("draw_batch", "algorithm"))
def trained_on(draw_batch, algorithm, state, knobs, updates, *world):
    """The state after so many updates on batches `draw_batch(key, *world)`, and the means of the last metrics.

    Means over the last hundred updates: what one batch says of a policy is another number on another processor.
    """

    def step(update, carry):
        key_batch, key_noise = jax.random.split(jax.random.fold_in(jax.random.key(7), update))
        state, means = carry
        noise = algorithm.noise(key_noise, state.architecture, state.sizes)
        state, metrics = algorithm.update(state, draw_batch(key_batch, *world), noise, knobs)
        share = jnp.where(update >= updates - 100, 0.01, 0.0)
        return state, jax.tree.map(lambda mean, value: mean + share * value, means, metrics)

    noise = algorithm.noise(jax.random.key(0), state.architecture, state.sizes)
    _, shapes = jax.eval_shape(algorithm.update, state, draw_batch(jax.random.key(0), *world), noise, knobs)
    means = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)
    return jax.lax.fori_loop(0, updates, step, (state, means))
