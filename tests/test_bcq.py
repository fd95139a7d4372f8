"""BCQ: each step against NumPy, its candidates, and a bandit that it solves within its data."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy_networks import assert_first_step, critic_error, critic_values, cvae_losses, perceptron
from small_runs import filled, random_batch

from plas_jax.algorithms import bcq
from plas_jax.algorithms.candidates import best_action, best_value
from plas_jax.types import Sizes, Transition

SIZES, KEY = Sizes.of(4, 2), jax.random.key(0)
ARCHITECTURE = bcq.Architecture((8, 8), (8, 8), 8, batch_size=5, target_candidates=4, acting_candidates=7)
KNOBS = bcq.Knobs(0.3, 0.5, 0.75, 0.9, 0.25, 1e-2, 1e-2, 1e-2)
BATCH = random_batch(0, SIZES, 5)
update, act = jax.jit(bcq.update), jax.jit(bcq.act)


@cache
def first_state():
    """Targets are other networks than the online ones, so that neither can stand in for the other."""

    def parts():
        state = bcq.init(KEY, ARCHITECTURE, SIZES)
        return state.cvae.parameters, state.perturbation.parameters, state.critics.parameters

    shapes = jax.eval_shape(parts)
    _, perturbation_target, critic_targets = filled(shapes, 2)
    state = bcq.around(ARCHITECTURE, SIZES, *filled(shapes, 1))
    return state.replace(perturbation_target=perturbation_target, critic_targets=critic_targets)


@cache
def noise():
    return jax.tree.map(np.asarray, bcq.noise(jax.random.key(1), ARCHITECTURE, SIZES))


@cache
def updated():
    return update(first_state(), BATCH, noise(), KNOBS)


# The method once more, one sample at a time


def proposed(cvae, observation, latent):
    return np.tanh(perceptron(cvae["params"]["decoder"], observation, np.clip(latent, -0.5, 0.5)))


def perturbed(perturbation, observation, action):
    residual = perceptron(perturbation["params"]["Perceptron_0"], observation, action)
    return np.clip(action + 0.3 * np.tanh(residual), -1, 1)


def goals(state, cvae):
    """The target of each transition."""
    result = []
    for i in range(5):
        observation, best = BATCH.next_observation[i], -np.inf
        for latent in noise().next_latent[i]:
            action = perturbed(state.perturbation_target, observation, proposed(cvae, observation, latent))
            first, second = critic_values(state.critic_targets, observation, action)
            best = max(best, 0.75 * min(first, second) + 0.25 * max(first, second))
        result.append(BATCH.reward[i] + 0.9 * BATCH.bootstrap[i] * best)
    return np.array(result)


def policy_value(perturbation, state):
    """The mean Q1 of one perturbed sample for each state, by the state's CVAE and critics."""
    values = []
    for observation, latent in zip(BATCH.observation, noise().latent, strict=True):
        action = perturbed(perturbation, observation, proposed(state.cvae.parameters, observation, latent))
        values.append(critic_values(state.critics.parameters, observation, action)[0])
    return np.mean(values)


def test_the_metrics_of_an_update_are_those_of_numpy_in_bcqs_order():
    state, (after, metrics) = first_state(), updated()
    error, divergence, evidence = cvae_losses(state.cvae.parameters, BATCH, noise().posterior)
    goal = goals(state, after.cvae.parameters)  # with the CVAE just updated
    q = critic_values(state.critics.parameters, BATCH.observation, BATCH.action)
    expected = {
        "reconstruction_error": error,
        "kl": divergence,
        "cvae_loss": evidence,
        "critic_loss": critic_error(state.critics.parameters, BATCH, goal),
        "policy_value": policy_value(state.perturbation.parameters, after),  # CVAE and critics just updated
        "mean_q": q.mean(),
        "mean_absolute_q": np.abs(q).mean(),
    }
    assert metrics.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(metrics[name], value, rtol=2e-5, err_msg=name)
    # Another order would have been seen.
    stale = critic_error(state.critics.parameters, BATCH, goals(state, state.cvae.parameters))
    assert abs(stale / expected["critic_loss"] - 1) > 2e-4
    for name in ("cvae", "critics"):
        older = policy_value(state.perturbation.parameters, after.replace(**{name: getattr(state, name)}))
        assert abs(older / expected["policy_value"] - 1) > 2e-4


def test_each_network_descends_its_own_loss_and_no_other():
    state, (after, _) = first_state(), updated()
    goal = goals(state, after.cvae.parameters)
    losses = {
        "cvae": lambda cvae: cvae_losses(cvae, BATCH, noise().posterior)[2],
        "critics": lambda critics: critic_error(critics, BATCH, goal),
        "perturbation": lambda perturbation: -policy_value(perturbation, after),
    }
    for name, loss in losses.items():
        assert_first_step(getattr(state, name).parameters, getattr(after, name), loss, 1e-2)


