"""Where numbers come from: the lines above every table, and the words that its headers and figures share."""

from collections.abc import Iterable, Mapping

from plas_jax.reports import published
from plas_jax.results.manifest import Manifest
from plas_jax.results.runs import Evaluation, Results, Run, policies

UNKNOWN = "not recorded"
MAZE_VERSION = "v1"  # of Maze2D's data in the paper's Tables 4 and 5

# Appendix A of the paper has two data sets of this name: the file that D4RL v0 shipped is not what its name says.
FORMS = {
    "hopper-medium-expert": "(b), medium then expert, not (a), the file that v0 shipped",
    "hopper-medium-expert-a": "(a), as the file that v0 shipped: expert then medium-replay",
}


def heading(results: Results, manifest: Manifest) -> list[str]:
    """Return Markdown lines that say what was run, on which data, and which statistic a table shows."""
    seeds = listed(sorted({run.seed for run in results.evaluations})) or known(manifest, "seeds")
    return [
        *data_lines(results, manifest),
        f"- Preset {preset(manifest)}; dynamics {setting(results, manifest, 'dynamics')};"
        f" λ (clip_weight) {setting(results, manifest, 'clip_weight')};"
        f" σ (latent_limit) {setting(results, manifest, 'latent_limit')};"
        f" matrix precision {known(manifest, 'matmul_precision')}.",
        f"- Scores: D4RL's normalisation, {statistic(results, manifest)}, {_episodes(results, manifest)} episodes each,"
        f" deterministic policy; seeds {seeds}.",
        f"- Device: {known(manifest, 'device')}; wall seconds: {_wall_seconds(manifest)}.",
    ]


def data_lines(results: Results, manifest: Manifest) -> list[str]:
    """Return Markdown lines that say what the data are, and which form of hopper-medium-expert is meant."""
    forms = {name: FORMS.get(published.unversioned(name)) for name in datasets(results, manifest)}
    return [
        f"- Data: {_versions_line(results, manifest)}",
        *(
            f"- **{name} (altered)**: its file has D4RL's name and other bytes, sha256 {record.fingerprint[:12]}…."
            for name, record in manifest.datasets.items()
            if record.altered
        ),
        *(f"- {name} is {form}." for name, form in forms.items() if form),
    ]


def here(results: Results, manifest: Manifest) -> str:
    """Return the header of this project's own numbers, such as "here, r1, quick"."""
    return f"here, {listed(versions(results, manifest))}, {preset(manifest)}"


def datasets(results: Results, manifest: Manifest) -> list[str]:
    """Return every data set of the rows and the manifest: those of Table 1 in its order, then the others by name."""
    names = {run.cell.dataset for run in results.evaluations} | {
        name for name, record in manifest.datasets.items() if record.simulated
    }
    places = {name: place for place, name in enumerate(published.TABLE_1)}
    return sorted(names, key=lambda name: (places.get(published.unversioned(name), len(places)), name))


def versions(results: Results, manifest: Manifest) -> list[str]:
    """Return the versions of the data sets, from the manifest or else from their names."""
    return sorted({version(manifest, name) for name in datasets(results, manifest)}) or ["version not recorded"]


def compared_versions(results: Results, manifest: Manifest) -> list[str]:
    """Return the versions with v0 for Maze2D's v1, whose numbers the paper prints beside v0 of all others."""
    names = datasets(results, manifest)
    pairs = [(_is_maze(name), version(manifest, name)) for name in names]
    found = {published.VERSION if pair == (True, MAZE_VERSION) else pair[1] for pair in pairs}
    return sorted(found) or versions(results, manifest)


def _is_maze(dataset: str) -> bool:
    return dataset.startswith("maze2d-")


def version(manifest: Manifest, dataset: str) -> str:
    """Return the version of a data set, from the manifest or else from its name."""
    named = manifest.dataset(dataset).version or _suffix(dataset)
    return f"{named} (altered)" if manifest.dataset(dataset).altered else named


def setting(results: Results, manifest: Manifest, name: str) -> str:
    """Return a setting as the rows have it, by data set where it differs, or else as the manifest may have it."""
    users: dict[object, list[str]] = {}
    for dataset, used in sorted(results.settings.items()):
        users.setdefault(getattr(used, name), []).append(dataset)
    if len(users) > 1:
        return ", ".join(f"{shown(value)} ({listed(users[value])})" for value in sorted(users, key=str))
    return shown(next(iter(users))) if users else known(manifest, name)


def statistic(results: Results, manifest: Manifest) -> str:
    """Return the statistic of Table 1 in words, which admit it where runs have fewer evaluations than it averages."""
    return averaged(policies(results), manifest)


def averaged(runs: Mapping[Run, list[Evaluation]], manifest: Manifest) -> str:
    """Return the statistic of such runs in words."""
    wanted = manifest.evaluations_in_mean
    fewest = min(map(len, runs.values()), default=wanted)
    short = f" (the shortest run has {fewest})" if fewest < wanted else ""
    return f"mean of the last {wanted} evaluations{short}" if wanted > 1 else "last evaluation"


def known(manifest: Manifest, name: str) -> str:
    """Return a value of the manifest in words, or that it was not recorded."""
    value = getattr(manifest, name, None)
    return UNKNOWN if value is None or value == [] else shown(value)


def preset(manifest: Manifest) -> str:
    """Return the preset in words, with what was set beside it; of a long list its ends, since the manifest has all."""
    settings = ", ".join(f"{path}={_ends(text.split(','))}" for path, text in manifest.settings.items())
    return known(manifest, "preset") + (f" with {settings}" if settings else "")


def _ends(values: list[str]) -> str:
    return ",".join(values if len(values) <= 4 else [*values[:2], "…", values[-1]])


def shown(value: object) -> str:
    """Return a value in words: four digits of a number, the members of a list."""
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 1000 else f"{value:.0f}"
    return listed(value) if isinstance(value, list | tuple) else str(value)


def listed(values: Iterable[object]) -> str:
    """Return values in words, with commas between them."""
    return ", ".join(map(shown, values))


def _versions_line(results: Results, manifest: Manifest) -> str:
    names = versions(results, manifest)
    if compared_versions(results, manifest) == [published.VERSION]:
        return f"D4RL {listed(names)}, as in the paper."
    mazes = f" (of Maze2D {MAZE_VERSION})" if any(map(_is_maze, datasets(results, manifest))) else ""
    made = ", made here by recipe: not D4RL's files" if any(name.startswith("r") for name in names) else ""
    return f"{listed(names)}{made}. The paper's are D4RL v0{mazes}, and no verdict is drawn across versions."


def _episodes(results: Results, manifest: Manifest) -> str:
    counts = [evaluation.episodes for evaluations in policies(results).values() for evaluation in evaluations]
    return str(max(counts)) if counts else known(manifest, "episodes")


def _wall_seconds(manifest: Manifest) -> str:
    seconds = manifest.wall_seconds
    return ", ".join(f"{phase} {shown(spent)}" for phase, spent in seconds.items()) or UNKNOWN


def _suffix(name: str) -> str:
    return name[len(published.unversioned(name)) :].removeprefix("-") or "version not recorded"
