"""How long a sweep takes to load a data set of a million rows, from a file written for the purpose."""

import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import numpy as np

from plas_jax.datasets import d4rl_files
from plas_jax.datasets.catalogue import Dataset, parse
from plas_jax.performance.throughput.cases import Case
from plas_jax.performance.throughput.processes import figures_by_round, starting_cold
from plas_jax.performance.throughput.request import ThroughputRequest
from plas_jax.performance.throughput.rows import Row
from plas_jax.sweeps.data import Needs, load

ROWS, EPISODE = 1_000_000, 1000
DATASET = "walker2d-medium-v2"
DEGREES = 9  # numbers in the simulator's position and in its velocity
HEADING = """
rows             seconds    lowest to highest  MB/s of the file  memory
                                                                    MiB"""


def write(path: Path, dataset: Dataset, rows: int) -> None:
    """Write random rows with the columns, and the kinds of numbers, that a recipe writes."""
    generator, environment = np.random.default_rng(0), dataset.environment
    stream = generator.standard_normal((rows + 1, environment.observation_size), np.float32)
    columns = {
        "observations": stream[:-1],
        "actions": generator.uniform(-1, 1, (rows, environment.action_size)).astype(np.float32),
        "rewards": generator.standard_normal(rows, np.float32),
        "terminals": np.zeros(rows, bool),
        "timeouts": np.arange(1, rows + 1) % EPISODE == 0,
        "next_observations": stream[1:],
        "infos/qpos": generator.standard_normal((rows, DEGREES)),
        "infos/qvel": generator.standard_normal((rows, DEGREES)),
    }
    d4rl_files.write(path, columns, {})


def loading_rates(rows: int) -> Iterator[tuple[float, int]]:
    """Yield the seconds that a sweep takes to load such a file, and the file's bytes, for ever; the first is a write.

    The file has just been written, so the operating system has it in memory: what is measured is ours, not the disk.
    """
    dataset = parse(DATASET)
    with TemporaryDirectory(prefix="throughput-") as folder:
        path = Path(folder) / f"{DATASET}.hdf5"
        started = time.perf_counter()
        write(path, dataset, rows)
        size = path.stat().st_size
        yield time.perf_counter() - started, size
        while True:
            started = time.perf_counter()
            loaded = load([dataset], {dataset.name: [path]}, Needs())
            passed = time.perf_counter() - started
            del loaded  # before the next one, as a sweep holds one
            yield passed, size


def rows(request: ThroughputRequest) -> Iterator[Row]:
    """Measure loading. Raises `OSError` when the measuring process dies."""
    case = Case("loading", "", 1, 1)
    with starting_cold(partial(loading_rates, ROWS), case.devices) as connection:
        figures = figures_by_round(connection, case, request.rounds)
    seconds = [passed for (passed, _), _ in figures]
    (_, size), peak = figures[-1]
    yield {
        "measure": "loading",
        "rows": ROWS,
        "load_seconds": median(seconds),
        "lowest_and_highest": [min(seconds), max(seconds)],
        "file_bytes": size,
        "file_megabytes_per_second": size / 1e6 / median(seconds),
        "peak_memory": peak,
    }


def line(row: Row) -> str:
    """Return one line of the table."""
    lowest, highest = row["lowest_and_highest"]
    return (
        f"{row['rows']:<12,d}{row['load_seconds']:>12.2f}{f'{lowest:.2f} to {highest:.2f}':>21s}"
        f"{row['file_megabytes_per_second']:>18.0f}{row['peak_memory'] / 2**20:>8.0f}"
    )
