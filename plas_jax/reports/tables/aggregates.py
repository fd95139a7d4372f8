"""One number for each method over all data sets, with its interval: the statistics of `evaluation.aggregates`."""

from collections.abc import Mapping, Sequence

from plas_jax.reports import markdown
from plas_jax.reports.lines import Line
from plas_jax.results.aggregates import (
    PERFECT,
    Scores,
    interquartile_mean,
    mean,
    median,
    optimality_gap,
    probability_of_improvement,
)
from plas_jax.results.intervals import RESAMPLES, Interval, Statistic, stratified_interval
from plas_jax.results.runs import Cell, Spread

STATISTICS: dict[str, Statistic] = {
    "mean": mean,
    "median": median,
    "IQM": interquartile_mean,
    "optimality gap": optimality_gap,
}

Column = Mapping[str, Line]  # by data set
Spreads = Mapping[Cell, Spread]


def spreads_of(names: Sequence[str], column: Column, spreads: Spreads) -> list[Spread]:
    """Return a method's spreads on all these data sets; none if it lacks one, and so compares with no other method."""
    spreads_or_none = [spreads.get(column[name].cell) if name in column else None for name in names]
    present = [spread for spread in spreads_or_none if spread is not None]
    return present if len(present) == len(names) else []


def estimate(statistic: Statistic, *methods: list[Spread], seeds: int, scale: float = 1.0) -> str:
    """Write a statistic of one method's spreads, or several methods', with its 95 % interval; a dash without any."""
    if not all(methods):
        return markdown.DASH
    scores: list[Scores] = [[spread.values for spread in method] for method in methods]
    low, high = stratified_interval(statistic, *scores)
    value = scale * float(statistic(*scores))
    shown = markdown.estimate(value, Interval(scale * low, scale * high))
    return markdown.marked(shown, [spread for method in methods for spread in method], seeds)


def aggregates(names: Sequence[str], columns: Mapping[str, Column], spreads: Spreads, over: str, seeds: int) -> str:
    """Return a table: every statistic of each method over these data sets; `over` labels the one to improve on."""
    spreads_by_label = {label: spreads_of(names, column, spreads) for label, column in columns.items()}
    body = []
    for label, own_spreads in spreads_by_label.items():
        numbers = [estimate(statistic, own_spreads, seeds=seeds) for statistic in STATISTICS.values()]
        pair = own_spreads, spreads_by_label[over]
        better = estimate(probability_of_improvement, *pair, seeds=seeds, scale=100.0)
        body.append([label, *numbers, better if label != over else markdown.DASH])
    header = ["algorithm", *STATISTICS, f"better than {over}, %"]
    note = (
        "Mean and median are of the data sets' means, IQM is the mean of the middle half of all runs, the optimality"
        f" gap by how much runs fall short of {PERFECT:g} on average, and the last column how often a run beats one of"
        f" {over} on the same data set. [low, high]: 95 % interval, stratified bootstrap of seeds ({RESAMPLES:,}"
        " resamples, expanded percentiles). A method without a score on some data set has a dash."
    )
    return f"{markdown.table(header, body)}\n\n{note}"
