"""What the page says of whole series: scores beside the paper's, aggregates over data sets, profiles, improvements."""

from collections.abc import Sequence
from math import isfinite
from typing import NamedTuple

import numpy as np

from plas_jax.reports.lines import CHOSEN, ONLY, Line
from plas_jax.reports.page.drawing import LARGEST
from plas_jax.reports.page.loaded import Loaded, Series
from plas_jax.reports.provenance import version
from plas_jax.reports.published import VERSION, published_scores, table_1_score, unversioned
from plas_jax.reports.tables.aggregates import STATISTICS, spreads_of
from plas_jax.results.aggregates import performance_profile, probability_of_improvement
from plas_jax.results.intervals import Interval, stratified_interval
from plas_jax.results.runs import PLAS, PLAS_P, Cell, Spread, across_seeds

PUBLISHED_SIZES = ("paper", "official_code")  # presets that train as long and as wide as the paper
COMPARED = 40  # series at most in what compares every one with every other
THRESHOLDS = 61


class Score(NamedTuple):
    """One series on one data set."""

    dataset: str
    series: int
    spread: Spread
    paper: float | None
    verdict: str  # empty where the paper has no such number


class Aggregate(NamedTuple):
    """One statistic of a series over all data sets."""

    series: int
    statistic: str
    value: float
    interval: Interval


class Comparison(NamedTuple):
    """What is compared over data sets: the series that have a score on each of them."""

    tasks: list[str]
    scores: dict[int, list[np.ndarray]]  # of each series' place, an array of its seeds for each task
    left_out: list[int]

    def aggregates(self) -> list[Aggregate]:
        """Return every statistic of every series, with its 95 % interval."""
        return [
            Aggregate(place, name, float(statistic(tasks)), stratified_interval(statistic, tasks))
            for name, statistic in STATISTICS.items()
            for place, tasks in self.scores.items()
        ]

    def thresholds(self) -> np.ndarray:
        """Return the τ of performance profiles, from the lowest score to the highest."""
        values = np.concatenate([task for tasks in self.scores.values() for task in tasks])
        values = values[np.isfinite(values)]
        low, high = (values.min(), values.max()) if len(values) else (0.0, 100.0)
        return np.linspace(np.floor(low), np.ceil(high), THRESHOLDS)

    def profiles(self) -> dict[int, np.ndarray]:
        """Return the share of runs above each τ, by the series' place."""
        thresholds = self.thresholds()
        return {place: performance_profile(tasks, thresholds) for place, tasks in self.scores.items()}

    def improvements(self) -> dict[tuple[int, int], float]:
        """Return how likely a run of one series is to beat one of another on the same data set."""
        return {
            (a, b): float(probability_of_improvement(first, second))
            for a, first in self.scores.items()
            for b, second in self.scores.items()
            if a != b
        }


def scores_of(series: Sequence[Series]) -> list[Score]:
    """Return the score of every series on every data set that it has."""
    spreads = _spreads(series)
    found = []
    for place, one in enumerate(series):
        for dataset, line in one.column.items():
            spread = spreads[id(one.folder)].get(line.cell)
            if spread is not None:
                paper = printed(line)
                found.append(Score(dataset, place, spread, paper, verdict(one.folder, dataset, spread, paper)))
    return found


def comparison(series: Sequence[Series]) -> Comparison | None:
    """Return what can be compared over the data sets that all folders share; None for fewer than two of them."""
    folders = {id(one.folder): one.folder for one in series}.values()
    if not folders:
        return None
    tasks = [name for name in next(iter(folders)).scored() if all(name in folder.scored() for folder in folders)]
    if len(tasks) < 2:
        return None
    spreads = _spreads(series)
    scores: dict[int, list[np.ndarray]] = {}
    left_out: list[int] = []
    for place, one in enumerate(series):
        own = spreads_of(tasks, one.column, spreads[id(one.folder)])
        if own and len(scores) < COMPARED:
            # What no score can be counts as none: sums of it would not be finite.
            tasks_of = [np.array(spread.values) for spread in own]
            scores[place] = [np.where(np.abs(task) < LARGEST, task, np.nan) for task in tasks_of]
        else:
            left_out.append(place)
    return Comparison(tasks, scores, left_out) if scores else None


def _spreads(series: Sequence[Series]) -> dict[int, dict[Cell, Spread]]:
    """Return the spreads of each folder, by what `id` says of it: made once, however many series it has."""
    folders = {id(one.folder): one.folder for one in series}
    return {place: across_seeds(folder.scores.reported) for place, folder in folders.items()}


def printed(line: Line) -> float | None:
    """Return what the paper prints for a line: Tables 2 and 3, or Table 1 where several ε stand beside each other."""
    dataset, algorithm, limit, knobs = line.cell
    if knobs:
        return None
    if line.choice not in (ONLY, CHOSEN):
        return table_1_score(dataset, limit) if algorithm in (PLAS, PLAS_P) else None
    return next(
        (
            score.score
            for score in published_scores()
            if (score.collection, score.algorithm) == ("paper", algorithm)
            and unversioned(score.dataset) == unversioned(dataset)
        ),
        table_1_score(dataset, limit) if algorithm == PLAS else None,
    )


def verdict(folder: Loaded, dataset: str, spread: Spread, paper: float | None) -> str:
    """Say how our interval lies to the paper's number, or why it says nothing."""
    if paper is None:
        return ""
    if (made := version(folder.manifest, dataset)) != VERSION:
        return f"other data ({made})"
    if folder.manifest.preset not in PUBLISHED_SIZES:
        return f"other size ({folder.manifest.preset or 'not recorded'})"
    low, high = spread.interval
    if not isfinite(low):
        return "no interval"
    return "ours is higher" if low > paper else "ours is lower" if high < paper else "agrees"