def test_both_targets_follow_by_tau():
    state, (after, _) = first_state(), updated()
    for target, online in (("critic_targets", "critics"), ("perturbation_target", "perturbation")):
        trees = getattr(after, target), getattr(after, online).parameters, getattr(state, target)
        for ours, new, old in zip(*map(jax.tree.leaves, trees), strict=True):
            np.testing.assert_allclose(ours, 0.25 * new + 0.75 * old, rtol=1e-5, atol=1e-7)


def test_critics_are_mixed_for_each_candidate_before_the_best_is_taken():
    q_values = jnp.array([[4.0, 0.0], [1.0, 2.0]])
    assert best_value(q_values, 1.0) == 1.0  # the largest of the minima, not the minimum of the largest
    assert best_value(q_values, 0.0) == 4.0
    assert best_value(q_values, 0.75) == 1.25
    assert best_action(jnp.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]), jnp.array([0.0, 2.0, 1.0])).tolist() == [3, 4]


# Acting


def test_it_acts_by_the_candidate_that_the_first_critic_likes_best():
    state = first_state()
    draw = bcq.acting_noise(jax.random.key(3), ARCHITECTURE, SIZES, 5)
    assert draw.shape == (5, 7, 4)
    action = act(state, BATCH.observation, draw, KNOBS)
    places = set()
    for i, observation in enumerate(BATCH.observation):
        candidates = [proposed(state.cvae.parameters, observation, latent) for latent in draw[i]]
        candidates = [perturbed(state.perturbation.parameters, observation, candidate) for candidate in candidates]
        values = [critic_values(state.critics.parameters, observation, candidate)[0] for candidate in candidates]
        np.testing.assert_allclose(action[i], candidates[int(np.argmax(values))], atol=1e-6)
        places.add(int(np.argmax(values)))
    assert len(places) > 1
    np.testing.assert_array_equal(action, act(state, BATCH.observation, draw, KNOBS))
    others = bcq.acting_noise(jax.random.key(4), ARCHITECTURE, SIZES, 5)
    assert (action != act(state, BATCH.observation, others, KNOBS)).any()
    reversed_draw = act(state, BATCH.observation, draw[:, ::-1], KNOBS)
    np.testing.assert_allclose(action, reversed_draw, atol=1e-6)  # the order of candidates means nothing


def test_the_draws_of_an_update_are_standard_normal_and_independent():
    architecture = ARCHITECTURE._replace(batch_size=2000)
    drawn = bcq.noise(KEY, architecture, SIZES)
    columns = np.concatenate([drawn.posterior, drawn.next_latent.reshape(2000, -1), drawn.latent], axis=1)
    np.testing.assert_allclose(np.cov(columns.T), np.eye(6 * 4), atol=0.15)


def test_defaults_are_the_authors():
    assert bcq.Architecture() == ((400, 300), (400, 300), 750, 100, 10, 100)
    assert bcq.Knobs() == (0.05, 0.5, 0.75, 0.99, 0.005, 1e-3, 1e-3, 1e-3)


# A bandit: the data hold two actions, 0.6 and -0.6, at states of two kinds

BANDIT = bcq.Architecture((32, 32), (32, 32), 32, 64)


@jax.jit
def trained_on(rewards):
    """BCQ after 2,000 updates on actions near ±0.6, of which `rewards` holds those at the states -1 and 1."""
    generator = np.random.default_rng(0)
    observation = generator.choice([-1.0, 1.0], (2000, 64, 1)).astype(np.float32)
    action = (generator.choice([-0.6, 0.6], (2000, 64, 1)) + 0.05 * generator.normal(size=(2000, 64, 1))).astype("f")
    slope = jnp.where(observation[..., 0] > 0, rewards[1], rewards[0])
    ended = np.zeros((2000, 64), np.float32)
    batches = Transition(observation, action, slope * action[..., 0], observation, ended)

    def step(state, update):
        key, batch = update
        return bcq.update(state, batch, bcq.noise(key, BANDIT, state.sizes), bcq.Knobs())

    state = bcq.init(KEY, BANDIT, Sizes.of(1, 1))
    return jax.lax.scan(step, state, (jax.random.split(KEY, 2000), batches))[0]


@pytest.mark.slow
def test_it_finds_the_better_action_of_the_data_and_none_beyond():
    state = trained_on(jnp.array([-1.0, 1.0]))
    observation = jnp.array([[-1.0], [1.0]])
    action = act(state, observation, bcq.acting_noise(KEY, BANDIT, state.sizes, 2), bcq.Knobs())[:, 0]
    # The reward rises to the ends of the range; the best of the data is ±0.6, and Φ may add 0.05.
    assert -0.75 < action[0] < -0.45
    assert 0.45 < action[1] < 0.75
    # Without Φ's bound it leaves the data, as Q-learning without a constraint does.
    far = act(state, observation, bcq.acting_noise(KEY, BANDIT, state.sizes, 2), bcq.Knobs(perturbation_limit=1.0))
    assert abs(float(far[1, 0])) > 0.9
