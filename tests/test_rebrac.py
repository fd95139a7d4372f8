"""ReBRAC against NumPy, its critics, its table, and that penalties keep it near the data."""

from functools import cache

import chex
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

from plas_jax.algorithms import rebrac
from plas_jax.algorithms.rebrac import REBRAC, Architecture, Knobs
from plas_jax.methods.rebrac_penalties import REBRAC_PENALTIES
from plas_jax.models.layer_normalised_critics import LayerNormalisedCritics, edac_hidden
from plas_jax.types import Sizes

SIZES = Sizes.of(4, 2)
LINEAR, TASK = Architecture((), (), 6), Architecture((32, 32), (32, 32), 64)
KNOBS = Knobs(0.3, 0.2, 0.9, 0.25, 0.02, 0.05, 0.5, 0.4, 2, 3.0)
TASK_KNOBS = Knobs(1.0, 0.1, DISCOUNT, 0.05, 3e-3, 3e-3)
update = update_of(REBRAC)


@cache
def linear_state():
    """Targets away from the online networks, so that neither can stand in for the other."""
    state, other = (REBRAC.init(jax.random.key(seed), LINEAR, SIZES) for seed in (0, 1))
    # The last layers start so narrow that nothing would be told apart.
    louder = jax.tree.map(lambda leaf: 150 * leaf, (state.critics.parameters, other.critics.parameters))
    state = state.replace(critics=state.critics.replace(parameters=louder[0]))
    return state.replace(
        policy_target=jax.tree.map(lambda leaf: 300 * leaf, other.policy.parameters), critic_targets=louder[1]
    )


class ReBRAC(TD3):
    """What ReBRAC changes."""

    followed_policy_is_the_old_one = True

    def step(self, batch, draw):
        return super().step(batch._replace(reward=np.float64(batch.reward) * self.knobs.reward_scale), draw)

    def is_due(self):
        return self.updates % self.knobs.policy_delay == 0

    def penalty_of_target(self, next_action, data_next_action):
        squares = [(a - b) ** 2 for a, b in zip(next_action, data_next_action, strict=True)]
        return self.knobs.critic_penalty * sum(squares)

    def policy_gradient(self, row, q, weights, action, data_action):
        scale = sum(abs(min(pair)) for pair in q) / len(q)
        chosen = weights[0] if q[row, 0] < q[row, 1] else weights[1]
        gradient = [
            (2 * self.knobs.policy_penalty * (action[i] - data_action[i]) - chosen[i] / scale) / len(q)
            for i in range(len(action))
        ]
        return np.array(gradient)


# Updates


@pytest.mark.parametrize("delay", [1, 2, 3])
def test_seven_updates_are_those_of_numpy(delay):
    state, knobs = linear_state(), KNOBS._replace(policy_delay=delay)
    batches = [random_batch(seed, SIZES, 6) for seed in range(7)]
    assert_follows(REBRAC, state, ReBRAC(state, knobs), knobs, batches)


def test_the_policys_loss_sums_squares_and_takes_the_smaller_value():
    """Two transitions by hand: min Q = -2 and 4 whatever the action does, actions off by (1, 0) and (1, 2)."""
    state = linear_state()
    policy, critics = jax.tree.map(jnp.zeros_like, (state.policy.parameters, state.critics.parameters))
    critics["params"]["first_critic"]["Linear_0"]["bias"] = jnp.array([4.0])
    layer = critics["params"]["second_critic"]["Linear_0"]
    layer["kernel"] = layer["kernel"].at[0, 0].set(1.0)
    observation = np.array([[-2.0, 0, 0, 0], [5.0, 0, 0, 0]], np.float32)
    action = np.array([[1.0, 0], [1, -2]], np.float32)
    batch = random_batch(0, SIZES, 2)._replace(observation=observation, action=action)
    loss, metrics = rebrac.policy_loss(policy, state, critics, batch, KNOBS)
    # mean min Q = 1, mean |min Q| = 3, squares 1 and 5
    np.testing.assert_allclose(loss, 0.3 * 3 - 1 / 3, rtol=1e-6)
    np.testing.assert_allclose([metrics["policy_value"], metrics["cloning_error"]], [1, 3], rtol=1e-6)


