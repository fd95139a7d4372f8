"""From episodes to numbers: evaluations, then one record for each run, then means and spreads over seeds."""

import statistics
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from math import isfinite, nan
from typing import NamedTuple

import numpy as np

from plas_jax.results.intervals import Interval, interval
from plas_jax.results.rows import Row

# What a trained policy must exceed, by its name in the rows: the model of the data by itself.
PRIOR, MODE = "cvae_prior", "cvae_mode"
CONTROLS = {PRIOR: "CVAE prior", MODE: "z = 0"}
PLAS, PLAS_P = "plas", "plas+p"  # ε = 0 and ε > 0


class Cell(NamedTuple):
    """What shares a place in a table: the runs that differ only in their seed."""

    dataset: str
    algorithm: str
    perturbation_limit: float  # 0 for a method that has none
    knobs: str = ""  # those that were swept and have no column


class Run(NamedTuple):
    """One trained policy, or one control."""

    cell: Cell
    seed: int

    def __str__(self) -> str:
        """Return the run in words, for messages."""
        dataset, algorithm, limit, knobs = self.cell
        return ", ".join([dataset, algorithm, f"ε = {limit:g}", *knobs.split(), f"seed {self.seed}"])


class Setting(NamedTuple):
    """What a data set's runs must share for their scores to stand in one row."""

    latent_limit: float | None
    clip_weight: float | None
    dynamics: str


class Evaluation(NamedTuple):
    """The means over the episodes of one evaluation."""

    update: int
    score: float
    episode_return: float
    episodes: int


class RunStatistics(NamedTuple):
    """One run in numbers; scores are normalised, and the return is undiscounted."""

    last: float
    mean_last: float  # over the last k evaluations, or all of them where there are fewer
    best: float
    mean_return: float  # over the same evaluations as mean_last
    diverged_at: int | None


class Spread(NamedTuple):
    """A statistic over seeds; the standard deviation (n - 1) of one seed is NaN."""

    mean: float
    std: float
    seeds: int
    diverged: int  # how many of the seeds did; they count with the evaluations they have
    values: tuple[float, ...] = ()  # of each seed

    @property
    def interval(self) -> Interval:
        """Return the 95 % interval of the mean; none for one seed, or where a value is not finite."""
        return interval(np.array(self.values))


class Results(NamedTuple):
    """Everything reports take from rows, read once: a paper-sized sweep has half a million of them."""

    evaluations: dict[Run, list[Evaluation]]  # by rising update
    diverged: dict[Run, int]  # the update at which a run was first seen to
    settings: dict[str, Setting]  # of each data set's policies


def results(rows: Iterable[Row]) -> Results:
    """Sort rows by run and update. Raises `ValueError` if two claim one episode or a data set's runs mix settings."""
    episodes: dict[Run, dict[int, dict[int, Row]]] = defaultdict(lambda: defaultdict(dict))
    diverged: dict[Run, int] = {}
    settings: dict[str, Setting] = {}
    for row in rows:
        run = Run(Cell(row.dataset, row.algorithm, row.perturbation_limit or 0.0, row.knobs), row.seed)
        if row.episode in episodes[run][row.update]:
            raise ValueError(f"{run} has episode {row.episode} of update {row.update} twice")
        episodes[run][row.update][row.episode] = row
        if row.diverged_at is not None:
            diverged[run] = min(row.diverged_at, diverged.get(run, row.diverged_at))
        if row.algorithm in (PLAS, PLAS_P) and not row.knobs:
            setting = Setting(row.latent_limit, row.clip_weight, row.dynamics)
            first = settings.setdefault(row.dataset, setting)
            if first != setting:
                raise ValueError(f"{row.dataset} mixes settings, a table needs one: {first} and {setting}")
    evaluations = {
        run: [_evaluation(update, rows_by_update[update].values()) for update in sorted(rows_by_update)]
        for run, rows_by_update in sorted(episodes.items())
    }
    return Results(evaluations, diverged, settings)


