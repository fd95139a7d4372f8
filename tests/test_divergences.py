"""The maximum mean discrepancy against a literal double loop."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from plas_jax.algorithms.divergences import chosen_kernel, gaussian_kernel, laplacian_kernel, maximum_mean_discrepancy

KERNELS = {"laplacian": laplacian_kernel, "gaussian": gaussian_kernel}
each_kernel = pytest.mark.parametrize("name", KERNELS)


def by_loops(name, bandwidth, samples, others):
    """BEAR's estimator, pair by pair."""

    def kernel(x, y):
        total = 0.0
        for a, b in zip(x, y, strict=True):
            total += abs(a - b) if name == "laplacian" else (a - b) ** 2
        return np.exp(-total / (2 * bandwidth))

    def mean_kernel(first, second):
        total = 0.0
        for x in first:
            for y in second:
                total += kernel(x, y)
        return total / (len(first) * len(second))

    samples, others = np.float64(samples), np.float64(others)
    within = mean_kernel(samples, samples) + mean_kernel(others, others)
    return np.sqrt(within - 2 * mean_kernel(samples, others) + 1e-6)


def drawn(seed, count=4, dimension=3, centre=0.0):
    return (np.random.default_rng(seed).normal(size=(count, dimension)) + centre).astype(np.float32)


def test_kernels_by_hand():
    x, y = jnp.array([0.0, 1.0]), jnp.array([2.0, -2.0])
    np.testing.assert_allclose(laplacian_kernel(x, y, 2.5), np.exp(-(2 + 3) / 5), rtol=1e-6)
    np.testing.assert_allclose(gaussian_kernel(x, y, 2.5), np.exp(-(4 + 9) / 5), rtol=1e-6)
    for kernel in KERNELS.values():
        assert kernel(x, x, 2.5) == 1.0


@each_kernel
@pytest.mark.parametrize("bandwidth", [0.3, 1.0, 20.0])
@pytest.mark.parametrize("counts", [(4, 4), (1, 1), (5, 3)])
def test_the_discrepancy_is_that_of_a_double_loop(name, bandwidth, counts):
    samples, others = drawn(0, counts[0]), drawn(1, counts[1], centre=0.5)
    discrepancy = jax.jit(partial(maximum_mean_discrepancy, partial(KERNELS[name], bandwidth=bandwidth)))
    expected = by_loops(name, bandwidth, samples, others)
    np.testing.assert_allclose(discrepancy(samples, others), expected, rtol=2e-5)
    np.testing.assert_allclose(discrepancy(others, samples), expected, rtol=2e-5)


@each_kernel
def test_the_discrepancy_of_samples_from_themselves_is_the_root_of_a_millionth(name):
    samples = drawn(2)
    discrepancy = partial(maximum_mean_discrepancy, partial(KERNELS[name], bandwidth=20.0))
    np.testing.assert_allclose(discrepancy(samples, samples), 1e-3, rtol=0.1)  # float32 has seven digits of 1
    np.testing.assert_allclose(discrepancy(samples, samples[::-1]), 1e-3, rtol=0.1)
    # All slopes are finite there, where the root without its millionth has none and pairs lie on a corner.
    for slope in jax.grad(discrepancy, (0, 1))(samples, samples):
        assert np.isfinite(slope).all()


def test_the_kernel_is_a_traced_choice():
    samples, others = drawn(3), drawn(4, centre=1.0)

    @jax.jit
    @partial(jax.vmap, in_axes=(0, None))
    def both(is_gaussian, bandwidth):
        return maximum_mean_discrepancy(chosen_kernel(is_gaussian, bandwidth), samples, others)

    laplacian, gaussian = both(jnp.array([0.0, 1.0]), 20.0)
    np.testing.assert_allclose(laplacian, by_loops("laplacian", 20.0, samples, others), rtol=2e-5)
    np.testing.assert_allclose(gaussian, by_loops("gaussian", 20.0, samples, others), rtol=2e-5)
    assert abs(laplacian - gaussian) > 0.01


@each_kernel
def test_dimensions_of_zeros_change_nothing(name):
    samples, others = drawn(5), drawn(6)
    discrepancy = partial(maximum_mean_discrepancy, partial(KERNELS[name], bandwidth=0.7))
    padded = [np.pad(array, ((0, 0), (0, 3))) for array in (samples, others)]
    np.testing.assert_allclose(discrepancy(*padded), discrepancy(samples, others), rtol=1e-6)
    for slope in jax.grad(discrepancy, (0, 1))(*padded):
        assert (slope[:, 3:] == 0).all()
        assert (slope[:, :3] != 0).any()


def test_samples_of_a_wrong_rank_are_refused():
    with pytest.raises(AssertionError):
        maximum_mean_discrepancy(partial(laplacian_kernel, bandwidth=1.0), jnp.zeros((2, 4, 3)), jnp.zeros((2, 4, 3)))
