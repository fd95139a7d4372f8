"""A panel for each data set: means over a swept limit, every seed, the data's mean and the CVAE's prior."""

from collections.abc import Mapping
from math import ceil, isfinite
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from plas_jax.reports.figures.marks import cross, estimate, score_limits, seed_dot
from plas_jax.reports.figures.style import (
    COLUMNS,
    DATA,
    GRID,
    INK,
    restrained,
    save_with_legend,
    titled,
)
from plas_jax.reports.heading import marks
from plas_jax.reports.provenance import datasets, here, setting
from plas_jax.results.manifest import Manifest
from plas_jax.results.runs import CONTROLS, Cell, Results, Run, RunStatistics, across_seeds, mean


def panels(results: Results, manifest: Manifest, title: str) -> tuple[Figure, dict[str, Axes]]:
    """Return an empty figure under its title and provenance, and the panel of each data set by name.

    Raises `ValueError` where neither rows nor manifest name a data set.
    """
    names = datasets(results, manifest)
    if not names:
        raise ValueError("there is nothing to draw: neither rows nor manifest name a data set")
    columns = min(COLUMNS, len(names))
    width, height = 3.1 * max(columns, 2), 2.2 * ceil(len(names) / columns) + 1.3
    lines = [
        title,
        f"{here(results, manifest)}; dynamics {setting(results, manifest, 'dynamics')}",
        *marks(results, manifest),
    ]
    figure = titled(width, height, lines)
    axes = [figure.add_subplot(ceil(len(names) / columns), columns, place + 1) for place in range(len(names))]
    for name, panel in zip(names, axes, strict=True):
        restrained(panel, name)
        panel.grid(axis="y", color=GRID, linewidth=0.6)
    return figure, dict(zip(names, axes, strict=True))


def by_limit(axes: Axes, runs: dict[Run, RunStatistics], cells: Mapping[float, Cell]) -> None:
    """Draw the runs of each limit, evenly spaced: mean over seeds with its 95 % interval, and every seed."""
    spreads = across_seeds({run: numbers for run, numbers in runs.items() if run.cell in cells.values()})
    for place, cell in enumerate(cells.values()):
        if cell in spreads:
            estimate(axes, spreads[cell], place, upright=True)
            _seeds(axes, place + 0.14, [numbers for run, numbers in runs.items() if run.cell == cell])
    axes.set_xticks(range(len(cells)), [f"{limit:g}" for limit in cells])
    axes.set_xlim(-0.5, max(len(cells), 1) - 0.5)
    axes.margins(y=0.2)


def _seeds(axes: Axes, place: float, seeds: list[RunStatistics]) -> None:
    for numbers in seeds:
        if numbers.diverged_at is not None:
            cross(axes, place, numbers.mean_last)
        elif len(seeds) > 1:
            seed_dot(axes, place, numbers.mean_last)


def references(axes: Axes, runs: dict[Run, RunStatistics], manifest: Manifest, name: str) -> None:
    """Draw a line at the score of the data, and one at that of each control, where they are known."""
    data = manifest.dataset(name).score
    if data is not None:
        axes.axhline(data, color=DATA, linestyle="--", linewidth=1.1, label="data, mean", zorder=1)
    for (control, header), style in zip(CONTROLS.items(), (":", "-."), strict=True):
        scores = [numbers.mean_last for run, numbers in runs.items() if run.cell == Cell(name, control, 0.0)]
        if scores and isfinite(mean(scores)):
            axes.axhline(mean(scores), color=INK, linestyle=style, linewidth=1.3, label=header, zorder=1)


def finish(figure: Figure, panels: dict[str, Axes], label: str, path: Path) -> None:
    """Label the outer axes of the panels, below with this label, and write the figure."""
    columns = min(COLUMNS, len(panels))
    for place, axes in enumerate(panels.values()):
        axes.set_ylim(score_limits(*axes.get_ylim()))
        axes.set_xlabel(label if place + columns >= len(panels) else "", fontsize=8.5, color=INK)
        axes.set_ylabel("normalised score" if place % columns == 0 else "", fontsize=8.5, color=INK)
    save_with_legend(figure, path)
