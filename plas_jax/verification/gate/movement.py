"""Whether anything moved: two samples of seeds, many measures, one stated rate of false alarms for them all.

Westfall and Young's (1993) single-step maxT procedure. Under the null hypothesis the new seeds and the accepted ones
are exchangeable, so each way to divide all of them into two such groups was as likely as the one that was seen. A
measure's p is the share of divisions in which the most conspicuous of *all* measures is at least as conspicuous: it
needs no normal distribution, and no correction for measures that move together.
"""

from collections.abc import Mapping, Sequence
from math import comb
from typing import NamedTuple

import numpy as np

DIVISIONS = 20_000
# Differences of this size, relative to the measure where that is above 1, are rounding.
RESOLUTION = 1e-6
EVERY = "all"  # in the place of a data set or a method: the mean over all of them


class Place(NamedTuple):
    """What is measured: a data set, a method on it, a measure of it."""

    dataset: str
    algorithm: str
    measure: str


SPREAD = Place(EVERY, EVERY, "spread")


class Movement(NamedTuple):
    """One measure in both samples; `deviations` is its distance in standard deviations between seeds."""

    place: Place
    accepted: np.ndarray  # float64 [accepted seeds]
    now: np.ndarray  # float64 [new seeds]
    deviations: float
    p: float  # family-wise


Values = Mapping[Place, np.ndarray]


def smallest_p(accepted: int, now: int) -> float:
    """Return the smallest p that so many seeds can reach: 1 over the divisions there are, or over those drawn."""
    return 1.0 / min(comb(accepted + now, now), DIVISIONS + 1)


def movements(accepted: Values, now: Values, divisions: int = DIVISIONS) -> list[Movement]:
    """Compare every measure that both have, the most conspicuous first; each sample has one number of seeds.

    Besides each measure itself, the means of its standardised values over data sets, and over methods, are in the
    family: what moves a little everywhere is seen there first. So is `spread`, how far seeds are apart over all
    measures: runs that ignore their seeds have the right means. A value that is not finite counts as larger than all.
    """
    places = [place for place in accepted if place in now]
    if not places:
        return []
    before, after = (np.stack([_finite(sample[place], accepted[place], now[place]) for place in places], axis=1)
                     for sample in (accepted, now))  # fmt: skip
    joined = np.concatenate([before, after])
    standard = _standardised(joined)
    means, together = _means_over_others(places, standard)
    joined = np.concatenate([joined, together], axis=1)
    is_now = _divisions(len(before), len(after), divisions)
    ratio, apart = _ratios_of_spread(standard, is_now)
    statistics, p = _family(np.concatenate([_statistics(joined, is_now), np.abs(ratio)[:, None]], axis=1))
    spread = np.sqrt(_within(joined, len(before)) + np.square(_resolution(joined)))
    moved = []
    for column, place in enumerate([*places, *means]):
        first, second = np.split(joined[:, column], [len(before)])
        step = second.mean() - first.mean()
        samples = (accepted[place], now[place]) if column < len(places) else (first, second)
        moved.append(Movement(place, *samples, float(step / spread[column]), float(p[column])))
    first, second = np.split(apart, [len(before)])
    moved.append(Movement(SPREAD, first, second, float(ratio[0]), float(p[-1])))
    return [moved[column] for column in np.argsort(-statistics, kind="stable")]


def _finite(values: np.ndarray, *pool: np.ndarray) -> np.ndarray:
    """Return the values, where those that are not finite are put above every finite one of the pool."""
    finite = np.concatenate(pool)
    finite = finite[np.isfinite(finite)]
    worst = 0.0 if len(finite) == 0 else finite.max() + max(np.ptp(finite), abs(finite.max()), 1.0)
    return np.where(np.isfinite(values), values, worst)


def _standardised(joined: np.ndarray) -> np.ndarray:
    """Return the values in standard deviations from their mean; 0 where they vary by rounding alone.

    That would otherwise weigh as much as what varies between seeds.
    """
    spread = joined.std(axis=0)
    varies = spread > _resolution(joined)
    return np.where(varies, joined - joined.mean(axis=0), 0.0) / np.where(varies, spread, 1.0)


