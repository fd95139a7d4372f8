"""Everything that a gate trains, as results by seed with where they came from."""

import platform
import shlex
import sys
from datetime import date
from pathlib import Path

import numpy as np

from plas_jax.datasets.loading import contents
from plas_jax.results.circumstances import circumstances
from plas_jax.sweeps import data
from plas_jax.sweeps.groups import groups
from plas_jax.sweeps.progress import Watch
from plas_jax.verification.gate.accepted import Accepted
from plas_jax.verification.gate.movement import Place
from plas_jax.verification.gate.request import GateRequest
from plas_jax.verification.gate.runs import SeedValues, gate_values, values_of_data


def measure(request: GateRequest, watch: Watch) -> Accepted:
    """Train everything that was asked for; return every measure of every seed, in the form of an accepted file."""
    files = data.find(request.datasets, request.preset.rows, request.data_dir, watch.rows_made)
    shelf, values = data.Shelf(files, data.Needs.for_methods(request.methods)), SeedValues()
    for method in request.methods:
        for group in groups(method, request.preset.protocol(method), request.datasets, request.seeds, request.dynamics):
            values |= gate_values(group, shelf.take(group.datasets), watch)
    for datasets in dict.fromkeys((dataset,) for dataset in request.datasets):
        values |= values_of_data(shelf.take(datasets), datasets, request.seeds)
    return Accepted(
        seeds=request.seeds,
        values=_columns(values, request.seeds),
        suite=request.suite(),
        circumstances=_circumstances(request.reason),
        contents={dataset.name: contents(dataset, files[dataset.name]) for dataset in request.datasets},
    )


def _columns(values: SeedValues, seeds: tuple[int, ...]) -> dict[Place, np.ndarray]:
    columns = {place: np.array([by_seed[seed] for seed in seeds]) for place, by_seed in sorted(values.items())}
    return {place: column for place, column in columns.items() if not np.isnan(column).all()}


def _circumstances(reason: str) -> dict[str, object]:
    return {
        "reason": reason,
        "date": date.today().isoformat(),
        "command": shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]),
        **circumstances(),
        "machine": platform.machine(),
    }
