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
import pytest
from padding import ALONE, PADDED, assert_padding_is_untouched, named_leaves, relative_errors, worst
from small_runs import computing_in, in_float64, in_precision, quickly_compiled, random_batch

from plas_jax.algorithms import (
    bcq,
    bear,
    behaviour,
    brac,
    cloning,
    cql,
    deterministic_cloning,
    iql,
    offline_td3,
    plas,
    rebrac,
    sac,
    td3_bc,
)
from plas_jax.types import Statistics

UPDATES, BATCH, STATES = 50, 16, 8
TOLERANCE = 1e-12
POLICY, CRITICS = (16, 16), (16,)  # padding touches first and last layers alone; a policy's last may be two


class Case(NamedTuple):
    """A method; `init` takes a key and sizes."""

    algorithm: Any
    init: Any
    knobs: Any


def plain(algorithm, architecture, knobs):
    """A method whose state is made of nothing but a key and sizes."""
    return Case(algorithm, lambda key, sizes: algorithm.init(key, architecture, sizes), knobs)


def informed(algorithm, architecture, knobs):
    """A method that knows its data's statistics, which are 0 and 1 in the padding."""

    def init(key, sizes):
        generator, rest = np.random.default_rng(5), (0, sizes.observation.padded - 11)
        mean = np.pad(generator.normal(size=11), rest)
        std = np.pad(generator.uniform(0.5, 2, 11), rest, constant_values=1)
        return algorithm.init(key, architecture, sizes, Statistics(jnp.asarray(mean), jnp.asarray(std), 400.0))

    return Case(algorithm, init, knobs)


def around_a_cvae(key, sizes):
    """PLAS around the CVAE that the ordinary initialiser makes."""
    key_cvae, key_policy = jax.random.split(key)
    cvae = behaviour.init(key_cvae, behaviour.Architecture(16, BATCH), sizes).cvae.parameters
    return plas.init(key_policy, plas.Architecture(POLICY, CRITICS, 16, BATCH), sizes, cvae)


def around_a_clone(key, sizes):
    """BRAC around a model of the behaviour that the ordinary initialiser makes."""
    key_behaviour, key_policy = jax.random.split(key)
    behaviour_policy = cloning.init(key_behaviour, cloning.Architecture(POLICY, BATCH), sizes).policy.parameters
    return brac.init(key_policy, brac.Architecture(POLICY, CRITICS, BATCH), sizes, behaviour_policy)


# Published constants but for counts of updates, that both sides of them are seen, and for rates that move a policy.
BRAC_KNOBS = brac.Knobs(warm_start=20, policy_learning_rate=3e-4)
CASES = {
    "behaviour": plain(behaviour.BEHAVIOUR, behaviour.Architecture(16, BATCH), behaviour.Knobs(1e-3)),
    "plas": Case(plas.PLAS, around_a_cvae, plas.Knobs(0.05, 0.5, 0.75, 0.99, 0.005, 1e-3, 1e-3)),
    "bc": plain(cloning.CLONING, cloning.Architecture(POLICY, BATCH), cloning.Knobs()),
    "bc_regression": informed(
        deterministic_cloning.DETERMINISTIC_CLONING,
        deterministic_cloning.Architecture(POLICY, BATCH),
        deterministic_cloning.Knobs(),
    ),
    "td3": plain(offline_td3.OFFLINE_TD3, offline_td3.Architecture(POLICY, CRITICS, BATCH), offline_td3.Knobs()),
    "sac": plain(sac.SAC, sac.Architecture(POLICY, CRITICS, BATCH), sac.Knobs()),
    "bcq": plain(bcq.BCQ, bcq.Architecture(POLICY, CRITICS, 16, BATCH, 3, 5), bcq.Knobs()),
    "bear": plain(
        # The Laplacian kernel, which has corners at zero; test_divergences.py has both.
        bear.BEAR,
        bear.Architecture(POLICY, CRITICS, 16, BATCH, 3, 5),
        bear.Knobs(warm_up=25.0, policy_learning_rate=1e-3),
    ),
    "brac_v": Case(brac.BRAC, around_a_clone, BRAC_KNOBS),
    "brac_p": Case(brac.BRAC, around_a_clone, BRAC_KNOBS._replace(value_penalty=0.0)),
    "td3+bc": informed(td3_bc.TD3_BC, td3_bc.Architecture(POLICY, CRITICS, BATCH), td3_bc.Knobs()),
    "cql": informed(cql.CQL, cql.Architecture(POLICY, CRITICS, 3, BATCH), cql.Knobs(policy_learning_rate=3e-4)),
    "iql": informed(iql.IQL, iql.Architecture(POLICY, CRITICS, CRITICS, BATCH), iql.Knobs(policy_updates=100)),
    "rebrac": plain(rebrac.REBRAC, rebrac.Architecture(POLICY, CRITICS, BATCH), rebrac.Knobs()),
}
CONSTANTS = ("observation_mean", "observation_std")
FROZEN = {
    "plas": ("cvae",),
    "brac_v": ("behaviour",),
    "brac_p": ("behaviour",),
    "bc_regression": CONSTANTS,
    "td3+bc": CONSTANTS,
    "cql": CONSTANTS,
    "iql": ("reward_scale",),
}
each_method = pytest.mark.parametrize("name", CASES)


def random_batches(sizes, dtype):
    """The batch of each update, of the true sizes, in the padding of `sizes`."""
    rows = random_batch(0, sizes, UPDATES * BATCH)
    return jax.tree.map(lambda column: column.reshape(UPDATES, BATCH, *column.shape[1:]).astype(dtype), rows)


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
        return in_float64(quickly_compiled(CASES[name].init)(jax.random.key(0), sizes))


@cache
def trained(name, sizes, dtype=np.float64):
    """Fifty updates of a method at these sizes."""
    algorithm, _, knobs = CASES[name]
    first, knobs = in_precision(first_state(name, sizes), dtype), jax.tree.map(dtype, knobs)

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

    with computing_in(dtype):
        return jax.tree.map(np.asarray, train(first, sizes, random_batches(sizes, dtype)))


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
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_fifty_updates_leave_the_padding_untouched(name, dtype):
    padded, alone = trained(name, PADDED, dtype), trained(name, ALONE)
    assert assert_padding_is_untouched(padded.last, alone.last) > 10
    assert (padded.action[:, 3:] == 0).all()
    assert (padded.action[:, :3] != 0).all()


@each_method
def test_noise_is_zero_in_the_padding_and_the_same_without_it(name):
    padded, alone = (trained(name, sizes).noise for sizes in (PADDED, ALONE))
    for ours, theirs in zip(jax.tree.leaves(padded), jax.tree.leaves(alone), strict=True):
        axis = next(axis for axis in (PADDED.action, PADDED.latent) if axis.padded == ours.shape[-1])
        assert (ours[..., axis.true :] == 0).all()
        np.testing.assert_array_equal(ours[..., : axis.true], theirs)
        assert (theirs != 0).all()


@each_method
def test_training_moves_every_leaf_that_is_trained(name):
    before, after = (named_leaves(state) for state in trained(name, ALONE)[:2])
    still = {path.split("/")[0] for path, leaf in after.items() if (leaf == before[path]).all()}
    assert still == {"sizes", *FROZEN.get(name, ())}