def _means_over_others(places: Sequence[Place], standard: np.ndarray) -> tuple[list[Place], np.ndarray]:
    """Return means of standardised values: of one method's measure over data sets, of a measure over everything."""
    members: dict[Place, list[int]] = {}
    for column, place in enumerate(places):
        for wider in (Place(EVERY, *place[1:]), Place(EVERY, EVERY, place.measure)):
            members.setdefault(wider, []).append(column)
    several = {place: columns for place, columns in members.items() if len(columns) > 1}
    means = [standard[:, columns].mean(axis=1) for columns in several.values()]
    return list(several), np.stack(means, axis=1) if means else np.zeros((len(standard), 0))


def _divisions(before: int, now: int, divisions: int) -> np.ndarray:
    """Return which seeds are new ones, 1 or 0, `[divisions + 1, seeds]`: first as it was seen, so that no p is 0."""
    is_now = np.zeros((divisions + 1, before + now))
    is_now[0, before:] = 1.0
    order = np.argsort(np.random.default_rng(0).random((divisions, before + now)), axis=1)
    np.put_along_axis(is_now[1:], order[:, :now], 1.0, axis=1)
    return is_now


def _family(statistics: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the statistic and the family-wise p of each column, from those of every division."""
    largest = statistics.max(axis=1)
    # Equal divisions may differ in their last bits.
    return statistics[0], (largest[:, None] >= statistics[0] * (1 - 1e-9)).mean(axis=0)


def _ratios_of_spread(standard: np.ndarray, is_now: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the log ratio of both samples' variances, averaged over the measures that vary, `[divisions]`.

    In units of its own deviation; and return for each seed the mean distance from its sample, in standard deviations.
    """
    standard = standard[:, standard.any(axis=0)]
    if standard.shape[1] < 2 or min(is_now[0].sum(), len(standard) - is_now[0].sum()) < 3:
        return np.zeros(len(is_now)), np.zeros(len(standard))
    variances = []
    for members in (is_now, 1.0 - is_now):
        count = members.sum(axis=1, keepdims=True)
        mean, square = members @ standard / count, members @ np.square(standard) / count
        variances.append(np.maximum(square - np.square(mean), RESOLUTION))
    ratio = np.log(variances[0] / variances[1]).mean(axis=1)
    parts = [standard[is_now[0] == each] for each in (0, 1)]
    apart = np.concatenate([np.abs(part - part.mean(axis=0)).mean(axis=1) for part in parts])
    return (ratio - ratio.mean()) / ratio.std(), apart


def _statistics(joined: np.ndarray, is_now: np.ndarray) -> np.ndarray:
    """Return |t| of every division and column, with the resolution in the standard error; `[divisions, columns]`."""
    centred = joined - joined.mean(axis=0)
    now = is_now.sum(axis=1, keepdims=True)
    before = len(joined) - now
    of_now, of_all, squares = is_now @ centred, centred.sum(axis=0), np.square(centred).sum(axis=0)
    of_before = of_all - of_now
    step = of_now / now - of_before / before
    inside = np.maximum(squares - np.square(of_now) / now - np.square(of_before) / before, 0.0)
    variance = inside / max(len(joined) - 2, 1) * (1 / now + 1 / before)
    resolution = _resolution(joined)
    return np.where(np.abs(step) > resolution, np.abs(step), 0.0) / np.sqrt(variance + np.square(resolution))


def _resolution(joined: np.ndarray) -> np.ndarray:
    return RESOLUTION * np.maximum(1.0, np.abs(joined).max(axis=0))


def _within(joined: np.ndarray, before: int) -> np.ndarray:
    """Return the pooled variance inside the two samples, `[columns]`."""
    inside = sum(np.square(part - part.mean(axis=0)).sum(axis=0) for part in np.split(joined, [before]))
    return np.asarray(inside) / max(len(joined) - 2, 1)
