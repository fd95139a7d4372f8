"""The data of a sweep: made or found, loaded, padded into one array, described for the manifest."""

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from plas_jax.commands.sweep_groups import true_sizes, widest
from plas_jax.commands.sweep_request import Request
from plas_jax.datasets.catalogue import Dataset, normalised_score
from plas_jax.datasets.folders import writable_folder
from plas_jax.datasets.loading import count_rows, fingerprint
from plas_jax.datasets.loading import files as files_of
from plas_jax.datasets.loading import load as load_files
from plas_jax.datasets.minibatch import Rows, concatenate
from plas_jax.recipes import manifests
from plas_jax.recipes.collect import data_files
from plas_jax.types import Sizes, Transition

RECIPE_SEED = 0  # data are the same for every seed of a sweep, as D4RL's files are

Described = dict[str, dict[str, Any]]
Files = dict[str, list[Path]]  # of each data set, by its name


class SweepData(NamedTuple):
    """Every data set's transitions in one array, their true sizes, and what the manifest says of each."""

    rows: Rows
    sizes: list[Sizes]
    described: Described


def expected_rows(request: Request) -> int:
    """How many rows the data sets will have. Refuses, before anything is made, what is nowhere or cannot be made."""
    total = 0
    for dataset in request.datasets:
        if dataset.is_recipe:
            writable_folder(request.data_dir)
            total += recipe_rows(request, dataset)
        else:
            total += count_rows(dataset, files_of(dataset, request.data_dir))
    return total


def recipe_rows(request: Request, dataset: Dataset) -> int:
    """The size that a recipe is asked for: the preset's, or else that of D4RL's file."""
    return request.preset.rows or dataset.rows or 0


def find(request: Request, progress: Callable[[str, int, int], None]) -> Files:
    """Make or find the files of every data set; `progress(name, rows so far, rows)` while one is made.

    Raises `ValueError` and `OSError` as `data_files` does.
    """
    files = {}
    for dataset in request.datasets:
        name, rows = dataset.name, recipe_rows(request, dataset)
        files[name] = data_files(
            dataset, rows, RECIPE_SEED, request.data_dir, lambda done, name=name, rows=rows: progress(name, done, rows)
        )
    return files


def load(request: Request, files: Files) -> SweepData:
    """The transitions in `files`, one data set after the other, so that memory holds one of them twice at most.

    Raises `ValueError` and `OSError` as `load_files` does.
    """
    described: Described = {}

    def transitions() -> Iterator[Transition]:
        for dataset in request.datasets:
            loaded, described[dataset.name] = _load(dataset, files[dataset.name])
            yield loaded

    rows = sum(count_rows(dataset, files[dataset.name]) for dataset in request.datasets)
    sizes = widest(request.datasets)
    whole = concatenate(transitions(), rows, sizes.observation.padded, sizes.action.padded)
    return SweepData(whole, [true_sizes(dataset) for dataset in request.datasets], described)


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
        "mean_return": _number(description.return_mean),
        "std_return": _number(description.return_std),
        "score": _number(float(normalised_score(dataset.environment, description.return_mean))),
        # of one's own: what was made of the id, since another day's may be another environment
        "environment": dataset.environment.specification or dataset.environment.name,
    }


def _number(value: float) -> float | None:
    """The number as JSON has it: none where no episode ended, or nobody has defined a score."""
    return value if math.isfinite(value) else None
