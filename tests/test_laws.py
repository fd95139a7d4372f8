"""What holds for any input: bounds, limits of the knobs, who sees which networks, purity."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_runs import filled, random_batch

from plas_jax.algorithms import behaviour, plas, sac
from plas_jax.algorithms.bellman import polyak_average, soft_clipped
from plas_jax.algorithms.descent import descend, network
from plas_jax.models.cvae import CVAE
from plas_jax.models.latent_policy import LatentPolicy
from plas_jax.models.twin_critics import TwinCritics
from plas_jax.types import Axis, Sizes

SIZES = Sizes.of(4, 2)
CVAE_ARCHITECTURE = behaviour.Architecture(8, 8)
ARCHITECTURE = plas.Architecture((8, 8), (8, 8), 8, 8)
SAC_ARCHITECTURE = sac.Architecture((8, 8), (8, 8), 8)
KNOBS = plas.Knobs(0.3, 0.5, 0.75, 0.9, 0.25, 1e-2, 1e-2)
SAC_KNOBS = sac.Knobs(0.9, 0.25, 1e-2, 1e-2, 1e-2)
KEY = jax.random.key(0)

update_plas, update_sac, update_cvae = jax.jit(plas.update), jax.jit(sac.update), jax.jit(behaviour.update)
act, prior_action = jax.jit(plas.act), jax.jit(behaviour.act)


@jax.jit
def target(state, batch, knobs):
    """The targets of a batch: the target policy's latents decoded, perturbed and valued."""
    return plas.target(state, batch, plas.decode_both(state, batch, knobs)[0].action, knobs)


finite = st.floats(-1e6, 1e6, width=32, allow_subnormal=False)
observations = st.lists(finite, min_size=4, max_size=4).map(lambda row: np.array([row], np.float32))
sizeable = finite.filter(lambda number: number == 0 or abs(number) > 1e-30)  # XLA flushes subnormal numbers to zero
values = st.lists(sizeable, min_size=1, max_size=4).map(lambda row: np.array(row, np.float32))


@cache
def cvae_state():
    shapes = jax.eval_shape(lambda: behaviour.init(KEY, CVAE_ARCHITECTURE, SIZES).cvae.parameters)
    return behaviour.around(CVAE_ARCHITECTURE, SIZES, filled(shapes, 0))


@cache
def networks(seed):
    """The parameters of a policy and of critics."""

    def parts():
        state = plas.init(KEY, ARCHITECTURE, SIZES, None)
        return state.policy.parameters, state.critics.parameters

    return filled(jax.eval_shape(parts), seed)


@cache
def plas_state():
    """Targets are other networks than the online ones."""
    policy_target, critic_targets = networks(2)
    state = plas.around(ARCHITECTURE, SIZES, cvae_state().cvae.parameters, *networks(1))
    return state.replace(policy_target=policy_target, critic_targets=critic_targets)


@cache
def sac_state(action=2, padded=2):
    sizes = Sizes(Axis(4, 4), Axis(action, padded), Axis(4, 4))

    def parts():
        state = sac.init(KEY, SAC_ARCHITECTURE, sizes)
        return state.policy.parameters, state.critics.parameters, state.critic_targets, state.log_temperature.parameters

    policy, critics, targets, log_temperature = filled(jax.eval_shape(parts), 3)
    return sac.State(sizes, network(policy), network(critics), targets, network(log_temperature), SAC_ARCHITECTURE)


@cache
def batch():
    return random_batch(0, SIZES, 8)._replace(bootstrap=np.float32(np.arange(8) > 2))


def assert_equal(ours, theirs):
    for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        assert np.isfinite(a).all()
        np.testing.assert_array_equal(a, b)


def assert_close(ours, theirs):
    for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6, equal_nan=False)


def differ(ours, theirs):
    pairs = zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True)
    return any((np.asarray(a) != np.asarray(b)).any() for a, b in pairs)


def other_critic(critics, name):
    """The same twin critics with one of them another."""
    return {"params": critics["params"] | {name: networks(5)[1]["params"][name]}}


# Bounds


latent_of = jax.jit(LatentPolicy(SIZES, (8, 8)).apply)


@jax.jit
def decode_with(cvae, observation, latent):
    return CVAE(SIZES, 8).apply(cvae, observation, latent, method=CVAE.decode)


def decode(observation, latent):
    return decode_with(cvae_state().cvae.parameters, observation, latent)


@given(observations, st.floats(0, 10, width=32))
def test_a_latent_is_within_sigma(observation, latent_limit):
    latent = latent_of(plas_state().policy.parameters["latent_policy"], observation, latent_limit)
    assert (np.abs(latent) <= latent_limit).all()


