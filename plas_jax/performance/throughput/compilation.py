"""What a start costs: with an empty compilation cache, and again in a new process with what the first one left."""

import time
from collections.abc import Iterator
from functools import partial
from tempfile import TemporaryDirectory

from plas_jax.performance.throughput.cases import Case
from plas_jax.performance.throughput.processes import figure, measuring, training_rates
from plas_jax.performance.throughput.request import ThroughputRequest
from plas_jax.performance.throughput.rows import Row, case_cells, case_columns

HEADING = """
algorithm      widths  runs  compile s  second s  start s  second s"""


def rows(request: ThroughputRequest) -> Iterator[Row]:
    """Measure the seconds of compiling the program that trains a case, and of a whole start, in two processes in turn.

    A start is all that passes before the first update can begin: imports, data, first weights, compiling. The second
    process finds JAX's persistent compilation cache as the first one left it. Raises `OSError` when one dies.
    """
    for case in request.batches():
        with TemporaryDirectory(prefix="throughput-") as cache:
            (cold, cold_start), (second, second_start) = (_started(case, cache) for _ in range(2))
        yield {
            "measure": "compile",
            **case_columns(case),
            "compile_seconds": cold,
            "second_compile_seconds": second,
            "start_seconds": cold_start,
            "second_start_seconds": second_start,
        }


def _started(case: Case, cache: str) -> tuple[float, float]:
    started = time.perf_counter()
    with measuring(partial(training_rates, case, 0.0), case.devices, cache) as connection:
        compiled, _ = figure(connection, case)
        return compiled, time.perf_counter() - started


def line(row: Row) -> str:
    """Return one line of the table."""
    return (
        f"{case_cells(row)}{row['compile_seconds']:>11.1f}"
        f"{row['second_compile_seconds']:>10.1f}{row['start_seconds']:>9.1f}{row['second_start_seconds']:>10.1f}"
    )
