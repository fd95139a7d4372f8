"""Histograms of what data sets hold, as PNG."""

from collections.abc import Mapping
from math import ceil
from pathlib import Path

import numpy as np

from plas_jax.files.whole_files import whole_file
from plas_jax.reports.figures.style import COLUMNS, HERE, INK, restrained, titled

BINS = 40


def return_histograms(returns: Mapping[str, np.ndarray], title: str, path: Path) -> None:
    """Draw a panel for each data set: how many of its episodes have which return, on a logarithmic axis.

    `returns` has one undiscounted return for each whole episode, float64 `[episodes]`, by data set. Panels of one row
    share axis and bins, so that three levels of one robot can be compared. Raises `ValueError` for no data set.
    """
    if not returns:
        raise ValueError("there is nothing to draw: no data set was named")
    columns = min(COLUMNS, len(returns))
    rows = ceil(len(returns) / columns)
    figure = titled(3.1 * columns, 1.8 * rows + 0.6, [title])
    panels = figure.subplots(rows, columns, sharex="row", squeeze=False).ravel()
    all_values = list(returns.values())
    for place, (panel, (name, values)) in enumerate(zip(panels, returns.items(), strict=False)):
        first = place - place % columns
        edges = np.histogram_bin_edges(np.concatenate(all_values[first : first + columns]), BINS)
        panel.hist(values, bins=edges, color=HERE, log=True)
        restrained(panel, f"{name}: {len(values):,} episodes")
    for panel in panels[len(returns) :]:
        panel.remove()
    figure.supxlabel("return of an episode", fontsize=8, color=INK)
    with whole_file(path) as partial:
        figure.savefig(partial, format="png")
