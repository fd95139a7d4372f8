"""Both behaviour clonings: their losses and steps by hand, and what they learn of known behaviours."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy_networks import (
    KERAS,
    assert_first_step,
    assert_is_gradient,
    brac_gaussian,
    first_gradient,
    log_density,
    perceptron,
)
from small_runs import filled, filled_gaussian, quickly_compiled, random_batch, trained_on

from plas_jax.algorithms import cloning, deterministic_cloning
from plas_jax.algorithms.cloning import CLONING
from plas_jax.algorithms.descent import descend, network
from plas_jax.algorithms.deterministic_cloning import DETERMINISTIC_CLONING
from plas_jax.types import Sizes, Statistics, Transition

SIZES = Sizes.of(3, 2)
ARCHITECTURE = cloning.Architecture((6, 5), 4)
DETERMINISTIC = deterministic_cloning.Architecture((6, 5), 4)
KNOBS = cloning.Knobs(1e-2)
KEY = jax.random.key(0)


def transitions():
    batch = random_batch(0, SIZES, batch=4)
    action = batch.action.copy()
    action[0] = [1.0, -1.0]  # has no density until it is clipped
    return batch._replace(action=action)


# D4RL's cloning


def cloning_state(variable=0.7):
    shapes = jax.eval_shape(lambda: cloning.init(KEY, ARCHITECTURE, SIZES).policy.parameters)
    return cloning.State(SIZES, network(filled_gaussian(shapes, 3)), network(jnp.float32(variable)), ARCHITECTURE)


def cloning_loss_by_hand(policy, batch, draw, entropy_weight):
    losses, likelihoods, densities = [], [], []
    for observation, action, noise in zip(*map(np.float64, (batch.observation, batch.action, draw)), strict=True):
        mean, log_std = brac_gaussian(policy, observation)
        likelihoods.append(log_density(mean, log_std, np.arctanh(np.clip(action, -0.999, 0.999))))
        densities.append(log_density(mean, log_std, mean + np.exp(log_std) * noise))
        losses.append(entropy_weight * densities[-1] - likelihoods[-1])
    return np.mean(losses), np.mean(likelihoods), np.mean(densities)


def test_the_defaults_of_cloning_are_the_source_s():
    assert cloning.Architecture() == ((200, 200), 256)
    assert cloning.Knobs() == (5e-4,)
    state = cloning.init(KEY, ARCHITECTURE, SIZES)
    assert state.entropy_weight.parameters == 1


def test_one_update_is_a_step_of_the_policy_and_then_of_the_entropy_weight_against_the_new_policy():
    state, batch, noise = cloning_state(), transitions(), CLONING.noise(jax.random.key(1), ARCHITECTURE, SIZES)
    after, metrics = quickly_compiled(cloning.update)(state, batch, noise, KNOBS)

    loss, likelihood, density = cloning_loss_by_hand(state.policy.parameters, batch, noise.action, 0.7)
    expected = {"policy_loss": loss, "log_likelihood": likelihood, "entropy": -density, "entropy_weight": 0.7}
    assert metrics.keys() == expected.keys()
    for name, value in expected.items():
        assert metrics[name] == pytest.approx(value, rel=1e-4), name

    assert_first_step(
        state.policy.parameters,
        after.policy,
        lambda policy: cloning_loss_by_hand(policy, batch, noise.action, 0.7)[0],
        0.01,
        KERAS,
    )
    _, _, density = cloning_loss_by_hand(after.policy.parameters, batch, noise.action_after, 0.7)
    assert first_gradient(after.entropy_weight) == pytest.approx(-density + 2, rel=1e-4)  # target entropy -2
    assert after.entropy_weight.parameters == pytest.approx(0.7 - 0.01 * np.sign(-density + 2), rel=1e-5)


@pytest.mark.parametrize(
    ("variable", "log_density", "slope"),
    [
        (0.7, [5.0, 3.0], -1.0),  # entropy -4 is below -3: the weight rises
        (0.7, [1.0, 2.0], 1.5),  # entropy -1.5 is above: it falls
        (0.0, [1.0, 2.0], 0.0),  # but not below zero
        (-0.1, [1.0, 2.0], 0.0),
        (-0.1, [5.0, 3.0], -1.0),  # and it can come back
        (0.0, [5.0, 3.0], -1.0),
    ],
)
def test_the_entropy_weight_rises_while_the_entropy_is_below_its_target_and_never_sticks(variable, log_density, slope):
    def loss(value):
        return cloning.entropy_weight_loss(value, jnp.array(log_density), 3)

    assert jax.grad(loss, has_aux=True)(jnp.float32(variable))[0] == pytest.approx(slope)
    if variable > 0:
        assert loss(jnp.float32(variable))[0] == pytest.approx(variable * slope)
    after, _, _ = descend(network(jnp.float32(variable)), loss, 0.01)
    assert after.parameters == pytest.approx(variable - 0.01 * np.sign(slope), rel=1e-5)


def test_a_variable_below_zero_weighs_nothing():
    state, batch, noise = cloning_state(-0.2), transitions(), CLONING.noise(KEY, ARCHITECTURE, SIZES)
    _, metrics = quickly_compiled(cloning.update)(state, batch, noise, KNOBS)
    assert metrics["entropy_weight"] == 0
    assert metrics["policy_loss"] == -metrics["log_likelihood"]


def test_cloning_acts_by_the_tanh_of_its_mean():
    state, batch = cloning_state(), transitions()
    actions = cloning.act(state, batch.observation, None, KNOBS)
    for observation, action in zip(batch.observation, actions, strict=True):
        np.testing.assert_allclose(action, np.tanh(brac_gaussian(state.policy.parameters, observation)[0]), rtol=1e-5)


# Cloning by regression


STATISTICS = Statistics(np.float32([0.5, -1.0, 2.0]), np.float32([2.0, 0.5, 0.0]), np.float32(1.0))


def deterministic_state():
    state = deterministic_cloning.init(KEY, DETERMINISTIC, SIZES, STATISTICS)
    return state.replace(policy=network(filled(state.policy.parameters, 3)))


def action_by_hand(policy, observation):
    normalised = (np.float64(observation) - [0.5, -1.0, 2.0]) / np.array([2.001, 0.501, 0.001])
    return np.tanh(perceptron(policy["params"]["Perceptron_0"], normalised))


def regression_by_hand(policy, batch):
    errors = []
    for observation, action in zip(batch.observation, batch.action, strict=True):
        errors.append(sum((action_by_hand(policy, observation) - action) ** 2) / 2)
    return sum(errors) / len(errors)


def near_the_mean(batch):
    """Observations that the tiny third std does not send to the ends of the tanh."""
    return batch._replace(observation=batch.observation * np.float32([1, 1, 1e-3]) + np.float32([0, 0, 2]))


def test_one_update_of_the_regression_is_one_step_on_the_mean_squared_error():
    state, batch = deterministic_state(), near_the_mean(transitions())
    knobs = deterministic_cloning.Knobs(1e-2)
    assert DETERMINISTIC_CLONING.noise(KEY, DETERMINISTIC, SIZES) is None
    after, metrics = quickly_compiled(deterministic_cloning.update)(state, batch, None, knobs)
    assert metrics["policy_loss"] == pytest.approx(regression_by_hand(state.policy.parameters, batch), rel=1e-4)
    assert_is_gradient(
        first_gradient(after.policy),
        lambda policy: regression_by_hand(policy, batch),
        state.policy.parameters,
        tolerance=1e-3,  # 1e-3 of std is what is left of float32 there
    )
    for before, leaf in zip(*map(jax.tree.leaves, (state.policy.parameters, after.policy.parameters)), strict=True):
        assert np.abs(leaf - before).max() == pytest.approx(0.01, rel=1e-2)
    np.testing.assert_array_equal(after.observation_mean, STATISTICS.observation_mean)
    np.testing.assert_array_equal(after.observation_std, STATISTICS.observation_std)


def test_the_regression_acts_on_normalised_observations():
    state, batch = deterministic_state(), near_the_mean(transitions())
    actions = deterministic_cloning.act(state, batch.observation, None, deterministic_cloning.Knobs())
    for observation, action in zip(batch.observation, actions, strict=True):
        np.testing.assert_allclose(action, action_by_hand(state.policy.parameters, observation), atol=1e-3)
    assert deterministic_cloning.Architecture() == ((256, 256), 256)
    assert deterministic_cloning.Knobs() == (3e-4,)


# What is learned of a known behaviour


LINE = Sizes.of(1, 1)


STATES = np.linspace(-0.9, 0.9, 19, dtype=np.float32)[:, None]


def bent(observation):
    return jnp.sin(3 * observation) - 0.3


def along_a_bend(key, std):
    """A batch of a = tanh(bent(s) + std·ε), s uniform within ±1."""
    key_observation, key_action = jax.random.split(key)
    observation = jax.random.uniform(key_observation, (128, 1), minval=-1.0)
    action = jnp.tanh(bent(observation) + std * jax.random.normal(key_action, (128, 1)))
    return Transition(observation, action, jnp.zeros(128), observation, jnp.zeros(128))


def two_ways(key):
    """A batch of actions that are 0.8 three times of four, else -0.8."""
    batch = along_a_bend(key, 0.0)
    often = jax.random.bernoulli(jax.random.fold_in(key, 1), 0.75, (128, 1))
    return batch._replace(action=jnp.where(often, 0.8, -0.8))


def cloned(std):
    state = cloning.init(KEY, cloning.Architecture((32, 32), 128), LINE)
    return trained_on(along_a_bend, CLONING, state, cloning.Knobs(5e-3), 1500, std)


def test_cloning_finds_the_behaviour_s_mean_and_its_entropy_where_that_is_above_the_target():
    state, metrics = cloned(0.3)
    np.testing.assert_allclose(cloning.act(state, STATES, None, KNOBS), np.tanh(bent(STATES)), atol=0.08)
    # Nothing holds the entropy up, and a Gaussian of std 0.3 squashed has more than -1.
    assert metrics["entropy_weight"] < 0.05
    assert -0.4 < metrics["entropy"] < 0.2


def test_cloning_keeps_the_target_entropy_where_the_behaviour_has_less():
    state, metrics = cloned(0.02)
    # The entropy term draws means towards zero, where the tanh squashes least.
    np.testing.assert_allclose(cloning.act(state, STATES, None, KNOBS), np.tanh(bent(STATES)), atol=0.25)
    assert metrics["entropy_weight"] > 0.2
    assert metrics["entropy"] == pytest.approx(-1, abs=0.2)  # the behaviour's own is about -2.8


def test_the_regression_finds_the_mean_action_even_where_no_data_are():
    statistics = Statistics(np.zeros(1, np.float32), np.full(1, 0.577, np.float32), np.float32(1))
    architecture = deterministic_cloning.Architecture((32, 32), 128)
    state = deterministic_cloning.init(KEY, architecture, LINE, statistics)
    knobs = deterministic_cloning.Knobs(1e-3)
    followed, _ = trained_on(along_a_bend, DETERMINISTIC_CLONING, state, knobs, 1500, 0.0)
    action = deterministic_cloning.act(followed, STATES, None, knobs)
    np.testing.assert_allclose(action, np.tanh(bent(STATES)), atol=0.03)
    between, _ = trained_on(two_ways, DETERMINISTIC_CLONING, state, knobs, 500)
    # 0.75·0.8 - 0.25·0.8, an action that the data never take
    np.testing.assert_allclose(deterministic_cloning.act(between, STATES, None, knobs), 0.4, atol=0.15)
