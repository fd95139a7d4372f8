"""Implicit Q-Learning against NumPy in float64, and bandits whose solution is an integral."""

import math
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from numpy_networks import assert_first_step, assert_trees_close, critic_error, critic_values, perceptron
from small_runs import filled, in_float64, quickly_compiled, random_batch

from plas_jax.algorithms import iql
from plas_jax.algorithms.iql import IQL, Architecture, Knobs, advantage_weight, cosine_decayed, expectile_loss
from plas_jax.models.orthogonal import OrthogonalPerceptron, padded_orthogonal
from plas_jax.models.unsquashed_policy import UnsquashedPolicy, gaussian_log_density
from plas_jax.types import Axis, Sizes, Statistics, Transition

KEY, TRUE = jax.random.key(0), Sizes.of(3, 2)
BATCH = 5
ARCHITECTURE = Architecture((4, 4), (4, 4), (4, 4), BATCH)
KNOBS = Knobs(0.8, 2.0, 0.9, 0.25, 1e-2, 2e-2, 3e-2, 10.0, 1.0, -0.5)
either = pytest.mark.parametrize("compiled", [lambda f: f, jax.jit], ids=["plain", "jitted"])


def statistics(observation, return_range=1000.0):
    """Of data that need no normalisation."""
    width = (observation,)
    return Statistics(np.zeros(width, np.float32), np.ones(width, np.float32), np.float32(return_range))


@cache
def first_state(return_range=500.0):
    return IQL.init(KEY, ARCHITECTURE, TRUE, statistics(3, return_range))


def state_of(updates=0, return_range=500.0):
    """A state whose networks differ from one another and from their targets."""
    state = first_state(return_range)

    def with_parameters(trained, seed):
        return trained.replace(parameters=filled(trained.parameters, seed))

    return state.replace(
        value=with_parameters(state.value, 1),
        policy=with_parameters(state.policy, 2),
        critics=with_parameters(state.critics, 3),
        critic_targets=filled(state.critic_targets, 4),
        updates=jnp.asarray(updates, jnp.int32),
    )


# The losses once more, in NumPy and float64, from the paper and the official code


def value_of(value, observation):
    return perceptron(value["params"]["OrthogonalPerceptron_0"], observation)[:, 0]


def numpy_value_loss(value, targets, batch):
    q = critic_values(targets, batch.observation, batch.action)
    losses = []
    for pair, v in zip(q, value_of(value, batch.observation), strict=True):
        difference = min(pair) - v
        losses.append(abs(KNOBS.expectile - (difference < 0)) * difference**2)
    return np.mean(losses)


def policy_mean(layers, observation, masks):
    """tanh of a perceptron of which the units of hidden layers are multiplied by masks."""
    *hidden, last = (layers[name] for name in sorted(layers))
    features = observation
    for layer, mask in zip(hidden, masks or (1.0,) * len(hidden), strict=True):
        features = np.maximum(features @ layer["kernel"] + layer["bias"], 0) * mask
    return np.tanh(features @ last["kernel"] + last["bias"])


def numpy_policy_loss(policy, value, targets, batch, masks):
    q = critic_values(targets, batch.observation, batch.action)
    mean = policy_mean(policy["params"]["mean"], batch.observation, masks)
    std = np.exp(np.clip(policy["params"]["log_std"], -5, 2))
    losses = []
    for row, v in enumerate(value_of(value, batch.observation)):
        weight = min(math.exp(KNOBS.inverse_temperature * (min(q[row]) - v)), 100)
        density = 0.0
        for dimension in range(batch.action.shape[1]):
            deviation = (batch.action[row, dimension] - mean[row, dimension]) / std[dimension]
            density -= deviation**2 / 2 + math.log(std[dimension] * math.sqrt(2 * math.pi))
        losses.append(-weight * density)
    return np.mean(losses)


def numpy_critic_loss(critics, value, batch):
    next_value = value_of(value, batch.next_observation)
    goal = batch.reward + KNOBS.reward_shift + KNOBS.discount * batch.bootstrap * next_value
    return critic_error(critics, batch, goal)


# Equations


@either
def test_the_expectile_loss_weighs_what_lies_above_by_tau_and_what_lies_below_by_its_complement(compiled):
    differences = np.array([-3.0, -0.5, 0.0, 0.25, 2.0], np.float32)
    for expectile in (0.1, 0.5, 0.7, 0.9):
        expected = [abs(expectile - (1 if u < 0 else 0)) * u * u for u in differences]
        np.testing.assert_allclose(compiled(expectile_loss)(differences, expectile), expected, rtol=1e-6)
    np.testing.assert_allclose(compiled(expectile_loss)(differences, 0.5), differences**2 / 2)