def test_the_target_loses_beta_2_times_the_squares_where_the_episode_goes_on():
    state, batch = linear_state(), random_batch(0, SIZES, 6)
    draw = np.zeros((6, 2), np.float32)
    free, held = (rebrac.target(state, batch, draw, KNOBS._replace(critic_penalty=beta)) for beta in (0.0, 0.2))
    action = np.asarray(rebrac.policy_action(state, state.policy_target, batch.next_observation))
    distance = ((action - batch.next_action) ** 2).sum(axis=1)
    assert (batch.bootstrap == 0).any()
    np.testing.assert_allclose(free - held, 0.9 * 0.2 * batch.bootstrap * distance, rtol=1e-4, atol=1e-6)


def test_policy_and_targets_move_on_the_first_update_and_stand_still_on_the_second():
    state, batch = linear_state(), random_batch(0, SIZES, 6)
    noise = REBRAC.noise(jax.random.key(0), LINEAR, state.sizes)
    first, _ = update(state, batch, noise, KNOBS)
    second, _ = update(first, batch, noise, KNOBS)
    for name in ("policy", "policy_target", "critic_targets"):
        before, after_one, after_two = (jax.tree.leaves(getattr(one, name)) for one in (state, first, second))
        assert all((a != b).any() for a, b in zip(before, after_one, strict=True)), name
        assert all((a == b).all() for a, b in zip(after_one, after_two, strict=True)), name
    # The policy's target follows the policy before the update.
    for target, old, followed in zip(
        jax.tree.leaves(first.policy_target),
        jax.tree.leaves(state.policy_target),
        jax.tree.leaves(state.policy.parameters),
        strict=True,
    ):
        np.testing.assert_allclose(target, 0.75 * old + 0.25 * followed, rtol=1e-5, atol=1e-7)


def test_data_without_next_actions_are_refused():
    state, batch = linear_state(), random_batch(0, SIZES, 6)._replace(next_action=None)
    noise = REBRAC.noise(jax.random.key(0), LINEAR, state.sizes)
    with pytest.raises(ValueError, match="next_actions=True"):
        REBRAC.update(state, batch, noise, KNOBS)


def test_it_acts_by_its_policy_alone():
    state, observation = linear_state(), random_batch(0, SIZES, 6).observation
    layer = state.policy.parameters["params"]["Perceptron_0"]["Linear_0"]
    for _ in range(2):
        expected = np.tanh(observation @ np.float64(layer["kernel"]) + np.float64(layer["bias"]))
        np.testing.assert_allclose(REBRAC.act(state, observation, None, KNOBS), expected, rtol=1e-4, atol=1e-6)


# Networks and constants


def test_the_critics_normalise_each_layer_after_its_relu():
    module = LayerNormalisedCritics(SIZES, (8, 8, 8))
    batch, generator = random_batch(0, SIZES, 6), np.random.default_rng(0)
    shapes = jax.eval_shape(lambda: module.init(jax.random.key(0), batch.observation, batch.action))
    critics = jax.tree.map(lambda leaf: generator.uniform(-1, 1, leaf.shape).astype(np.float32), shapes)
    values = np.asarray(module.apply(critics, batch.observation, batch.action))
    for place, head in enumerate(("first_critic", "second_critic")):
        layers = critics["params"][head]
        assert len(layers) == 7
        for row in range(6):
            features = np.concatenate([batch.observation[row], batch.action[row]]).astype(np.float64)
            for depth in range(3):
                linear, norm = layers[f"Linear_{depth}"], layers[f"LayerNorm_{depth}"]
                features = np.maximum(features @ linear["kernel"] + linear["bias"], 0)
                centred = features - sum(features) / 8
                features = centred / np.sqrt(sum(centred**2) / 8 + 1e-6) * norm["scale"] + norm["bias"]
            q = features @ layers["Linear_3"]["kernel"][:, 0] + layers["Linear_3"]["bias"][0]
            np.testing.assert_allclose(values[row, place], q, rtol=1e-4, atol=1e-5)


