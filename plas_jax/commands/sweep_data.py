"""The data of a sweep: made or found, loaded, padded into one array, described for the manifest."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from plas_jax.commands.sweep_request import Request
from plas_jax.datasets import d4rl_files
from plas_jax.datasets.catalogue import ENVIRONMENTS, Dataset, normalised_score
from plas_jax.datasets.folders import require, sha256, writable_folder
from plas_jax.datasets.minibatch import Rows, concatenate
from plas_jax.datasets.transitions import describe, qlearning_transitions
from plas_jax.recipes import manifests
from plas_jax.recipes.collect import recipe_or_file
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
            require(dataset, request.data_dir)


def load(request: Request, progress: Callable[[str, int, int], None]) -> SweepData:
    """Make or find every data set and load it; `progress(name, rows so far, rows)` while one is made.

    Raises `ValueError` and `OSError` as `recipe_or_file` and `d4rl_files.read` do.
    """
    transitions, described, sizes = [], {}, []
    rows = request.preset.rows
    for dataset in request.datasets:
        path = recipe_or_file(
            dataset.name, rows, RECIPE_SEED, request.data_dir, lambda done, d=dataset: progress(d.name, done, rows)
        )
        loaded, description = _load(dataset, path)
        transitions.append(loaded)
        described[dataset.name] = description
        environment = ENVIRONMENTS[dataset.environment]
        sizes.append(Sizes.of(environment.observation_size, environment.action_size))
    observation = max(size.observation.padded for size in sizes)
    action = max(size.action.padded for size in sizes)
    return SweepData(concatenate(transitions, observation, action), sizes, described)


def _load(dataset: Dataset, path: Path) -> tuple[Transition, dict[str, Any]]:
    recording = d4rl_files.read(path, dataset)
    horizon = ENVIRONMENTS[dataset.environment].horizon
    description, transitions = describe(recording, horizon), qlearning_transitions(recording, horizon)
    if len(transitions.reward) == 0:
        raise ValueError(f"{path}: no transition is left once rows on a time limit are dropped")
    recipe = manifests.read(path) if dataset.is_recipe else None
    return transitions, {
        "version": dataset.version,
        "path": str(path),
        "fingerprint": recipe["fingerprint"] if recipe else sha256(path),
        "rows": description.rows,
        "transitions": len(transitions.reward),
        "episodes": description.episodes,
        "mean_return": description.return_mean,
        "std_return": description.return_std,
        "score": float(normalised_score(dataset.environment, description.return_mean)),
    }