def policies(results: Results) -> dict[Run, list[Evaluation]]:
    """Return the runs of PLAS and PLAS+P, without the priors and any other algorithm."""
    return {
        run: evaluations for run, evaluations in results.evaluations.items() if run.cell.algorithm in (PLAS, PLAS_P)
    }


def perturbation_limits(results: Results) -> list[float]:
    """Return every ε of the policies, rising."""
    return sorted({run.cell.perturbation_limit for run in policies(results)})


def policy(dataset: str, perturbation_limit: float) -> Cell:
    """Return the cell of PLAS, or of PLAS+P where ε > 0."""
    return Cell(dataset, PLAS_P if perturbation_limit > 0 else PLAS, perturbation_limit)


def latent_limit_cells(results: Results, dataset: str) -> dict[float, Cell]:
    """Return the cells of PLAS on a data set by their swept σ, rising."""
    cells = {run.cell for run in policies(results) if run.cell.dataset == dataset}
    swept = {float(cell.knobs.removeprefix("latent_limit=")): cell for cell in cells if cell.knobs}
    return dict(sorted(swept.items()))


def run_statistics(results: Results, evaluations_in_mean: int = 10) -> dict[Run, RunStatistics]:
    """Return the last, the mean of the last k and the best evaluation of every run."""
    return {
        run: _statistics(evaluations, evaluations_in_mean, results.diverged.get(run))
        for run, evaluations in results.evaluations.items()
    }


def controls_of(results: Results) -> dict[str, str]:
    """Return the prior and every other control that was evaluated, by name, with their headers."""
    names = {PRIOR} | {run.cell.algorithm for run in results.evaluations}
    return {name: header for name, header in CONTROLS.items() if name in names}


def across_seeds(runs: Mapping[Run, RunStatistics], measure: str = "mean_last") -> dict[Cell, Spread]:
    """Return mean and standard deviation of one field of RunStatistics over the seeds of each cell."""
    members: dict[Cell, list[RunStatistics]] = defaultdict(list)
    for run, numbers in runs.items():
        members[run.cell].append(numbers)
    return {
        cell: spread_of(
            [getattr(numbers, measure) for numbers in seeds], sum(numbers.diverged_at is not None for numbers in seeds)
        )
        for cell, seeds in members.items()
    }


def spread_of(values: Sequence[float], diverged: int) -> Spread:
    """Return mean and standard deviation of one value for each seed."""
    return Spread(mean(values), standard_deviation(values), len(values), diverged, tuple(values))


def mean(values: Sequence[float]) -> float:
    """Return the mean, whatever the order of the values; NaN where one of them or their sum is not finite."""
    return _finite(statistics.fmean, values)


def standard_deviation(values: Sequence[float]) -> float:
    """Return the sample standard deviation (n - 1); NaN for a single value and where one or it is not finite."""
    return _finite(statistics.stdev, values) if len(values) > 1 else nan


def _finite(statistic: Callable[[Sequence[float]], float], values: Sequence[float]) -> float:
    try:
        return statistic(values) if all(map(isfinite, values)) else nan
    except OverflowError:  # of numbers near the largest that there are
        return nan


def _statistics(evaluations: list[Evaluation], evaluations_in_mean: int, diverged_at: int | None) -> RunStatistics:
    final = evaluations[-evaluations_in_mean:]
    return RunStatistics(
        last=evaluations[-1].score,
        mean_last=mean([evaluation.score for evaluation in final]),
        best=max((evaluation.score for evaluation in evaluations if isfinite(evaluation.score)), default=nan),
        mean_return=mean([evaluation.episode_return for evaluation in final]),
        diverged_at=diverged_at,
    )


def _evaluation(update: int, rows: Collection[Row]) -> Evaluation:
    score, episode_return = mean([row.score for row in rows]), mean([row.episode_return for row in rows])
    return Evaluation(update, score, episode_return, len(rows))
