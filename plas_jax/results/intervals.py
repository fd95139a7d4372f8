"""Intervals for statistics over a few seeds: Student's t of one cell's mean, the stratified bootstrap of all else.

The bootstrap is Agarwal et al. 2021, section 4.1: seeds are drawn with replacement within each task, and tasks are
kept. Its percentiles are too narrow for ten seeds, by the variance (n − 1)/n of a resample and by taking the normal
distribution's quantile for Student's, and `expanded` undoes both. docs/statistics.md has what each interval covers.
"""

from collections.abc import Callable
from math import nan, sqrt
from statistics import fmean, stdev
from typing import NamedTuple, Protocol

import numpy as np
from scipy import stats

from plas_jax.results.aggregates import Scores, mean

CONFIDENCE = 0.95
BOOTSTRAP_SEEDS = 10  # from here on the interval of a cell's mean is the bootstrap's
RESAMPLES = 2_000
LARGEST = 1e100  # squares of what is smaller are finite, too
BATCH = 500  # resamples at a time, which bounds the memory

Statistic = Callable[..., np.ndarray]  # of the scores of one method, or of several, as in `aggregates`


class Interval(NamedTuple):
    """A two-sided interval; both ends are NaN where there is none."""

    low: float
    high: float

    def excludes_zero(self) -> bool:
        """Return whether the interval exists and lies on one side of zero."""
        return self.low > 0 or self.high < 0


NO_INTERVAL = Interval(nan, nan)


class Resampled(Protocol):
    """What SciPy's bootstrap returns, float64; the leading axes of the scores stay."""

    confidence_interval: tuple[np.ndarray, np.ndarray]  # low and high
    bootstrap_distribution: np.ndarray  # [..., resamples]


def interval(scores: np.ndarray) -> Interval:
    """Return the 95 % interval of one cell's mean, from the scores of its seeds, `[seeds]`.

    Student's t below ten seeds, the bootstrap from ten on; none for fewer than two seeds, nor where a score is not
    finite, or so large that no return can be it. `ValueError` for anything but a list of scores.
    """
    values = np.asarray(scores, np.float64)
    if values.ndim != 1:
        raise ValueError(f"a cell is a list of scores, one for each seed, not an array of {values.ndim} dimensions")
    seeds = len(values)
    if seeds < 2 or not (np.abs(values) < LARGEST).all():
        return NO_INTERVAL
    if seeds < BOOTSTRAP_SEEDS:
        return student_t(fmean(values.tolist()), stdev(values.tolist()), seeds)
    return stratified_interval(mean, [values])


def student_t(centre: float, deviation: float, seeds: int) -> Interval:
    """Return Student's 95 % interval of a mean, from it, the sample deviation (n − 1) and n, two seeds or more."""
    half = float(stats.t.ppf((1 + CONFIDENCE) / 2, seeds - 1)) * deviation / sqrt(seeds)
    return Interval(centre - half, centre + half)


def stratified_interval(statistic: Statistic, *methods: Scores, seed: int = 0) -> Interval:
    """Return the 95 % interval of a statistic of one method's scores, or of several methods', each as in `aggregates`.

    Expanded percentiles of 2,000 resamples, the same for the same `seed`. With two or three seeds they are the lowest
    and the highest resample. None where a task has one seed, or a score is not finite. `ValueError` as the statistic.
    """
    point = statistic(*methods)
    fewest = min(np.shape(task)[-1] for method in methods for task in method)
    if fewest < 2 or not np.isfinite(point).all():
        return NO_INTERVAL
    low, high = bootstrap(statistic, *methods, confidence=expanded(fewest), seed=seed).confidence_interval
    return Interval(float(low), float(high))


def expanded(seeds: int) -> float:
    """Return the confidence to ask of percentiles for an interval that covers 95 % with so few seeds a task.

    Hesterberg 2015, "What Teachers Should Know About the Bootstrap": the quantile z of the normal distribution gives
    way to t √(n / (n − 1)), t with n − 1 degrees of freedom. Tasks whose variances are alike would allow a smaller t;
    where one task has most of the variance there is no more to know than its own seeds tell. `ValueError` for fewer
    than two seeds.
    """
    if seeds < 2:
        raise ValueError(f"no interval can be had from {seeds} seeds a task: two are needed")
    quantile = stats.t.ppf((1 + CONFIDENCE) / 2, seeds - 1) * sqrt(seeds / (seeds - 1))
    return float(2 * stats.norm.cdf(quantile) - 1)


def bootstrap(
    statistic: Statistic, *methods: Scores, confidence: float, method: str = "percentile", seed: int = 0
) -> Resampled:
    """Run SciPy's bootstrap with every task a sample of its own, which stratifies it; return its `BootstrapResult`.

    Leading axes of the scores, `[..., seeds]`, stay: they are experiments that share their resamples.
    """
    ends = np.cumsum([len(scores) for scores in methods])[:-1]

    def of_resamples(*tasks: np.ndarray, axis: int) -> np.ndarray:
        # the axis is always the last, which is that of every statistic
        return statistic(*(tasks[first:last] for first, last in zip([0, *ends], [*ends, None], strict=True)))

    samples = [np.asarray(task, np.float64) for scores in methods for task in scores]
    return stats.bootstrap(
        samples,
        of_resamples,
        n_resamples=RESAMPLES,
        batch=BATCH,
        vectorized=True,
        axis=-1,
        confidence_level=confidence,
        method=method,
        rng=np.random.default_rng(seed),
    )