@pytest.mark.parametrize(("expectile", "statistic"), [(0.5, np.mean), (1 - 1e-6, np.max), (1e-6, np.min)])
def test_the_half_expectile_is_the_mean_and_the_last_one_the_maximum(expectile, statistic):
    samples = np.array([-1.0, 0.2, 0.3, 0.9], np.float32)
    grid = np.linspace(-1.5, 1.5, 3001, dtype=np.float32)
    losses = expectile_loss(samples - grid[:, None], expectile).mean(axis=1)
    assert abs(grid[np.argmin(losses)] - statistic(samples)) < 2e-3


@either
def test_the_weight_is_the_exponential_of_the_scaled_advantage_and_at_most_a_hundred(compiled):
    weight = compiled(advantage_weight)(np.array([-1.0, 0.0, 0.5, 1.5, 1.6, 1e9], np.float32), 3.0)
    expected = [math.exp(-3), 1, math.exp(1.5), math.exp(4.5), 100, 100]
    np.testing.assert_allclose(weight, expected, rtol=1e-6)


def test_the_learning_rate_decays_along_half_a_cosine_and_stays_at_zero():
    reference = optax.cosine_decay_schedule(3e-4, 1_000_000)
    for updates in (0, 1, 1000, 250_000, 999_999, 1_000_000, 2_000_000):
        ours = cosine_decayed(3e-4, jnp.asarray(updates, jnp.int32), 1e6)
        np.testing.assert_allclose(ours, reference(updates), atol=1e-11)
    assert cosine_decayed(2.0, jnp.asarray(0), 10) == 2
    np.testing.assert_allclose(cosine_decayed(2.0, jnp.asarray(5), 10), 1, rtol=1e-6)
    assert cosine_decayed(2.0, jnp.asarray(11), 10) == 0


def test_the_density_is_that_of_a_diagonal_gaussian_over_the_true_dimensions():
    action, mean, log_std = np.array([[0.5, -0.2, 0.0]]), np.array([[0.1, 0.3, 0.0]]), np.array([-1.0, 0.5, 0.0])
    expected = 0.0
    for a, m, s in zip(action[0, :2], mean[0, :2], np.exp(log_std[:2]), strict=True):
        expected += math.log(math.exp(-(((a - m) / s) ** 2) / 2) / (s * math.sqrt(2 * math.pi)))
    np.testing.assert_allclose(gaussian_log_density(action, mean, log_std, Axis(2, 3)), [expected], rtol=1e-6)


def test_the_policy_bounds_its_mean_and_the_logarithm_of_its_deviation():
    parameters = filled(UnsquashedPolicy(TRUE, (4, 4)).init(KEY, jnp.zeros((1, 3))), 0)
    layers, observation = in_float64(parameters["params"]["mean"]), random_batch(0, TRUE, BATCH).observation
    for log_std, expected in ((-9.0, -5.0), (0.3, 0.3), (3.0, 2.0)):
        parameters["params"]["log_std"] = jnp.full(2, log_std)
        mean, ours = UnsquashedPolicy(TRUE, (4, 4)).apply(parameters, observation)
        np.testing.assert_allclose(ours, [expected] * 2, rtol=1e-6)
        np.testing.assert_allclose(mean, np.tanh(perceptron(layers, observation)), rtol=1e-5)


def test_rewards_are_scaled_to_returns_of_a_thousand_and_actions_stay_inside_the_box():
    batch = random_batch(0, TRUE, BATCH)._replace(action=np.array([[1.0, -1.0], [0.5, -2.0]], np.float32))
    conditioned = iql.conditioned(state_of(return_range=250.0), batch, KNOBS)
    np.testing.assert_allclose(conditioned.reward, 4 * batch.reward, rtol=1e-6)
    raw = iql.conditioned(state_of(return_range=250.0), batch, KNOBS._replace(scales_returns=0.0))
    np.testing.assert_array_equal(raw.reward, batch.reward)
    assert (np.asarray(conditioned.action) == np.float32([[1 - 1e-5, 1e-5 - 1], [0.5, 1e-5 - 1]])).all()
    for column in ("observation", "next_observation", "bootstrap"):
        np.testing.assert_array_equal(getattr(conditioned, column), getattr(batch, column))


def test_the_defaults_are_those_of_the_official_configuration():
    assert Knobs() == (0.7, 3.0, 0.99, 5e-3, 3e-4, 3e-4, 3e-4, 1e6, 1, 0)
    assert Architecture() == ((256, 256), (256, 256), (256, 256), 256, 0)


# The update


