"""Figure 4 as PNG: scores of several methods while they are trained."""

from collections.abc import Sequence
from pathlib import Path

from plas_jax.reports.curves import scores_by_update
from plas_jax.reports.figures.marks import Pen, curve, over_updates, score_limits
from plas_jax.reports.figures.scores import grid_of
from plas_jax.reports.figures.style import DATA, INK, colours, restrained, save_with_legend, titled
from plas_jax.reports.heading import dynamics, score_marks
from plas_jax.reports.lines import Line, Scores
from plas_jax.reports.provenance import here
from plas_jax.results.manifest import Manifest


def training_curves(
    scores: Scores, manifest: Manifest, datasets: Sequence[str], algorithms: Sequence[str], path: Path
) -> None:
    """Draw a panel for each data set: score over updates, a line for each method's mean and a dot for each seed.

    Of a method with several settings the one that is reported is drawn, or all. Raises `ValueError` where the scores
    have none of these data sets and methods.
    """
    columns = {label: column for label, column in scores.columns().items() if _is_named(column, algorithms)}
    names = [name for name in datasets if any(name in column for column in columns.values())]
    if not names:
        raise ValueError(f"there is nothing to draw: no run of {', '.join(algorithms)} on {', '.join(datasets)}")
    grid = grid_of(names)
    title = "Normalised score while training: mean over seeds, and each seed"
    where = f"{here(scores.results, manifest)}; dynamics {dynamics(scores, manifest)}"
    figure = titled(3.1 * max(len(grid[0]), 2), 2.3 * len(grid) + 1.3, [title, where, *score_marks(scores, manifest)])
    for row, line in enumerate(grid):
        for place in filter(line.__getitem__, range(len(line))):
            axes = figure.add_subplot(len(grid), len(line), row * len(line) + place + 1)
            restrained(axes, line[place])
            for (label, column), colour in zip(columns.items(), colours(len(columns)), strict=True):
                if line[place] in column:
                    runs = [run for run in scores.reported if run.cell == column[line[place]].cell]
                    diverged = [scores.results.diverged[run] for run in runs if run in scores.results.diverged]
                    at = scores_by_update(scores.results.evaluations[run] for run in runs)
                    curve(axes, Pen(label, colour), at, diverged)
            data = manifest.dataset(line[place]).score
            if data is not None:
                axes.axhline(data, color=DATA, linestyle="--", linewidth=1.1, label="data, mean", zorder=1)
            over_updates(axes)
            axes.set_ylim(score_limits(*axes.get_ylim()))
            axes.set_xlabel("policy updates" if row + 1 == len(grid) else "", fontsize=8.5, color=INK)
            axes.set_ylabel("normalised score" if place == 0 else "", fontsize=8.5, color=INK)
    save_with_legend(figure, path)


def _is_named(column: dict[str, Line], algorithms: Sequence[str]) -> bool:
    return any(line.cell.algorithm in algorithms for line in column.values())
