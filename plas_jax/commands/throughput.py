"""Updates per second of one run alone and of a batch of runs, and what else a sweep spends its time on."""

import json
import os
import platform
import shlex
import sys
from importlib.metadata import version

import jax
from absl import flags

from plas_jax.commands.invocation import invoke
from plas_jax.performance.throughput import compilation, evaluation, loading
from plas_jax.performance.throughput import rows as training
from plas_jax.performance.throughput.cases import ALGORITHMS
from plas_jax.performance.throughput.peer_environment import peer_python
from plas_jax.performance.throughput.peer_training import D3RLPY, has_counterpart
from plas_jax.performance.throughput.request import MEASURES, request
from plas_jax.results.circumstances import device
from plas_jax.training.layout import use_every_core
from plas_jax.training.phases import CHUNK_SECONDS
from plas_jax.training.soundness import refuse_unsound_machine

USAGE = """usage: throughput.py [flags]

Trains any method of the tables on random data of Walker2d's sizes, one run alone and a batch of runs, and prints
run-updates/s: of its last phase, around an untrained network of the first where it has two; "behaviour" is the CVAE's
training, PLAS's first phase. "plas" is PLAS+P at ε = 0.05, and "plas+p" is the same: ε does not change speed.
Alone is the faster of two layouts: one device that has all threads, and one device per core. A batch is split over one
device per core, as the sweep splits it. The share of the product's rate is left empty where a method's operations are
not counted. Compiling is timed with an empty cache.

--against=d3rlpy also trains d3rlpy's PLAS with perturbation: the same data, widths, batch size, constants and cores, in
the same rounds, while everything else waits. Timed is what its `fit` does at each step, without logs: sampling a
minibatch from its replay buffer, and the update. It runs with as many torch threads as cores and with one (in the
column "devices"), of which the faster counts. It lives in a virtual environment of its own in the cache folder, which
is made first if it is not there; what that downloads is told before.

--measure takes any of
  training    the above
  compile     seconds of compiling and of a whole start, in a process with an empty compilation cache, and in a second
              one that finds JAX's persistent cache as the first one left it
  evaluation  control steps/s of evaluating the batch, 10 episodes a run, beside the bare physics of the same episodes
              on the same threads: those of the shipped medium policies, whose recorded actions are played while the
              batch's own policy is called and waited for at every step
  loading     seconds to load a data set of a million rows as the sweep does, from a file of random rows just written"""

FLAGS = flags.FlagValues()
flags.DEFINE_boolean("json", False, "One JSON object per line instead of tables.", flag_values=FLAGS)
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
flags.DEFINE_enum("against", None, [D3RLPY], "Another library to train beside ours.", flag_values=FLAGS)
flags.DEFINE_list("measure", ["training"], f"Which of {', '.join(MEASURES)}.", flag_values=FLAGS)

PRINTED = dict(zip(MEASURES, (training, compilation, evaluation, loading), strict=True))
# What every row of `--json` has: null where it says nothing.
ALWAYS = ("measure", "algorithm", "widths", "runs", "updates_per_second", "share_of_matmul_rate", "against_d3rlpy")


def run() -> int:
    """Measure and print; return 0."""
    benchmark = request(FLAGS)
    # The measuring processes share an accelerator: none may claim its memory for itself alone.
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    use_every_core(benchmark.cores)
    refuse_unsound_machine()
    if benchmark.against:
        _prepare_peer(benchmark.algorithms)
    command, load = shlex.join(sys.argv), round(os.getloadavg()[0], 1)
    versions = {"python": platform.python_version()}
    versions |= {package: version(package) for package in ("plas_jax", "jax", "jaxlib", "numpy")}
    circumstances = {"device": device(), "versions": versions, "load": load, "command": command}
    if not FLAGS.json:
        print(f"{command}\n{device()}, load {load:.1f} before the start, {platform.platform()}")
        print(", ".join(f"{name} {number}" for name, number in versions.items()))
        print(f"medians of {FLAGS.rounds} interleaved rounds of {FLAGS.seconds:g} s; updates/s of all runs together")
    for measure in benchmark.measures:
        if not FLAGS.json:
            print(PRINTED[measure].HEADING)
        for row in PRINTED[measure].rows(benchmark):
            line = json.dumps(dict.fromkeys(ALWAYS) | row | circumstances) if FLAGS.json else PRINTED[measure].line(row)
            print(line, flush=True)
    return 0


def _prepare_peer(algorithms: list[str]) -> None:
    """Make the peer's environment unless it is there. Raises `ValueError` or `OSError` where it cannot be compared."""
    if jax.default_backend() != "cpu":
        raise ValueError(f"--against={D3RLPY} compares on CPUs: set JAX_PLATFORMS=cpu to leave the accelerator out")
    alone = [name for name in algorithms if not has_counterpart(name)]
    if alone:
        _say(f"{D3RLPY} is compared with plas and plas+p alone, not with {', '.join(alone)}")
    peer_python(_say)


def _say(text: str) -> None:
    """Print a line of progress on stderr: what is measured goes to stdout."""
    print(text, file=sys.stderr, flush=True)


def main() -> int:
    """Run the command; return its exit status."""
    return invoke(run, FLAGS, USAGE)