def test_every_layer_starts_by_edacs_laws():
    state = REBRAC.init(jax.random.key(0), Architecture((64, 64, 64), (64, 64, 64), 4), Sizes.of(17, 6))
    policy = state.policy.parameters["params"]["Perceptron_0"]
    assert len(policy) == 4
    networks = {"policy": (policy, 1e-3), **{k: (v, 3e-3) for k, v in state.critics.parameters["params"].items()}}
    assert len(networks) == 3
    for name, (layers, narrow) in networks.items():
        for depth in range(4):
            layer = layers[f"Linear_{depth}"]
            bound = narrow if depth == 3 else len(layer["kernel"]) ** -0.5
            assert 0.8 * bound < np.abs(layer["kernel"]).max() <= bound * (1 + 1e-6), name
            if depth == 3:
                assert 0 < np.abs(layer["bias"]).max() <= bound
            else:
                assert (layer["bias"] == np.float32(0.1)).all()
    assert edac_hidden(jnp.asarray(16.0), 5) == (0.25, 0.0, 0.1)
    first, second = (state.critics.parameters["params"][head] for head in ("first_critic", "second_critic"))
    assert (np.asarray(first["Linear_0"]["kernel"]) != second["Linear_0"]["kernel"]).all()
    chex.assert_trees_all_equal(state.policy_target, state.policy.parameters)
    chex.assert_trees_all_equal(state.critic_targets, state.critics.parameters)


def test_defaults_are_corls_of_locomotion():
    assert Knobs()[2:] == (0.99, 0.005, 1e-3, 1e-3, 0.2, 0.5, 2, 1)
    assert Architecture() == ((256, 256, 256), (256, 256, 256), 1024)


def test_every_data_set_of_the_authors_has_penalties():
    levels = ("random", "medium", "medium-replay", "medium-expert", "expert", "full-replay")
    locomotion = [f"{body}-{level}" for body in ("halfcheetah", "hopper", "walker2d") for level in levels]
    adroit = [
        f"{hand}-{level}" for hand in ("pen", "door", "hammer", "relocate") for level in ("human", "cloned", "expert")
    ]
    ant = [
        f"antmaze-{maze}"
        for maze in ("umaze", "umaze-diverse", "medium-play", "medium-diverse", "large-play", "large-diverse")
    ]
    maze = [f"maze2d-{maze}" for maze in ("umaze", "medium", "large")]
    assert sorted(REBRAC_PENALTIES) == sorted(locomotion + adroit + ant + maze)
    # From configs/offline/rebrac of CORL, read one by one
    assert REBRAC_PENALTIES["walker2d-random"] == (0.01, 0.0)
    assert REBRAC_PENALTIES["hopper-medium-expert"] == (0.1, 0.01)
    assert REBRAC_PENALTIES["antmaze-large-play"] == (0.002, 0.001)
    assert REBRAC_PENALTIES["maze2d-medium"] == (0.003, 0.001)
    assert REBRAC_PENALTIES["hammer-human"] == (0.01, 0.5)
    counts = [list(REBRAC_PENALTIES.values()).count(pair) for pair in REBRAC_PENALTIES.values()]
    assert list(REBRAC_PENALTIES.values())[int(np.argmax(counts))] == Knobs()[:2]


# What it learns


def init_task(key, sizes):
    return REBRAC.init(key, TASK, sizes)


def outcome(data, reward, policy_penalty, critic_penalty):
    knobs = TASK_KNOBS._replace(policy_penalty=policy_penalty, critic_penalty=critic_penalty)
    state = trainer(REBRAC, init_task)(data, knobs)
    critics = LayerNormalisedCritics(Sizes.of(1, 1), TASK.critic_widths)
    return estimate_and_truth(REBRAC, state, critics, reward, knobs)


@pytest.mark.slow
def test_with_small_penalties_it_solves_a_bandit_and_with_a_large_one_it_clones():
    best = 0.6 * OBSERVATIONS
    estimate, truth, action = outcome(bandit(peaked, 1.0), peaked, 0.001, 0.0)
    assert np.abs(action - best).mean() < 0.1
    assert truth == pytest.approx(2.0, abs=0.05)
    assert estimate == pytest.approx(truth, abs=0.2)
    _, _, action = outcome(bandit(peaked, 1.0), peaked, 100.0, 0.0)
    assert np.abs(action).mean() < 0.1  # the mean of the data's


@pytest.mark.slow
def test_beyond_the_data_it_does_not_go_where_td3_fails():
    estimate, truth, action = outcome(bandit(treacherous, 0.3), treacherous, 1.0, 0.1)
    assert np.abs(action).max() < 0.35
    assert truth > 8
    assert estimate == pytest.approx(truth, abs=0.3)
