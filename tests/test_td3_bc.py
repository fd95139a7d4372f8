"""TD3+BC against NumPy, and that cloning keeps it where the data are."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest
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

from plas_jax.algorithms import td3_bc
from plas_jax.algorithms.draws import STD_OFFSET
from plas_jax.algorithms.td3_bc import TD3_BC, Architecture, Knobs
from plas_jax.models.twin_critics import TwinCritics
from plas_jax.types import Sizes, Statistics

SIZES = Sizes.of(4, 2)
LINEAR, TASK = Architecture((), (), 6), Architecture((32, 32), (32, 32), 64)
KNOBS = Knobs(1.5, 0.9, 0.25, 0.02, 0.05, 0.5, 0.4, 2, -0.5)
TASK_KNOBS = Knobs(2.5, DISCOUNT, 0.05, 3e-3, 3e-3)
PLAIN = Statistics(np.zeros(1, np.float32), np.ones(1, np.float32) - np.float32(STD_OFFSET), np.float32(0))
# Numbers that float32 has exactly
OF_DATA = Statistics(np.float32([0.5, -0.625, 0, 0.25]), np.float32([1, 0.75, 3, 0.625]), np.float32(0))
update = update_of(TD3_BC)


@cache
def linear_state():
    """Targets away from the online networks, so that neither can stand in for the other."""
    state, other = (TD3_BC.init(jax.random.key(seed), LINEAR, SIZES, OF_DATA) for seed in (0, 1))
    return state.replace(policy_target=other.policy.parameters, critic_targets=other.critics.parameters)


class Cloning(TD3):
    """What TD3+BC adds: normalised states, shifted rewards and the policy's loss."""

    @staticmethod
    def normalised(observation):
        return (observation - [0.5, -0.625, 0, 0.25]) / [1.001, 0.751, 3.001, 0.626]

    def step(self, batch, draw):
        observation, following = self.normalised(batch.observation), self.normalised(batch.next_observation)
        reward = np.float64(batch.reward) + self.knobs.reward_shift
        return super().step(batch._replace(observation=observation, next_observation=following, reward=reward), draw)

    def policy_gradient(self, row, q, weights, action, data_action):
        scale = sum(abs(value) for value in q[:, 0]) / len(q)
        gradient = [
            -self.knobs.value_weight / scale * weights[0][i] / len(q)
            + 2 * (action[i] - data_action[i]) / (len(q) * len(action))
            for i in range(len(action))
        ]
        return np.array(gradient)


# Updates


@pytest.mark.parametrize(("delay", "value_weight"), [(1, 1.5), (2, 1.5), (3, 0.5)])
def test_seven_updates_are_those_of_numpy(delay, value_weight):
    state, knobs = linear_state(), KNOBS._replace(policy_delay=delay, value_weight=value_weight)
    batches = [random_batch(seed, SIZES, 6) for seed in range(7)]
    assert_follows(TD3_BC, state, Cloning(state, knobs), knobs, batches)


def test_the_policys_loss_weighs_value_by_alpha_over_its_mean_size_and_averages_squares():
    """Two transitions by hand: Q1 = 2 and -4 whatever the action does, actions off by (1, 0) and (0, 2)."""
    state = linear_state()
    zeros = jax.tree.map(jnp.zeros_like, (state.policy.parameters, state.critics.parameters))
    critics = zeros[1]
    layer = critics["params"]["first_critic"]["Linear_0"]
    layer["kernel"] = layer["kernel"].at[0, 0].set(1.0)
    observation = np.array([[2.0, 0, 0, 0], [-4.0, 0, 0, 0]], np.float32)
    action = np.array([[1.0, 0], [0, -2]], np.float32)
    batch = random_batch(0, SIZES, 2)._replace(observation=observation, action=action)
    loss, metrics = td3_bc.policy_loss(zeros[0], state, critics, batch, KNOBS)
    # mean Q1 = -1, mean |Q1| = 3, squares 1 and 4 over two dimensions and two rows
    np.testing.assert_allclose(loss, 1.5 / 3 + 5 / 4, rtol=1e-6)
    np.testing.assert_allclose([metrics["policy_value"], metrics["cloning_error"]], [-1, 1.25], rtol=1e-6)


def test_policy_and_targets_stand_still_until_the_second_update():
    state, batch = linear_state(), random_batch(0, SIZES, 6)
    noise = TD3_BC.noise(jax.random.key(0), LINEAR, state.sizes)
    first, _ = update(state, batch, noise, KNOBS)
    second, _ = update(first, batch, noise, KNOBS)
    for name in ("policy", "policy_target", "critic_targets"):
        before, after_one, after_two = (jax.tree.leaves(getattr(one, name)) for one in (state, first, second))
        assert all((a == b).all() for a, b in zip(before, after_one, strict=True)), name
        assert all((a != b).any() for a, b in zip(before, after_two, strict=True)), name


def test_it_acts_at_normalised_states():
    state, observation = linear_state(), random_batch(0, SIZES, 6).observation
    layer = state.policy.parameters["params"]["Perceptron_0"]["Linear_0"]
    expected = np.tanh(Cloning.normalised(observation) @ np.float64(layer["kernel"]) + np.float64(layer["bias"]))
    for _ in range(2):
        np.testing.assert_allclose(TD3_BC.act(state, observation, None, KNOBS), expected, rtol=1e-4, atol=1e-5)


def test_statistics_stay_as_they_were_given():
    state, batch = linear_state(), random_batch(0, SIZES, 6)
    after, _ = update(state, batch, TD3_BC.noise(jax.random.key(0), LINEAR, state.sizes), KNOBS)
    np.testing.assert_array_equal(after.observation_mean, OF_DATA.observation_mean)
    np.testing.assert_array_equal(after.observation_std, OF_DATA.observation_std)


def test_defaults_are_those_of_the_official_code():
    assert Knobs() == (2.5, 0.99, 0.005, 3e-4, 3e-4, 0.2, 0.5, 2, 0)
    assert Architecture() == ((256, 256), (256, 256), 256)
    assert STD_OFFSET == 1e-3


# What it learns


def init_task(key, sizes):
    return TD3_BC.init(key, TASK, sizes, PLAIN)


def outcome(data, reward, value_weight):
    knobs = TASK_KNOBS._replace(value_weight=value_weight)
    state = trainer(TD3_BC, init_task)(data, knobs)
    return estimate_and_truth(TD3_BC, state, TwinCritics(Sizes.of(1, 1), TASK.critic_widths), reward, knobs)


@pytest.mark.slow
def test_with_a_large_alpha_it_solves_a_bandit_and_with_none_it_clones():
    best = 0.6 * OBSERVATIONS
    estimate, truth, action = outcome(bandit(peaked, 1.0), peaked, 30.0)
    assert np.abs(action - best).mean() < 0.1
    assert truth == pytest.approx(2.0, abs=0.05)
    assert estimate == pytest.approx(truth, abs=0.2)
    _, _, action = outcome(bandit(peaked, 1.0), peaked, 0.0)
    assert np.abs(action).mean() < 0.1  # the mean of the data's


@pytest.mark.slow
def test_beyond_the_data_it_does_not_go_where_td3_fails():
    estimate, truth, action = outcome(bandit(treacherous, 0.3), treacherous, 2.5)
    assert np.abs(action).max() < 0.35
    assert truth > 8
    assert estimate == pytest.approx(truth, abs=0.3)
