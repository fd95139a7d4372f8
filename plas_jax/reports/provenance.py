"""Where numbers come from: the lines above every table, and the words that its headers and figures share."""

from collections.abc import Iterable, Mapping
from typing import Any

from plas_jax.reports import published
from plas_jax.results.runs import Evaluation, Results, Run, policies

DEFAULT_EVALUATIONS_IN_MEAN = 10  # the paper does not say which evaluations its scores are; quick sweeps use 3
UNKNOWN = "not recorded"

# Appendix A of the paper has two data sets of this name: the file that D4RL v0 shipped is not what its name says.
FORMS = {
    "hopper-medium-expert": "(b), medium then expert, not (a), the file that v0 shipped",
    "hopper-medium-expert-a": "(a), as the file that v0 shipped: expert then medium-replay",
}

Manifest = Mapping[str, Any]


def heading(of: Results, manifest: Manifest) -> list[str]:
    """Markdown lines that say what was run, on which data, and which statistic a table shows."""
    seeds = listed(sorted({run.seed for run in of.evaluations})) or known(manifest, "seeds")
    return [
        *data_lines(of, manifest),
        f"- Preset {known(manifest, 'preset')}; dynamics {setting(of, manifest, 'dynamics')};"
        f" λ (clip_weight) {setting(of, manifest, 'clip_weight')};"
        f" σ (latent_limit) {setting(of, manifest, 'latent_limit')};"
        f" matrix precision {known(manifest, 'matmul_precision')}.",
        f"- Scores: D4RL's normalisation, {statistic(of, manifest)}, {_episodes(of, manifest)} episodes each,"
        f" deterministic policy; seeds {seeds}.",
        f"- Device: {known(manifest, 'device')}; wall seconds: {_wall_seconds(manifest)}.",
    ]


def data_lines(of: Results, manifest: Manifest) -> list[str]:
    """Markdown lines that say what the data are, and which form of hopper-medium-expert is meant."""
    forms = {name: FORMS.get(published.unversioned(name)) for name in datasets(of, manifest)}
    return [
        f"- Data: {_versions_line(of, manifest)}",
        *(f"- {name} is {form}." for name, form in forms.items() if form),
    ]


def here(of: Results, manifest: Manifest) -> str:
    """The header of this project's own numbers, such as "here, r1, quick"."""
    return f"here, {listed(versions(of, manifest))}, {known(manifest, 'preset')}"


def datasets(of: Results, manifest: Manifest) -> list[str]:
    """Every data set of the rows and the manifest: those of Table 1 in its order, then the others by name."""
    names = {run.cell.dataset for run in of.evaluations} | set(manifest.get("datasets", {}))
    places = {name: place for place, name in enumerate(published.TABLE_1)}
    return sorted(names, key=lambda name: (places.get(published.unversioned(name), len(places)), name))


def versions(of: Results, manifest: Manifest) -> list[str]:
    """The versions of the data sets, from the manifest or else from their names."""
    return sorted({version(manifest, name) for name in datasets(of, manifest)}) or ["version not recorded"]


def version(manifest: Manifest, dataset: str) -> str:
    """The version of a data set, from the manifest or else from its name."""
    return str(manifest.get("datasets", {}).get(dataset, {}).get("version") or _suffix(dataset))


def setting(of: Results, manifest: Manifest, name: str) -> str:
    """A setting as the rows have it, by data set where it differs, or else as the manifest has it."""
    users: dict[Any, list[str]] = {}
    for dataset, used in sorted(of.settings.items()):
        users.setdefault(getattr(used, name), []).append(dataset)
    if len(users) > 1:
        return ", ".join(f"{shown(value)} ({listed(users[value])})" for value in sorted(users))
    return shown(next(iter(users))) if users else known(manifest, name)


def statistic(of: Results, manifest: Manifest) -> str:
    """The statistic of Table 1 in words, which admit it where runs have fewer evaluations than it averages."""
    return averaged(policies(of), manifest)


def averaged(runs: Mapping[Run, list[Evaluation]], manifest: Manifest) -> str:
    """The statistic of such runs in words."""
    wanted = evaluations_in_mean(manifest)
    fewest = min(map(len, runs.values()), default=wanted)
    short = f" (the shortest run has {fewest})" if fewest < wanted else ""
    return f"mean of the last {wanted} evaluations{short}" if wanted > 1 else "last evaluation"


def evaluations_in_mean(manifest: Manifest) -> int:
    """How many of the last evaluations a score averages."""
    return int(manifest.get("evaluations_in_mean", DEFAULT_EVALUATIONS_IN_MEAN))


def known(manifest: Manifest, name: str) -> str:
    """A value of the manifest in words, or that it was not recorded."""
    return shown(manifest.get(name, UNKNOWN))


def shown(value: Any) -> str:
    """A value in words: four digits of a number, the members of a list."""
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 1000 else f"{value:.0f}"
    return listed(value) if isinstance(value, list | tuple) else str(value)


def listed(values: Iterable[Any]) -> str:
    """Values in words, with commas between them."""
    return ", ".join(map(shown, values))


def _versions_line(of: Results, manifest: Manifest) -> str:
    found = versions(of, manifest)
    if found == [published.VERSION]:
        return "D4RL v0, as in the paper."
    made = ", made here by recipe: not D4RL's files" if any(name.startswith("r") for name in found) else ""
    return f"{listed(found)}{made}. The paper's are D4RL v0, and no verdict is drawn across versions."


def _episodes(of: Results, manifest: Manifest) -> str:
    counts = [evaluation.episodes for evaluations in policies(of).values() for evaluation in evaluations]
    return str(max(counts)) if counts else known(manifest, "episodes")


def _wall_seconds(manifest: Manifest) -> str:
    seconds = manifest.get("wall_seconds", UNKNOWN)
    if isinstance(seconds, Mapping):
        return ", ".join(f"{phase} {shown(spent)}" for phase, spent in seconds.items())
    return shown(seconds)


def _suffix(name: str) -> str:
    return name[len(published.unversioned(name)) :].removeprefix("-") or "version not recorded"
