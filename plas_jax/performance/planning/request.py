"""What is planned: the groups of a sweep, and how many rows their data would have, with none of them at hand."""

from typing import NamedTuple

from plas_jax.datasets.catalogue import Dataset
from plas_jax.datasets.loading import count_rows, files
from plas_jax.methods.presets import PRESETS, TABLE_1_PERTURBATION_LIMITS, TABLE_1_RECIPES, plas_over
from plas_jax.sweeps.data import recipe_rows
from plas_jax.sweeps.flag_values import datasets_of_flag, limits, seeds_of_flags
from plas_jax.sweeps.groups import Group, groups

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
        preset = PRESETS[self.preset]
        epsilons = limits("--perturbation_limits", self.perturbation_limits, TABLE_1_PERTURBATION_LIMITS)
        method = plas_over(preset, "perturbation_limit", epsilons)
        datasets = datasets_of_flag(self.datasets, TABLE_1_RECIPES)
        seeds = seeds_of_flags(str(self.seeds), 0)
        return [
            (group, tuple(_rows(dataset, preset.rows) for dataset in group.datasets))
            for group in groups(method, preset.protocol(method), datasets, seeds, "d4rl")
        ]


def _rows(dataset: Dataset, preset_rows: int | None) -> int:
    """Return the rows of a recipe, as known, of one's own file, as counted, and of others the nominal number."""
    if dataset.path is not None:
        return count_rows(dataset, files(dataset, None))
    return recipe_rows(preset_rows if dataset.is_recipe else None, dataset) or UNKNOWN_ROWS
