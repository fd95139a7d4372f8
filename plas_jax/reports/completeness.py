"""What a sweep lacks, so that a table made after Ctrl-C says so."""

from collections.abc import Mapping

from plas_jax.reports.provenance import Manifest, datasets
from plas_jax.reports.statistics import Evaluation, Results, Run, perturbation_limits, policies

SMOKE = "smoke: too short to mean anything"


def marks(of: Results, manifest: Manifest) -> list[str]:
    """What a reader must know before any number: a smoke preset, a sweep that was cut short."""
    gaps = incompleteness(of, manifest)
    smoke = [SMOKE] if manifest.get("preset") == "smoke" else []
    return smoke + ([f"incomplete: {gaps}"] if gaps else [])


def incompleteness(of: Results, manifest: Manifest) -> str:
    """What is missing, or an empty text; a run that diverged may stop early without being missed."""
    trained = policies(of)
    if not trained:
        return "no policy has been evaluated yet"
    updates = {evaluation.update for evaluations in trained.values() for evaluation in evaluations}
    unfinished = f"the sweep has not finished, its last evaluation is at update {max(updates):,}"
    behind = sum(len(updates) > len(trained[run]) for run in trained if run not in of.diverged)
    gaps = [
        unfinished if manifest.get("complete") is False else "",
        _absent(of, trained, manifest),
        f"{behind} of {len(trained)} runs lack evaluations that others have" if behind else "",
        thin(trained),
    ]
    return "; ".join(gap for gap in gaps if gap)


def _absent(of: Results, trained: dict[Run, list[Evaluation]], manifest: Manifest) -> str:
    seeds = manifest.get("seeds", 0)
    planned_seeds = max(seeds if isinstance(seeds, int) else len(seeds), len({run.seed for run in trained}))
    planned = len(datasets(of, manifest)) * planned_seeds * len(perturbation_limits(of))
    return f"{planned - len(trained)} of {planned} runs have no evaluation" if planned > len(trained) else ""


def thin(trained: Mapping[Run, list[Evaluation]]) -> str:
    """How many evaluations of such runs have fewer episodes than others, or an empty text."""
    counts = [evaluation.episodes for evaluations in trained.values() for evaluation in evaluations]
    most = max(counts)
    fewer = sum(count < most for count in counts)
    return f"{fewer} of {len(counts)} evaluations have fewer than {most} episodes" if fewer else ""
