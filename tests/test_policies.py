"""The deterministic policy, and BRAC's squashed Gaussian with the densities of given actions."""

from statistics import NormalDist

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy_networks import perceptron

from plas_jax.models.deterministic_policy import DeterministicPolicy
from plas_jax.models.gaussian_policy import (
    bounded_log_slope,
    brac_policy,
    keras_dense,
    squashed_log_density,
    squashed_sample,
    squeezed_log_std,
    within_density,
)
from plas_jax.types import Axis, Sizes

either = pytest.mark.parametrize("compiled", [lambda f: f, jax.jit], ids=["plain", "jitted"])
SMALL, PADDED = Sizes.of(3, 2), Sizes(Axis(3, 5), Axis(2, 4), Axis(4, 8))
KEY = jax.random.key(0)


def padded(array):
    return np.pad(array, ((0, 0), (0, 2))).astype(np.float32)


# The deterministic policy


def test_the_deterministic_policy_is_the_tanh_of_a_perceptron():
    observation = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
    module = DeterministicPolicy(SMALL, (6, 5))
    parameters = module.init(KEY, observation)
    layers = parameters["params"]["Perceptron_0"]
    for row, action in zip(observation, module.apply(parameters, observation), strict=True):
        np.testing.assert_allclose(action, np.tanh(perceptron(layers, row)), atol=1e-6)


def test_the_deterministic_policy_starts_within_torch_s_bounds_and_is_zero_in_the_padding():
    module = DeterministicPolicy(PADDED, (256, 256))
    observation = padded(np.ones((1, 3)))
    parameters = module.init(KEY, observation)
    for name, fan_in in (("Linear_0", 3), ("Linear_1", 256), ("Linear_2", 256)):
        layer = parameters["params"]["Perceptron_0"][name]
        for leaf in jax.tree.leaves(layer):
            assert np.abs(leaf).max() <= fan_in**-0.5
        assert np.abs(layer["kernel"]).max() > 0.95 * fan_in**-0.5
    action = np.asarray(module.apply(parameters, observation))
    assert (action[:, 2:] == 0).all()
    assert (action[:, :2] != 0).all()


# BRAC's Gaussian


def test_keras_dense_layers_start_by_glorot_s_law():
    for fan_in, fan_out, bound in ((11.0, 200, 0.16863), (200.0, 1, 0.17277), (2.0, 1, 2**0.5)):
        assert keras_dense(jnp.asarray(fan_in), fan_out)[0] == pytest.approx(bound, rel=1e-4)
        assert keras_dense(jnp.asarray(fan_in), fan_out)[1:] == (0.0, 0.0)


@pytest.mark.parametrize("sizes", [SMALL, PADDED], ids=["alone", "padded"])
def test_the_bounds_of_brac_s_first_weights_count_true_inputs_and_both_heads(sizes):
    observation = np.zeros((1, sizes.observation.padded), np.float32)
    initial = jax.jit(lambda sizes: brac_policy(sizes, (150, 200)).init(KEY, observation))(sizes)["params"]
    bounds = {
        ("Perceptron_0", "Linear_0"): (6 / (3 + 150)) ** 0.5,
        ("Perceptron_0", "Linear_1"): (6 / (150 + 200)) ** 0.5,
        ("Perceptron_1", "Linear_0"): (6 / (200 + 4)) ** 0.5,  # one layer of four outputs in the source
        ("Perceptron_2", "Linear_0"): (6 / (200 + 4)) ** 0.5,
    }
    for (layers, linear), bound in bounds.items():
        layer = initial[layers][linear]
        assert (np.asarray(layer["bias"]) == 0).all()
        assert 0.97 * bound < np.abs(layer["kernel"]).max() <= bound
    assert (
        np.abs(initial["Perceptron_1"]["Linear_0"]["kernel"] - initial["Perceptron_2"]["Linear_0"]["kernel"]).max() > 0
    )


@either
def test_brac_s_log_std_lies_between_minus_five_and_zero(compiled):
    values = compiled(squeezed_log_std)(jnp.array([-1e9, -1.0, 0.0, 0.5, 1e9]))
    by_hand = [-5.0, -5 + 2.5 * (1 - np.tanh(1)), -2.5, -2.5 + 2.5 * np.tanh(0.5), 0.0]
    np.testing.assert_allclose(values, by_hand, atol=1e-6)


def test_brac_s_policy_is_a_perceptron_with_two_heads_and_zero_in_the_padding():
    observation = np.random.default_rng(1).normal(size=(3, 3)).astype(np.float32)
    module = brac_policy(PADDED, (6, 5))
    parameters = module.init(KEY, padded(observation))
    parameters = jax.tree.map(lambda leaf: 3 * leaf, parameters)
    body, mean_head, log_std_head = (parameters["params"][f"Perceptron_{place}"] for place in range(3))
    mean, log_std = module.apply(parameters, padded(observation))
    for place, row in enumerate(padded(observation)):
        features = np.maximum(perceptron(body, row), 0)
        np.testing.assert_allclose(mean[place], perceptron(mean_head, features), atol=1e-5)
        raw = perceptron(log_std_head, features)
        np.testing.assert_allclose(log_std[place, :2], (-5 + 2.5 * (np.tanh(raw) + 1))[:2], atol=1e-5)
    assert (np.asarray(mean)[:, 2:] == 0).all()
    assert (np.asarray(log_std)[:, 2:] == 0).all()


