"""Every method's updates at a run's true sizes and in the padding of wider ones: the same numbers, zeros around them.

The two are compared in float64. Their sums are added up in different orders, and training makes rounding errors grow:
after fifty updates in float32 they are 5e-7 to 4e-6 apart on one processor and past 1e-5 on another, by method. In
float64 they are within 5e-15 on both, so that the limit is 1e-12 and mistakes of a millionth are seen.
"""

from functools import cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from padding import ALONE, PADDED, assert_padding_is_untouched, named_leaves, relative_errors, worst
from small_methods import BATCH, CASES, each_method
from small_runs import computing_in, in_float64, quickly_compiled, random_batch

UPDATES, STATES = 50, 8
TOLERANCE = 1e-12


CONSTANTS = ("observation_mean", "observation_std")
FROZEN = {
    "plas": ("cvae",),
    "brac_v": ("behaviour",),
    "brac_p": ("behaviour",),
    "bc_regression": CONSTANTS,
    "td3+bc": CONSTANTS,
    "cql": (*CONSTANTS, "log_multiplier"),
    "cql of a maze": CONSTANTS,
    "iql": ("reward_scale",),
    "iql with dropout": ("reward_scale",),
}


def random_batches(sizes):
    """The batch of each update, of the true sizes, in the padding of `sizes`, float64."""
    rows = random_batch(0, sizes, UPDATES * BATCH)
    return jax.tree.map(lambda column: column.reshape(UPDATES, BATCH, *column.shape[1:]).astype(float), rows)


class Trained(NamedTuple):
    """The states before the first and after the last update, the last metrics, noise and actions."""

    first: Any
    last: Any
    metrics: Any
    noise: Any  # of one update, and of acting where a method draws then
    action: Any


@cache
def first_state(name, sizes):
    """The state before the first update, float64, by the ordinary initialiser at these sizes."""
    with computing_in(np.float64):
        return in_float64(CASES[name].init(jax.random.key(0), sizes))


@cache
def trained(name, sizes):
    """Fifty updates of a method at these sizes, in float64."""
    algorithm, _, knobs = CASES[name]
    first, knobs = first_state(name, sizes), jax.tree.map(np.float64, knobs)

    @quickly_compiled
    def train(first, sizes, batches):
        def step(state, update):
            batch = jax.tree.map(lambda column: column[update], batches)
            noise = algorithm.noise(jax.random.key(update), first.architecture, sizes)
            return algorithm.update(state, batch, noise, knobs)

        last, metrics = jax.lax.scan(step, first, jnp.arange(UPDATES))
        noise, acting_noise = algorithm.noise(jax.random.key(UPDATES), first.architecture, sizes), None
        if algorithm.acting_noise is not None:
            acting_noise = algorithm.acting_noise(jax.random.key(0), first.architecture, sizes, STATES)
        action = algorithm.act(last, batches.observation[0, :STATES], acting_noise, knobs)
        return Trained(first, last, jax.tree.map(lambda of: of[-1], metrics), (noise, acting_noise), action)

    with computing_in(np.float64):
        return jax.tree.map(np.asarray, train(first, sizes, random_batches(sizes)))


def precisions(tree):
    return {leaf.dtype for leaf in jax.tree.leaves(tree) if leaf.dtype.kind == "f"}


@each_method
def test_first_weights_are_the_same_in_any_padding(name):
    padded, alone = (first_state(name, sizes) for sizes in (PADDED, ALONE))
    assert assert_padding_is_untouched(padded, alone) > 10
    path, error = worst(relative_errors(padded, alone))
    assert error <= TOLERANCE, path


@each_method
def test_fifty_updates_are_the_same_in_any_padding(name):
    padded, alone = (trained(name, sizes) for sizes in (PADDED, ALONE))
    assert precisions(padded) == {np.dtype(np.float64)}  # nothing on the way has rounded
    path, error = worst(relative_errors(padded.last, alone.last))
    assert error <= TOLERANCE, path
    # Means over true dimensions, not padded ones: a factor that Adam would hide from the parameters.
    path, error = worst(relative_errors(padded.metrics, alone.metrics))
    assert error <= TOLERANCE, path
    np.testing.assert_allclose(padded.action[:, :3], alone.action, atol=TOLERANCE)


@each_method
def test_fifty_updates_leave_the_padding_untouched(name):
    padded, alone = (trained(name, sizes) for sizes in (PADDED, ALONE))
    assert assert_padding_is_untouched(padded.last, alone.last) > 10
    assert (padded.action[:, 3:] == 0).all()
    assert (padded.action[:, :3] != 0).all()


@each_method
def test_noise_is_zero_in_the_padding_and_the_same_without_it(name):
    padded, alone = (trained(name, sizes).noise for sizes in (PADDED, ALONE))
    for ours, theirs in zip(jax.tree.leaves(padded), jax.tree.leaves(alone), strict=True):
        if ours.shape == theirs.shape:  # a mask of hidden units, none of which are padded
            np.testing.assert_array_equal(ours, theirs)
            continue
        axis = next(axis for axis in (PADDED.action, PADDED.latent) if axis.padded == ours.shape[-1])
        assert (ours[..., axis.true :] == 0).all()
        np.testing.assert_array_equal(ours[..., : axis.true], theirs)
        assert (theirs != 0).all()


@each_method
def test_training_moves_every_leaf_that_is_trained(name):
    before, after = (named_leaves(state) for state in trained(name, ALONE)[:2])
    still = {path.split("/")[0] for path, leaf in after.items() if (leaf == before[path]).all()}
    assert still == {"sizes", *FROZEN.get(name, ())}
