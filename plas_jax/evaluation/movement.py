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


class Movement(NamedTuple):
    """One measure in both samples; `deviations` is its distance in standard deviations between seeds."""

    place: Place
    accepted: np.ndarray  # float64 [accepted seeds]
    now: np.ndarray  # float64 [new seeds]
    deviations: float
    p: float  # family-wise


Values = Mapping[Place, np.ndarray]


def smallest_p(accepted: int, now: int) -> float:
    """The smallest p that so many seeds can reach: 1 over the divisions there are, or over those that are drawn."""
    return 1.0 / min(comb(accepted + now, now), DIVISIONS + 1)


def movements(accepted: Values, now: Values, divisions: int = DIVISIONS) -> list[Movement]:
    """Every measure that both have, the most conspicuous first; each sample has its own number of seeds throughout.

    Besides each measure itself, the means of its standardised values over data sets, and over methods, are in the
    family: what moves a little everywhere is seen there first. A value that is not finite counts as larger than all.
    """
    places = [place for place in accepted if place in now]
    if not places:
        return []
    before, after = (np.stack([_finite(of[place], accepted[place], now[place]) for place in places], axis=1)
                     for of in (accepted, now))  # fmt: skip
    joined = np.concatenate([before, after])
    means, together = _means_over_others(places, joined)
    joined = np.concatenate([joined, together], axis=1)
    statistics, p = _family(joined, len(before), divisions)
    spread = np.sqrt(_within(joined, len(before)) + np.square(_resolution(joined)))
    found = []
    for column, place in enumerate([*places, *means]):
        first, second = np.split(joined[:, column], [len(before)])
        step = second.mean() - first.mean()
        of_place = (accepted[place], now[place]) if column < len(places) else (first, second)
        deviations = step / spread[column] if spread[column] > 0 else 0.0
        found.append(Movement(place, *of_place, float(deviations), float(p[column])))
    return [found[column] for column in np.argsort(-statistics, kind="stable")]


def _finite(values: np.ndarray, *pool: np.ndarray) -> np.ndarray:
    """The values, where those that are not finite are put above every finite one of the pool."""
    finite = np.concatenate(pool)
    finite = finite[np.isfinite(finite)]
    worst = 0.0 if len(finite) == 0 else finite.max() + max(np.ptp(finite), abs(finite.max()), 1.0)
    return np.where(np.isfinite(values), values, worst)


def _means_over_others(places: Sequence[Place], joined: np.ndarray) -> tuple[list[Place], np.ndarray]:
    """Means of standardised values: of a measure of one method over data sets, and of one measure over everything."""
    # What varies by rounding alone would otherwise weigh as much as what varies between seeds.
    spread = joined.std(axis=0) + _resolution(joined)
    standard = (joined - joined.mean(axis=0)) / spread
    members: dict[Place, list[int]] = {}
    for column, place in enumerate(places):
        for wider in (Place(EVERY, *place[1:]), Place(EVERY, EVERY, place.measure)):
            members.setdefault(wider, []).append(column)
    several = {place: columns for place, columns in members.items() if len(columns) > 1}
    means = [standard[:, columns].mean(axis=1) for columns in several.values()]
    return list(several), np.stack(means, axis=1) if means else np.zeros((len(joined), 0))


def _family(joined: np.ndarray, before: int, divisions: int) -> tuple[np.ndarray, np.ndarray]:
    """The statistic and the family-wise p of each column."""
    generator, seeds = np.random.default_rng(0), len(joined)
    order = np.argsort(generator.random((divisions, seeds)), axis=1)
    is_now = np.zeros((divisions + 1, seeds))
    is_now[0, before:] = 1.0  # as it was seen: one of the divisions, so that no p is 0
    np.put_along_axis(is_now[1:], order[:, : seeds - before], 1.0, axis=1)
    statistics = _statistics(joined, is_now)
    largest = statistics.max(axis=1)
    # Equal divisions may differ in their last bits.
    return statistics[0], (largest[:, None] >= statistics[0] * (1 - 1e-9)).mean(axis=0)


def _statistics(joined: np.ndarray, is_now: np.ndarray) -> np.ndarray:
    """|t| of every division and column, with the resolution in the standard error; `[divisions, columns]`."""
    centred = joined - joined.mean(axis=0)
    now = is_now.sum(axis=1, keepdims=True)
    before = len(joined) - now
    of_now, of_all, squares = is_now @ centred, centred.sum(axis=0), np.square(centred).sum(axis=0)
    of_before = of_all - of_now
    step = of_now / now - of_before / before
    inside = np.maximum(squares - np.square(of_now) / now - np.square(of_before) / before, 0.0)
    variance = inside / max(len(joined) - 2, 1) * (1 / now + 1 / before)
    return np.abs(step) / np.sqrt(variance + np.square(_resolution(joined)))


def _resolution(joined: np.ndarray) -> np.ndarray:
    return RESOLUTION * np.maximum(1.0, np.abs(joined).max(axis=0))


def _within(joined: np.ndarray, before: int) -> np.ndarray:
    """The pooled variance inside the two samples, `[columns]`."""
    inside = sum(np.square(part - part.mean(axis=0)).sum(axis=0) for part in np.split(joined, [before]))
    return np.asarray(inside) / max(len(joined) - 2, 1)