@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_an_update_is_value_then_policy_then_critics_then_targets(dropout):
    masks = IQL.noise(jax.random.key(3), ARCHITECTURE._replace(policy_dropout=dropout), TRUE)
    exact = in_float64(masks)
    state, batch = state_of(updates=4), random_batch(1, TRUE, BATCH)
    batch.action[0, 0] = 1.0
    after, metrics = quickly_compiled(IQL.update)(state, batch, masks, KNOBS)
    assert after.updates == 5
    seen = batch._replace(action=np.clip(batch.action, 1e-5 - 1, 1 - 1e-5), reward=2 * batch.reward)
    value, policy, critics = (in_float64(getattr(state, name).parameters) for name in ("value", "policy", "critics"))
    targets, new_value = in_float64(state.critic_targets), in_float64(after.value.parameters)

    policy_rate = 2e-2 * (1 + math.cos(0.4 * math.pi)) / 2
    assert_first_step(value, after.value, lambda p: numpy_value_loss(p, targets, seen), KNOBS.value_learning_rate)
    assert_first_step(
        policy, after.policy, lambda p: numpy_policy_loss(p, new_value, targets, seen, exact), policy_rate
    )
    critic_rate = KNOBS.critic_learning_rate
    assert_first_step(critics, after.critics, lambda p: numpy_critic_loss(p, new_value, seen), critic_rate)
    average = jax.tree.map(lambda old, new: 0.75 * old + 0.25 * new, targets, in_float64(after.critics.parameters))
    assert_trees_close(after.critic_targets, average, rtol=1e-5, atol=1e-6)

    values = critic_values(critics, seen.observation, seen.action)
    np.testing.assert_allclose(metrics["critic_loss"], numpy_critic_loss(critics, new_value, seen), rtol=1e-5)
    np.testing.assert_allclose(metrics["value_loss"], numpy_value_loss(value, targets, seen), rtol=1e-5)
    np.testing.assert_allclose(metrics["mean_q"], values.mean(), rtol=1e-4)
    np.testing.assert_allclose(metrics["mean_absolute_q"], np.abs(values).mean(), rtol=1e-5)


def test_the_policy_stands_still_after_its_last_update_and_the_critics_do_not():
    state = state_of(updates=10)
    after, _ = quickly_compiled(IQL.update)(state, random_batch(1, TRUE, BATCH), (), KNOBS)
    for a, b in zip(jax.tree.leaves(after.policy.parameters), jax.tree.leaves(state.policy.parameters), strict=True):
        np.testing.assert_array_equal(a, b)
    kernel = after.critics.parameters["params"]["first_critic"]["Linear_0"]["kernel"]
    assert (kernel != state.critics.parameters["params"]["first_critic"]["Linear_0"]["kernel"]).any()


def test_dropout_leaves_out_its_share_and_keeps_the_mean():
    masks = IQL.noise(KEY, Architecture(policy_dropout=0.1, policy_widths=(40, 30), batch_size=500), TRUE)
    assert [mask.shape for mask in masks] == [(500, 40), (500, 30)]
    for mask in masks:
        np.testing.assert_allclose(np.unique(mask), [0, 1 / 0.9], rtol=1e-6)
        assert abs((mask == 0).mean() - 0.1) < 0.01  # four standard errors
    assert np.corrcoef(masks[0][:, 0], masks[1][:, 0])[0, 1] < 0.2


def test_it_acts_by_its_mean_and_draws_nothing():
    state, observation = state_of(), random_batch(0, TRUE, BATCH).observation
    assert IQL.noise(KEY, ARCHITECTURE, TRUE) == ()
    assert IQL.acting_noise is None
    mean = np.tanh(perceptron(in_float64(state.policy.parameters)["params"]["mean"], observation))
    for _ in range(2):
        np.testing.assert_allclose(IQL.act(state, observation, None, KNOBS), mean, rtol=1e-5)


# Orthogonal weights


@pytest.mark.parametrize(
    ("axes", "trailing"),
    [
        ((Axis(3, 5), Axis(2, 4)), 16),  # fewer rows than columns, however padded
        ((Axis(3, 5), Axis(2, 4)), 7),  # padded to more rows than columns
        ((Axis(3, 5), Axis(2, 4)), 4),  # more rows than columns
        ((Axis(3, 5), Axis(2, 4)), 5),
        ((Axis(2, 6),), 1),
        ((Axis(4, 4),), 4),
    ],
)
def test_orthogonal_weights_are_orthonormal_and_do_not_depend_on_padding(axes, trailing):
    true = tuple(Axis(axis.true, axis.true) for axis in axes)
    alone = np.asarray(padded_orthogonal(KEY, true, trailing))
    smaller = min(alone.shape)
    gram = alone @ alone.T if alone.shape[0] == smaller else alone.T @ alone
    np.testing.assert_allclose(gram, np.eye(smaller), atol=1e-6)
    padded = np.asarray(quickly_compiled(lambda axes: padded_orthogonal(KEY, axes, trailing))(axes))
    inside = np.concatenate([np.asarray(axis.mask()) for axis in axes]) > 0
    assert (padded[~inside] == 0).all()
    np.testing.assert_allclose(padded[inside], alone, atol=1e-6)


