"""BRAC-v and BRAC-p: the sampled divergence, one update by hand, and a bandit with a known optimum."""

from functools import cache

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy_networks import KERAS, assert_first_step, brac_gaussian, critic_values, log_density
from small_runs import filled, filled_gaussian, in_float64, quickly_compiled, random_batch, trained_on

from plas_jax.algorithms import brac
from plas_jax.algorithms.brac import BRAC
from plas_jax.algorithms.descent import network
from plas_jax.types import Sizes, Transition

SIZES = Sizes.of(3, 2)
ARCHITECTURE = brac.Architecture((6, 5), (6, 4), batch_size=3, divergence_samples=4)
KNOBS = brac.Knobs(1.0, 0.3, 5, 0.9, 0.25, 1e-2, 2e-2)
KEY = jax.random.key(0)


# The divergence


def constant_policy(parameters, mean, log_std):
    """Parameters of the same Gaussian everywhere."""
    parameters = jax.tree.map(jnp.zeros_like, parameters)
    heads = parameters["params"]
    heads["Perceptron_1"]["Linear_0"]["bias"] = jnp.float32(mean)
    heads["Perceptron_2"]["Linear_0"]["bias"] = jnp.float32(np.arctanh((np.array(log_std) + 5) / 2.5 - 1))
    return parameters


def test_the_sampled_divergence_is_unbiased_and_zero_between_equals():
    state = filled_state()
    parameters = state.policy.parameters
    moments = ([0.3, -0.4], [-1.0, -1.5]), ([0.1, -0.2], [-0.8, -1.0])
    policy, behaviour = (constant_policy(parameters, *pair) for pair in moments)
    state = state.replace(behaviour=behaviour)
    observation = np.zeros((4000, 3), np.float32)
    draws = np.random.default_rng(0).normal(size=(4000, 4, 2)).astype(np.float32)
    estimates = jax.jit(brac.sampled_divergence)(state, policy, observation, draws)
    # In closed form that of the Gaussians before their tanh: a divergence does not change under a bijection.
    (mean, log_std), (other, other_log_std) = np.array(moments)
    ratio, distance = np.exp(2 * (log_std - other_log_std)), np.square((mean - other) / np.exp(other_log_std))
    exact = (other_log_std - log_std + 0.5 * (ratio + distance - 1)).sum()
    assert exact > 0.3
    assert estimates.mean() == pytest.approx(exact, abs=4 * float(estimates.std()) / 4000**0.5)
    # log π - log b of the same Gaussian is zero at each sample, but for rounding
    same = jax.jit(brac.sampled_divergence)(state, behaviour, observation, draws)
    np.testing.assert_allclose(same, 0, atol=1e-3)


# One update by hand


@cache
def shapes():
    return jax.eval_shape(lambda: brac.init(KEY, ARCHITECTURE, SIZES, None))


def filled_state(updates=6):
    """Networks that are all different, with biases that are not zero."""
    policy, critics = shapes().policy.parameters, shapes().critic_targets
    return brac.State(
        sizes=SIZES,
        behaviour=filled_gaussian(policy, 2),
        policy=network(filled_gaussian(policy, 1)),
        # Of these critics neither is the smaller one everywhere, online or after one Polyak step of the targets.
        critics=network(filled(critics, 11)),
        critic_targets=filled(critics, 26),
        updates=jnp.int32(updates),
        architecture=ARCHITECTURE,
    )


def divergence_by_hand(policy, behaviour, observation, draws):
    (mean, log_std), other = brac_gaussian(policy, observation), brac_gaussian(behaviour, observation)
    total = 0.0
    for noise in draws:
        before = mean + np.exp(log_std) * noise
        clipped = np.arctanh(np.clip(np.tanh(before), -0.999, 0.999))
        total += log_density(mean, log_std, before) - log_density(*other, clipped)
    return total / len(draws)


def sampled_by_hand(policy, observation, noise):
    mean, log_std = brac_gaussian(policy, observation)
    return np.tanh(mean + np.exp(log_std) * noise)


def targets_by_hand(policy, behaviour, targets, batch, noise, knobs):
    goals = []
    for row in range(3):
        observation = np.float64(batch.next_observation[row])
        action = sampled_by_hand(policy, observation, noise.next_action[row])
        value = min(critic_values(targets, observation, action))
        penalty = divergence_by_hand(policy, behaviour, observation, noise.next_divergence[row])
        value -= knobs.value_penalty * knobs.divergence_weight * penalty
        goals.append(batch.reward[row] + batch.bootstrap[row] * knobs.discount * value)
    return goals


