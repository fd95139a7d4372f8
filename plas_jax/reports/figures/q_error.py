"""Figure 5 as PNG: how far the critics of several methods are off, by policy updates."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.ticker import EngFormatter

from plas_jax.reports.figures.marks import Pen, curve, over_updates
from plas_jax.reports.figures.style import INK, colours, restrained, save_with_legend, titled
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

    Lines are means over seeds, and each seed is a dot. Raises `ValueError` for no row.
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
            if measure in ("mean_squared_error", "positive_mean"):  # one method's may be ten thousand times another's
                axes.set_yscale("symlog", linthresh=10.0)
                axes.yaxis.set_major_formatter(EngFormatter(sep=""))
            for label, colour in colour_of.items():
                ours = [row for row in rows if row.cell.dataset == dataset and _label(row) == label]
                curve(axes, Pen(label, colour), _by_update(ours, measure))
            over_updates(axes)
    for axes in panels[-1]:
        axes.set_xlabel("policy updates", fontsize=8.5, color=INK)
    save_with_legend(figure, path)


def _label(row: QRow) -> str:
    return f"{row.cell.algorithm} {in_symbols(setting(row.cell), row.cell.algorithm)}".strip()


def _by_update(rows: Sequence[QRow], measure: str) -> dict[int, list[float]]:
    """Return a measure of every seed by rising update."""
    by_update: dict[int, list[float]] = {}
    for row in sorted(rows, key=lambda row: row.update):
        by_update.setdefault(row.update, []).append(getattr(row.error, measure))
    return by_update