# Densities of given actions


@either
def test_actions_are_kept_where_a_density_is_finite(compiled):
    clipped = compiled(within_density)(jnp.array([-1.0, -0.9995, -0.5, 0.0, 0.999, 1.0]))
    np.testing.assert_allclose(clipped, [-0.999, -0.999, -0.5, 0.0, 0.999, 0.999], rtol=1e-6)


def density_at(action, mean, log_std):
    """exp of the log density, float64, of actions `[…, dimension]` under one Gaussian."""
    full = np.ones_like(action)
    axis = Axis(action.shape[-1], action.shape[-1])
    arrays = (np.float32(array) for array in (full * mean, full * log_std, action))
    return np.exp(np.float64(jax.jit(squashed_log_density)(*arrays, axis)))


@pytest.mark.parametrize(("mean", "log_std"), [(0.0, 0.0), (0.8, -1.0), (-1.5, -0.5), (0.3, -4.0)])
def test_the_density_integrates_to_the_gaussian_s_distribution_function(mean, log_std):
    edges = np.linspace(-1, 1, 200_001)
    middle = (edges[1:] + edges[:-1]) / 2
    mass = np.cumsum(density_at(middle[:, None], mean, log_std)) * np.diff(edges)
    assert mass[-1] == pytest.approx(1, abs=2e-3)
    for action in (-0.9, -0.3, 0.0, 0.29, 0.31, 0.6, 0.95):
        below = NormalDist().cdf((np.arctanh(action) - mean) / np.exp(log_std))
        assert mass[np.searchsorted(edges, action) - 1] == pytest.approx(below, abs=2e-3)


def test_the_density_in_two_dimensions_integrates_to_one_and_to_its_moments():
    edges = np.linspace(-1, 1, 1001)
    middle = (edges[1:] + edges[:-1]) / 2
    grid = np.stack(np.meshgrid(middle, middle, indexing="ij"), axis=-1)
    mean, log_std = np.array([0.4, -0.2]), np.array([-1.0, -1.5])
    weights = density_at(grid, mean, log_std) * (edges[1] - edges[0]) ** 2
    assert weights.sum() == pytest.approx(1, abs=1e-3)
    points, probability = np.polynomial.hermite_e.hermegauss(60)
    for place in range(2):
        by_quadrature = np.tanh(mean[place] + np.exp(log_std[place]) * points) @ probability / probability.sum()
        assert (weights * grid[..., place]).sum() == pytest.approx(by_quadrature, abs=1e-3)


@either
def test_the_density_of_an_action_is_the_one_it_was_sampled_with(compiled):
    generator = np.random.default_rng(2)
    mean, log_std = generator.normal(size=(64, 3)), generator.uniform(-5, 0, (64, 3))
    arrays = [np.float32(array) for array in (mean, log_std, generator.normal(size=(64, 3)))]
    action, log_density = compiled(squashed_sample)(*arrays, Axis(3, 3))
    inside = np.abs(action).max(axis=1) < 0.999
    assert inside.sum() > 40
    again = compiled(squashed_log_density)(*arrays[:2], action, Axis(3, 3))
    # A small std magnifies the rounding of the action: 1e-7 of it is 1e-5 standard deviations at log std = -5.
    np.testing.assert_allclose(again[inside], log_density[inside], atol=5e-3)
    wide = inside & (log_std.min(axis=1) > -2) & (np.abs(action).max(axis=1) < 0.95)
    np.testing.assert_allclose(again[wide], log_density[wide], atol=2e-5)


@either
def test_the_density_of_sac_ends_where_actions_are_at_their_bounds(compiled):
    before = np.linspace(-20, 20, 81)
    exact = np.log(1 / np.cosh(before) ** 2 + 1e-6)
    np.testing.assert_allclose(compiled(bounded_log_slope)(jnp.float32(before)), exact, rtol=2e-5, atol=2e-6)
    slopes = compiled(jax.vmap(jax.grad(bounded_log_slope)))(jnp.float32([-20.0, 20.0]))
    np.testing.assert_allclose(slopes, 0, atol=1e-9)  # without the offset they would be 2 and -2


@either
def test_padded_dimensions_count_for_nothing_in_a_density(compiled):
    generator = np.random.default_rng(3)
    arrays = [np.float32(generator.uniform(-0.9, 0.9, (8, 2))) for _ in range(3)]
    alone = compiled(squashed_log_density)(*arrays, Axis(2, 2))
    together = compiled(squashed_log_density)(*(padded(array) for array in arrays), Axis(2, 4))
    np.testing.assert_array_equal(alone, together)
    assert alone.shape == (8,)


def test_the_slope_of_a_density_is_that_of_its_differences():
    action, step = np.float64(0.62), 1e-3
    by_jax = jax.grad(lambda a: squashed_log_density(jnp.array([0.2]), jnp.array([-0.7]), a[None], Axis(1, 1)))(
        jnp.float32(action)
    )

    def log_density(a):
        noise = (np.arctanh(a) - 0.2) / np.exp(-0.7)
        return np.log(NormalDist().pdf(noise)) + 0.7 - np.log(1 - a * a)

    differences = (log_density(action + step) - log_density(action - step)) / (2 * step)
    assert by_jax == pytest.approx(differences, rel=1e-4)
