"""BEAR: each step against NumPy, its multiplier and warm-up, and a bandit that the constraint bounds."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy_networks import (
    affine,
    assert_first_step,
    critic_error,
    critic_values,
    cvae_losses,
    first_gradient,
    perceptron,
)
from small_runs import filled, random_batch

from plas_jax.algorithms import bear
from plas_jax.algorithms.descent import network
from plas_jax.types import Sizes, Transition

SIZES, KEY = Sizes.of(4, 2), jax.random.key(0)
ARCHITECTURE = bear.Architecture(
    (8, 8), (8, 8), 8, batch_size=5, target_candidates=6, acting_candidates=7, divergence_samples=3
)
KNOBS = bear.Knobs(
    divergence_limit=0.2,
    gaussian_kernel=0.0,
    bandwidth=1.5,
    warm_up=10.0,
    discount=0.9,
    polyak=0.25,
    policy_learning_rate=1e-2,
    critic_learning_rate=1e-2,
    cvae_learning_rate=1e-2,
    multiplier_learning_rate=1e-2,
)
GAUSSIAN = KNOBS._replace(gaussian_kernel=1.0)
BATCH = random_batch(0, SIZES, 5)
update, act = jax.jit(bear.update), jax.jit(bear.act)


@cache
def state_after(updates, log_multiplier=0.7):
    """A state whose targets are other networks than the online ones."""

    def parts():
        state = bear.init(KEY, ARCHITECTURE, SIZES)
        return state.cvae.parameters, state.policy.parameters, state.critics.parameters, state.critic_targets

    cvae, policy, critics, critic_targets = filled(jax.eval_shape(parts), 1)
    return bear.State(
        sizes=SIZES,
        cvae=network(cvae),
        policy=network(policy),
        critics=network(critics),
        critic_targets=critic_targets,
        log_multiplier=network(jnp.asarray(log_multiplier)),
        updates=jnp.asarray(updates, jnp.int32),
        architecture=ARCHITECTURE,
    )


@cache
def noise():
    return jax.tree.map(np.asarray, bear.noise(jax.random.key(1), ARCHITECTURE, SIZES))


# The method once more, one sample at a time


def policy_sample(policy, observation, draw):
    """The action before its tanh."""
    layers = policy["params"]
    features = np.maximum(perceptron(layers["Perceptron_0"], observation), 0)
    mean = affine(layers["Perceptron_1"]["Linear_0"], features)
    return mean + np.exp(affine(layers["Perceptron_2"]["Linear_0"], features).clip(-5, 2)) * draw


def goals(state):
    """The target of each transition, by the online policy and the critics' targets."""
    result = []
    for i in range(5):
        observation, best = BATCH.next_observation[i], -np.inf
        for draw in noise().next_action[i]:
            action = np.tanh(policy_sample(state.policy.parameters, observation, draw))
            first, second = critic_values(state.critic_targets, observation, action)
            best = max(best, 0.75 * min(first, second) + 0.25 * max(first, second))
        result.append(BATCH.reward[i] + 0.9 * BATCH.bootstrap[i] * best)
    return np.array(result)


def discrepancy(samples, others, gaussian):
    """With σ = 1.5."""

    def mean_kernel(first, second):
        distances = [np.sum((x - y) ** 2) if gaussian else np.sum(np.abs(x - y)) for x in first for y in second]
        return np.mean(np.exp(-np.array(distances) / 3.0))

    within = mean_kernel(samples, samples) + mean_kernel(others, others)
    return np.sqrt(within - 2 * mean_kernel(samples, others) + 1e-6)


def divergence_and_value(policy, state, gaussian=False):
    """The mean discrepancy before the tanh, and the mean of min Q at the first sample, by the state's own networks."""
    divergences, values = [], []
    for i, observation in enumerate(BATCH.observation):
        decoder = state.cvae.parameters["params"]["decoder"]
        behaviour = [perceptron(decoder, observation, np.clip(latent, -0.5, 0.5)) for latent in noise().latent[i]]
        samples = [policy_sample(policy, observation, draw) for draw in noise().action[i]]
        divergences.append(discrepancy(behaviour, samples, gaussian))
        values.append(critic_values(state.critics.parameters, observation, np.tanh(samples[0])).min())
    return np.mean(divergences), np.mean(values)


