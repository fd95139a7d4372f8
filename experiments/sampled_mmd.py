"""The maximum mean discrepancy of a few samples of two policies on a line, as appendix E of the paper simulates it."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from plas_jax.algorithms.divergences import gaussian_kernel, laplacian_kernel, maximum_mean_discrepancy
from plas_jax.types import Array

# The paper names no σ, numbers of samples or repeats, nor a grid of x. BEAR takes σ from 10 to 50 and 4 or 5 samples.
KERNELS = {"gaussian": gaussian_kernel, "laplacian": laplacian_kernel}
BANDWIDTHS = (0.2, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 50.0)
DEVIATIONS = np.array([0.05, *np.arange(1, 21) / 10])  # Figure 8's x; at 0 the policy would be a point
MEANS = np.arange(13) / 4  # Figure 9's x; its mirror image has the same discrepancies
PAIRS = 40_000  # of samples, that are in work at one time


class Scenario(NamedTuple):
    """A behaviour policy, an agent's policy and the values of the number x that shapes the agent's."""

    x: np.ndarray
    behaviour: Callable[[Array, int], Array]  # a key and n to actions `[n]`
    agent: Callable[[Array, Array], Array]  # standard normal draws `[n]` and x to actions `[n]`


def scenarios(variance: bool) -> dict[int, Scenario]:
    """Return the scenarios of Figures 8 and 9; N's second number is a deviation unless it is to be a variance."""
    deviation: Callable[[Array], Array] = jnp.sqrt if variance else jnp.asarray
    return {
        8: Scenario(DEVIATIONS, lambda key, n: jax.random.normal(key, (n,)), lambda normal, x: deviation(x) * normal),
        9: Scenario(MEANS, two_intervals, lambda normal, x: x + deviation(jnp.array(0.5)) * normal),
    }


def two_intervals(key: Array, n: int) -> Array:
    """Draw n actions uniformly from [-2, -1] ∪ [1, 2]."""
    draws = jax.random.uniform(key, (n,), minval=-1, maxval=1)
    return draws + jnp.where(draws < 0, -1, 1)


def discrepancies(scenario: Scenario, samples: int, keys: Array) -> np.ndarray:
    """Return the discrepancy for each key, float64 `[keys, kernels, bandwidths, x]`.

    A key draws once for all kernels, bandwidths and x, so that its discrepancies can be compared in pairs.
    """

    def repeat(key: Array) -> Array:
        key_behaviour, key_agent = jax.random.split(key)
        behaviour, normal = scenario.behaviour(key_behaviour, samples), jax.random.normal(key_agent, (samples,))

        def discrepancy(kernel: Callable, bandwidth: Array, x: Array) -> Array:
            # A V-statistic: its square has the expectation MMD² + (1 - E k(x, x'))/n + (1 - E k(y, y'))/n. Where both
            # policies are the same it is not 0, and it falls as the agent's narrows. The 1e-6 under the root adds at
            # most 0.03 % to a mean of five samples, and 0.4 % (σ = 50) to one of a hundred.
            actions = scenario.agent(normal, x)
            return maximum_mean_discrepancy(partial(kernel, bandwidth=bandwidth), actions[:, None], behaviour[:, None])

        def grid(kernel: Callable) -> Array:
            over_x = jax.vmap(partial(discrepancy, kernel), (None, 0))
            return jax.vmap(over_x, (0, None))(jnp.array(BANDWIDTHS), jnp.asarray(scenario.x))

        # One kernel after the other: a traced choice between them would evaluate both everywhere.
        return jnp.stack([grid(kernel) for kernel in KERNELS.values()])

    every = jax.jit(partial(jax.lax.map, repeat, batch_size=max(1, PAIRS // samples**2)))
    return np.asarray(every(keys), np.float64)


def worst_ratio(values: np.ndarray, x: np.ndarray) -> tuple[int, float, float]:
    """Return where MMD(x)/MMD(1) is largest over x ≤ 1, that ratio of means and its standard error.

    `values` are of one kernel and bandwidth, `[repeats, x]`. The error is that of pairs, 0 where the place is 1.
    """
    mean, own = values.mean(0), int(np.flatnonzero(x == 1)[0])
    worst = int(mean[: own + 1].argmax())
    ratio = mean[worst] / mean[own]
    return worst, float(ratio), float(standard_error(values[:, worst] - ratio * values[:, own]) / mean[own])


def minima(values: np.ndarray) -> list[int]:
    """Return the place of the least mean of `[repeats, x]`, then those within two errors of it, taken in pairs."""
    least = int(values.mean(0).argmin())
    above = values - values[:, [least]]
    near = np.flatnonzero(above.mean(0) <= 2 * standard_error(above))
    return [least, *(int(place) for place in near if place != least)]


def standard_error(values: np.ndarray) -> np.ndarray:
    """Return the standard error of the mean over the first axis."""
    return values.std(0, ddof=1) / np.sqrt(len(values))
