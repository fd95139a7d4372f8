"""The figure of Q errors on the page: how far critics are off, by policy updates (Figure 5)."""

from collections.abc import Sequence
from math import isfinite
from typing import NamedTuple

from plas_jax.reports import markdown
from plas_jax.reports.curves import thinned
from plas_jax.reports.page.drawing import Frame, Stroke, lines_panel, spanned
from plas_jax.reports.page.figure import Figure, key
from plas_jax.reports.page.html import cut, name, table
from plas_jax.reports.page.loaded import Series
from plas_jax.results.q_rows import QRow
from plas_jax.results.runs import mean

MOST, STATIC_POINTS = 100, 40  # of a curve: there are six of each series
MEASURES = {
    "mean_squared_error": "mean squared error",
    "positive_share": "share of positive errors",
    "positive_mean": "mean positive error",
    "negative_mean": "mean negative error",
    "mean_q": "mean Q",
    "mean_return": "mean return, discounted",
}


class QCurve(NamedTuple):
    """One measure of one series on one data set: its mean over seeds at each update."""

    dataset: str
    series: int
    measure: str
    updates: list[int]
    means: list[float | None]


def q_curves(series: Sequence[Series]) -> list[QCurve]:
    """Return the curves of every series whose folder has Q errors of it."""
    curves = []
    for place, one in enumerate(series):
        for dataset, line in one.column.items():
            seeds = {run.seed for run in one.folder.scores.reported}
            rows = [row for row in one.folder.q_rows if row.cell == line.cell and row.seed in seeds]
            curves += [curve for measure in MEASURES if (curve := _curve(rows, measure, place, dataset))]
    return curves


def _curve(rows: Sequence[QRow], measure: str, place: int, dataset: str) -> QCurve | None:
    by_update: dict[int, list[float]] = {}
    for row in rows:
        by_update.setdefault(row.update, []).append(getattr(row.error, measure))
    if not by_update:
        return None
    updates, _ = thinned(sorted(by_update), MOST)
    means = [mean(by_update[update]) for update in updates]
    return QCurve(dataset, place, measure, updates, [float(f"{m:.4g}") if isfinite(m) else None for m in means])


def q_errors_figure(curves: Sequence[QCurve], series: Sequence[Series], datasets: Sequence[str]) -> Figure:
    """Return the Q errors, a panel for each data set and measure; the script shows those of one data set."""
    panels, tables = [], []
    for dataset in datasets:
        for measure, words in MEASURES.items():
            ours = [curve for curve in curves if (curve.dataset, curve.measure) == (dataset, measure)]
            if not ours:
                continue
            strokes = [_stroke(curve) for curve in ours]
            x = spanned([0.0, *(float(update) for each in ours for update in each.updates)])
            frame = Frame(f"{cut(dataset)}: {words}", x, spanned([v for each in ours for v in each.means]), "updates")
            panels.append(lines_panel(frame, strokes))
        body = [_last(curves, dataset, place, series[place].name) for place in range(len(series))]
        if any(body):
            header = ["method", "update", *MEASURES.values()]
            tables.append(table(f"{cut(dataset)}: Q errors at the last evaluation", header, filter(None, body)))
    return Figure(
        "q_errors",
        "Errors of the critics",
        "Q of the first critic less what the policy's rollouts earn in the next steps, as many as the time limit, past"
        " which they go on; mean over seeds. The paper's mean squared error is printed without its 1/N.",
        panels,
        tables,
        {
            "measures": list(MEASURES.values()),
            "lines": [
                {
                    "d": datasets.index(curve.dataset),
                    "s": curve.series,
                    "k": list(MEASURES).index(curve.measure),
                    "u": curve.updates,
                    "m": curve.means,
                }
                for curve in curves
            ],
        },
        key=key((series[place].name, place) for place in dict.fromkeys(curve.series for curve in curves)),
    )


def _stroke(curve: QCurve) -> Stroke:
    kept, _ = thinned(range(len(curve.updates)), STATIC_POINTS)
    return Stroke(curve.series, [(float(curve.updates[place]), curve.means[place]) for place in kept])


def _last(curves: Sequence[QCurve], dataset: str, place: int, label: str) -> list[str]:
    ours = {curve.measure: curve for curve in curves if (curve.dataset, curve.series) == (dataset, place)}
    if not ours:
        return []
    numbers = [ours[measure].means[-1] for measure in MEASURES]
    shown = [markdown.DASH if value is None else f"{value:,.2f}".replace("-", "−") for value in numbers]
    return [name(label), f"{next(iter(ours.values())).updates[-1]:,}", *shown]