def critic_loss_by_hand(critics, batch, goals):
    total = 0.0
    for row in range(3):
        for q in critic_values(critics, batch.observation[row], batch.action[row]):
            total += (q - goals[row]) ** 2 / 3
    return total


def policy_loss_by_hand(policy, behaviour, critics, batch, noise, knobs, with_q):
    losses, values, divergences = [], [], []
    for row in range(3):
        observation = np.float64(batch.observation[row])
        action = sampled_by_hand(policy, observation, noise.action[row])
        values.append(min(critic_values(critics, observation, action)))
        divergences.append(divergence_by_hand(policy, behaviour, observation, noise.divergence[row]))
        losses.append(knobs.divergence_weight * divergences[-1] - with_q * values[-1])
    return np.mean(losses), np.mean(values), np.mean(divergences)


def batch_and_noise():
    batch = random_batch(0, SIZES, batch=3)._replace(bootstrap=np.float32([1, 0, 1]))
    noise = in_float64(BRAC.noise(jax.random.key(1), ARCHITECTURE, SIZES))
    noise.divergence[0, 0] = [9.0, -9.0]  # beyond where b's density is asked
    return batch, noise


update = quickly_compiled(brac.update)


@pytest.mark.parametrize(
    ("value_penalty", "updates", "with_q"), [(1.0, 6, 1.0), (0.0, 6, 1.0), (1.0, 5, 0.0)], ids=["v", "p", "warm start"]
)
def test_one_update_is_targets_then_critics_then_the_policy_on_the_critics_just_updated(value_penalty, updates, with_q):
    state, (batch, noise) = filled_state(updates), batch_and_noise()
    knobs = KNOBS._replace(value_penalty=value_penalty)
    after, metrics = update(state, batch, jax.tree.map(np.float32, noise), knobs)
    policy, behaviour, critics = in_float64((state.policy.parameters, state.behaviour, state.critics))

    targets = jax.tree.map(
        lambda online, target: 0.25 * online + 0.75 * np.float64(target), critics.parameters, state.critic_targets
    )
    for ours, theirs in zip(*map(jax.tree.leaves, (after.critic_targets, targets)), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)

    goals = targets_by_hand(policy, behaviour, targets, batch, noise, knobs)
    loss = critic_loss_by_hand(critics.parameters, batch, goals)
    assert metrics["critic_loss"] == pytest.approx(loss, rel=1e-4)
    assert_first_step(
        critics.parameters, after.critics, lambda parameters: critic_loss_by_hand(parameters, batch, goals), 0.02, KERAS
    )

    updated = in_float64(after.critics.parameters)
    _, value, divergence = policy_loss_by_hand(policy, behaviour, updated, batch, noise, knobs, with_q)
    assert metrics["policy_value"] == pytest.approx(value, rel=1e-4)
    assert metrics["divergence"] == pytest.approx(divergence, rel=1e-4)
    assert_first_step(
        policy,
        after.policy,
        lambda parameters: policy_loss_by_hand(parameters, behaviour, updated, batch, noise, knobs, with_q)[0],
        0.01,
        KERAS,
    )
    chex.assert_trees_all_equal(after.behaviour, state.behaviour)
    assert after.updates == updates + 1
    q = critic_values(critics.parameters, batch.observation, batch.action)
    assert metrics["mean_q"] == pytest.approx(q.mean(), abs=1e-5)
    assert metrics["mean_absolute_q"] == pytest.approx(np.abs(q).mean(), rel=1e-5)


def test_the_state_starts_with_copies_as_targets_and_keras_weights():
    behaviour = {"bias": np.arange(3)}
    state = brac.init(KEY, ARCHITECTURE, SIZES, behaviour)
    chex.assert_trees_all_equal(state.critic_targets, state.critics.parameters)
    chex.assert_trees_all_equal(state.behaviour, behaviour)
    assert state.updates == 0
    first, second = (state.critics.parameters["params"][name] for name in ("first_critic", "second_critic"))
    assert np.abs(first["Linear_0"]["kernel"] - second["Linear_0"]["kernel"]).max() > 0.1
    for layer, bound in (("Linear_0", (6 / 11) ** 0.5), ("Linear_1", (6 / 10) ** 0.5), ("Linear_2", (6 / 5) ** 0.5)):
        assert (np.asarray(first[layer]["bias"]) == 0).all()
        assert np.abs(first[layer]["kernel"]).max() <= bound
        assert np.abs(first[layer]["kernel"]).max() > 0.6 * bound


def test_the_defaults_are_those_of_d4rl():
    assert brac.Architecture() == ((200, 200), (300, 300), 256, 4)
    assert brac.Knobs() == (1.0, 0.3, 20_000, 0.99, 0.005, 3e-5, 1e-3)