@given(observations, st.floats(0, 2, width=32), st.floats(0, 10, width=32))
def test_an_action_is_within_epsilon_of_its_latents_decoding_and_within_1(observation, limit, latent_limit):
    action = act(plas_state(), observation, None, KNOBS._replace(perturbation_limit=limit, latent_limit=latent_limit))
    latent = latent_of(plas_state().policy.parameters["latent_policy"], observation, latent_limit)
    assert np.abs(np.float64(action) - decode(observation, latent)).max() <= limit + 2e-7  # roundings of numbers near 1
    assert (np.abs(action) <= 1).all()


@given(observations, st.floats(0, 10, width=32))
def test_without_perturbation_the_action_is_the_decoded_latent(observation, latent_limit):
    action = act(plas_state(), observation, None, KNOBS._replace(perturbation_limit=0.0, latent_limit=latent_limit))
    latent = latent_of(plas_state().policy.parameters["latent_policy"], observation, latent_limit)
    np.testing.assert_allclose(action, decode(observation, latent), rtol=0, atol=1e-7)


@given(observations, st.lists(finite, min_size=4, max_size=4), st.floats(0, 10, width=32))
def test_the_prior_decodes_latents_clipped_at_sigma(observation, noise, latent_limit):
    noise = np.array([noise], np.float32)
    action = prior_action(cvae_state(), observation, noise, behaviour.Knobs(1e-3, latent_limit))
    np.testing.assert_allclose(action, decode(observation, noise.clip(-latent_limit, latent_limit)), atol=1e-6)
    assert (np.abs(action) <= 1).all()


# Limits of the knobs


@given(values, st.floats(0, 1, width=16))
def test_soft_clipping_is_the_minimum_at_1_the_maximum_at_0_and_between_elsewhere(q_values, clip_weight):
    assert soft_clipped(jnp.asarray(q_values), 1.0) == q_values.min()
    assert soft_clipped(jnp.asarray(q_values), 0.0) == q_values.max()
    slack = 1e-6 * np.abs(q_values).max()
    assert q_values.min() - slack <= soft_clipped(jnp.asarray(q_values), clip_weight) <= q_values.max() + slack


@given(values, st.floats(0, 1, width=16))
def test_the_polyak_average_copies_at_1_keeps_at_0_and_leaves_a_fixed_point(online, polyak):
    kept = jnp.asarray(online[::-1] + 1)
    assert_equal(polyak_average(kept, jnp.asarray(online), 1.0), online)
    assert_equal(polyak_average(kept, jnp.asarray(online), 0.0), kept)
    np.testing.assert_allclose(
        polyak_average(jnp.asarray(online), jnp.asarray(online), polyak), online, rtol=1e-6, atol=1e-30
    )


def test_an_update_without_perturbation_leaves_that_layer_and_ignores_it():
    knobs = KNOBS._replace(perturbation_limit=0.0)
    state = plas_state()
    after, _ = update_plas(state, batch(), None, knobs)
    assert_equal(after.policy.parameters["perturbation"], state.policy.parameters["perturbation"])
    moments = after.policy.moments[0]
    assert not any(leaf.any() for leaf in jax.tree.leaves((moments.mu["perturbation"], moments.nu["perturbation"])))
    assert differ(after.policy.parameters["latent_policy"], state.policy.parameters["latent_policy"])

    # The same with another perturbation layer, and with none: ε = 0 is PLAS, whatever the layer holds.
    others = [networks(seed)[0]["perturbation"] for seed in (6, 7)]
    elsewhere = plas.around(
        ARCHITECTURE, SIZES, state.cvae, state.policy.parameters | {"perturbation": others[0]}, state.critics.parameters
    ).replace(policy_target=state.policy_target | {"perturbation": others[1]}, critic_targets=state.critic_targets)
    from_elsewhere, _ = update_plas(elsewhere, batch(), None, knobs)
    for name in ("policy", "policy_target"):
        ours, theirs = (getattr(tree, name) for tree in (after, from_elsewhere))
        ours, theirs = (ours.parameters, theirs.parameters) if name == "policy" else (ours, theirs)
        assert_equal(ours["latent_policy"], theirs["latent_policy"])
    assert_equal(after.critics, from_elsewhere.critics)

    # And by hand, with no perturbation layer at all.
    def loss(latent_policy):
        latent = LatentPolicy(SIZES, (8, 8)).apply(latent_policy, batch().observation, knobs.latent_limit)
        action = decode(batch().observation, latent)
        critics = TwinCritics(SIZES, (8, 8))
        first = critics.apply(after.critics.parameters, batch().observation, action, method=TwinCritics.first)
        return -first.mean(), None

    step = jax.jit(lambda trained: descend(trained, loss, knobs.policy_learning_rate)[0])
    by_hand = step(network(state.policy.parameters["latent_policy"]))
    assert_close(after.policy.parameters["latent_policy"], by_hand.parameters)


