"""The data of a sweep: made or found, loaded, padded into one array, described for the manifest."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from plas_jax.commands.sweep_request import Request
from plas_jax.datasets.catalogue import Dataset, normalised_score, parts
from plas_jax.datasets.folders import require, writable_folder
from plas_jax.datasets.loading import fingerprint
from plas_jax.datasets.loading import load as load_files
from plas_jax.datasets.minibatch import Rows, concatenate
from plas_jax.recipes import manifests
from plas_jax.recipes.collect import data_files
from plas_jax.types import Sizes, Transition

RECIPE_SEED = 0  # data are the same for every seed of a sweep, as D4RL's files are


class SweepData(NamedTuple):
    """Every data set's transitions in one array, their true sizes, and what the manifest says of each."""

    rows: Rows
    sizes: list[Sizes]
    described: dict[str, dict[str, Any]]


def check(request: Request) -> None:
    """Refuse, before anything is made, a file that is nowhere or a folder that cannot be written to."""
    for dataset in request.datasets:
        if dataset.is_recipe:
            writable_folder(request.data_dir)
        else:
            for part in parts(dataset):
                require(part, request.data_dir)


def load(request: Request, progress: Callable[[str, int, int], None]) -> SweepData:
    """Make or find every data set and load it; `progress(name, rows so far, rows)` while one is made.

    Raises `ValueError` and `OSError` as `data_files` and `load_files` do.
    """
    transitions, described, sizes = [], {}, []
    rows = request.preset.rows
    for dataset in request.datasets:
        paths = data_files(
            dataset, rows, RECIPE_SEED, request.data_dir, lambda done, d=dataset: progress(d.name, done, rows)
        )
        loaded, description = _load(dataset, paths)
        transitions.append(loaded)
        described[dataset.name] = description
        environment = dataset.environment
        sizes.append(Sizes.of(environment.observation_size, environment.action_size))
    observation = max(size.observation.padded for size in sizes)
    action = max(size.action.padded for size in sizes)
    return SweepData(concatenate(transitions, observation, action), sizes, described)


def _load(dataset: Dataset, paths: list[Path]) -> tuple[Transition, dict[str, Any]]:
    transitions, description = load_files(dataset, paths)
    recipe = manifests.read(paths[0]) if dataset.is_recipe else None
    return transitions, {
        "version": dataset.version,
        "path": " + ".join(map(str, paths)),
        "fingerprint": recipe["fingerprint"] if recipe else fingerprint(paths),
        "rows": description.rows,
        "transitions": len(transitions.reward),
        "episodes": description.episodes,
        "mean_return": description.return_mean,
        "std_return": description.return_std,
        "score": float(normalised_score(dataset.environment, description.return_mean)),
    }
