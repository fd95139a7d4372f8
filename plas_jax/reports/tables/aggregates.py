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
    """A method's spreads on all these data sets; none where it lacks one, and so compares with no other method."""
    found = [spreads.get(column[name].cell) if name in column else None for name in names]
    present = [spread for spread in found if spread is not None]
    return present if len(present) == len(names) else []


def estimate(statistic: Statistic, *methods: list[Spread], seeds: int, scale: float = 1.0) -> str:
    """A statistic of one method's spreads, or of several methods', with its 95 % interval; a dash without any."""
    if not all(methods):
        return markdown.DASH
    scores: list[Scores] = [[of.values for of in method] for method in methods]
    low, high = stratified_interval(statistic, *scores)
    value = scale * float(statistic(*scores))
    shown = markdown.estimate(value, Interval(scale * low, scale * high))
    return markdown.marked(shown, [of for method in methods for of in method], seeds)


def aggregates(names: Sequence[str], columns: Mapping[str, Column], spreads: Spreads, over: str, seeds: int) -> str:
    """A line of every statistic for each method over these data sets; improvement is over the method of that label."""
    found = {label: spreads_of(names, column, spreads) for label, column in columns.items()}
    body = []
    for label, of in found.items():
        numbers = [estimate(statistic, of, seeds=seeds) for statistic in STATISTICS.values()]
        better = estimate(probability_of_improvement, of, found[over], seeds=seeds, scale=100.0)
        body.append([label, *numbers, better if label != over else markdown.DASH])
    header = ["algorithm", *STATISTICS, f"better than {over}, %"]
    note = (
        "Mean and median are of the data sets' means, IQM is the mean of the middle half of all runs, the optimality"
        f" gap by how much runs fall short of {PERFECT:g} on average, and the last column how often a run beats one of"
        f" {over} on the same data set. [low, high]: 95 % interval, stratified bootstrap of seeds ({RESAMPLES:,}"
        " resamples, expanded percentiles). A method without a score on some data set has a dash."
    )
    return f"{markdown.table(header, body)}\n\n{note}"
