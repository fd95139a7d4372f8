"""Updates per second of one run alone and of a batch of runs, and what else a sweep spends its time on."""

import json
import os
import platform
import shlex
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import version

import jax

from plas_jax.commands.invocation import invoke
from plas_jax.performance.throughput import compilation, evaluation, loading, rows
from plas_jax.performance.throughput.cases import Case
from plas_jax.performance.throughput.peer_environment import peer_python
from plas_jax.performance.throughput.peer_training import D3RLPY, has_counterpart
from plas_jax.performance.throughput.processes import measured
from plas_jax.performance.throughput.request import FLAGS, USAGE, asked, asked_runs, check_flags, cores, groups
from plas_jax.performance.throughput.rows import Row, rows_of
from plas_jax.sweeps.manifest import device
from plas_jax.training.layout import use_every_core

# What every row of `--json` has: null where it says nothing.
ALWAYS = ("measure", "algorithm", "widths", "runs", "updates_per_second", "share_of_matmul_rate", "against_d3rlpy")


def training_rows() -> Iterator[Row]:
    """What was measured of training."""
    for figures in measured(groups(), FLAGS.seconds, FLAGS.rounds):
        yield from rows_of(figures)


def compile_rows() -> Iterator[Row]:
    """What was measured of starting."""
    for algorithm, widths in asked():
        for runs in asked_runs():
            yield compilation.row_of(Case(algorithm, widths, runs, cores()))


def evaluation_rows() -> Iterator[Row]:
    """What was measured of evaluating."""
    for algorithm, widths in asked():
        for runs in asked_runs():
            yield from evaluation.rows(Case(algorithm, widths, runs, cores()), FLAGS.seconds, FLAGS.rounds)


def loading_rows() -> Iterator[Row]:
    """What was measured of loading."""
    yield loading.row_of(FLAGS.rounds)


PRINTED: dict[str, tuple[str, Callable[[], Iterator[Row]], Callable[[Row], str]]] = {
    "training": (rows.HEADING, training_rows, rows.line),
    "compile": (compilation.HEADING, compile_rows, compilation.line),
    "evaluation": (evaluation.HEADING, evaluation_rows, evaluation.line),
    "loading": (loading.HEADING, loading_rows, loading.line),
}


def circumstances() -> Row:
    """Where and on what the figures were measured."""
    versions = {package: version(package) for package in ("plas_jax", "jax", "jaxlib", "numpy")}
    return {
        "device": device(),
        "versions": {"python": platform.python_version()} | versions,
        "load": round(os.getloadavg()[0], 1),
        "command": shlex.join(sys.argv),
    }


def say(text: str) -> None:
    """A line of progress, on stderr: what is measured goes to stdout."""
    print(text, file=sys.stderr, flush=True)


def prepare_peer() -> None:
    """Make the peer's environment unless it is there. Raises `ValueError` or `OSError` where it cannot be compared."""
    if jax.default_backend() != "cpu":
        raise ValueError(f"--against={D3RLPY} compares on CPUs: set JAX_PLATFORMS=cpu to leave the accelerator out")
    alone = [name for name in FLAGS.algorithms if not has_counterpart(name)]
    if alone:
        say(f"{D3RLPY} is compared with plas and plas+p alone, not with {', '.join(alone)}")
    peer_python(say)


def run(words: list[str]) -> int:
    """Measure and print; 0."""
    if words:
        raise ValueError(f"unexpected {' '.join(words)!r}: every argument is a flag, see --help")
    check_flags()
    # The measuring processes share an accelerator: none may claim its memory for itself alone.
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    use_every_core(cores())
    if FLAGS.against:
        prepare_peer()
    where = circumstances()
    if not FLAGS.json:
        print(
            f"{where['command']}\n{where['device']}, load {where['load']:.1f} before the start, {platform.platform()}"
        )
        print(", ".join(f"{name} {number}" for name, number in where["versions"].items()))
        print(f"medians of {FLAGS.rounds} interleaved rounds of {FLAGS.seconds:g} s; updates/s of all runs together")
    for measure in dict.fromkeys(FLAGS.measure):
        heading, rows, line = PRINTED[measure]
        if not FLAGS.json:
            print(heading)
        for row in rows():
            print(json.dumps(dict.fromkeys(ALWAYS) | row | where) if FLAGS.json else line(row), flush=True)
    return 0


def main() -> int:
    """Call the command."""
    return invoke(run, FLAGS, USAGE)