@pytest.mark.parametrize("updates", [9, 10])
@pytest.mark.parametrize("knobs", [KNOBS, GAUSSIAN], ids=["laplacian", "gaussian"])
def test_an_update_is_that_of_numpy_in_bears_order(updates, knobs):
    state, gaussian = state_after(updates), knobs.gaussian_kernel == 1.0
    after, metrics = update(state, BATCH, noise(), knobs)
    error, kl, evidence = cvae_losses(state.cvae.parameters, BATCH, noise().posterior)
    goal = goals(state)
    q = critic_values(state.critics.parameters, BATCH.observation, BATCH.action)
    divergence, value = divergence_and_value(state.policy.parameters, after, gaussian)  # CVAE, critics just updated
    assert abs(divergence - 0.2) > 0.02
    expected = {
        "reconstruction_error": error,
        "kl": kl,
        "cvae_loss": evidence,
        "critic_loss": critic_error(state.critics.parameters, BATCH, goal),
        "policy_value": value,
        "mmd": divergence,
        "multiplier": np.exp(0.7 + 1e-2 * np.sign(divergence - 0.2)),
        "mean_q": q.mean(),
        "mean_absolute_q": np.abs(q).mean(),
    }
    assert metrics.keys() == expected.keys()
    for name, number in expected.items():
        np.testing.assert_allclose(metrics[name], number, rtol=5e-5, err_msg=name)
    older = divergence_and_value(state.policy.parameters, state, gaussian)
    assert abs(older[0] / divergence - 1) > 2e-4  # another order would have been seen
    assert abs(older[1] / value - 1) > 2e-4

    def policy_loss(policy):
        divergence, value = divergence_and_value(policy, after, gaussian)
        return np.exp(0.7) * (divergence - 0.2) - (value if updates >= 10 else 0.0)

    losses = {
        "policy": policy_loss,
        "cvae": lambda cvae: cvae_losses(cvae, BATCH, noise().posterior)[2],
        "critics": lambda critics: critic_error(critics, BATCH, goal),
    }
    for name, loss in losses.items():
        assert_first_step(getattr(state, name).parameters, getattr(after, name), loss, 1e-2)
    # Ascent, on the discrepancy before the policy's step.
    np.testing.assert_allclose(first_gradient(after.log_multiplier), -np.exp(0.7) * (divergence - 0.2), rtol=1e-4)
    assert after.updates == updates + 1


def test_the_critics_targets_follow_by_tau():
    state = state_after(0)
    after, _ = update(state, BATCH, noise(), KNOBS)
    trees = after.critic_targets, after.critics.parameters, state.critic_targets
    for ours, new, old in zip(*map(jax.tree.leaves, trees), strict=True):
        np.testing.assert_allclose(ours, 0.25 * new + 0.75 * old, rtol=1e-5, atol=1e-7)


# The multiplier and the warm-up


@pytest.mark.parametrize(("start", "divergence", "end"), [(9.995, 1.0, 10.0), (-4.995, 0.0, -5.0), (0.0, 1.0, 0.01)])
def test_the_multiplier_rises_while_the_constraint_is_broken_and_stays_within_its_range(start, divergence, end):
    after = bear.ascend(network(jnp.asarray(start)), jnp.asarray(divergence), KNOBS)
    np.testing.assert_allclose(after.parameters, end, rtol=1e-5)


def test_the_policy_does_not_see_the_critics_before_the_end_of_the_warm_up():
    for updates, is_seen in ((0, False), (9, False), (10, True), (11, True)):
        state = state_after(updates)
        others = jax.tree.map(lambda leaf: 2 * leaf, state.critics.parameters)
        policies = [
            update(one, BATCH, noise(), KNOBS)[0].policy.parameters
            for one in (state, state.replace(critics=network(others)))
        ]
        same = all((a == b).all() for a, b in zip(*map(jax.tree.leaves, policies), strict=True))
        assert same is not is_seen
    # Critics and multiplier learn from the first update on.
    after, _ = update(state_after(0), BATCH, noise(), KNOBS)
    assert after.log_multiplier.parameters != np.float32(0.7)
    pairs = zip(*(jax.tree.leaves(one.critics.parameters) for one in (after, state_after(0))), strict=True)
    assert all((a != b).any() for a, b in pairs)


def test_runs_of_both_kernels_share_a_batch():
    knobs = jax.tree.map(lambda *leaves: jnp.array(leaves), KNOBS, GAUSSIAN)
    both, _ = jax.jit(jax.vmap(bear.update, (None, None, None, 0)))(state_after(10), BATCH, noise(), knobs)
    for place, one in enumerate((KNOBS, GAUSSIAN)):
        alone, _ = update(state_after(10), BATCH, noise(), one)
        for a, b in zip(jax.tree.leaves(both), jax.tree.leaves(alone), strict=True):
            np.testing.assert_allclose(a[place], b, rtol=1e-4, atol=1e-6)


# Acting, draws, defaults


def test_it_acts_by_the_sample_that_the_first_critic_likes_best():
    state = state_after(0)
    draw = bear.acting_noise(jax.random.key(3), ARCHITECTURE, SIZES, 5)
    assert draw.shape == (5, 7, 2)
    action = act(state, BATCH.observation, draw, KNOBS)
    for i, observation in enumerate(BATCH.observation):
        candidates = [np.tanh(policy_sample(state.policy.parameters, observation, one)) for one in draw[i]]
        values = [critic_values(state.critics.parameters, observation, candidate)[0] for candidate in candidates]
        np.testing.assert_allclose(action[i], candidates[int(np.argmax(values))], atol=1e-6)
    np.testing.assert_array_equal(action, act(state, BATCH.observation, draw, KNOBS))
    others = bear.acting_noise(jax.random.key(4), ARCHITECTURE, SIZES, 5)
    assert (action != act(state, BATCH.observation, others, KNOBS)).any()


