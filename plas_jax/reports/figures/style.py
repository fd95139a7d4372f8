"""The look that every figure shares: sizes, colours, titles, one legend below all panels."""

import textwrap
from pathlib import Path

from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from plas_jax.files.whole_files import whole_file

COLUMNS, DOTS_PER_INCH = 3, 160  # three panels of 3.1 inches fill a README's width, on dense screens too
INK, DATA, PAPER, HERE = "#222222", "#b5483a", "#8a8a8a", "#3b528b"
FRAME, GRID = "#999999", "#e6e6e6"
LEGEND = ("each seed", "a seed diverged", "data, mean", "CVAE prior", "z = 0", "paper, v0")  # behind the runs


def titled(width: float, height: float, lines: list[str]) -> Figure:
    """Return an empty figure of so many inches under a title of these lines, wrapped."""
    figure = Figure(figsize=(width, height), dpi=DOTS_PER_INCH, layout="constrained")
    FigureCanvasAgg(figure)
    wrapped = [part for line in lines for part in textwrap.wrap(line, int(12.5 * width))]
    figure.suptitle("\n".join(wrapped), fontsize=10, color=INK)
    return figure


def restrained(axes: Axes, title: str) -> None:
    """Give a panel its look: its data in front, everything else thin and grey."""
    axes.set_title(title, fontsize=9, color=INK)
    axes.tick_params(labelsize=8, color=FRAME, labelcolor=INK)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(FRAME)


def colours(count: int) -> list[tuple]:
    """Return so many colours that stay apart."""
    # viridis stays apart for colour-blind readers; its last sixth is too pale on white
    return [colormaps["viridis"](0.85 * place / max(count - 1, 1)) for place in range(count)]


def save_with_legend(figure: Figure, path: Path) -> None:
    """Put one legend for all panels below them, and write the figure as PNG, whole or not at all."""
    labelled = [axes.get_legend_handles_labels() for axes in figure.axes]
    entries = {name: handle for handles, names in labelled for handle, name in zip(handles, names, strict=True)}
    names = sorted(entries, key=lambda name: LEGEND.index(name) if name in LEGEND else -1)
    handles = [entries[name] for name in names]
    look = {"frameon": False, "columnspacing": 1.2, "handlelength": 1.7, "fontsize": 8}
    # as many entries side by side as the width holds, of which each takes an inch or more
    for columns in range(int(figure.get_figwidth()), 0, -1):
        legend = figure.legend(handles, names, loc="outside lower center", ncols=columns, **look)
        if columns == 1 or legend.get_window_extent().width <= figure.bbox.width:
            break
        legend.remove()
    with whole_file(path) as partial:
        figure.savefig(partial, format="png")
