"""Runs small enough for a test: of a method at its true sizes and zero-padded, and of a method on a bandit."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from plas_jax.types import Axis, Sizes, Transition

UPDATES, BATCH = 50, 16
ALONE = Sizes.of(11, 3)
PADDED = Sizes(Axis(11, 17), Axis(3, 6), Axis(6, 12))
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


def first_and_last(algorithm, init, knobs, sizes):
    """The states before and after fifty updates, and the last metrics; `init` takes a key and sizes."""

    @quickly_compiled
    def update(state, key, batch):
        return algorithm.update(state, batch, algorithm.noise(key, state.architecture, state.sizes), knobs)

    first = state = quickly_compiled(init)(jax.random.key(0), sizes)
    for step in range(UPDATES):
        state, metrics = update(state, jax.random.key(100 + step), random_batch(step, sizes))
    return first, state, metrics


def named_leaves(tree):
    return {jax.tree_util.keystr(path): np.asarray(leaf) for path, leaf in jax.tree.leaves_with_path(tree)}


def true_rows(length, padded_length):
    """Where an axis of a padded leaf is not padding, given its length at true sizes."""
    axes = (PADDED.observation, PADDED.action, PADDED.latent)
    masks = [np.asarray(axis.mask()) > 0 for axis in axes]
    masks += [np.concatenate([masks[0], other]) for other in masks[1:]] + [np.ones(length, bool)]
    return next(mask for mask in masks if len(mask) == padded_length and mask.sum() == length)


def assert_the_same(padded, alone, tolerance):
    """Leaf by leaf max|a - b| ≤ tolerance·max|b|, and zeros in the padding, or ones of stds; counts padded leaves."""
    ours, theirs = named_leaves(padded), named_leaves(alone)
    assert ours.keys() == theirs.keys()
    with_padding = 0
    for path, leaf in ours.items():
        true = theirs[path]
        index = np.ix_(*(true_rows(*lengths) for lengths in zip(true.shape, leaf.shape, strict=True)))
        outside = np.ones(leaf.shape, bool)
        outside[index] = False
        assert (leaf[outside] == path.endswith("observation_std")).all(), path
        with_padding += outside.any()
        # Mean gradients cancel, so what measures theirs is the gradients' size.
        scale = np.sqrt(np.abs(theirs[path.replace(".mu", ".nu")]).max()) if ".mu" in path else np.abs(true).max()
        assert np.abs(leaf[index] - true).max() <= tolerance * scale, path
    return with_padding


def assert_padding_changes_nothing(algorithm, init, knobs):
    """First weights, fifty updates and metrics of a padded run are those of the run at its true sizes."""
    (first, last, metrics), (first_alone, last_alone, metrics_alone) = (
        first_and_last(algorithm, init, knobs, sizes) for sizes in (PADDED, ALONE)
    )
    for before, after, tolerance in ((first, first_alone, 1e-6), (last, last_alone, 1e-5)):
        assert assert_the_same(before.replace(sizes=None), after.replace(sizes=None), tolerance) >= 6
    assert metrics.keys() == metrics_alone.keys()
    for name, value in metrics.items():
        # Means over true dimensions, not padded ones: a factor that Adam would hide from the parameters.
        np.testing.assert_allclose(value, metrics_alone[name], rtol=1e-4, atol=1e-5, err_msg=name)
    return last, last_alone


def assert_noise_is_zero_in_the_padding(noise):
    """The noise of actions, `[..., action]`."""
    for array in jax.tree.leaves(noise):
        assert (np.asarray(array)[..., 3:] == 0).all()
        assert (np.asarray(array)[..., :3] != 0).all()


@partial(jax.jit, static_argnames=("draw_batch", "algorithm"))
def trained_on(draw_batch, algorithm, state, knobs, updates, *world):
    """The state after so many updates on batches `draw_batch(key, *world)`, and the last metrics."""

    def step(update, carry):
        key_batch, key_noise = jax.random.split(jax.random.fold_in(jax.random.key(7), update))
        state, _ = carry
        noise = algorithm.noise(key_noise, state.architecture, state.sizes)
        return algorithm.update(state, draw_batch(key_batch, *world), noise, knobs)

    shapes = jax.eval_shape(step, 0, (state, None))[1]
    metrics = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)
    return jax.lax.fori_loop(0, updates, step, (state, metrics))
