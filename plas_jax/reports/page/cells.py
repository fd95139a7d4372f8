"""The figures of single data sets: scores beside the paper's, and learning curves."""

from collections.abc import Sequence
from math import isfinite

from plas_jax.reports import markdown
from plas_jax.reports.curves import thinned
from plas_jax.reports.page.curves import Curve, rounded
from plas_jax.reports.page.drawing import Dot, Frame, Stroke, dots_panel, lines_panel, spanned
from plas_jax.reports.page.figure import FEW, Figure, data_score, finite, key, pair
from plas_jax.reports.page.html import Html, cut, name, table
from plas_jax.reports.page.loaded import Series
from plas_jax.reports.page.summaries import Score

STATIC_POINTS = 60  # of a curve where no script draws it
SHOWN_UPDATES = 6  # columns of the table of curves


def scores_figure(scores: Sequence[Score], series: Sequence[Series], datasets: Sequence[str]) -> Figure:
    """Return the scores of every series on every data set, beside the paper's."""
    panels, seeds = [], max((score.spread.seeds for score in scores), default=0)
    for dataset in datasets:
        ours = [score for score in scores if score.dataset == dataset]
        dots = [_score_dot(score, series[score.series].name) for score in ours]
        level = data_score(series, dataset)
        span = spanned([level, *(number for dot in dots for number in (dot.value, dot.low, dot.high, dot.reference))])
        panels.append(dots_panel(dataset, dots, span, level))
    return Figure(
        "scores",
        "Scores",
        "Mean over seeds with its 95 % interval; dashed: the data's own mean; hollow diamonds: the paper's numbers, on"
        " D4RL's v0 data.",
        panels,
        [_score_table(scores, series, datasets, seeds)],
        [
            {
                "d": datasets.index(score.dataset),
                "s": score.series,
                "m": rounded(score.spread.mean),
                "i": pair(score.spread.interval),
                "v": [rounded(value) for value in score.spread.values],
                "x": score.spread.diverged,
                "p": score.paper,
            }
            for score in scores
        ],
        is_open=True,
    )


def _score_dot(score: Score, label: str) -> Dot:
    low, high = score.spread.interval
    mean = score.spread.mean
    return Dot(score.series, label, finite(mean), finite(low), finite(high), score.paper)


def _score_table(scores: Sequence[Score], series: Sequence[Series], datasets: Sequence[str], seeds: int) -> Html:
    body = []
    for dataset in datasets:
        for score in (score for score in scores if score.dataset == dataset):
            low, high = score.spread.interval
            interval = f"{markdown.number(low)} to {markdown.number(high)}" if isfinite(low) else markdown.DASH
            body.append(
                [
                    name(dataset),
                    name(series[score.series].name),
                    markdown.marked(markdown.number(score.spread.mean), [score.spread], seeds),
                    interval,
                    f"{score.spread.seeds}",
                    markdown.number(data_score(series, dataset)),
                    markdown.number(score.paper),
                    score.verdict or markdown.DASH,
                ]
            )
    header = ["data set", "method", "here", "95 % interval", "seeds", "data", "paper, v0", "verdict"]
    return table("Scores by data set and method", header, body, words=2)


def curves_figure(curves: Sequence[Curve], series: Sequence[Series], datasets: Sequence[str]) -> Figure:
    """Return the learning curves, a panel for each data set."""
    updates = list(dict.fromkeys(curve.updates for curve in curves))
    panels, tables = [], []
    for dataset in datasets:
        ours = [curve for curve in curves if curve.dataset == dataset]
        if ours:
            panels.append(_curves_panel(dataset, ours, data_score(series, dataset)))
            tables.append(_curves_table(dataset, ours, series))
    each = max((curve.each for curve in curves), default=1)
    left_out = f" Every {each}th evaluation is drawn, and the last." if each > 1 else ""
    return Figure(
        "curves",
        "While training",
        f"Mean over seeds by policy updates; small dots are single seeds.{left_out}",
        panels,
        tables,
        {
            "updates": updates,
            "lines": [
                {
                    "d": datasets.index(curve.dataset),
                    "s": curve.series,
                    "u": updates.index(curve.updates),
                    "m": curve.means,
                    "p": curve.dotted if curve.seeds > 1 else [],
                    "v": curve.scores if curve.seeds > 1 else [],
                    "i": [pair(each) for each in curve.intervals] if curve.seeds > 1 else [],
                    "n": curve.seeds,
                    "x": curve.diverged,
                }
                for curve in curves
            ],
        },
        key=key((series[place].name, place) for place in dict.fromkeys(curve.series for curve in curves)),
    )


def _curves_panel(dataset: str, curves: Sequence[Curve], level: float | None) -> Html:
    strokes = []
    for curve in curves:
        places, _ = thinned(range(len(curve.updates)), STATIC_POINTS)
        points = [(float(curve.updates[place]), curve.means[place]) for place in places]
        strokes.append(Stroke(curve.series, points, _seeds(curve) if len(curves) <= FEW else []))
    values = [value for stroke in strokes for _, value in (*stroke.points, *stroke.dots)]
    updates = spanned([0.0, *(float(curve.updates[-1]) for curve in curves)])
    return lines_panel(Frame(dataset, updates, spanned([level, *values]), "policy updates"), strokes, level)


def _seeds(curve: Curve) -> list[tuple[float, float | None]]:
    if curve.seeds < 2:
        return []
    shown = zip(curve.dotted, curve.scores, strict=True)
    return [(float(curve.updates[place]), score) for place, scores in shown for score in scores]


def _curves_table(dataset: str, curves: Sequence[Curve], series: Sequence[Series]) -> Html:
    longest = max(curves, key=lambda curve: len(curve.updates))
    updates, _ = thinned([longest.updates[place] for place in longest.dotted], SHOWN_UPDATES)
    body = [
        [name(series[curve.series].name), *(_at(curve, update) for update in updates), _diverged(curve)]
        for curve in curves
    ]
    header = ["method", *(f"{update:,}" for update in updates), "diverged at"]
    return table(f"{cut(dataset)}: mean [95 % interval] by policy updates", header, body)


def _at(curve: Curve, update: int) -> str:
    if update not in curve.updates:
        return markdown.DASH
    place = curve.updates.index(update)
    mean = curve.means[place]
    if mean is None or place not in curve.dotted:
        return markdown.number(mean)
    return markdown.estimate(mean, curve.intervals[curve.dotted.index(place)])


def _diverged(curve: Curve) -> str:
    return ", ".join(f"{update:,}" for update in curve.diverged) or markdown.DASH
