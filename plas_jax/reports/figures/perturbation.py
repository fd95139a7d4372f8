"""Curves of a sweep and a panel like Figure 7 as PNG."""

import textwrap
from collections.abc import Iterable
from math import ceil, isfinite, nan
from pathlib import Path

from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, FixedLocator, MaxNLocator

from plas_jax.files.whole_files import whole_file
from plas_jax.reports import published
from plas_jax.reports.heading import marks
from plas_jax.reports.provenance import Manifest, datasets, evaluations_in_mean, here, setting, statistic
from plas_jax.results.rows import Row
from plas_jax.results.runs import (
    PRIOR,
    Cell,
    Results,
    Run,
    RunStatistics,
    Spread,
    across_seeds,
    mean,
    perturbation_limits,
    policies,
    policy,
    results,
    run_statistics,
)

COLUMNS, DOTS_PER_INCH = 3, 160  # three panels of 3.1 inches fill a README's width, on dense screens too
INK, DATA, PAPER, HERE = "#222222", "#b5483a", "#8a8a8a", "#3b528b"
FRAME, GRID = "#999999", "#e6e6e6"
LEGEND = ("each seed", "a seed diverged", "data, mean", "CVAE prior", "paper, v0")  # behind the runs


def score_curves(rows: Iterable[Row], manifest: Manifest, path: Path | str) -> None:
    """A panel for each data set: score over policy updates, a line for each ε with the range of its seeds."""
    of = results(rows)
    runs = run_statistics(of)
    figure, panels = _panels(of, manifest, "Normalised score while training: mean and range over seeds")
    limits = perturbation_limits(of)
    for name, axes in panels.items():
        for limit, colour in zip(limits, _colours(len(limits)), strict=True):
            _curve(axes, of, policy(name, limit), colour)
        _references(axes, runs, manifest, name)
        updates = {e.update for evaluations in policies(of).values() for e in evaluations}
        axes.xaxis.set_major_formatter(EngFormatter(sep=""))
        axes.xaxis.set_major_locator(MaxNLocator(4) if len(updates) > 1 else FixedLocator(sorted(updates)))
    _finish(figure, panels, "policy updates", Path(path))


def perturbation_panel(rows: Iterable[Row], manifest: Manifest, path: Path | str) -> None:
    """Figure 7: score over ε, evenly spaced, mean ± standard deviation over seeds, beside the paper's v0 values."""
    of = results(rows)
    runs = run_statistics(of, evaluations_in_mean(manifest))
    figure, panels = _panels(of, manifest, f"Normalised score by perturbation limit ε: {statistic(of, manifest)}")
    for name, axes in panels.items():
        _limits(axes, runs, name, perturbation_limits(of))
        _references(axes, runs, manifest, name)
    _finish(figure, panels, "perturbation limit ε", Path(path))


def _curve(axes: Axes, of: Results, cell: Cell, colour: tuple) -> None:
    seeds = [{e.update: e.score for e in evaluations} for run, evaluations in policies(of).items() if run.cell == cell]
    # only where every seed was evaluated: a mean over those that have not diverged would flatter the method
    updates = sorted(set.intersection(*map(set, seeds))) if seeds else []
    scores = [[seed[update] for seed in seeds] for update in updates]
    means = [mean(at) for at in scores]
    width, marker = (1.6, "o") if len(updates) < 15 else (1.0, "")
    label = f"ε = {cell.perturbation_limit:g}"
    axes.plot(updates, means, color=colour, linewidth=width, marker=marker, markersize=3, label=label, zorder=3)
    axes.fill_between(updates, [*map(min, scores)], [*map(max, scores)], color=colour, alpha=0.13, linewidth=0)
    diverged = [update for run, update in of.diverged.items() if run.cell == cell]
    if diverged:
        drawn = [(update, score) for update, score in zip(updates, means, strict=True) if isfinite(score)]
        healthy = [point for point in drawn if point[0] <= min(diverged)]
        for update, score in healthy[-1:] or drawn[:1]:
            _cross(axes, update, score)


def _limits(axes: Axes, runs: dict[Run, RunStatistics], name: str, limits: list[float]) -> None:
    spreads = across_seeds({run: numbers for run, numbers in runs.items() if run.cell.dataset == name})
    for place, limit in enumerate(limits):
        cell, printed = policy(name, limit), published.table_1_score(name, limit)
        if cell in spreads:
            _error_bar(axes, place, spreads[cell])
            _seeds(axes, place + 0.14, [numbers for run, numbers in runs.items() if run.cell == cell])
        if printed is not None:
            axes.plot(place - 0.14, printed, "D", mfc="none", mec=PAPER, ms=5, label="paper, v0", zorder=2)
    axes.set_xticks(range(len(limits)), [f"{limit:g}" for limit in limits])
    axes.set_xlim(-0.5, max(len(limits), 1) - 0.5)


