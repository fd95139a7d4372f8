"""What stands above a table of scores: what it lacks, what was run, and which statistic it shows."""

from collections import Counter
from collections.abc import Mapping

from plas_jax.reports.lines import CHOSEN, Scores, planned_seeds
from plas_jax.reports.provenance import UNKNOWN, averaged, data_lines, datasets, known, listed, preset, setting, shown
from plas_jax.results.manifest import Manifest, MethodRecord
from plas_jax.results.runs import CONTROLS, Evaluation, Results, Run, policies


def score_marks(scores: Scores, manifest: Manifest) -> list[str]:
    """Say what a reader must know before any number: a smoke preset, what is missing, seeds that are left out."""
    evaluated = trained(scores)
    if not evaluated:
        gaps = ["no policy has been evaluated yet"]
    else:
        gaps = [
            _unfinished(manifest),
            _absent(scores, manifest),
            _undecided(scores, manifest),
            _behind(scores, evaluated),
            thin(evaluated),
        ]
    smoke = [SMOKE] if manifest.preset == "smoke" else []
    incomplete = "; ".join(gap for gap in gaps if gap)
    left_out = f"left out: seeds {listed(scores.left_out)} of the rows, which the manifest does not have"
    return smoke + ([f"incomplete: {incomplete}"] if incomplete else []) + ([left_out] if scores.left_out else [])


def score_heading(scores: Scores, manifest: Manifest) -> list[str]:
    """Return Markdown lines that say with which data, dynamics, seeds, device and versions scores were made."""
    reported = listed(sorted({run.seed for run in scores.reported})) or known(manifest, "seeds")
    chosen = (
        f"; settings chosen on seeds {choosing_seeds(scores)}, which are not reported" if choosing_seeds(scores) else ""
    )
    return [
        *data_lines(scores.results, manifest),
        f"- Preset {preset(manifest)}; dynamics {dynamics(scores, manifest)};"
        f" matrix precision {known(manifest, 'matmul_precision')}.",
        f"- Scores: D4RL's normalisation, {score_statistic(scores, manifest)},"
        f" {_episodes(scores, manifest)}; reported seeds {reported}{chosen}.",
        *_plas(scores, manifest),
        "- Policies act as their methods do at test: deterministically, or by the best of sampled candidates"
        " (BCQ, BEAR).",
        f"- Device: {known(manifest, 'device')}; {_versions(manifest)}.",
        *_methods(scores, manifest),
    ]


def _plas(scores: Scores, manifest: Manifest) -> list[str]:
    if not scores.results.settings:
        return []
    sigma, weight = (setting(scores.results, manifest, name) for name in ("latent_limit", "clip_weight"))
    return [f"- PLAS: σ = {sigma}; λ = {weight}."]


def _episodes(scores: Scores, manifest: Manifest) -> str:
    """Say how many episodes an evaluation has, and on which data sets it has more or fewer."""
    most = _most_episodes(trained(scores))
    names: dict[int, list[str]] = {}
    for dataset in scores.datasets:
        if dataset in most:
            names.setdefault(most[dataset], []).append(dataset)
    if len(names) < 2:
        return f"{shown(next(iter(names))) if names else known(manifest, 'episodes')} episodes each"
    counts = ", ".join(f"{count} of {listed(among)}" for count, among in sorted(names.items()))
    return f"each of so many episodes: {counts}"


def _most_episodes(runs: Mapping[Run, list[Evaluation]]) -> dict[str, int]:
    """Return the episodes of the longest evaluation of each data set."""
    most: dict[str, int] = {}
    for run, evaluations in runs.items():
        most[run.cell.dataset] = max([most.get(run.cell.dataset, 0), *(each.episodes for each in evaluations)])
    return most


def score_statistic(scores: Scores, manifest: Manifest) -> str:
    """Return the statistic of every score in words."""
    return averaged(trained(scores), manifest)


def dynamics(scores: Scores, manifest: Manifest) -> str:
    """Return the dynamics as the rows have them, or else as the manifest does."""
    return listed(sorted(set(scores.dynamics.values()))) or known(manifest, "dynamics")


def choosing_seeds(scores: Scores) -> str:
    """Return the seeds that settings were chosen on; empty where none were."""
    algorithms = {line.cell.algorithm for line in scores.lines if line.choice == CHOSEN}
    return listed(sorted({run.seed for run in scores.choosing if run.cell.algorithm in algorithms}))


def trained(scores: Scores) -> dict[Run, list[Evaluation]]:
    """Return the evaluations of all runs but the priors', those that only choose settings included."""
    runs = {**scores.reported, **scores.choosing}
    return {run: scores.results.evaluations[run] for run in runs if run.cell.algorithm not in CONTROLS}


def _unfinished(manifest: Manifest) -> str:
    names = [name for name, record in manifest.methods.items() if not record.complete]
    if names:
        return f"{listed(names)} {'has' if len(names) == 1 else 'have'} not finished"
    return "not every method has finished" if manifest.complete is False else ""


