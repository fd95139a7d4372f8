"""Scores of every method as PNG: what a table of fourteen columns says, at a glance."""

from math import isfinite
from pathlib import Path

from matplotlib.axes import Axes

from plas_jax.reports.figures.marks import estimate, score_limits, seed_dot
from plas_jax.reports.figures.style import (
    COLUMNS,
    DATA,
    GRID,
    INK,
    PAPER,
    restrained,
    save_with_legend,
    titled,
)
from plas_jax.reports.heading import choosing_seeds, dynamics, score_marks, score_statistic
from plas_jax.reports.lines import ROBOTS, Line, Scores, robot_and_level
from plas_jax.reports.provenance import here
from plas_jax.results.manifest import Manifest
from plas_jax.results.runs import RunStatistics, across_seeds

LINE_HEIGHT = 0.19  # inches that a method takes in a panel
SEEDS_BELOW = 0.24  # of a line: how far the seeds' dots lie below their mean


def score_figure(scores: Scores, manifest: Manifest, path: Path | str) -> None:
    """Draw a panel for each data set with a line for each method: mean and interval over seeds, and every seed.

    Robots stand side by side and levels below each other, in the order of the paper's Tables 2 and 3. Raises
    `ValueError` where there is nothing to draw.
    """
    columns = scores.columns()
    if not scores.datasets or not columns:
        raise ValueError("there is nothing to draw: rows and manifest name no data set or no method")
    grid = grid_of(scores.datasets)
    title = f"Normalised score by method: {score_statistic(scores, manifest)}"
    chosen = f"; settings chosen on seeds {choosing_seeds(scores)}" if choosing_seeds(scores) else ""
    where = f"{here(scores.results, manifest)}; dynamics {dynamics(scores, manifest)}{chosen}"
    height = len(grid) * (LINE_HEIGHT * len(columns) + 0.55) + 1.3
    figure = titled(3.1 * max(len(grid[0]), 2), height, [title, where, *score_marks(scores, manifest)])
    for row, names in enumerate(grid):
        for place in filter(names.__getitem__, range(len(names))):
            axes = figure.add_subplot(len(grid), len(names), row * len(names) + place + 1)
            restrained(axes, names[place])
            named = list(columns) if not any(names[:place]) else [""] * len(columns)
            axes.set_yticks(range(len(columns)), named)
            lines = [column.get(names[place]) for column in columns.values()]
            _scores(axes, scores, lines)
            _references(axes, scores, manifest, names[place])
            axes.set_xlim(score_limits(*axes.get_xlim()))
            lowest = not any(below[place] for below in grid[row + 1 :])
            axes.set_xlabel("normalised score" if lowest else "", fontsize=8.5, color=INK)
    save_with_legend(figure, Path(path))


def grid_of(names: list[str]) -> list[list[str]]:
    """Put data sets in rows of equal length, with empty names for gaps: a row for each level that several robots have.

    Those that stand alone, form (a) of hopper-medium-expert among them, follow in rows of their own.
    """
    levels: dict[tuple[str, str], dict[str, str]] = {}
    for name in names:
        robot, level = robot_and_level(name)
        levels.setdefault((level, name.rpartition("-")[2]), {})[robot] = name
    shared = [by_robot for by_robot in levels.values() if len(by_robot) > 1]
    robots = [robot for robot in ROBOTS if any(robot in by_robot for by_robot in shared)]
    rows = [[by_robot.get(robot, "") for robot in robots] for by_robot in shared]
    alone = [name for by_robot in levels.values() if len(by_robot) == 1 for name in by_robot.values()]
    columns = len(robots) or min(COLUMNS, len(alone))
    rows += [alone[place : place + columns] for place in range(0, len(alone), columns)]
    return [row + [""] * (columns - len(row)) for row in rows]


def _scores(axes: Axes, scores: Scores, lines: list[Line | None]) -> None:
    spreads = across_seeds(scores.reported)
    axes.set_ylim(len(lines) - 0.4, -0.6)
    axes.grid(color=GRID, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(axis="y", length=0)
    axes.margins(x=0.1)
    for place, line in enumerate(lines):
        spread = spreads.get(line.cell) if line else None
        if line is None or spread is None:
            _remark(axes, place, "no run")
            continue
        if isfinite(spread.mean):
            estimate(axes, spread, place, upright=False)
        elif not spread.diverged:
            _remark(axes, place, "no score")
        _seeds(
            axes, place + SEEDS_BELOW, [numbers for run, numbers in scores.reported.items() if run.cell == line.cell]
        )


def _seeds(axes: Axes, place: float, seeds: list[RunStatistics]) -> None:
    for numbers in seeds:
        score, diverged = numbers.mean_last, numbers.diverged_at is not None
        if diverged:
            # a score that is no number has no place on the axis: its cross stands at the edge
            at, where = (score, axes.transData) if isfinite(score) else (0.02, axes.get_yaxis_transform())
            axes.plot(at, place, "x", color=INK, ms=5, mew=1.4, transform=where, label="a seed diverged", zorder=5)
        elif len(seeds) > 1 and isfinite(score):
            seed_dot(axes, score, place)


def _remark(axes: Axes, place: int, text: str) -> None:
    at_the_edge = axes.get_yaxis_transform()
    axes.text(0.02, place, text, transform=at_the_edge, fontsize=7, color=PAPER, va="center", style="italic")


def _references(axes: Axes, scores: Scores, manifest: Manifest, name: str) -> None:
    data = manifest.dataset(name).score
    if data is not None:
        axes.axvline(data, color=DATA, linestyle="--", linewidth=1.1, label="data, mean", zorder=1)
    for (header, lines), style in zip(scores.controls().items(), (":", "-."), strict=False):
        prior = across_seeds(scores.reported).get(lines[name].cell) if name in lines else None
        if prior is not None and isfinite(prior.mean):
            axes.axvline(prior.mean, color=INK, linestyle=style, linewidth=1.3, label=header, zorder=1)
