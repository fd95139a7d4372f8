"""A figure like Figure 6: score over the limit σ of the latent policy."""

from pathlib import Path

from plas_jax.reports.figures.panels import by_limit, finish, panels, references
from plas_jax.reports.provenance import averaged
from plas_jax.results.manifest import Manifest
from plas_jax.results.runs import Results, latent_limit_cells, policies, run_statistics


def latent_limit_panel(results: Results, manifest: Manifest, path: Path) -> None:
    """Draw a panel for each data set: score over σ, evenly spaced, mean over seeds with its interval (Figure 6)."""
    runs = run_statistics(results, manifest.evaluations_in_mean)
    title = f"Normalised score by latent limit σ: {averaged(policies(results), manifest)}"
    figure, axes_of = panels(results, manifest, title)
    for name, axes in axes_of.items():
        by_limit(axes, runs, latent_limit_cells(results, name))
        references(axes, runs, manifest, name)
    finish(figure, axes_of, "latent limit σ", path)
