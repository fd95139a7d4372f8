"""What a few seeds allow to be said: differences in pairs, and the choice of a setting on other seeds."""

from collections.abc import Mapping
from math import inf, isfinite
from typing import NamedTuple

from plas_jax.results.intervals import NO_INTERVAL, Interval, student_t
from plas_jax.results.runs import Cell, Run, RunStatistics, Spread, across_seeds, spread_of

Runs = Mapping[Run, RunStatistics]


class Difference(NamedTuple):
    """A mean over seeds of the differences between two methods' scores on the same seed."""

    mean: float
    interval: Interval
    seeds: int
    diverged: int  # how many of the pairs have a run that did


def interval(spread: Spread) -> Interval:
    """Return Student's 95 % interval, all that mean and deviation allow; none for one seed, or if one is not finite."""
    return (
        student_t(spread.mean, spread.std, spread.seeds) if spread.seeds > 1 and isfinite(spread.std) else NO_INTERVAL
    )


def paired_difference(runs: Runs, cell: Cell, to: Cell) -> Difference | None:
    """Return the scores of one cell less those of another, seed by seed; None where they share no seed.

    Runs of one seed start their evaluation episodes in the same states, so that pairs vary less than two means do.
    """
    seeds = sorted({run.seed for run in runs if run.cell == cell} & {run.seed for run in runs if run.cell == to})
    if not seeds:
        return None
    pairs = [(runs[Run(cell, seed)], runs[Run(to, seed)]) for seed in seeds]
    differences = [first.mean_last - second.mean_last for first, second in pairs]
    diverged = sum(any(numbers.diverged_at is not None for numbers in pair) for pair in pairs)
    spread = spread_of(differences, diverged)
    return Difference(spread.mean, spread.interval, len(seeds), diverged)


def best_setting(runs: Runs) -> Cell:
    """Return the setting of these runs with the highest mean score over its seeds; of equals the smallest.

    Scores that are not finite lose to all others. Data without score references are judged by their returns.
    """
    scored = any(isfinite(numbers.mean_last) for numbers in runs.values())
    spreads = across_seeds(runs, "mean_last" if scored else "mean_return")
    means = {cell: spread.mean for cell, spread in spreads.items()}
    # max takes the first of equals
    return max(sorted(means, key=magnitude), key=lambda cell: means[cell] if isfinite(means[cell]) else -inf)


def magnitude(cell: Cell) -> tuple[float, list[tuple[str, float]]]:
    """Return what orders the settings of one method from the smallest to the largest."""
    knobs = (knob.partition("=") for knob in cell.knobs.split())
    return cell.perturbation_limit, [(name, float(value)) for name, _, value in knobs]
