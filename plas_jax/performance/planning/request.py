"""What is planned: the groups of a sweep, and how many rows their data would have, with none of them at hand."""

from pathlib import Path
from typing import NamedTuple

from plas_jax.datasets.catalogue import Dataset
from plas_jax.datasets.loading import count_rows, files
from plas_jax.sweeps.data import recipe_rows
from plas_jax.sweeps.groups import Group
from plas_jax.sweeps.request import asked_groups, request

UNKNOWN_ROWS = 1_000_000  # D4RL's nominal size, where nothing says more


class PlanRequest(NamedTuple):
    """The words of the flags, as they are handed on to the process that compiles."""

    target: str
    preset: str
    datasets: str
    perturbation_limits: str
    seeds: int

    def groups(self) -> list[tuple[Group, tuple[int, ...]]]:
        """Return the sweep's shape groups and the rows of each of their data sets.

        Raises `ValueError` or `OSError`, one line, for a bad flag.
        """
        sweep = request(
            preset=self.preset,
            datasets=self.datasets,
            perturbation_limits=self.perturbation_limits,
            seeds=self.seeds,
            first_seed=0,
            dynamics="d4rl",
            data_dir=None,
            output=Path(),
            resume=False,
        )
        return [
            (group, tuple(_rows(dataset, sweep.preset.rows) for dataset in group.datasets))
            for group in asked_groups(sweep)
        ]


def _rows(dataset: Dataset, preset_rows: int | None) -> int:
    """Return the rows of a recipe, as known, of one's own file, as counted, and of others the nominal number."""
    if dataset.path is not None:
        return count_rows(dataset, files(dataset, None))
    return recipe_rows(preset_rows if dataset.is_recipe else None, dataset) or UNKNOWN_ROWS
