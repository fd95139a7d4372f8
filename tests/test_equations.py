"""Each equation against a case worked by hand, or against NumPy in float64, jitted and not."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy_networks import critic_values, cvae_losses, perceptron
from small_runs import filled, random_batch

from plas_jax.algorithms import behaviour, plas, sac
from plas_jax.algorithms.bellman import bellman_target, polyak_average, soft_clipped, squared_error
from plas_jax.algorithms.descent import descend, keras_adam, network
from plas_jax.algorithms.divergences import temperature_loss
from plas_jax.algorithms.draws import padded_normal
from plas_jax.models.cvae import CVAE, Posterior, evidence_loss, kl_from_standard_normal, reconstruction_error
from plas_jax.models.gaussian_policy import GaussianPolicy, squashed_sample
from plas_jax.models.perceptron import Linear, rlkit_hidden, torch_linear, uniform_within
from plas_jax.models.perturbation import Perturbation
from plas_jax.types import Axis, Sizes

either = pytest.mark.parametrize("compiled", [lambda f: f, jax.jit], ids=["plain", "jitted"])
SIZES = Sizes.of(4, 2)
CVAE_ARCHITECTURE = behaviour.Architecture(cvae_width=8, batch_size=3)
ARCHITECTURE = plas.Architecture(policy_widths=(8, 8), critic_widths=(8, 8), cvae_width=8, batch_size=3)
KNOBS = plas.Knobs(0.3, 0.5, 0.75, 0.9, 0.25, 1e-3, 1e-2)


KEY = jax.random.key(0)


def cvae_parameters():
    return filled(jax.eval_shape(lambda: behaviour.init(KEY, CVAE_ARCHITECTURE, SIZES).cvae.parameters), 0)


def policy_state():
    cvae = cvae_parameters()

    def parts():
        state = plas.init(KEY, ARCHITECTURE, SIZES, cvae)
        return state.policy.parameters, state.critics.parameters

    # Targets away from the online networks, so that neither can stand in for the other.
    shapes = jax.eval_shape(parts)
    policy_target, critic_targets = filled(shapes, 2)
    state = plas.around(ARCHITECTURE, SIZES, cvae, *filled(shapes, 1))
    return state.replace(policy_target=policy_target, critic_targets=critic_targets)


def action_of(state, policy, observation):
    latent = KNOBS.latent_limit * np.tanh(perceptron(policy["latent_policy"]["params"]["Perceptron_0"], observation))
    decoded = np.tanh(perceptron(state.cvae["params"]["decoder"], observation, latent))
    residual = np.tanh(perceptron(policy["perturbation"]["params"]["Perceptron_0"], observation, decoded))
    return np.clip(decoded + KNOBS.perturbation_limit * residual, -1, 1)


# Equation 1 and what is around it


@either
@pytest.mark.parametrize(("weight", "value"), [(1.0, -1.0), (0.75, 0.0), (0.25, 2.0), (0.0, 3.0)])
def test_soft_clipping_weighs_the_smaller_value_by_lambda(compiled, weight, value):
    assert compiled(soft_clipped)(jnp.array([3.0, -1.0]), weight) == value
    assert compiled(soft_clipped)(jnp.array([-1.0, 3.0]), weight) == value


@either
def test_the_bellman_target_is_the_reward_plus_the_discounted_value_unless_the_episode_ended(compiled):
    arguments = [jnp.asarray(value) for value in (2.0, 1.0, 10.0, 0.5)]
    assert compiled(bellman_target)(*arguments) == 7.0
    arguments[1] = jnp.asarray(0.0)
    assert compiled(bellman_target)(*arguments) == 2.0


@either
def test_the_squared_error_is_a_mean_over_the_batch_and_a_sum_over_critics(compiled):
    assert compiled(squared_error)(jnp.array([[1.0, 2.0], [3.0, 5.0]]), jnp.array([0.0, 1.0])) == 2.5 + 10.0


@either
def test_the_polyak_average_gives_the_online_parameters_the_weight_tau(compiled):
    target, online = {"a": jnp.array(1.0), "b": jnp.array([0.0, 4.0])}, {"a": jnp.array(3.0), "b": jnp.array([8.0, 0])}
    average = compiled(polyak_average)(target, online, 0.25)
    assert average["a"] == 1.5
    assert average["b"].tolist() == [2.0, 3.0]


def test_values_of_a_wrong_rank_are_refused():
    for call in (
        lambda: soft_clipped(jnp.zeros((3, 2)), 1.0),
        lambda: bellman_target(jnp.zeros(3), jnp.zeros(3), jnp.zeros(3), 0.99),
        lambda: squared_error(jnp.zeros((3, 2)), jnp.zeros((3, 1))),
    ):
        with pytest.raises(AssertionError):
            call()


@either
def test_algorithm_1_of_one_batch_is_that_of_numpy(compiled):
    state, batch = policy_state(), random_batch(0, SIZES, 3)
    next_action = action_of(state, state.policy_target, batch.next_observation)
    next_q = critic_values(state.critic_targets, batch.next_observation, next_action)
    goal = batch.reward + batch.bootstrap * 0.9 * (0.75 * next_q.min(axis=1) + 0.25 * next_q.max(axis=1))
    decoded = plas.decode_both(state, batch, KNOBS)[0].action
    np.testing.assert_allclose(compiled(plas.target)(state, batch, decoded, KNOBS), goal, rtol=1e-5, atol=1e-6)

    after, metrics = compiled(plas.update)(state, batch, None, KNOBS)
    q = critic_values(state.critics.parameters, batch.observation, batch.action)
    action = action_of(state, state.policy.parameters, batch.observation)
    value = critic_values(after.critics.parameters, batch.observation, action)[:, 0].mean()
    expected = {
        "critic_loss": np.square(q - goal[:, None]).mean(axis=0).sum(),
        "mean_q": q.mean(),
        "mean_absolute_q": np.abs(q).mean(),
        "policy_value": value,
    }
    assert metrics.keys() == expected.keys()
    for name, number in expected.items():
        np.testing.assert_allclose(metrics[name], number, rtol=2e-5, err_msg=name)


@either
def test_the_policy_acts_as_in_numpy(compiled):
    state, batch = policy_state(), random_batch(1, SIZES, 3)
    action = action_of(state, state.policy.parameters, batch.observation)
    np.testing.assert_allclose(compiled(plas.act)(state, batch.observation, None, KNOBS), action, rtol=1e-5, atol=1e-6)


# Equations 3 and 4


@either
def test_the_reconstruction_error_is_a_mean_over_true_dimensions(compiled):
    reconstruction, action = jnp.array([[0.5, -1.0, 0.0, 0.0]]), jnp.array([[0.0, 1.0, 0.0, 0.0]])
    assert compiled(reconstruction_error)(reconstruction, action, Axis(2, 4)).tolist() == [(0.25 + 4) / 2]
    assert compiled(reconstruction_error)(reconstruction[:, :2], action[:, :2], Axis(2, 2)).tolist() == [2.125]


@either
def test_the_divergence_is_a_mean_over_true_dimensions(compiled):
    posterior = Posterior(jnp.array([[1.0, 0.0, 0.0]]), jnp.array([[1.0, 2.0, 1.0]]))
    by_hand = (0.5 * 1 + 0.5 * (4 - 1 - np.log(4))) / 2
    np.testing.assert_allclose(compiled(kl_from_standard_normal)(posterior, Axis(2, 3)), [by_hand], rtol=1e-6)
    standard = Posterior(jnp.zeros((1, 3)), jnp.ones((1, 3)))
    assert compiled(kl_from_standard_normal)(standard, Axis(3, 3)).tolist() == [0.0]


def test_the_evidence_weighs_the_divergence_by_a_half():
    assert evidence_loss(jnp.array(2.0), jnp.array(3.0)) == 3.5


@either
def test_the_cvaes_losses_of_one_batch_are_those_of_numpy(compiled):
    state, batch = behaviour.around(CVAE_ARCHITECTURE, SIZES, cvae_parameters()), random_batch(2, SIZES, 3)
    noise = behaviour.noise(jax.random.key(1), CVAE_ARCHITECTURE, SIZES)
    error, divergence, evidence = cvae_losses(state.cvae.parameters, batch, noise)
    _, metrics = compiled(behaviour.update)(state, batch, noise, behaviour.Knobs(1e-3))
    expected = {"reconstruction_error": error, "kl": divergence, "cvae_loss": evidence}
    assert metrics.keys() == expected.keys()
    for name, number in expected.items():
        np.testing.assert_allclose(metrics[name], number, rtol=2e-5, err_msg=name)


@pytest.mark.parametrize(("bias", "log_std"), [(-100.0, -4.0), (100.0, 15.0), (-3.9, -3.9), (14.9, 14.9)])
def test_the_posteriors_log_std_is_clipped_to_minus_4_and_15(bias, log_std):
    module = CVAE(SIZES, 8)
    parameters = cvae_parameters()
    layer = parameters["params"]["latent_log_std"]
    layer["kernel"], layer["bias"] = jnp.zeros_like(layer["kernel"]), jnp.full_like(layer["bias"], bias)
    posterior = module.apply(parameters, jnp.ones((1, 4)), jnp.ones((1, 2)), method=CVAE.encode)
    np.testing.assert_allclose(np.log(posterior.std), log_std, rtol=1e-5)


@pytest.mark.parametrize(("bias", "log_std"), [(-100.0, -5.0), (100.0, 2.0), (-4.9, -4.9), (1.9, 1.9)])
def test_soft_actor_critics_log_std_is_clipped_to_minus_5_and_2(bias, log_std):
    module = GaussianPolicy(SIZES, (8, 8))
    parameters = filled(jax.eval_shape(lambda: module.init(KEY, jnp.zeros((1, 4)))), 0)
    layer = parameters["params"]["Perceptron_2"]["Linear_0"]
    layer["kernel"], layer["bias"] = jnp.zeros_like(layer["kernel"]), jnp.full_like(layer["bias"], bias)
    np.testing.assert_allclose(module.apply(parameters, jnp.ones((1, 4)))[1], log_std, rtol=1e-6)


# Section 4.2


@pytest.mark.parametrize(("decoded", "action"), [(0.5, 0.55), (-0.5, -0.45), (0.98, 1.0), (1.0, 1.0), (-1.0, -0.95)])
def test_a_saturated_perturbation_moves_by_epsilon_and_stops_at_the_largest_action(decoded, action):
    module = Perturbation(SIZES, (8, 8))
    parameters = filled(jax.eval_shape(lambda: module.init(KEY, jnp.zeros((1, 4)), jnp.zeros((1, 2)), 1.0)), 0)
    last = parameters["params"]["Perceptron_0"]["Linear_2"]
    last["bias"] = jnp.full_like(last["bias"], 100.0)
    perturbed = module.apply(parameters, jnp.ones((1, 4)), jnp.full((1, 2), decoded), 0.05)
    np.testing.assert_allclose(perturbed, action, rtol=1e-6)
    last["bias"] = jnp.full_like(last["bias"], -100.0)
    np.testing.assert_allclose(module.apply(parameters, jnp.ones((1, 4)), -jnp.full((1, 2), decoded), 0.05), -perturbed)


# Soft Actor-Critic


@either
@pytest.mark.parametrize(("mean", "log_std"), [(0.0, 0.0), (0.3, -0.7), (-1.0, 0.5)])
def test_the_squashed_density_integrates_to_one(compiled, mean, log_std):
    noise = np.linspace(-7, 7, 20_001, dtype=np.float32)[:, None]
    full = np.ones_like(noise)
    action, log_density = compiled(squashed_sample)(full * mean, full * log_std, noise, Axis(1, 1))
    by_hand = np.tanh(mean + np.exp(log_std) * noise.astype(np.float64))[:, 0]
    np.testing.assert_allclose(action[:, 0], by_hand, atol=1e-6)
    assert np.trapezoid(np.exp(np.asarray(log_density, np.float64)), by_hand) == pytest.approx(1, abs=1e-4)


@either
def test_the_squashed_density_is_the_change_of_variables(compiled):
    mean, log_std = np.array([[0.5, -2.0], [9.0, 0.0]]), np.array([[-1.0, 0.5], [0.0, 1.5]])
    noise = np.array([[1.5, -0.3], [3.0, 2.0]])
    before = mean + np.exp(log_std) * noise
    gaussian = -0.5 * ((before - mean) / np.exp(log_std)) ** 2 - log_std - 0.5 * np.log(2 * np.pi)
    volume = np.log(4) - 2 * np.abs(before) - 2 * np.log1p(np.exp(-2 * np.abs(before)))  # log of 1 - tanh²
    np.testing.assert_allclose(np.exp(volume[0]), 1 - np.tanh(before[0]) ** 2, rtol=1e-9)
    arrays = [jnp.asarray(array, jnp.float32) for array in (mean, log_std, noise)]
    expected = (gaussian - volume).sum(axis=1)
    np.testing.assert_allclose(compiled(squashed_sample)(*arrays, Axis(2, 2))[1], expected, rtol=1e-5)
    padded = [jnp.pad(array, ((0, 0), (0, 3))) for array in arrays]
    np.testing.assert_allclose(compiled(squashed_sample)(*padded, Axis(2, 5))[1], expected, rtol=1e-5)


@either
@pytest.mark.parametrize(("log_density", "direction"), [([5.0, 3.0], 1), ([1.0, 2.0], -1)])
def test_the_temperature_rises_while_the_entropy_is_below_its_target(compiled, log_density, direction):
    density = jnp.array(log_density)
    assert compiled(temperature_loss)(jnp.array(0.5), density, 3)[0] == -0.5 * (density.mean() - 3)
    after, _, _ = descend(network(jnp.zeros(())), lambda value: temperature_loss(value, density, 3), 0.01)
    np.testing.assert_allclose(after.parameters, direction * 0.01, rtol=1e-5)


# Adam with torch's constants


@either
def test_the_first_step_of_adam_is_the_learning_rate_against_the_gradients_sign(compiled):
    slope = jnp.array([3.0, -1e-3, 1e-8, 0.0])
    before = network(jnp.array([1.0, -2.0, 0.0, 4.0]))
    after, value, auxiliary = compiled(lambda state: descend(state, lambda p: ((slope * p).sum(), p[1]), 0.1))(before)
    # The step is lr·g / (|g| + 1e-8): half as long where the gradient is 1e-8.
    np.testing.assert_allclose(after.parameters, [0.9, -1.9, -0.05, 4.0], rtol=2e-5)
    np.testing.assert_allclose(value, 3.002, rtol=1e-6)
    assert auxiliary == -2.0


@either
def test_ten_steps_of_adam_are_those_of_numpy(compiled):
    scale = np.array([1.0, 30.0, 0.01])
    step = compiled(lambda state: descend(state, lambda p: ((scale * p**2).sum(), None), 0.05))
    state, parameters = network(jnp.array([0.2, -1.0, 3.0])), np.array([0.2, -1.0, 3.0])
    first, second = np.zeros(3), np.zeros(3)
    for count in range(1, 11):
        gradient = 2 * scale * parameters
        first, second = 0.9 * first + 0.1 * gradient, 0.999 * second + 0.001 * gradient**2
        parameters = parameters - 0.05 * (first / (1 - 0.9**count)) / (np.sqrt(second / (1 - 0.999**count)) + 1e-8)
        state, _, _ = step(state)
    np.testing.assert_allclose(state.parameters, parameters, rtol=1e-4)


@either
def test_the_adam_of_keras_has_its_epsilon_before_the_correction_of_bias(compiled):
    slope = np.array([3.0, -1e-3, 1e-6, 0.0])
    loss = lambda p: ((jnp.float32(slope) * p).sum(), None)  # noqa: E731
    step = compiled(lambda state: descend(state, loss, 0.1, keras_adam))
    state, parameters = network(jnp.zeros(4)), np.zeros(4)
    for count in range(1, 4):
        first, second = (1 - 0.9**count) * slope, (1 - 0.999**count) * slope**2  # of a gradient that stays the same
        correction = np.sqrt(1 - 0.999**count) / (1 - 0.9**count)
        parameters = parameters - 0.1 * correction * first / (np.sqrt(second) + 1e-7)
        state, _, _ = step(state)
    np.testing.assert_allclose(state.parameters, parameters, rtol=2e-6)
    assert -0.1 < parameters[2] < -0.05  # torch's would have moved it by 0.3


# Initial laws


def is_uniform_within(values, bound):
    """Whether many values look uniform in [-bound, bound]."""
    values = np.asarray(values, np.float64).ravel() / bound
    tolerance = 5 / np.sqrt(len(values))
    assert np.abs(values).max() <= 1 + 1e-6
    assert values.min() < -1 + 2 * tolerance
    assert values.max() > 1 - 2 * tolerance
    assert abs(values.mean()) < tolerance * 0.58  # the standard deviation of a uniform law
    assert abs(values.var() - 1 / 3) < tolerance * 0.3  # that of its square
    return True


def test_torchs_law_bounds_kernel_and_bias_by_the_true_fan_in():
    inputs = (Axis(11, 17), Axis(3, 6))
    layer = Linear(inputs, Axis(400, 400)).init(jax.random.key(0), jnp.zeros((1, 23)))["params"]
    kernel = np.asarray(layer["kernel"])
    true = np.r_[0:11, 17:20]
    assert is_uniform_within(kernel[true], 14**-0.5)
    assert is_uniform_within(layer["bias"], 14**-0.5)
    assert (np.delete(kernel, true, axis=0) == 0).all()
    # Nothing is drawn twice: neither two rows, nor the two inputs' blocks, nor kernel and bias.
    drawn = np.concatenate([kernel[true], np.asarray(layer["bias"])[None]])
    assert np.abs(np.corrcoef(drawn) - np.eye(15)).max() < 0.25


def test_rlkits_hidden_law_reads_the_outputs_and_starts_biases_at_a_tenth():
    module = Linear((Axis(11, 11),), Axis(400, 400), rlkit_hidden)
    layer = module.init(jax.random.key(0), jnp.zeros((1, 11)))["params"]
    assert is_uniform_within(layer["kernel"], 1 / 20)
    assert (layer["bias"] == np.float32(0.1)).all()


def test_rlkits_last_law_is_narrow_for_kernel_and_bias():
    module = Linear((Axis(400, 400),), Axis(100, 100), uniform_within(3e-3))
    layer = module.init(jax.random.key(0), jnp.zeros((1, 400)))["params"]
    assert is_uniform_within(layer["kernel"], 3e-3)
    assert is_uniform_within(layer["bias"], 3e-3)


def layers_of(parameters):
    """Every (path, layer) of a tree of parameters."""
    layers = {}
    for path, leaf in jax.tree.leaves_with_path(parameters):
        *parents, name = jax.tree_util.keystr(path, simple=True, separator="/").split("/")
        layers.setdefault("/".join(parents), {})[name] = np.asarray(leaf)
    return layers


def test_every_layer_of_the_paper_starts_by_torchs_law():
    sizes = Sizes.of(17, 6)
    cvae = behaviour.init(jax.random.key(0), behaviour.Architecture(36, 4), sizes).cvae.parameters
    state = plas.init(jax.random.key(1), plas.Architecture((36, 36), (36, 36), 36, 4), sizes, cvae)
    layers = layers_of({"cvae": cvae, "policy": state.policy.parameters, "critics": state.critics.parameters})
    assert len(layers) == 7 + 6 + 6
    for layer in layers.values():
        bound = len(layer["kernel"]) ** -0.5
        assert 0.9 * bound < np.abs(layer["kernel"]).max() <= bound * (1 + 1e-6)
        assert 0 < np.abs(layer["bias"]).max() <= bound * (1 + 1e-6)
    drawn = np.concatenate([layer["kernel"].ravel()[:8] * np.sqrt(len(layer["kernel"])) for layer in layers.values()])
    assert len(np.unique(drawn)) == len(drawn)  # no two layers from one key


def test_every_layer_of_soft_actor_critic_starts_by_rlkits_laws():
    sizes = Sizes.of(17, 6)
    state = sac.init(jax.random.key(0), sac.Architecture((36, 36), (36, 36), 4), sizes)
    policy, critics = layers_of(state.policy.parameters), layers_of(state.critics.parameters)
    assert len(policy) == 4
    assert len(critics) == 6
    last = dict.fromkeys(("params/Perceptron_1/Linear_0", "params/Perceptron_2/Linear_0"), 1e-3)
    last |= dict.fromkeys(("params/first_critic/Linear_2", "params/second_critic/Linear_2"), 3e-3)
    for path, layer in (policy | critics).items():
        bound = last.get(path, layer["kernel"].shape[1] ** -0.5)
        assert 0.8 * bound < np.abs(layer["kernel"]).max() <= bound * (1 + 1e-6), path
        if path in last:
            assert 0 < np.abs(layer["bias"]).max() <= bound
        else:
            assert (layer["bias"] == np.float32(0.1)).all()
    assert state.log_temperature.parameters == 0


# Draws


def test_noise_is_standard_normal_in_true_dimensions_and_zero_in_padded_ones():
    noise = np.asarray(padded_normal(jax.random.key(0), 4000, Axis(3, 6)))
    assert (noise[:, 3:] == 0).all()
    np.testing.assert_allclose(noise[:, :3].mean(axis=0), 0, atol=0.06)
    np.testing.assert_allclose(np.cov(noise[:, :3].T), np.eye(3), atol=0.1)
    np.testing.assert_array_equal(noise[:, :3], padded_normal(jax.random.key(0), 4000, Axis(3, 3)))


def test_the_laws_bounds_are_exact():
    assert torch_linear(jnp.asarray(16.0), 5) == (0.25, 0.25, 0.0)
    assert rlkit_hidden(jnp.asarray(16.0), 4) == (0.5, 0.0, 0.1)
    assert uniform_within(1e-3)(jnp.asarray(16.0), 4) == (1e-3, 1e-3, 0.0)
