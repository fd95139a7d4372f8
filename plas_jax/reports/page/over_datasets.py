"""The figures over all data sets: aggregates, performance profiles, probabilities of improvement."""

from collections.abc import Sequence

from plas_jax.reports import markdown
from plas_jax.reports.page.curves import rounded
from plas_jax.reports.page.drawing import Dot, Frame, Stroke, dots_panel, lines_panel, spanned
from plas_jax.reports.page.figure import Figure, finite, key, pair
from plas_jax.reports.page.html import cut, name, table
from plas_jax.reports.page.loaded import Series
from plas_jax.reports.page.summaries import Comparison


def aggregates_figure(compared: Comparison, series: Sequence[Series]) -> Figure:
    """Return the statistics of every series over all data sets, with their intervals."""
    aggregates = compared.aggregates()
    names = list(dict.fromkeys(aggregate.statistic for aggregate in aggregates))
    panels = []
    for statistic in names:
        own = [aggregate for aggregate in aggregates if aggregate.statistic == statistic]
        dots = [
            Dot(each.series, series[each.series].name, finite(each.value), *map(finite, each.interval)) for each in own
        ]
        numbers = [number for dot in dots for number in (dot.value, dot.low, dot.high)]
        panels.append(dots_panel(statistic, dots, spanned(numbers)))
    by_place = {(each.series, each.statistic): each for each in aggregates}
    body = [
        [
            name(series[place].name),
            *(markdown.estimate(by_place[place, each].value, by_place[place, each].interval) for each in names),
        ]
        for place in compared.scores
    ]
    return Figure(
        "aggregates",
        f"Over {len(compared.tasks)} data sets",
        "Mean and median of the data sets' means; IQM, the mean of the middle half of all runs; the optimality gap, by"
        " how much runs fall short of 100, where less is better. Bars: 95 % intervals, stratified bootstrap over seeds."
        + _left_out(compared, series),
        panels,
        [table("Aggregates over data sets, with 95 % intervals", ["method", *names], body)],
        [{"s": e.series, "t": e.statistic, "m": rounded(e.value), "i": pair(e.interval)} for e in aggregates],
    )


def profiles_figure(compared: Comparison, series: Sequence[Series]) -> Figure:
    """Return the performance profiles: which share of a series' runs scores above a threshold."""
    thresholds, profiles = compared.thresholds(), compared.profiles()
    span = (float(thresholds[0]), float(thresholds[-1]))
    strokes = [
        Stroke(place, [(float(tau), finite(share)) for tau, share in zip(thresholds, shares, strict=True)])
        for place, shares in profiles.items()
    ]
    places = range(0, len(thresholds), 10)
    body = [
        [name(series[place].name), *(markdown.number(100 * float(shares[at])) for at in places)]
        for place, shares in profiles.items()
    ]
    header = ["method", *(f"above {thresholds[at]:.0f}" for at in places)]
    return Figure(
        "profiles",
        "Performance profiles",
        "The share of runs, averaged over data sets, whose score is above a threshold τ: the higher a line, the better."
        + _left_out(compared, series),
        [lines_panel(Frame("share of runs above τ", spanned(span), (0.0, 1.0), "score τ"), strokes)],
        [table("Share of runs above a score, in %", header, body)],
        {
            "tau": [rounded(float(tau)) for tau in thresholds],
            "lines": [{"s": place, "m": [rounded(s, 3) for s in shares]} for place, shares in profiles.items()],
        },
        key=key((series[place].name, place) for place in profiles),
    )


def improvements_figure(compared: Comparison, series: Sequence[Series]) -> Figure:
    """Return how likely a run of one series is to beat a run of another."""
    chances, places = compared.improvements(), list(compared.scores)
    body = [
        [name(series[a].name), *(markdown.DASH if a == b else _percent(chances[a, b]) for b in places)] for a in places
    ]
    over = places[0]
    dots = [
        Dot(place, series[place].name, None if place == over else finite(100 * chances[place, over]))
        for place in places
    ]
    return Figure(
        "improvement",
        "Probability of improvement",
        "How likely a run of the method in a row is to beat a run of the one it is compared with, on the same data set"
        " and averaged over data sets; 50 %: neither does.",
        [dots_panel(f"better than {series[over].name}, %", dots, (0.0, 100.0), 50.0)],
        [
            table(
                "A run of the row beats one of the column, in %",
                ["method", *(cut(series[b].name) for b in places)],
                body,
            )
        ],
        [{"a": a, "b": b, "p": rounded(100 * chance)} for (a, b), chance in chances.items()],
    )


def _percent(chance: float) -> str:
    return markdown.number(100 * chance)


def _left_out(compared: Comparison, series: Sequence[Series]) -> str:
    if not compared.left_out:
        return ""
    names = ", ".join(series[place].name for place in compared.left_out[:10])
    more = " and others" if len(compared.left_out) > 10 else ""
    return f" Left out: {names}{more} (no score on some data set, or too many to compare)."
