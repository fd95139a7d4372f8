"""Curves of a sweep and a panel like Figure 7 as PNG."""

from math import isfinite
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.ticker import EngFormatter, FixedLocator, MaxNLocator

from plas_jax.reports import published
from plas_jax.reports.curves import scores_by_update
from plas_jax.reports.figures.panels import by_limit, cross, finish, panels, references
from plas_jax.reports.figures.style import PAPER, colours
from plas_jax.reports.provenance import statistic
from plas_jax.results.manifest import Manifest
from plas_jax.results.runs import Cell, Results, mean, perturbation_limits, policies, policy, run_statistics


def score_curves(results: Results, manifest: Manifest, path: Path | str) -> None:
    """Draw a panel for each data set: score over policy updates, a line for each ε with the range of its seeds."""
    runs = run_statistics(results)
    figure, axes_of = panels(results, manifest, "Normalised score while training: mean and range over seeds")
    limits = perturbation_limits(results)
    for name, axes in axes_of.items():
        for limit, colour in zip(limits, colours(len(limits)), strict=True):
            _curve(axes, results, policy(name, limit), colour)
        references(axes, runs, manifest, name)
        updates = {e.update for evaluations in policies(results).values() for e in evaluations}
        axes.xaxis.set_major_formatter(EngFormatter(sep=""))
        axes.xaxis.set_major_locator(MaxNLocator(4) if len(updates) > 1 else FixedLocator(sorted(updates)))
    finish(figure, axes_of, "policy updates", Path(path))


def perturbation_panel(results: Results, manifest: Manifest, path: Path | str) -> None:
    """Draw Figure 7: score over ε, evenly spaced, mean ± deviation over seeds, beside the paper's v0 values."""
    runs = run_statistics(results, manifest.evaluations_in_mean)
    figure, axes_of = panels(
        results, manifest, f"Normalised score by perturbation limit ε: {statistic(results, manifest)}"
    )
    for name, axes in axes_of.items():
        limits = perturbation_limits(results)
        by_limit(axes, runs, {limit: policy(name, limit) for limit in limits})
        for place, limit in enumerate(limits):
            printed = published.table_1_score(name, limit)
            if printed is not None:
                axes.plot(place - 0.14, printed, "D", mfc="none", mec=PAPER, ms=5, label="paper, v0", zorder=2)
        references(axes, runs, manifest, name)
    finish(figure, axes_of, "perturbation limit ε", Path(path))


def _curve(axes: Axes, results: Results, cell: Cell, colour: tuple) -> None:
    at = scores_by_update(evaluations for run, evaluations in policies(results).items() if run.cell == cell)
    updates, scores = list(at), list(at.values())
    means = [mean(seeds) for seeds in scores]
    width, marker = (1.6, "o") if len(updates) < 15 else (1.0, "")
    label = f"ε = {cell.perturbation_limit:g}"
    axes.plot(updates, means, color=colour, linewidth=width, marker=marker, markersize=3, label=label, zorder=3)
    axes.fill_between(updates, [*map(min, scores)], [*map(max, scores)], color=colour, alpha=0.13, linewidth=0)
    diverged = [update for run, update in results.diverged.items() if run.cell == cell]
    if diverged:
        drawn = [(update, score) for update, score in zip(updates, means, strict=True) if isfinite(score)]
        healthy = [point for point in drawn if point[0] <= min(diverged)]
        for update, score in healthy[-1:] or drawn[:1]:
            cross(axes, update, score)