def _error_bar(axes: Axes, place: float, spread: Spread) -> None:
    bar, label = (spread.std, "here, mean ± std") if isfinite(spread.std) else (None, "here, one seed")
    axes.errorbar(place, spread.mean, bar, fmt="o", ms=5, color=HERE, capsize=3, label=label, zorder=4)


def _seeds(axes: Axes, place: float, seeds: list[RunStatistics]) -> None:
    for numbers in seeds:
        if numbers.diverged_at is not None:
            _cross(axes, place, numbers.mean_last)
        elif len(seeds) > 1:
            _dot(axes, place, numbers.mean_last)


def _dot(axes: Axes, place: float, score: float) -> None:
    axes.plot(place, score, ".", color=HERE, alpha=0.55, ms=5, mew=0, label="each seed", zorder=3)


def _cross(axes: Axes, place: float, score: float) -> None:
    axes.plot(place, score, "x", color=INK, ms=6, mew=1.6, label="a seed diverged", zorder=5)


def _references(axes: Axes, runs: dict[Run, RunStatistics], manifest: Manifest, name: str) -> None:
    data = manifest.get("datasets", {}).get(name, {}).get("score")
    if data is not None:
        axes.axhline(data, color=DATA, linestyle="--", linewidth=1.1, label="data, mean", zorder=1)
    prior = mean([numbers.mean_last for run, numbers in runs.items() if run.cell == Cell(name, PRIOR, 0.0)] or [nan])
    if isfinite(prior):
        axes.axhline(prior, color=INK, linestyle=":", linewidth=1.3, label="CVAE prior", zorder=1)


def _panels(of: Results, manifest: Manifest, title: str) -> tuple[Figure, dict[str, Axes]]:
    names = datasets(of, manifest)
    if not names:
        raise ValueError("there is nothing to draw: neither rows nor manifest name a data set")
    columns = min(COLUMNS, len(names))
    width, height = 3.1 * max(columns, 2), 2.2 * ceil(len(names) / columns) + 1.3
    lines = [title, f"{here(of, manifest)}; dynamics {setting(of, manifest, 'dynamics')}", *marks(of, manifest)]
    figure = titled(width, height, lines)
    axes = [figure.add_subplot(ceil(len(names) / columns), columns, place + 1) for place in range(len(names))]
    for name, panel in zip(names, axes, strict=True):
        restrained(panel, name)
        panel.grid(axis="y", color=GRID, linewidth=0.6)
    return figure, dict(zip(names, axes, strict=True))


def titled(width: float, height: float, lines: list[str]) -> Figure:
    """An empty figure of so many inches under a title of these lines, wrapped."""
    figure = Figure(figsize=(width, height), dpi=DOTS_PER_INCH, layout="constrained")
    FigureCanvasAgg(figure)
    wrapped = [part for line in lines for part in textwrap.wrap(line, int(12.5 * width))]
    figure.suptitle("\n".join(wrapped), fontsize=10, color=INK)
    return figure


def restrained(axes: Axes, title: str) -> None:
    """The look of a panel: its data in front, everything else thin and grey."""
    axes.set_title(title, fontsize=9, color=INK)
    axes.tick_params(labelsize=8, color=FRAME, labelcolor=INK)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(FRAME)


def _colours(count: int) -> list[tuple]:
    # viridis stays apart for colour-blind readers; its last sixth is too pale on white
    return [colormaps["viridis"](0.85 * place / max(count - 1, 1)) for place in range(count)]


def _finish(figure: Figure, panels: dict[str, Axes], label: str, path: Path) -> None:
    columns = min(COLUMNS, len(panels))
    for place, axes in enumerate(panels.values()):
        axes.set_xlabel(label if place + columns >= len(panels) else "", fontsize=8.5, color=INK)
        axes.set_ylabel("normalised score" if place % columns == 0 else "", fontsize=8.5, color=INK)
    save_with_legend(figure, path)


def save_with_legend(figure: Figure, path: Path) -> None:
    """One legend for all panels below them, and the figure as PNG, whole or not at all."""
    found = [axes.get_legend_handles_labels() for axes in figure.axes]
    entries = {name: handle for handles, names in found for handle, name in zip(handles, names, strict=True)}
    names = sorted(entries, key=lambda name: LEGEND.index(name) if name in LEGEND else -1)
    handles = [entries[name] for name in names]
    # an entry takes about an inch; ten of them would not stand side by side
    spacing = {"ncols": int(figure.get_figwidth()), "columnspacing": 1.2, "handlelength": 1.7, "fontsize": 8}
    figure.legend(handles, names, loc="outside lower center", frameon=False, **spacing)
    with whole_file(path) as partial:
        figure.savefig(partial, format="png")
