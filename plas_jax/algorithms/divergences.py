"""Constraints on a policy: its maximum mean discrepancy to the data (BEAR, appendix E), its entropy (SAC, CQL)."""

from collections.abc import Callable

import chex
import jax
import jax.numpy as jnp

from plas_jax.types import Array

Kernel = Callable[[Array, Array], Array]  # two samples `[dimension]` to a scalar

# Maximum mean discrepancy as BEAR estimates it (bear/rlkit/torch/sac/bear.py:116-144 of d4rl_evaluations)


def laplacian_kernel(sample: Array, other: Array, bandwidth: Array | float) -> Array:
    """Return exp(-‖x - y‖₁ / 2σ) of two samples `[dimension]`."""
    chex.assert_rank([sample, other], 1)
    difference = sample - other
    # JAX's slope of |x| is 1 at 0, torch's is 0; any but 0 would move the weights of padded dimensions.
    distance = (difference * jnp.sign(difference)).sum()
    return jnp.exp(-distance / (2 * bandwidth))


def gaussian_kernel(sample: Array, other: Array, bandwidth: Array | float) -> Array:
    """Return exp(-‖x - y‖² / 2σ) of two samples `[dimension]`; BEAR's code divides by 2σ, its paper by 2σ²."""
    chex.assert_rank([sample, other], 1)
    return jnp.exp(-jnp.square(sample - other).sum() / (2 * bandwidth))


def chosen_kernel(is_gaussian: Array | float, bandwidth: Array | float) -> Kernel:
    """Return the Gaussian kernel where `is_gaussian`, which may be traced, is 1, and the Laplacian where it is 0."""

    def kernel(sample: Array, other: Array) -> Array:
        gaussian = gaussian_kernel(sample, other, bandwidth)
        return jnp.where(jnp.asarray(is_gaussian) > 0, gaussian, laplacian_kernel(sample, other, bandwidth))

    return kernel


def maximum_mean_discrepancy(kernel: Kernel, samples: Array, others: Array) -> Array:
    """Return √(E k(x, x') + E k(y, y') - 2 E k(x, y) + 1e-6) at one state.

    Samples are `[samples, dimension]`, others `[others, dimension]`. A V-statistic: a sample's kernel with itself
    counts. Dimensions in which all samples are zero change nothing.
    """
    chex.assert_rank([samples, others], 2)

    def mean_kernel(first: Array, second: Array) -> Array:
        return jax.vmap(lambda sample: jax.vmap(lambda other: kernel(sample, other))(second))(first).mean()

    # 1e-6 keeps the slope of the root finite where the samples are the same.
    within = mean_kernel(samples, samples) + mean_kernel(others, others)
    return jnp.sqrt(within - 2 * mean_kernel(samples, others) + 1e-6)


# The weight of a policy's entropy


def temperature_loss(log_temperature: Array, log_density: Array, action_size: Array | int) -> tuple[Array, None]:
    """Return -log α · mean(log π - dim(A)), which raises α while the entropy is below -dim(A)."""
    return -log_temperature * (log_density - action_size).mean(), None
