"""Offline-TD3 against NumPy, and what becomes of it where the data end."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_runs import random_batch
from td3_reference import (
    DISCOUNT,
    OBSERVATIONS,
    TD3,
    assert_follows,
    bandit,
    estimate_and_truth,
    peaked,
    trainer,
    treacherous,
    update_of,
)

from plas_jax.algorithms.bellman import smoothed
from plas_jax.algorithms.descent import is_due, taken
from plas_jax.algorithms.offline_td3 import OFFLINE_TD3, Architecture, Knobs
from plas_jax.models.twin_critics import TwinCritics
from plas_jax.types import Sizes

SIZES = Sizes.of(4, 2)
LINEAR, TASK = Architecture((), (), 6), Architecture((32, 32), (32, 32), 64)
KNOBS = Knobs(0.9, 0.25, 0.02, 0.05, 0.5, 0.4, 2)
TASK_KNOBS = Knobs(DISCOUNT, 0.05, 3e-3, 3e-3)


update = update_of(OFFLINE_TD3)


@cache
def linear_state():
    """Targets away from the online networks, so that neither can stand in for the other."""
    state, other = (OFFLINE_TD3.init(jax.random.key(seed), LINEAR, SIZES) for seed in (0, 1))
    return state.replace(policy_target=other.policy.parameters, critic_targets=other.critics.parameters)


# Target policy smoothing and the delay


def test_noise_of_the_target_is_scaled_then_clipped_then_the_action_is():
    action, draw = jnp.array([0.0, 0.0, 0.0, 0.9, -0.9, 0.9]), jnp.array([1.0, 5.0, -5.0, 5.0, -1.0, -5.0])
    np.testing.assert_allclose(smoothed(action, draw, 0.2, 0.5), [0.2, 0.5, -0.5, 1.0, -1.0, 0.4], rtol=1e-6)
    assert smoothed(action, draw, 0.0, 0.5).tolist() == action.tolist()


@given(st.integers(0, 10**6), st.integers(1, 7))
def test_a_half_is_due_on_multiples_of_the_delay(count, delay):
    assert bool(is_due(jnp.asarray(count), jnp.float32(delay))) is (count % delay == 0)


@pytest.mark.parametrize("due", [True, False])
def test_what_is_not_due_is_left_even_where_it_is_no_number(due):
    after, before = {"a": jnp.array([1.0, jnp.nan]), "b": jnp.array(3)}, {"a": jnp.array([2.0, 4.0]), "b": jnp.array(5)}
    result = jax.jit(taken)(due, after, before)
    assert result["b"] == (3 if due else 5)
    np.testing.assert_array_equal(result["a"], after["a"] if due else before["a"])


# Updates


@pytest.mark.parametrize("delay", [1, 2, 3])
def test_seven_updates_are_those_of_numpy(delay):
    state, knobs = linear_state(), KNOBS._replace(policy_delay=delay)
    batches = [random_batch(seed, SIZES, 6) for seed in range(7)]
    assert_follows(OFFLINE_TD3, state, TD3(state, knobs), knobs, batches)


def test_policy_and_targets_stand_still_until_the_second_update():
    state, batch = linear_state(), random_batch(0, SIZES, 6)
    noise = OFFLINE_TD3.noise(jax.random.key(0), LINEAR, state.sizes)
    first, _ = update(state, batch, noise, KNOBS)
    second, _ = update(first, batch, noise, KNOBS)
    for name in ("policy", "policy_target", "critic_targets"):
        before, after_one, after_two = (jax.tree.leaves(getattr(one, name)) for one in (state, first, second))
        assert all((a == b).all() for a, b in zip(before, after_one, strict=True)), name
        assert all((a != b).any() for a, b in zip(before, after_two, strict=True)), name
    assert first.policy.moments[0].count == 0
    assert second.policy.moments[0].count == 1


def test_the_policy_ascends_the_first_critic_just_updated():
    state, batch = linear_state().replace(updates=jnp.int32(1)), random_batch(0, SIZES, 6)
    noise = OFFLINE_TD3.noise(jax.random.key(0), LINEAR, state.sizes)
    after, metrics = update(state, batch, noise, KNOBS)
    action = OFFLINE_TD3.act(state, batch.observation, None, KNOBS)
    values = TwinCritics(state.sizes, ()).apply(after.critics.parameters, batch.observation, action)
    np.testing.assert_allclose(metrics["policy_value"], values[:, 0].mean(), rtol=1e-5)


def test_defaults_are_those_of_the_official_code_without_cloning():
    assert Knobs() == (0.99, 0.005, 3e-4, 3e-4, 0.2, 0.5, 2)
    assert Architecture() == ((256, 256), (256, 256), 256)


# What it learns


def init_task(key, sizes):
    return OFFLINE_TD3.init(key, TASK, sizes)


@pytest.mark.slow
def test_it_solves_a_bandit_whose_actions_are_all_in_the_data():
    state = trainer(OFFLINE_TD3, init_task)(bandit(peaked, 1.0), TASK_KNOBS)
    critics = TwinCritics(Sizes.of(1, 1), TASK.critic_widths)
    estimate, truth, action = estimate_and_truth(OFFLINE_TD3, state, critics, peaked, TASK_KNOBS)
    best = 0.6 * OBSERVATIONS
    assert np.abs(action - best).mean() < 0.07
    assert truth == pytest.approx(2.0, abs=0.03)
    assert estimate == pytest.approx(truth, abs=0.2)


@pytest.mark.slow
def test_beyond_the_data_it_overestimates_and_fails():
    state = trainer(OFFLINE_TD3, init_task)(bandit(treacherous, 0.3), TASK_KNOBS)
    critics = TwinCritics(Sizes.of(1, 1), TASK.critic_widths)
    estimate, truth, action = estimate_and_truth(OFFLINE_TD3, state, critics, treacherous, TASK_KNOBS)
    assert np.abs(action).min() > 0.6
    assert truth < 0  # the data's own actions are worth 8 on average
    assert estimate > 6
