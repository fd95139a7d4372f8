"""Curves of a sweep and a panel like Figure 7 as PNG."""

from pathlib import Path

from plas_jax.reports import published
from plas_jax.reports.curves import scores_by_update
from plas_jax.reports.figures.marks import Pen, curve, over_updates
from plas_jax.reports.figures.panels import by_limit, finish, panels, references
from plas_jax.reports.figures.style import PAPER, colours
from plas_jax.reports.provenance import statistic
from plas_jax.results.manifest import Manifest
from plas_jax.results.runs import Results, perturbation_limits, policies, policy, run_statistics


def score_curves(results: Results, manifest: Manifest, path: Path | str) -> None:
    """Draw a panel for each data set: score over policy updates, a line for each ε and a dot for each seed."""
    runs = run_statistics(results)
    figure, axes_of = panels(results, manifest, "Normalised score while training: mean over seeds, and each seed")
    limits = perturbation_limits(results)
    for name, axes in axes_of.items():
        for limit, colour in zip(limits, colours(len(limits)), strict=True):
            cell = policy(name, limit)
            at = scores_by_update(seeds for run, seeds in policies(results).items() if run.cell == cell)
            diverged = [update for run, update in results.diverged.items() if run.cell == cell]
            curve(axes, Pen(f"ε = {limit:g}", colour), at, diverged)
        references(axes, runs, manifest, name)
        over_updates(axes)
    finish(figure, axes_of, "policy updates", Path(path))


def perturbation_panel(results: Results, manifest: Manifest, path: Path | str) -> None:
    """Draw Figure 7: score over ε, evenly spaced, mean over seeds with its interval, beside the paper's v0 values."""
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