def test_orthogonal_weights_are_uniform_over_all_rotations():
    keys = jax.random.split(KEY, 4000)
    matrices = np.asarray(jax.jit(jax.vmap(lambda key: padded_orthogonal(key, (Axis(2, 2),), 2)))(keys))
    np.testing.assert_allclose(matrices.mean(axis=0), 0, atol=0.05)  # signs are free, the diagonal's among them
    np.testing.assert_allclose((matrices**2).mean(axis=0), 0.5, atol=0.03)


def test_kernels_start_orthogonal_by_their_gains_and_biases_at_zero():
    module = OrthogonalPerceptron((Axis(3, 3),), (8, 8), Axis(2, 2), last_gain=0.1)
    layers = module.init(KEY, jnp.zeros((1, 3)))["params"]
    for place, (gain, smaller) in enumerate(((2**0.5, 3), (2**0.5, 8), (0.1, 2))):
        kernel = np.asarray(layers[f"Linear_{place}"]["kernel"])
        gram = kernel @ kernel.T if kernel.shape[0] == smaller else kernel.T @ kernel
        np.testing.assert_allclose(gram, gain**2 * np.eye(smaller), atol=1e-5)
        assert (layers[f"Linear_{place}"]["bias"] == 0).all()


# Bandits

BANDIT = Architecture((32, 32), (32, 32), (32, 32), 128)
BANDIT_KNOBS = Knobs(0.7, 5.0, 0.9, 0.05, 3e-3, 3e-3, 3e-3, 3000)


@jax.jit
def solved(key, data, knobs):
    state = IQL.init(key, BANDIT, Sizes.of(2, 1), statistics(2))

    def step(place, state):
        rows = jax.random.randint(jax.random.fold_in(key, place), (128,), 0, len(data.reward))
        return IQL.update(state, jax.tree.map(lambda column: column[rows], data), (), knobs)[0]

    return jax.lax.fori_loop(0, 3000, step, state)


def two_steps(lower, upper, reward, rows=4000):
    """Action is free in the first state and earns nothing; in the second it earns `reward` and ends the episode."""
    action = np.random.default_rng(0).uniform(lower, upper, (rows, 1)).astype(np.float32)
    second = np.arange(rows) % 2 == 1
    observation = np.stack([~second, second], axis=1).astype(np.float32)
    return Transition(
        observation,
        action,
        np.where(second, reward(action[:, 0]), 0).astype(np.float32),
        np.tile(np.float32([0, 1]), (rows, 1)),
        (~second).astype(np.float32),
    )


def expectile_of(samples, expectile):
    lower, upper = samples.min(), samples.max()
    for _ in range(60):
        middle = (lower + upper) / 2
        slope = np.where(samples > middle, expectile, 1 - expectile) * (samples - middle)
        lower, upper = (middle, upper) if slope.mean() > 0 else (lower, middle)
    return lower


@pytest.mark.slow
@pytest.mark.parametrize(
    ("lower", "upper", "reward"),
    [(-1, 1, lambda a: -2 * (a - 0.4) ** 2), (-1, 0, lambda a: a)],
    ids=["the best action is in the data", "it is not"],
)
def test_a_bandit_is_solved_by_the_weighted_mean_of_the_datas_own_actions(lower, upper, reward):
    state = solved(KEY, two_steps(lower, upper, reward), BANDIT_KNOBS)
    actions = np.linspace(lower, upper, 10_001)
    weights = np.exp(5.0 * reward(actions))
    expected = (weights * actions).sum() / weights.sum()
    states = np.eye(2, dtype=np.float32)
    policy = np.asarray(IQL.act(state, states, None, BANDIT_KNOBS))[:, 0]
    assert abs(policy[1] - expected) < 0.06
    assert abs(policy[0] - (lower + upper) / 2) < 0.1  # where nothing is better than anything, the data's mean
    value = np.asarray(iql._value(state, state.value.parameters, states))
    best = expectile_of(reward(actions), 0.7)
    assert abs(value[1] - best) < 0.06
    assert abs(value[0] - 0.9 * best) < 0.06
