"""Curves of a sampled discrepancy over what an agent's policy varies (Figures 8 and 9), as PNG."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, ScalarFormatter

from plas_jax.reports.figures.style import DATA, GRID, INK, colours, restrained, save_with_legend, titled


class Curve(NamedTuple):
    """The discrepancy over x of one kernel, its bandwidth σ and a number of samples."""

    kernel: str
    bandwidth: float
    samples: int
    x: np.ndarray
    mean: np.ndarray
    error: np.ndarray  # one standard error of the mean
    marked: Sequence[int]  # places on x that get a dot


class Frame(NamedTuple):
    """What stands around the curves."""

    label: str  # of the horizontal axis
    dots: str  # what the marked places are
    shaded: Sequence[tuple[float, float]]  # ranges of x
    shade: str  # what they are


def discrepancy_panels(curves: Sequence[Curve], title: Sequence[str], frame: Frame, path: Path) -> None:
    """Draw a row of panels for each number of samples, a column for each kernel, and in it a line for each σ.

    Bands are two standard errors wide on either side. The vertical axis is logarithmic, so that one ratio of two
    discrepancies is one height anywhere in a row. Raises `ValueError` for no curve.
    """
    if not curves:
        raise ValueError("there is nothing to draw: no discrepancy was simulated")
    kernels, counts = sorted({curve.kernel for curve in curves}), sorted({curve.samples for curve in curves})
    bandwidths = sorted({curve.bandwidth for curve in curves})
    colour_of = dict(zip(bandwidths, colours(len(bandwidths)), strict=True))
    figure = titled(3.3 * max(len(kernels), 2), 2.0 * len(counts) + 1.5, list(title))
    panels = figure.subplots(len(counts), len(kernels), sharex=True, sharey="row", squeeze=False)
    for row, count in zip(panels, counts, strict=True):
        for axes, kernel in zip(row, kernels, strict=True):
            restrained(axes, f"{kernel} kernel, n = {count}")
            drawn = [curve for curve in curves if (curve.kernel, curve.samples) == (kernel, count)]
            _lines(axes, drawn, colour_of)
            _dots(axes, drawn, colour_of, frame.dots)
            for low, high in frame.shaded:
                axes.axvspan(low, high, color=DATA, alpha=0.08, linewidth=0, label=frame.shade)
        row[0].set_ylabel("MMD", fontsize=8.5, color=INK)
    for axes in panels[-1]:
        axes.set_xlabel(frame.label, fontsize=8.5, color=INK)
    save_with_legend(figure, path)


def _lines(axes: Axes, curves: Sequence[Curve], colour_of: Mapping[float, tuple]) -> None:
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(ScalarFormatter())
    axes.minorticks_off()
    axes.grid(axis="y", color=GRID, linewidth=0.6)
    for curve in curves:
        colour, width = colour_of[curve.bandwidth], 2 * curve.error
        axes.plot(curve.x, curve.mean, color=colour, linewidth=1.3, label=f"σ = {curve.bandwidth:g}", zorder=3)
        axes.fill_between(curve.x, curve.mean - width, curve.mean + width, color=colour, alpha=0.2, linewidth=0)


def _dots(axes: Axes, curves: Sequence[Curve], colour_of: Mapping[float, tuple], label: str) -> None:
    for curve in curves:
        points, colour = list(curve.marked), colour_of[curve.bandwidth]
        axes.plot(curve.x[points], curve.mean[points], "o", color=colour, mec=INK, mew=0.7, ms=4, label=label, zorder=4)
