"""Laws that every method obeys."""

from functools import cache

import chex
import jax
import numpy as np
from padding import ALONE
from small_methods import CASES, each_method
from small_runs import quickly_compiled, random_batch

FOLLOWED = {"critic_targets": "critics", "policy_target": "policy", "perturbation_target": "perturbation"}


@each_method
def test_targets_start_as_copies_and_no_memory_is_shared(name):
    state = CASES[name].init(jax.random.key(0), ALONE)
    for target, network in FOLLOWED.items():
        if hasattr(state, target):
            chex.assert_trees_all_equal(getattr(state, target), getattr(state, network).parameters)
    leaves = [leaf for leaf in jax.tree.leaves(state) if isinstance(leaf, jax.Array)]
    assert len({leaf.unsafe_buffer_pointer() for leaf in leaves}) == len(leaves)


@cache
def small_run(name):
    """One batch, a state before its first update, the compiled update of both, and what it was traced with."""
    (algorithm, init, _), traces = CASES[name], []

    @quickly_compiled
    def update(state, knobs):
        traces.append(knobs)
        return algorithm.update(state, batch, noise, knobs)

    state, batch = init(jax.random.key(0), ALONE), random_batch(0)
    noise = algorithm.noise(jax.random.key(1), state.architecture, state.sizes)
    return state, batch, update, traces


@each_method
def test_other_knobs_need_no_other_executable_and_train_otherwise(name):
    state, _, update, traces = small_run(name)
    knobs = CASES[name].knobs
    others = [jax.tree.map(np.float32, knobs), jax.tree.map(lambda knob: np.float32(0.5 * knob + 0.1), knobs)]
    ours, theirs = (jax.tree.leaves(update(state, each)[0]) for each in others)
    assert len(traces) == 1
    assert all(np.isfinite(leaf).all() for leaf in ours + theirs if isinstance(leaf, jax.Array))
    assert any((a != b).any() for a, b in zip(ours, theirs, strict=True) if isinstance(a, jax.Array))


@each_method
def test_a_value_is_the_first_critics_of_the_rewards_as_they_are(name):
    value_of, knobs = CASES[name].algorithm.value, jax.tree.map(np.float32, CASES[name].knobs)
    assert (value_of is None) == (name in ("behaviour", "bc", "bc_regression"))
    if value_of is None:
        return
    state, batch, update, _ = small_run(name)
    # With both critics alike, the Q that an update reports is that of each: at raw observations, but of IQL's rewards.
    critics = state.critics.parameters["params"]
    alike = {"params": critics | {"second_critic": critics["first_critic"]}}
    state = state.replace(critics=state.critics.replace(parameters=alike))
    reported = update(state, knobs)[1]["mean_q"]
    value = value_of(state, batch.observation, batch.action, knobs)
    assert value.shape == (len(batch.reward),)
    scale = getattr(state, "reward_scale", 1.0) * getattr(knobs, "reward_scale", 1.0)
    np.testing.assert_allclose(value.mean() * scale, reported, rtol=1e-5)