def _absent(scores: Scores, manifest: Manifest) -> str:
    planned, present = Counter[str](), Counter[str]()
    seeds = max(len(planned_seeds(manifest)[0]), len({run.seed for run in scores.reported}))
    for dataset in scores.datasets:
        for algorithm in scores.algorithms:
            cells = [line.cell for line in scores.shown(dataset, algorithm)]
            planned[algorithm] += seeds * max(1, len(cells))
            present[algorithm] += sum(run.cell in cells for run in scores.reported)
    missing = {algorithm: planned[algorithm] - present[algorithm] for algorithm in planned}
    named = listed(f"{count} of {algorithm}" for algorithm, count in missing.items() if count > 0)
    return f"{sum(missing.values())} of {planned.total()} runs have no evaluation ({named})" if named else ""


def _undecided(scores: Scores, manifest: Manifest) -> str:
    seeds = planned_seeds(manifest)[1]
    swept = Counter(line.cell[:2] for line in scores.lines)
    cells = {line.cell for line in scores.lines if swept[line.cell[:2]] > 1}
    planned, present = len(cells) * len(seeds), sum(run.cell in cells for run in scores.choosing)
    return f"{planned - present} of {planned} runs that choose settings have no evaluation" if present < planned else ""


def _behind(scores: Scores, evaluated: Mapping[Run, list[Evaluation]]) -> str:
    updates: dict[str, set[int]] = {}
    for run, evaluations in evaluated.items():
        updates.setdefault(run.cell.algorithm, set()).update(evaluation.update for evaluation in evaluations)
    # a run that diverged may stop early without being missed
    healthy = {run: evaluations for run, evaluations in evaluated.items() if run not in scores.results.diverged}
    behind = sum(len(evaluations) < len(updates[run.cell.algorithm]) for run, evaluations in healthy.items())
    return f"{behind} of {len(evaluated)} runs lack evaluations that others have" if behind else ""


def _versions(manifest: Manifest) -> str:
    return ", ".join(f"{package} {number}" for package, number in manifest.versions.items()) or f"versions {UNKNOWN}"


def _methods(scores: Scores, manifest: Manifest) -> list[str]:
    lines = [f"  - {name}: {_method(manifest.method(name))}" for name in scores.algorithms]
    return ["- Updates and wall seconds:", *lines] if lines else []


def _method(record: MethodRecord) -> str:
    before = f" after {record.first_updates:,} of the first phase" if record.first_updates else ""
    parts = [f"updates {UNKNOWN}" if record.updates is None else f"{record.updates:,} updates{before}"]
    parts += [f"{phase} {shown(spent)}" for phase, spent in record.wall_seconds.items()] or [f"seconds {UNKNOWN}"]
    return ", ".join([*parts, f"commit {record.git_commit[:10]}"] if record.git_commit else parts)


SMOKE = "smoke: too short to mean anything"


def marks(results: Results, manifest: Manifest) -> list[str]:
    """Say what a reader must know before any number: a smoke preset, a sweep that was cut short."""
    gaps = incompleteness(results, manifest)
    smoke = [SMOKE] if manifest.preset == "smoke" else []
    return smoke + ([f"incomplete: {gaps}"] if gaps else [])


def incompleteness(results: Results, manifest: Manifest) -> str:
    """Say what is missing, or return an empty text; a run that diverged may stop early without being missed."""
    trained = policies(results)
    if not trained:
        return "no policy has been evaluated yet"
    updates = {evaluation.update for evaluations in trained.values() for evaluation in evaluations}
    unfinished = f"the sweep has not finished, its last evaluation is at update {max(updates):,}"
    behind = sum(len(updates) > len(trained[run]) for run in trained if run not in results.diverged)
    gaps = [
        unfinished if manifest.complete is False else "",
        _absent_runs(results, trained, manifest),
        f"{behind} of {len(trained)} runs lack evaluations that others have" if behind else "",
        thin(trained),
    ]
    return "; ".join(gap for gap in gaps if gap)


def _absent_runs(results: Results, trained: dict[Run, list[Evaluation]], manifest: Manifest) -> str:
    seeds = max(len(manifest.seeds), len({run.seed for run in trained}))
    settings = {(run.cell.perturbation_limit, run.cell.knobs) for run in trained}
    planned = len(datasets(results, manifest)) * seeds * len(settings)
    return f"{planned - len(trained)} of {planned} runs have no evaluation" if planned > len(trained) else ""


def thin(trained: Mapping[Run, list[Evaluation]]) -> str:
    """Say how many evaluations of such runs have fewer episodes than others on their data set, or nothing."""
    most = _most_episodes(trained)
    counts = [(evaluation.episodes, most[run.cell.dataset]) for run, each in trained.items() for evaluation in each]
    wanted = [whole for count, whole in counts if count < whole]
    if not wanted:
        return ""
    return f"{len(wanted)} of {len(counts)} evaluations have fewer than {listed(sorted(set(wanted)))} episodes"
