"""Runs small enough for a test: random batches, zero-padded where asked, and a training on batches of any law."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from padding import ALONE

from plas_jax.types import Transition

BATCH = 16
# What runs for milliseconds is not worth optimising.
quickly_compiled = partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})


def random_batch(seed, sizes=ALONE, batch=BATCH):
    """Random transitions of the true sizes in the padding of `sizes`."""
    generator = np.random.default_rng(seed)
    observation, action = sizes.observation, sizes.action

    def columns(values, axis):
        return np.pad(values, ((0, 0), (0, axis.padded - axis.true))).astype(np.float32)

    return Transition(
        columns(generator.normal(size=(batch, observation.true)), observation),
        columns(np.tanh(1.5 * generator.normal(size=(batch, action.true))), action),
        generator.normal(size=batch).astype(np.float32),
        columns(generator.normal(size=(batch, observation.true)), observation),
        (generator.random(batch) > 0.2).astype(np.float32),
    )


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