def test_the_draws_of_an_update_are_standard_normal_and_independent():
    drawn = bear.noise(KEY, ARCHITECTURE._replace(batch_size=2000), SIZES)
    columns = np.concatenate([array.reshape(2000, -1) for array in drawn], axis=1)
    np.testing.assert_allclose(np.cov(columns.T), np.eye(4 + 6 * 2 + 3 * 4 + 3 * 2), atol=0.15)


def test_defaults_are_those_of_d4rl():
    assert bear.Architecture() == ((256, 256), (256, 256), 750, 256, 10, 100, 4)
    assert bear.Knobs() == (0.05, 0.0, 20.0, 0.5, 40_000, 0.75, 0.99, 5e-3, 1e-4, 3e-4, 3e-4, 1e-3)


def test_the_first_state_is_rlkits():
    state = bear.init(KEY, ARCHITECTURE._replace(policy_widths=(36, 36), critic_widths=(36, 36)), SIZES)
    assert (state.updates, state.log_multiplier.parameters) == (0, 0)
    critic = state.critics.parameters["params"]["first_critic"]
    assert (critic["Linear_1"]["bias"] == np.float32(0.1)).all()
    assert 0.8 / 6 < np.abs(critic["Linear_1"]["kernel"]).max() <= 1 / 6
    assert 2e-3 < np.abs(critic["Linear_2"]["kernel"]).max() <= 3e-3


# A bandit: actions are uniform in ±0.5, narrower than the CVAE can see, so that its own actions are all near 0

BANDIT = bear.Architecture((32, 32), (32, 32), 32, 64, acting_candidates=20)
BANDIT_KNOBS = bear.Knobs(
    divergence_limit=0.2,
    warm_up=200.0,
    policy_learning_rate=1e-3,
    critic_learning_rate=1e-3,
    multiplier_learning_rate=3e-3,
)


@jax.jit
def trained_on(slope, best, knobs):
    """BEAR after 2,000 updates where the reward is slope·a - 4·(a - best)², and the last 300 discrepancies."""
    generator = np.random.default_rng(0)
    observation = generator.normal(size=(2000, 64, 1)).astype(np.float32)
    action = generator.uniform(-0.5, 0.5, (2000, 64, 1)).astype(np.float32)
    reward = jnp.where(jnp.isfinite(best), -4 * (action[..., 0] - best) ** 2, slope * action[..., 0])
    batches = Transition(observation, action, reward, observation, np.zeros((2000, 64), np.float32))

    def step(state, update):
        key, batch = update
        return bear.update(state, batch, bear.noise(key, BANDIT, state.sizes), knobs)

    state = bear.init(KEY, BANDIT, Sizes.of(1, 1))
    state, metrics = jax.lax.scan(step, state, (jax.random.split(KEY, 2000), batches))
    return state, metrics["mmd"][-300:]


OBSERVATIONS = np.linspace(-1.5, 1.5, 9, dtype=np.float32)[:, None]


def mean_action(state):
    return np.tanh(bear.policy_samples(state, state.policy.parameters, OBSERVATIONS, jnp.zeros((9, 1, 1))))[:, 0, 0]


@pytest.mark.slow
def test_where_more_is_better_it_goes_as_far_as_the_constraint_lets_it():
    state, divergence = trained_on(1.0, jnp.inf, BANDIT_KNOBS)
    np.testing.assert_allclose(divergence.mean(), 0.2, atol=0.01)
    # Of two points at a distance m the discrepancy is √(2 - 2·exp(-m/40)), about √(m/20).
    np.testing.assert_allclose(mean_action(state), np.tanh(20 * 0.2**2), atol=0.12)


@pytest.mark.slow
def test_it_finds_the_best_action_within_the_constraint():
    state, divergence = trained_on(0.0, 0.2, BANDIT_KNOBS)
    assert divergence.mean() < 0.19
    np.testing.assert_allclose(mean_action(state), 0.2, atol=0.06)
    action = act(state, OBSERVATIONS, bear.acting_noise(KEY, BANDIT, state.sizes, 9), BANDIT_KNOBS)
    np.testing.assert_allclose(action[:, 0], 0.2, atol=0.08)


def test_during_the_warm_up_it_imitates():
    state, divergence = trained_on(1.0, jnp.inf, BANDIT_KNOBS._replace(warm_up=1e9))
    assert divergence.mean() < 0.05
    assert np.abs(mean_action(state)).max() < 0.05
