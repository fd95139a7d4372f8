"""What figures draw of seeds: curves over updates with a dot for each seed, and means with their intervals."""

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import EngFormatter, MaxNLocator

from plas_jax.reports.curves import DOTTED, thinned
from plas_jax.reports.figures.style import GRID, HERE, INK
from plas_jax.results.runs import Spread, mean

INTERVAL, ONE_SEED, EACH_SEED = "here, mean and 95 % interval, cut at the edge", "here, one seed", "each seed"
LEAST_SPAN = 10.0  # points of score that a panel shows at least: what differs by less should look alike


class Pen(NamedTuple):
    """What tells one curve from another."""

    label: str
    colour: tuple


def over_updates(axes: Axes) -> None:
    """Give a panel of curves its horizontal axis, which begins at update 0: call it when all is drawn."""
    axes.grid(axis="y", color=GRID, linewidth=0.6)
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.set_xlim(left=0)


def curve(axes: Axes, pen: Pen, at: Mapping[int, Sequence[float]], diverged: Sequence[int] = ()) -> None:
    """Draw the mean over seeds at each update as a line, and every seed as a dot at some updates.

    `at` has the values of all seeds by rising update. A cross marks the last mean before the first of `diverged`, the
    updates at which seeds did.
    """
    updates, means = list(at), [mean(values) for values in at.values()]
    dotted, _ = thinned(updates, DOTTED)
    label = pen.label if len(updates) > 1 else None  # a line of one point is invisible
    axes.plot(updates, means, color=pen.colour, linewidth=1.5, label=label, zorder=3)
    if len(updates) == 1:
        axes.plot(updates, means, "o", color=pen.colour, ms=5, label=pen.label, zorder=3)
    several = [(update, value) for update in dotted for value in at[update] if len(at[update]) > 1 and isfinite(value)]
    if several:
        axes.plot(*zip(*several, strict=True), ".", color=pen.colour, alpha=0.55, ms=4, mew=0, zorder=2)
    if diverged:
        drawn = [(update, score) for update, score in zip(updates, means, strict=True) if isfinite(score)]
        healthy = [point for point in drawn if point[0] <= min(diverged)]
        for update, score in healthy[-1:] or drawn[:1]:
            cross(axes, update, score)


def estimate(axes: Axes, spread: Spread, place: float, upright: bool) -> None:
    """Draw a mean and its 95 % interval at a place on the other axis.

    Limits are made of what else is drawn: an interval of few seeds may be far longer than all scores are apart, and is
    cut at the edge of the panel.
    """
    low, high = spread.interval
    if isfinite(low):
        ends, places = (low, high), (place, place)
        across = Line2D(places, ends, marker="_") if upright else Line2D(ends, places, marker="|")
        across.set(color=HERE, linewidth=1.5, markersize=6, zorder=4)
        axes.add_artist(across)  # add_line would let the limits hold it
    at = (place, spread.mean) if upright else (spread.mean, place)
    axes.plot(*at, "o", ms=5, color=HERE, label=INTERVAL if isfinite(low) else ONE_SEED, zorder=4)


def score_limits(low: float, high: float) -> tuple[float, float]:
    """Return limits of an axis of scores, made as far apart as they must be."""
    room = max(0.0, LEAST_SPAN - (high - low)) / 2
    return low - room, high + room


def seed_dot(axes: Axes, x: float, y: float) -> None:
    """Draw one seed beside a mean."""
    axes.plot(x, y, ".", color=HERE, alpha=0.55, ms=5, mew=0, label=EACH_SEED, zorder=3)


def cross(axes: Axes, x: float, y: float) -> None:
    """Mark where a seed diverged."""
    axes.plot(x, y, "x", color=INK, ms=6, mew=1.6, label="a seed diverged", zorder=5)
