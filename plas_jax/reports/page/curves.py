"""Learning curves for the page: means over seeds, thinned and rounded, with every seed at a few places."""

from collections.abc import Sequence
from math import isfinite
from typing import NamedTuple

import numpy as np

from plas_jax.reports.curves import DOTTED, scores_by_update, thinned
from plas_jax.reports.page.loaded import Loaded, Series
from plas_jax.results.intervals import Interval, interval
from plas_jax.results.runs import CONTROLS, Cell, mean

MOST = 200  # points of a curve: a panel is a few hundred pixels wide


class Curve(NamedTuple):
    """One series on one data set, at every `each`-th evaluation and the last."""

    dataset: str
    series: int  # its place
    updates: tuple[int, ...]
    means: tuple[float | None, ...]  # over seeds; None where one of them is not finite
    dotted: tuple[int, ...]  # the places in `updates` where every seed is shown, the last among them
    scores: tuple[tuple[float | None, ...], ...]  # of every seed there
    intervals: tuple[Interval, ...]  # of the mean there
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
    kept, each = thinned(list(at), MOST)
    dotted, _ = thinned(range(len(kept)), DOTTED)
    diverged = [folder.scores.results.diverged[run] for run in runs if run in folder.scores.results.diverged]
    return Curve(
        dataset,
        place,
        tuple(kept),
        tuple(rounded(mean(at[update])) for update in kept),
        tuple(dotted),
        tuple(tuple(map(rounded, at[kept[where]])) for where in dotted),
        tuple(interval(np.array(at[kept[where]])) for where in dotted),
        len(runs),
        tuple(sorted(diverged)),
        each,
    )


def rounded(value: float | None, digits: int = 1) -> float | None:
    """Return a number as JSON takes it: rounded, None where it is not finite."""
    if value is None or not isfinite(value):
        return None
    return round(float(value), digits) + 0.0  # no negative zero
