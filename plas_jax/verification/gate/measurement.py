"""Everything that a gate trains, as results by seed with where they came from."""

import platform
import shlex
import sys
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from plas_jax.datasets.loading import contents
from plas_jax.sweeps import data
from plas_jax.sweeps.groups import groups
from plas_jax.sweeps.manifest import circumstances
from plas_jax.sweeps.progress import Watch
from plas_jax.verification.gate.accepted import Accepted
from plas_jax.verification.gate.movement import Place
from plas_jax.verification.gate.request import Request
from plas_jax.verification.gate.runs import Values, gate_values, values_of_data


def measure(asked: Request, watch: Watch) -> Accepted:
    """Train everything that was asked for; every measure of every seed, in the form of an accepted file."""
    files = data.find(asked.datasets, asked.preset.rows, asked.data_dir, watch.rows_made)
    shelf, values = data.Shelf(files, data.Needs.of(asked.methods)), Values()
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
