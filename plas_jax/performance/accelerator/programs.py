"""The programs that are measured: chunks of updates, compiled in each of the ways that a device has."""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, NamedTuple

import jax
from jax.sharding import Mesh

from plas_jax.files.messages import one_line
from plas_jax.performance.planning.targets import Chip
from plas_jax.training.chunk import Batch, Runs, Span, chunk_program
from plas_jax.training.compiler_options import PLAIN, Variant, variants
from plas_jax.types import Algorithm, Transition

BEGUN = "it was being measured when its process ended"
COMPILERS = 8  # programs that are compiled together
Row = dict[str, Any]  # what is written down of one measurement


def begun(row: Row) -> Row:
    """Return what stands for a measurement until it is made: an option may take the whole process with it."""
    return row | {"refused": BEGUN}


class Precision(NamedTuple):
    """How matrices are multiplied."""

    name: str
    setting: str  # JAX's `jax_default_matmul_precision`
    passes: int | None = None  # of the device's fast products that one takes; None: in full float32

    def peak(self, chip: Chip) -> float:
        """Return the FLOP/s of a chip's data sheet."""
        return chip.float32_peak if self.passes is None else chip.fast_peak / self.passes


FLOAT32 = Precision("float32", "float32")
PRECISIONS = {
    "gpu": (Precision("TF32", "tensorfloat32", 1), Precision("3×TF32", "TF32_TF32_F32_X3", 3)),
    "tpu": (Precision("bfloat16", "bfloat16", 1), Precision("3×bfloat16", "high", 3)),
}


class Way(NamedTuple):
    """One way to compile a chunk."""

    variant: Variant = PLAIN
    precision: Precision = FLOAT32

    @property
    def name(self) -> str:
        """Return what reports call it."""
        return f"{self.variant.name}, {self.precision.name}"


def ways(platform: str) -> list[Way]:
    """Return as a sweep trains, then with each option, then with each precision: one thing is changed at a time."""
    return [Way(variant) for variant in variants(platform)] + [
        Way(precision=precision) for precision in PRECISIONS.get(platform, ())
    ]


class Given(NamedTuple):
    """What a chunk is given: runs before their first update, laid out as a sweep lays them out."""

    algorithm: Algorithm
    mesh: Mesh
    batch: Batch
    runs: Runs
    transitions: Transition


class Program(NamedTuple):
    """A compiled chunk."""

    way: Way
    executable: jax.stages.Compiled
    seconds: float  # of compiling, beside others

    def advance(self, given: Given, span: Span[int]) -> Batch:
        """Return the batch, which is donated, after the updates of a span."""
        batch, _ = jax.block_until_ready(self.executable(given.batch, given.runs, given.transitions, span))
        return batch


def compiled(given: Given, way: Way) -> Program | str:
    """Compile a chunk; where the compiler refuses, return what it says in one line."""
    started = time.perf_counter()
    shapes = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=leaf.sharding), given[2:])
    try:
        with jax.default_matmul_precision(way.precision.setting):
            program = chunk_program(given.mesh, given.batch.state, way.variant)
            executable = program.lower(given.algorithm, given.mesh, *shapes, Span(0, 1)).compile()
    except Exception as error:  # of whatever kind: a borrowed device is not given back because of one option
        return one_line(error, 300)
    return Program(way, executable, time.perf_counter() - started)


def compiled_together(given: Given, several: Sequence[Way]) -> list[Program | str]:
    """Compile a chunk in several ways, together, since a device's host has many cores; return them in order."""
    with ThreadPoolExecutor(COMPILERS) as pool:
        return list(pool.map(partial(compiled, given), several))