# Acting


def test_brac_acts_by_the_tanh_of_its_mean():
    state, observation = filled_state(), random_batch(5, SIZES, batch=4).observation
    for row, action in zip(observation, BRAC.act(state, observation, None, KNOBS), strict=True):
        np.testing.assert_allclose(action, np.tanh(brac_gaussian(state.policy.parameters, row)[0]), rtol=1e-5)
    assert BRAC.acting_noise is None


# Compilation


def test_both_variants_and_other_knobs_share_one_executable():
    once = quickly_compiled(chex.assert_max_traces(brac.update, n=1))
    batch, noise = batch_and_noise()
    noise = jax.tree.map(np.float32, noise)
    losses = []
    for value, weight in ((1.0, 0.3), (0.0, 0.3), (1.0, 0.9), (0.0, 0.9)):
        knobs = KNOBS._replace(value_penalty=value, divergence_weight=weight)
        losses.append(float(once(filled_state(), batch, noise, knobs)[1]["critic_loss"]))
    assert losses[1] == losses[3]  # BRAC-p's targets have no divergence in them
    assert len(set(losses)) == 3


# A bandit


LINE = Sizes.of(1, 1)
BANDIT = brac.Architecture((16, 16), (32, 32), 128)


def bandit(key, centre, log_std, peak):
    """A batch of tanh N(centre, std) actions, each worth -(a - peak)²."""
    action = jnp.tanh(centre + jnp.exp(log_std) * jax.random.normal(key, (128, 1)))
    zeros = jnp.zeros((128, 1))
    return Transition(zeros, action, -jnp.square(action - peak)[:, 0], zeros, jnp.zeros(128))


def learned(centre, log_std, peak, **knobs):
    """The action that BRAC learns from the behaviour tanh N(centre, std), and the last metrics."""
    state = brac.init(KEY, BANDIT, LINE, None)
    state = state.replace(behaviour=constant_policy(state.policy.parameters, [centre], [log_std]))
    knobs = brac.Knobs(policy_learning_rate=3e-3, **knobs)
    state, metrics = trained_on(bandit, BRAC, state, knobs, 2000, centre, log_std, peak)
    return float(brac.act(state, np.zeros((1, 1), np.float32), None, knobs)[0, 0]), metrics


def best_mean(centre, log_std, peak, weight):
    """tanh of the mean of the Gaussian that maximises E[-(a - peak)²] - α·KL, on a grid."""
    points, probability = np.polynomial.hermite_e.hermegauss(40)
    best = -np.inf, None
    for mean in np.linspace(-1.5, 1.5, 301):
        for own in np.linspace(-4.9, -0.1, 97):
            value = -((np.tanh(mean + np.exp(own) * points) - peak) ** 2) @ probability / probability.sum()
            distance = (mean - centre) ** 2 * np.exp(-2 * log_std)
            divergence = log_std - own + 0.5 * (np.exp(2 * (own - log_std)) + distance - 1)
            best = max(best, (value - weight * divergence, mean))
    return np.tanh(best[1])


@pytest.mark.slow
@pytest.mark.parametrize("weight", [0.02, 0.2])
def test_brac_finds_the_known_best_trade_between_reward_and_divergence(weight):
    expected = best_mean(-0.3, -1.0, 0.1, weight)
    action, _ = learned(-0.3, -1.0, 0.1, divergence_weight=weight, warm_start=100)
    assert action == pytest.approx(expected, abs=0.05)
    assert np.tanh(-0.3) + 0.02 < expected < 0.12  # the trade is no end of the scale


@pytest.mark.slow
def test_without_the_divergence_the_policy_leaves_the_data_and_with_it_it_does_not():
    # Rewards rise towards -0.1 and the data, -0.5 ± 0.04, end long before: beyond them the critics only guess.
    arguments = (float(np.arctanh(-0.5)), -3.0, -0.1)
    away, metrics = learned(*arguments, divergence_weight=0.0, warm_start=100)
    near, _ = learned(*arguments, divergence_weight=1.0, warm_start=100)
    assert abs(near + 0.5) < 0.05
    assert abs(away + 0.5) > 0.2
    assert metrics["divergence"] > 10


def test_in_the_warm_start_the_policy_becomes_the_behaviour():
    action, metrics = learned(-0.3, -1.0, 0.9, divergence_weight=0.02, warm_start=20_000)
    assert action == pytest.approx(np.tanh(-0.3), abs=0.03)
    assert metrics["divergence"] < 0.05
