"""Updates per second of one run alone and of a batch of runs, beside the machine's matrix-product rate."""

import json
import math
import os
import platform
import shlex
import statistics
import sys
from importlib.metadata import version
from typing import Any

from absl import flags

from plas_jax.commands.invocation import invoke
from plas_jax.commands.sweep_manifest import device
from plas_jax.commands.throughput_cases import ALGORITHMS, NAMED_WIDTHS, Case, operations_per_update
from plas_jax.commands.throughput_processes import Figures, measured
from plas_jax.training.layout import use_every_core
from plas_jax.training.sweep import CHUNK_SECONDS

USAGE = """usage: throughput.py [flags]

Trains any method of the tables on random data of Walker2d's sizes, one run alone and a batch of runs, and prints
run-updates/s: of its last phase, around an untrained network of the first where it has two; "behaviour" is the CVAE's
training, PLAS's first phase. "plas" is PLAS+P at ε = 0.05, and "plas+p" is the same: ε does not change speed.
Alone is the faster of two layouts: one device that has all threads, and one device per core. A batch is split over one
device per core, as the sweep splits it. The share of the product's rate is left empty where a method's operations are
not counted."""

FLAGS = flags.FlagValues()
flags.DEFINE_boolean("json", False, "One JSON object per line instead of a table.", flag_values=FLAGS)
flags.DEFINE_list("algorithms", ["behaviour", "plas"], f"Which of {', '.join(ALGORITHMS)}.", flag_values=FLAGS)
flags.DEFINE_list(
    "widths",
    ["64", "paper"],
    'Widths of every layer; "paper", as published; or "laptop", the widths and batch size of that preset.',
    flag_values=FLAGS,
)
flags.DEFINE_list("runs", ["1", "90"], "How many runs train together.", flag_values=FLAGS)
flags.DEFINE_float("seconds", CHUNK_SECONDS, "Length of one measurement.", lower_bound=0.01, flag_values=FLAGS)
flags.DEFINE_integer("rounds", 3, "Measurements, of which the median.", lower_bound=1, flag_values=FLAGS)

HEADING = """
algorithm      widths  runs  devices  updates/s    lowest to highest  /alone   share   product  compile  memory
                                                                                         GF/s        s     MiB"""
Row = dict[str, Any]


def rows_of(figures: list[Figures]) -> list[Row]:
    """One row for each number of runs: of one run alone the faster layout; the first figures are the product's."""
    product_rate = max(figures[0].rates)
    fastest: dict[int, Figures] = {}
    for one in sorted(figures[1:], key=lambda one: statistics.median(one.rates)):
        fastest[one.case.runs] = one
    return [row(fastest[runs], fastest.get(1), product_rate) for runs in sorted(fastest)]


def row(figures: Figures, alone: Figures | None, product_rate: float) -> Row:
    """What `--json` prints of one measurement, less what every row says."""
    case, rates = figures.case, figures.rates
    updates_per_second, per_update = statistics.median(rates), operations_per_update(case)
    # By round, so that what slows a whole round down slows both down.
    ratios = [ours / theirs for ours, theirs in zip(rates, alone.rates, strict=True)] if alone else []
    return {
        "algorithm": case.algorithm,
        "widths": int(case.widths) if case.widths.isdecimal() else case.widths,
        "runs": case.runs,
        "devices": case.devices,
        "updates_per_second": updates_per_second,
        "lowest_and_highest": [min(rates), max(rates)],
        "ratio_to_alone": statistics.median(ratios) if ratios else None,
        "operations_per_update": per_update,
        "matmul_rate": product_rate,
        "share_of_matmul_rate": None if per_update is None else per_update * updates_per_second / product_rate,
        "compile_seconds": figures.compile_seconds,
        "peak_memory": figures.peak_memory,
        "against_d3rlpy": None,
    }


def line(row: Row) -> str:
    """One line of the table."""
    lowest, highest = row["lowest_and_highest"]
    ratio = "" if row["ratio_to_alone"] is None else f"{row['ratio_to_alone']:.2f}"
    share = "" if row["share_of_matmul_rate"] is None else f"{row['share_of_matmul_rate']:.1%}"
    return (
        f"{row['algorithm']:14s}{row['widths']!s:>7s}{row['runs']:>6d}{row['devices']:>9d}"
        f"{row['updates_per_second']:>11.1f}{f'{lowest:.1f} to {highest:.1f}':>21s}{ratio:>8s}"
        f"{share:>8s}{row['matmul_rate'] / 1e9:>10.1f}{row['compile_seconds']:>10.1f}"
        f"{row['peak_memory'] / 2**20:>10.0f}"
    )


def asked_cases() -> list[list[Case]]:
    """One list for each algorithm and widths. Raises `ValueError` for a bad flag."""
    for algorithm in FLAGS.algorithms:
        if algorithm not in ALGORITHMS:
            raise ValueError(f"--algorithms: {algorithm!r} is none of {', '.join(ALGORITHMS)}")
    for widths in FLAGS.widths:
        if widths not in NAMED_WIDTHS and not (widths.isdecimal() and int(widths) > 0):
            raise ValueError(f"--widths: {widths!r} is neither {' nor '.join(NAMED_WIDTHS)} nor a positive number")
    for runs in FLAGS.runs:
        if not (runs.isdecimal() and int(runs) > 0):
            raise ValueError(f"--runs: {runs!r} is not a positive number")
    if not (FLAGS.algorithms and FLAGS.widths and FLAGS.runs and math.isfinite(FLAGS.seconds)):
        raise ValueError("--algorithms, --widths and --runs need a value each, and --seconds a finite one")
    cores = os.cpu_count() or 1
    # A batch as the sweep lays it out; one run also on one device with all threads, since it can use only one device.
    asked_runs = {int(runs) for runs in FLAGS.runs}
    layouts = sorted({(runs, cores) for runs in asked_runs} | {(1, 1) for runs in asked_runs if runs == 1})
    return [
        [Case(algorithm, widths, *layout) for layout in layouts]
        for widths in dict.fromkeys(FLAGS.widths)
        for algorithm in dict.fromkeys(FLAGS.algorithms)
    ]


def circumstances() -> Row:
    """Where and on what the figures were measured."""
    versions = {package: version(package) for package in ("plas_jax", "jax", "jaxlib", "numpy")}
    return {
        "device": device(),
        "versions": {"python": platform.python_version()} | versions,
        "load": round(os.getloadavg()[0], 1),
        "command": shlex.join(sys.argv),
    }


def run(words: list[str]) -> int:
    """Measure and print; 0."""
    if words:
        raise ValueError(f"unexpected {' '.join(words)!r}: every argument is a flag, see --help")
    groups = asked_cases()
    # The measuring processes share an accelerator: none may claim its memory for itself alone.
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    use_every_core(os.cpu_count() or 1)
    where = circumstances()
    if not FLAGS.json:
        print(
            f"{where['command']}\n{where['device']}, load {where['load']:.1f} before the start, {platform.platform()}"
        )
        print(", ".join(f"{name} {number}" for name, number in where["versions"].items()))
        print(f"run-updates/s, median of {FLAGS.rounds} interleaved rounds of {FLAGS.seconds:g} s\n{HEADING}")
    for figures in measured(groups, FLAGS.seconds, FLAGS.rounds):
        for found in rows_of(figures):
            print(json.dumps(found | where) if FLAGS.json else line(found), flush=True)
    return 0


def main() -> int:
    """The console entry point."""
    return invoke(run, FLAGS, USAGE)
