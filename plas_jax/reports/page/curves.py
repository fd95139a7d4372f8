"""Learning curves for the page: mean and one standard deviation over seeds, thinned and rounded."""

from collections.abc import Sequence
from math import isfinite
from typing import NamedTuple

from plas_jax.reports.curves import scores_by_update
from plas_jax.reports.page.loaded import Loaded, Series
from plas_jax.results.runs import CONTROLS, Cell, mean, standard_deviation

MOST = 200  # points of a curve: a panel is a few hundred pixels wide


class Curve(NamedTuple):
    """One series on one data set, at every `each`-th evaluation and the last."""

    dataset: str
    series: int  # its place
    updates: tuple[int, ...]
    means: tuple[float | None, ...]  # over seeds; None where one of them is not finite
    deviations: tuple[float | None, ...]  # n − 1; None for one seed
    seeds: int
    diverged: tuple[int, ...]  # the updates at which seeds did
    each: int


def curves(series: Sequence[Series]) -> list[Curve]:
    """Return the curves of all series but the controls, which have none."""
    found = []
    for place, one in enumerate(series):
        for dataset, line in one.column.items():
            if line.cell.algorithm not in CONTROLS and (curve := _curve(one.folder, line.cell, place, dataset)):
                found.append(curve)
    return found


def _curve(folder: Loaded, cell: Cell, place: int, dataset: str) -> Curve | None:
    runs = [run for run in folder.scores.reported if run.cell == cell]
    at = scores_by_update(folder.scores.results.evaluations[run] for run in runs)
    if not at:
        return None
    kept, each = thinned(list(at))
    diverged = [folder.scores.results.diverged[run] for run in runs if run in folder.scores.results.diverged]
    return Curve(
        dataset,
        place,
        tuple(kept),
        tuple(rounded(mean(at[update])) for update in kept),
        tuple(rounded(standard_deviation(at[update])) for update in kept),
        len(runs),
        tuple(sorted(diverged)),
        each,
    )


def thinned(updates: Sequence[int], most: int = MOST) -> tuple[list[int], int]:
    """Return at most `most` of the updates, evenly spaced and with the last, and how many one stands for."""
    each = -(-len(updates) // most)
    return list(updates[::-1][::each])[::-1], each


def rounded(value: float | None, digits: int = 1) -> float | None:
    """Return a number as JSON takes it: rounded, None where it is not finite."""
    if value is None or not isfinite(value):
        return None
    return round(float(value), digits) + 0.0  # no negative zero
