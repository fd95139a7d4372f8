"""Run-updates/s of a batch of PLAS, compiled in each way, beside what `plas-jax plan` predicts of the same program."""

import itertools
import statistics
from collections.abc import Iterator

import jax

from plas_jax.files.messages import one_line
from plas_jax.performance.accelerator.programs import Given, Program, Row, Way, begun, compiled_together
from plas_jax.performance.accelerator.request import Extent
from plas_jax.performance.planning.programs import read
from plas_jax.performance.planning.roofline import Peaks, update_time
from plas_jax.performance.planning.targets import chip_of
from plas_jax.performance.throughput.cases import Case, first_batch, method_of
from plas_jax.performance.throughput.processes import rates_of
from plas_jax.training.chunk import Span
from plas_jax.training.layout import run_mesh

METHOD = "plas"  # with perturbation, as in `plas-jax throughput`


def given(widths: str, runs: int) -> Given:
    """Return so many runs before their first update. Raises the compiler's own error where they do not fit."""
    mesh = run_mesh(runs)
    return Given(
        method_of(METHOD, widths).phase.algorithm, mesh, *first_batch(Case(METHOD, widths, runs, mesh.size), mesh)
    )


def rows(widths: str, runs: int, several: list[Way], extent: Extent) -> Iterator[Row]:
    """Measure a batch of runs in each of these ways, after all are compiled; yield a row for each.

    A row that has only begun comes before each. What cannot be compiled, or does not fit, has a row that says so.
    """
    case: Row = {"measure": "speed", "widths": widths, "runs": runs}
    yield begun(case | {"way": several[0].name})
    try:
        first = given(widths, runs)
        programs = compiled_together(first, several)
    except Exception as error:  # as where programs are compiled: the next batch may fit
        yield from (case | {"way": way.name, "refused": one_line(error, 300)} for way in several)
        return
    start: Given | None = first
    del first  # whose states are given away
    for way, program in zip(several, programs, strict=True):
        row = case | {"way": way.name}
        if isinstance(program, str):
            yield row | {"refused": program}
            continue
        yield begun(row)
        try:
            rates, start = _rates(program, start or given(widths, runs), runs, extent)
            row |= {"updates_per_second": statistics.median(rates), "lowest_and_highest": [min(rates), max(rates)]}
            yield row | {"compile_seconds": program.seconds} | _prediction(program)
        except Exception as error:
            start = None  # it was given away
            yield row | {"refused": one_line(error, 300)}


def _rates(program: Program, start: Given, runs: int, extent: Extent) -> tuple[list[float], Given]:
    """Return run-updates/s of some rounds, and the runs after them."""

    def advance(span: Span[int]) -> None:
        nonlocal start
        start = start._replace(batch=program.advance(start, span))

    return list(itertools.islice(rates_of(advance, runs, extent.seconds), extent.rounds)), start


def _prediction(program: Program) -> Row:
    """Return kernels and traffic of an update of all runs of a device and, of a known chip, the roofline's seconds."""
    variant, precision = program.way
    row: Row = dict.fromkeys(("kernels", "bytes", "predicted_seconds"))
    try:
        kernels = read(program.executable, program.seconds).kernels
    except (ValueError, LookupError, AttributeError):
        return row  # a text of a form that was never seen: the speed stands without it
    # A loop that counts updates is read by itself, or with all of its passes inside the one around it.
    passes = variant.updates_in_a_pass
    each = passes if variant.unrolled or any(kernel.times >= passes for kernel in kernels) else 1
    row["kernels"] = sum(kernel.times for kernel in kernels if kernel.is_launched) / each
    row["bytes"] = sum(kernel.bytes * kernel.times for kernel in kernels) / each
    chip = chip_of(jax.devices()[0].device_kind)
    if chip is not None:
        peaks = Peaks(precision.peak(chip), chip.bandwidth, chip.launch_seconds)
        row["predicted_seconds"] = update_time(kernels, peaks).predicted / each
    return row