def test_a_perturbation_layer_is_trained_when_epsilon_is_not_zero():
    after, _ = update_plas(plas_state(), batch(), None, KNOBS)
    for name, before in plas_state().policy.parameters.items():
        for a, b in zip(jax.tree.leaves(after.policy.parameters[name]), jax.tree.leaves(before), strict=True):
            assert (a != b).any()


def test_an_update_at_lambda_1_targets_the_minimum_and_at_0_the_maximum():
    ends = {weight: target(plas_state(), batch(), KNOBS._replace(clip_weight=weight)) for weight in (0.0, 0.25, 1.0)}
    assert (ends[1.0] <= ends[0.0]).all()
    assert (ends[1.0][3:] < ends[0.0][3:]).any()
    np.testing.assert_allclose(ends[0.25], 0.25 * ends[1.0] + 0.75 * ends[0.0], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("polyak", [0.0, 0.25, 1.0])
def test_targets_follow_the_networks_just_updated(polyak):
    state = plas_state()
    after, _ = update_plas(state, batch(), None, KNOBS._replace(polyak=polyak))
    assert_close(after.policy_target, polyak_average(state.policy_target, after.policy.parameters, polyak))
    assert_close(after.critic_targets, polyak_average(state.critic_targets, after.critics.parameters, polyak))
    soft, _ = update_sac(sac_state(), batch(), sac_noise(), SAC_KNOBS._replace(polyak=polyak))
    assert_close(soft.critic_targets, polyak_average(sac_state().critic_targets, soft.critics.parameters, polyak))
    for before, now in [
        (state.policy_target, after.policy_target),
        (state.critic_targets, after.critic_targets),
        (sac_state().critic_targets, soft.critic_targets),
    ]:
        assert differ(before, now) == (polyak > 0)


# Who sees which networks


def test_the_cvae_of_a_policy_never_changes():
    state = plas_state()
    for _ in range(3):
        state, _ = update_plas(state, batch(), None, KNOBS)
    assert_equal(state.cvae, cvae_state().cvae.parameters)


def test_the_policy_ascends_the_first_critic_alone():
    state = plas_state()
    after, metrics = update_plas(state, batch(), None, KNOBS)

    def with_other(name):
        critics = state.critics.replace(parameters=other_critic(state.critics.parameters, name))
        return update_plas(state.replace(critics=critics), batch(), None, KNOBS)

    same, metrics_of_same = with_other("second_critic")
    assert_equal(same.policy, after.policy)
    assert metrics_of_same["policy_value"] == metrics["policy_value"]
    assert metrics_of_same["mean_q"] != metrics["mean_q"]
    assert differ(with_other("first_critic")[0].policy, after.policy)


def test_the_policy_ascends_the_critics_just_updated():
    state, knobs = plas_state(), KNOBS._replace(critic_learning_rate=0.3)
    after, metrics = update_plas(state, batch(), None, knobs)

    @jax.jit
    def step_on(critics):
        _, decoded = plas.decode_both(state, batch(), knobs)
        policy_loss = lambda policy: plas.policy_loss(policy, state, critics, batch(), decoded, knobs)  # noqa: E731
        return descend(state.policy, policy_loss, knobs.policy_learning_rate)[:2]

    policy, loss = step_on(after.critics.parameters)
    assert_close(after.policy, policy)
    np.testing.assert_allclose(metrics["policy_value"], -loss, rtol=1e-5)
    assert abs(step_on(state.critics.parameters)[1] - loss) > 1e-2


def test_targets_come_from_target_networks():
    state, goal = plas_state(), target(plas_state(), batch(), KNOBS)
    policy, critics = networks(8)
    online = state.replace(
        policy=state.policy.replace(parameters=policy), critics=state.critics.replace(parameters=critics)
    )
    assert_equal(target(online, batch(), KNOBS), goal)
    assert differ(target(state.replace(policy_target=policy), batch(), KNOBS), goal)
    for name in ("first_critic", "second_critic"):
        changed = state.replace(critic_targets=other_critic(state.critic_targets, name))
        assert differ(target(changed, batch(), KNOBS), goal)


def test_critics_do_not_see_the_online_policy():
    state = plas_state()
    after, _ = update_plas(state, batch(), None, KNOBS)
    changed = state.replace(policy=state.policy.replace(parameters=networks(9)[0]))
    assert_equal(update_plas(changed, batch(), None, KNOBS)[0].critics, after.critics)


# Ends of episodes


@given(st.lists(finite, min_size=12, max_size=12))
def test_what_comes_after_the_end_of_an_episode_counts_for_nothing(garbage):
    ended = batch().next_observation.copy()
    ended[:3] = np.array(garbage, np.float32).reshape(3, 4)
    changed = batch()._replace(next_observation=ended)
    assert_equal(target(plas_state(), changed, KNOBS)[:3], batch().reward[:3])
    assert_equal(update_plas(plas_state(), changed, None, KNOBS)[0], update_plas(plas_state(), batch(), None, KNOBS)[0])
    alive = batch()._replace(bootstrap=np.ones(8, np.float32))
    assert (target(plas_state(), alive, KNOBS)[:3] != batch().reward[:3]).all()


# Purity


def sac_noise(seed=1, state=None):
    return sac.noise(jax.random.key(seed), SAC_ARCHITECTURE, (state or sac_state()).sizes)


UPDATES = {
    "behaviour": lambda: (behaviour.update, cvae_state(), behaviour.noise(KEY, CVAE_ARCHITECTURE, SIZES)),
    "plas": lambda: (plas.update, plas_state(), None),
    "sac": lambda: (sac.update, sac_state(), sac_noise()),
}
ALL_KNOBS = {"behaviour": behaviour.Knobs(1e-2), "plas": KNOBS, "sac": SAC_KNOBS}


@pytest.mark.parametrize("name", UPDATES)
def test_an_update_is_a_pure_function_and_the_same_uncompiled(name):
    update, state, noise = UPDATES[name]()
    before = jax.tree.map(np.array, (state, batch(), noise))
    compiled = jax.jit(update)
    first, second = (compiled(state, batch(), noise, ALL_KNOBS[name]) for _ in range(2))
    assert_equal(first, second)
    with jax.disable_jit():
        uncompiled = update(state, batch(), noise, ALL_KNOBS[name])
    assert_close(first, uncompiled)
    assert_equal((state, batch(), noise), before)


# Soft Actor-Critic


@pytest.mark.parametrize(("action", "padded"), [(2, 2), (1, 2)])
def test_the_target_entropy_is_minus_the_true_dimension_of_actions(action, padded):
    state = sac_state(action, padded)
    noise = sac_noise(state=state)
    log_density = sac.sample(state, state.policy.parameters, batch().observation, noise.action)[1]
    after, _ = update_sac(state, batch(), noise, SAC_KNOBS)
    # Adam's first moment after one step is a tenth of the gradient, whose minus is the mean of log π - dim(A).
    np.testing.assert_allclose(after.log_temperature.moments[0].mu, -0.1 * (log_density.mean() - action), rtol=1e-4)


def test_soft_actor_critic_updates_temperature_then_critics_then_policy():
    state, noise, knobs = sac_state(), sac_noise(), SAC_KNOBS._replace(temperature_learning_rate=0.5)
    after, metrics = update_sac(state, batch(), noise, knobs)
    temperature = jnp.exp(after.log_temperature.parameters)
    assert abs(temperature - jnp.exp(state.log_temperature.parameters)) > 0.05
    np.testing.assert_allclose(metrics["temperature"], temperature, rtol=1e-6)

    # The soft target, from its definition: another draw, the online policy, the smaller of the target critics.
    next_action, log_density = sac.sample(state, state.policy.parameters, batch().next_observation, noise.next_action)
    module = sac._critics(SIZES, SAC_ARCHITECTURE)
    next_q = np.asarray(module.apply(state.critic_targets, batch().next_observation, next_action)).min(axis=1)
    goal = batch().reward + 0.9 * batch().bootstrap * (next_q - temperature * log_density)
    q = np.asarray(module.apply(state.critics.parameters, batch().observation, batch().action))
    np.testing.assert_allclose(metrics["critic_loss"], ((q - goal[:, None]) ** 2).mean(axis=0).sum(), rtol=1e-4)

    def loss(policy):
        action, log_density = sac.sample(state, policy, batch().observation, noise.action)
        value = module.apply(after.critics.parameters, batch().observation, action).min(axis=1)
        return (temperature * log_density - value).mean(), log_density

    policy, _, log_density = jax.jit(lambda network: descend(network, loss, knobs.policy_learning_rate))(state.policy)
    assert_close(after.policy, policy)
    np.testing.assert_allclose(metrics["entropy"], -log_density.mean(), rtol=1e-5)


def test_soft_actor_critic_acts_by_its_mean():
    state, observation = sac_state(), batch().observation
    mean = sac.sample(state, state.policy.parameters, observation, np.zeros((8, 2), np.float32))[0]
    np.testing.assert_allclose(sac.act(state, observation, None, SAC_KNOBS), mean, atol=1e-6)


def test_the_two_draws_of_soft_actor_critic_are_independent():
    noise = sac.noise(KEY, SAC_ARCHITECTURE._replace(batch_size=2000), SIZES)
    together = np.concatenate([noise.action, noise.next_action], axis=1)
    np.testing.assert_allclose(np.corrcoef(together.T), np.eye(4), atol=0.1)
