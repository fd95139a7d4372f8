"""Table 1 as Markdown: this project's numbers under their own header, the paper's under theirs."""

from collections.abc import Mapping

from plas_jax.reports import markdown, published
from plas_jax.reports.heading import marks
from plas_jax.reports.provenance import datasets, heading, here
from plas_jax.results.manifest import Manifest
from plas_jax.results.runs import (
    CONTROLS,
    Cell,
    Results,
    Run,
    RunStatistics,
    across_seeds,
    controls_of,
    perturbation_limits,
    policy,
    run_statistics,
)

Runs = dict[Run, RunStatistics]


def table_1(results: Results, manifest: Manifest) -> str:
    """Return Table 1 with its provenance, the paper's numbers, other statistics, and raw returns beside the data's."""
    k = manifest.evaluations_in_mean
    runs = run_statistics(results, k)
    ours = here(results, manifest)
    parts = [
        "# Table 1: comparison of perturbation limits ε",
        *(f"**{mark}**" for mark in marks(results, manifest)),
        "\n".join(heading(results, manifest)),
        f"## {ours}",
        _ours(results, runs, manifest),
        f"## paper, {published.VERSION}",
        _paper(results, manifest),
        f"## last, mean of last {k} and best evaluation ({ours})",
        _measures(results, runs, manifest, k),
        f"## mean returns, undiscounted ({ours})",
        _returns(results, runs, manifest),
    ]
    return "\n\n".join(parts) + "\n"


def _ours(results: Results, runs: Runs, manifest: Manifest) -> str:
    spreads, limits = across_seeds(runs), perturbation_limits(results)
    seeds, controls = max((spread.seeds for spread in spreads.values()), default=0), controls_of(results)
    body = []
    for name in datasets(results, manifest):
        cells = [*(Cell(name, control, 0.0) for control in controls), *(policy(name, limit) for limit in limits)]
        data = markdown.number(manifest.dataset(name).score)
        body.append([name, data, *(markdown.mean_interval(spreads.get(cell), seeds) for cell in cells)])
    trained = [spread for cell, spread in spreads.items() if cell.algorithm not in CONTROLS]
    notes = ["Mean over seeds.", markdown.brackets(seeds), *markdown.footnotes(trained, seeds)] if trained else []
    return "\n\n".join([markdown.table(_header(limits, controls), body), " ".join(notes)]).rstrip()


def _paper(results: Results, manifest: Manifest) -> str:
    limits, controls = perturbation_limits(results), controls_of(results)
    # Once each, though several versions of it may have been run here.
    names = list(dict.fromkeys(published.unversioned(name) for name in datasets(results, manifest)))
    names = [name for name in names if name in published.TABLE_1]
    if not names:
        return "The paper's Table 1 has none of these data sets."
    body = [
        [
            name,
            *[markdown.DASH] * (1 + len(controls)),
            *(markdown.number(published.table_1_score(name, e)) for e in limits),
        ]
        for name in names
    ]
    notes = [published.NOTES[name] for name in names if name in published.NOTES]
    return f"{markdown.table(_header(limits, controls), body)}\n\n{' '.join([f'Source: {published.SOURCE}.', *notes])}"


def _measures(results: Results, runs: Runs, manifest: Manifest, k: int) -> str:
    by_measure = [across_seeds(runs, measure) for measure in ("last", "mean_last", "best")]
    seeds = max((spread.seeds for spread in by_measure[0].values()), default=0)
    places = [(name, limit) for name in datasets(results, manifest) for limit in perturbation_limits(results)]
    body = []
    for name, limit in places:
        measured = [spreads.get(policy(name, limit)) for spreads in by_measure]
        body.append([name, f"{limit:g}", *(markdown.mean_interval(spread, seeds) for spread in measured)])
    table = markdown.table(["data set", "ε", "last", f"mean of last {k}", "best"], body)
    return f"{table}\n\n{markdown.BEST}"


def _returns(results: Results, runs: Runs, manifest: Manifest) -> str:
    returns, limits = across_seeds(runs, "mean_return"), perturbation_limits(results)
    seeds, controls = max((spread.seeds for spread in returns.values()), default=0), controls_of(results)
    body = []
    for name in datasets(results, manifest):
        data = manifest.dataset(name).mean_return
        cells = [*(Cell(name, control, 0.0) for control in controls), *(policy(name, limit) for limit in limits)]
        plas = returns.get(policy(name, 0.0))
        # a share of a loss means nothing: halfcheetah's random data return about -280
        share = 100 * plas.mean / data if plas is not None and data is not None and data > 0 else None
        shown = [markdown.mean_interval(returns.get(cell), seeds) for cell in cells]
        body.append([name, markdown.number(data), *shown, markdown.number(share)])
    header = [*_header(limits, controls), "PLAS, % of data"]
    return f"{markdown.table(header, body)}\n\nPLAS is ε = 0. No share is given of data whose mean return is negative."


def _header(limits: list[float], controls: Mapping[str, str]) -> list[str]:
    return ["data set", "data", *controls.values(), *(f"ε = {limit:g}" for limit in limits)]
