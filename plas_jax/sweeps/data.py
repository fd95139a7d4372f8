"""The data of a sweep: made or found, loaded, padded into one array, described for the manifest."""

import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np

from plas_jax.datasets.catalogue import Dataset, normalised_score
from plas_jax.datasets.folders import writable_folder
from plas_jax.datasets.loading import count_rows, fingerprint, is_altered
from plas_jax.datasets.loading import files as files_of
from plas_jax.datasets.loading import load as load_files
from plas_jax.datasets.minibatch import Rows, concatenate
from plas_jax.datasets.statistics import padded, statistics
from plas_jax.methods.method import Method
from plas_jax.recipes import manifests
from plas_jax.recipes.collect import data_files
from plas_jax.results.manifest import DatasetRecord
from plas_jax.sweeps.groups import true_sizes, widest
from plas_jax.training.hosts import agreed
from plas_jax.types import Sizes, Statistics, Transition

RECIPE_SEED = 0  # data are the same for every seed of a sweep, as D4RL's files are

Described = dict[str, DatasetRecord]
Files = dict[str, list[Path]]  # of each data set, by its name


class Needs(NamedTuple):
    """What methods ask of the data beside transitions."""

    statistics: bool = False
    next_actions: bool = False

    @classmethod
    def for_methods(cls, methods: Sequence[Method]) -> "Needs":
        """Return what any of these methods asks for."""
        return cls(
            statistics=any(method.uses_statistics for method in methods),
            next_actions=any(method.uses_next_actions for method in methods),
        )


class SweepData(NamedTuple):
    """Every data set's transitions in one array, their true sizes, and what the manifest says of each."""

    rows: Rows
    sizes: list[Sizes]
    described: Described
    statistics: list[Statistics]  # padded; empty where nobody needs them

    def statistics_of(self, datasets: Sequence[int]) -> Statistics | None:
        """Return the statistics of these data sets, each leaf `[len(datasets), …]`; None where nobody needs them."""
        if not self.statistics:
            return None
        return jax.tree.map(lambda *leaves: np.stack(leaves), *(self.statistics[place] for place in datasets))


def expected_rows(datasets: Sequence[Dataset], rows: int | None, data_dir: str | None) -> int:
    """Return how many rows the data sets will have; refuse, before any is made, what is nowhere or cannot be made."""
    total = 0
    for dataset in datasets:
        if dataset.is_recipe:
            writable_folder(data_dir)
            total += recipe_rows(rows, dataset)
        else:
            total += count_rows(dataset, files_of(dataset, data_dir))
    return total


def unmade(datasets: Sequence[Dataset], rows: int | None, data_dir: str | None) -> list[str]:
    """Return the names of the recipes that are yet to be made."""
    recipes = [dataset for dataset in datasets if dataset.is_recipe]
    folder = writable_folder(data_dir) if recipes else Path()
    return [
        dataset.name
        for dataset in recipes
        if (recipe_rows(rows, dataset), RECIPE_SEED)
        not in [(record["rows"], record["seed"]) for _, record in manifests.made(folder, dataset.name)]
    ]


def recipe_rows(rows: int | None, dataset: Dataset) -> int:
    """Return the size that a recipe is asked for: the preset's, or else that of D4RL's file."""
    return rows or dataset.rows or 0


def find(
    datasets: Sequence[Dataset], rows: int | None, data_dir: str | None, progress: Callable[[str, int, int], None]
) -> Files:
    """Make or find the files of every data set; `progress(name, rows so far, rows)` while one is made.

    Of several processes the first one makes them before the others look: most hosts share the folder, and one that
    does not makes its own. Raises `ValueError` and `OSError` as `data_files` does.
    """
    if jax.process_count() > 1:
        agreed(lambda: len(_find(datasets, rows, data_dir, progress)))
    return _find(datasets, rows, data_dir, progress)


def _find(
    datasets: Sequence[Dataset], rows: int | None, data_dir: str | None, progress: Callable[[str, int, int], None]
) -> Files:
    files = {}
    for dataset in datasets:
        name, size = dataset.name, recipe_rows(rows, dataset)
        files[name] = data_files(
            dataset, size, RECIPE_SEED, data_dir, lambda done, name=name, size=size: progress(name, done, size)
        )
    return files


def load(datasets: Sequence[Dataset], files: Files, needs: Needs) -> SweepData:
    """Load the transitions in `files`, one data set after the other: memory holds one of them twice at most.

    Raises `ValueError` and `OSError` as `load_files` does.
    """
    described: Described = {}
    sizes, known = widest(datasets), []

    def transitions() -> Iterator[Transition]:
        for dataset in datasets:
            loaded, returns, described[dataset.name] = _load(dataset, files[dataset.name], needs)
            if needs.statistics:
                known.append(padded(statistics(loaded, returns), sizes.observation.padded))
            yield loaded

    rows = sum(count_rows(dataset, files[dataset.name]) for dataset in datasets)
    whole = concatenate(transitions(), rows, sizes.observation.padded, sizes.action.padded)
    return SweepData(whole, [true_sizes(dataset) for dataset in datasets], described, known)


class Shelf:
    """The data of one group at a time: what is asked for again is still there, another group's takes its place."""

    def __init__(self, files: Files, needs: Needs):
        self._files, self._needs = files, needs
        self._held: tuple[tuple[Dataset, ...], SweepData] | None = None

    def take(self, datasets: tuple[Dataset, ...]) -> SweepData:
        """Return the data of these data sets. Raises as `load` does."""
        if self._held is None or self._held[0] != datasets:
            self._held = None  # before loading, so that both are never in memory together
            self._held = datasets, load(datasets, self._files, self._needs)
        return self._held[1]

    def described(self, groups: Sequence[tuple[Dataset, ...]]) -> Described:
        """Return what every data set holds; the first group's stay on the shelf.

        All are read before any training, since a file that cannot be used should not be found after hours of it.
        """
        records: Described = {}
        for datasets in reversed(groups):
            records = self.take(datasets).described | records
        return records


def _load(dataset: Dataset, paths: list[Path], needs: Needs) -> tuple[Transition, np.ndarray, DatasetRecord]:
    transitions, description = load_files(dataset, paths, needs.next_actions)
    recipe, environment = manifests.read(paths[0]) if dataset.is_recipe else None, dataset.environment
    record = DatasetRecord(
        version=dataset.version,
        path=" + ".join(map(str, paths)),
        fingerprint=recipe["fingerprint"] if recipe else fingerprint(paths),
        rows=description.rows,
        transitions=len(transitions.reward),
        episodes=description.episodes,
        mean_return=_number(description.return_mean),
        std_return=_number(description.return_std),
        score=_number(float(normalised_score(environment, description.return_mean))),
        # of one's own: what was made of the id, since another day's may be another environment
        simulated=environment.simulated,
        altered=is_altered(dataset, paths),
        environment=environment.specification if environment.is_own else environment.name,
    )
    return transitions, description.returns, record


def _number(value: float) -> float | None:
    """Return the number as JSON has it: none where no episode ended, or nobody has defined a score."""
    return value if math.isfinite(value) else None
