"""Figure 5 as PNG: how far the critics of several methods are off, by policy updates."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import EngFormatter, MaxNLocator

from plas_jax.reports.figures.style import GRID, INK, colours, restrained, save_with_legend, titled
from plas_jax.reports.lines import in_symbols, setting
from plas_jax.results.q_rows import QRow

PANELS = {
    "mean_squared_error": "mean squared error",
    "positive_share": "share of positive errors",
    "positive_mean": "mean positive error",
    "negative_mean": "mean negative error",
}


def q_error_panels(rows: Sequence[QRow], title: Sequence[str], path: Path) -> None:
    """Draw a row of panels for each data set, one for each of the paper's four measures (Figure 5).

    Lines are means over seeds, and bands one standard deviation (n − 1) on either side. Raises `ValueError` for no row.
    """
    if not rows:
        raise ValueError("there is nothing to draw: no Q error was measured")
    datasets = list(dict.fromkeys(row.cell.dataset for row in rows))
    labels = list(dict.fromkeys(_label(row) for row in rows))
    colour_of = dict(zip(labels, colours(len(labels)), strict=True))
    figure = titled(11.0, 2.3 * len(datasets) + 1.4, list(title))
    panels = figure.subplots(len(datasets), len(PANELS), squeeze=False)
    for line, dataset in zip(panels, datasets, strict=True):
        for axes, (measure, words) in zip(line, PANELS.items(), strict=True):
            restrained(axes, f"{dataset}: {words}" if len(datasets) > 1 else words)
            axes.grid(axis="y", color=GRID, linewidth=0.6)
            axes.xaxis.set_major_formatter(EngFormatter(sep=""))
            axes.xaxis.set_major_locator(MaxNLocator(4))
            if measure == "mean_squared_error":
                axes.yaxis.set_major_formatter(EngFormatter(sep=""))
            for label, colour in colour_of.items():
                ours = [row for row in rows if row.cell.dataset == dataset and _label(row) == label]
                _curve(axes, ours, measure, label, colour)
    for axes in panels[-1]:
        axes.set_xlabel("policy updates", fontsize=8.5, color=INK)
    save_with_legend(figure, path)


def _label(row: QRow) -> str:
    return f"{row.cell.algorithm} {in_symbols(setting(row.cell), row.cell.algorithm)}".strip()


def _curve(axes: Axes, rows: Sequence[QRow], measure: str, label: str, colour: tuple) -> None:
    by_update: dict[int, list[float]] = {}
    for row in rows:
        by_update.setdefault(row.update, []).append(getattr(row.error, measure))
    updates = sorted(by_update)
    means = np.array([np.mean(by_update[update]) for update in updates])
    widths = np.array([np.std(by_update[u], ddof=1) if len(by_update[u]) > 1 else 0.0 for u in updates])
    axes.plot(updates, means, color=colour, linewidth=1.4, label=label, zorder=3)
    axes.fill_between(updates, means - widths, means + widths, color=colour, alpha=0.15, linewidth=0)
