"""Everything that a gate trains, as results by seed with where they came from."""

import platform
import shlex
import sys
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from plas_jax.commands import sweep_data
from plas_jax.commands.gate_request import Request
from plas_jax.commands.gate_runs import Values, gate_values, values_of_data
from plas_jax.commands.progress import Watch
from plas_jax.commands.sweep_groups import groups
from plas_jax.commands.sweep_manifest import circumstances
from plas_jax.datasets.loading import contents
from plas_jax.evaluation.accepted import Accepted
from plas_jax.evaluation.movement import Place


def measure(asked: Request, watch: Watch) -> Accepted:
    """Train everything that was asked for; every measure of every seed, in the form of an accepted file."""
    files = sweep_data.find(asked.datasets, asked.preset.rows, asked.data_dir, watch.rows_made)
    shelf, values = sweep_data.Shelf(files, sweep_data.Needs.of(asked.methods)), Values()
    for method in asked.methods:
        for group in groups(method, asked.preset.protocol(method), asked.datasets, asked.seeds, asked.dynamics):
            values |= gate_values(group, shelf.of(group.datasets), watch)
    for datasets in dict.fromkeys((dataset,) for dataset in asked.datasets):
        values |= values_of_data(shelf.of(datasets), datasets, asked.seeds)
    contents_of = {dataset.name: contents(dataset, files[dataset.name]) for dataset in asked.datasets}
    return Accepted(asked.seeds, _columns(values, asked.seeds), asked.suite(), _circumstances(asked, contents_of))


def _columns(values: Values, seeds: tuple[int, ...]) -> dict[Place, np.ndarray]:
    columns = {place: np.array([of[seed] for seed in seeds]) for place, of in sorted(values.items())}
    return {place: column for place, column in columns.items() if not np.isnan(column).all()}


def _circumstances(asked: Request, contents_of: dict[str, str]) -> dict[str, Any]:
    return {
        "reason": asked.reason,
        "date": date.today().isoformat(),
        "command": shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]),
        **circumstances(),
        "machine": platform.machine(),
        "contents": contents_of,
    }
