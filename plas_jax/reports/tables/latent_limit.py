"""Scores over the limit σ of the latent policy as Markdown, as Figure 6 shows them."""

from plas_jax.reports import markdown
from plas_jax.reports.heading import marks
from plas_jax.reports.provenance import averaged, data_lines, datasets, here, known, listed, preset
from plas_jax.results.manifest import Manifest
from plas_jax.results.runs import (
    CONTROLS,
    Cell,
    Results,
    across_seeds,
    controls_of,
    latent_limit_cells,
    policies,
    run_statistics,
)

PAPER = (
    "The paper prints no numbers for Figure 6 (appendix C): σ = 0.5 is best on hopper-medium-replay and"
    " halfcheetah-medium-expert, and 2 works well in most other cases; its data are D4RL v0."
)


def latent_limit_table(results: Results, manifest: Manifest) -> str:
    """Return a line for each data set and a column for each σ: mean score over seeds with its interval."""
    spreads = across_seeds(run_statistics(results, manifest.evaluations_in_mean))
    cells_of = {name: latent_limit_cells(results, name) for name in datasets(results, manifest)}
    limits = sorted({limit for cells in cells_of.values() for limit in cells})
    seeds = max((spread.seeds for spread in spreads.values()), default=0)
    body, controls = [], controls_of(results)
    for name, cells in cells_of.items():
        ours = [markdown.mean_interval(spreads.get(Cell(name, control, 0.0)), seeds) for control in controls]
        scores = [
            markdown.mean_interval(spreads.get(cells[limit]) if limit in cells else None, seeds) for limit in limits
        ]
        body.append([name, markdown.number(manifest.dataset(name).score), *ours, *scores])
    trained = [spread for cell, spread in spreads.items() if cell.algorithm not in CONTROLS]
    parts = [
        "# Figure 6: sensitivity to the latent limit σ",
        *(f"**{mark}**" for mark in marks(results, manifest)),
        "\n".join(
            [
                *data_lines(results, manifest),
                f"- Preset {preset(manifest)}; dynamics {known(manifest, 'dynamics')}; ε = 0; seeds"
                f" {listed(sorted({run.seed for run in results.evaluations}))}.",
                f"- Scores: D4RL's normalisation, {averaged(policies(results), manifest)}.",
                f"- Device: {known(manifest, 'device')}.",
            ]
        ),
        f"## {here(results, manifest)}",
        markdown.table(["data set", "data", *controls.values(), *(f"σ = {limit:g}" for limit in limits)], body),
        " ".join(["Mean over seeds.", markdown.brackets(seeds), *markdown.footnotes(trained, seeds)]),
        PAPER,
    ]
    return "\n\n".join(parts) + "\n"
