"""What the throughput benchmark is asked for: its flags, checked, and the cases that they make."""

import math
import os

from absl import flags

from plas_jax.performance.throughput.cases import ALGORITHMS, NAMED_WIDTHS, Case
from plas_jax.performance.throughput.peer_training import D3RLPY, has_counterpart
from plas_jax.training.phases import CHUNK_SECONDS

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

MEASURES = ("training", "compile", "evaluation", "loading")

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


def check_flags() -> None:
    """Raise `ValueError`, one line, for a bad flag."""
    if not (FLAGS.algorithms and FLAGS.widths and FLAGS.runs and math.isfinite(FLAGS.seconds)):
        raise ValueError("--algorithms, --widths and --runs need a value each, and --seconds a finite one")
    _check_names("algorithms", tuple(ALGORITHMS))
    _check_names("measure", MEASURES)
    for widths in FLAGS.widths:
        if widths not in NAMED_WIDTHS and not _is_positive(widths):
            raise ValueError(f"--widths: {widths!r} is neither {' nor '.join(NAMED_WIDTHS)} nor a positive number")
    for runs in FLAGS.runs:
        if not _is_positive(runs):
            raise ValueError(f"--runs: {runs!r} is not a positive number")
    if FLAGS.against:
        _check_against()


def _check_names(flag: str, names: tuple[str, ...]) -> None:
    for name in FLAGS[flag].value or [""]:
        if name not in names:
            raise ValueError(f"--{flag}: {name!r} is none of {', '.join(names)}")


def _is_positive(word: str) -> bool:
    return word.isdecimal() and int(word) > 0


def _check_against() -> None:
    if "training" not in FLAGS.measure:
        raise ValueError(f"--against={D3RLPY} compares training, which --measure leaves out")
    if not any(map(has_counterpart, FLAGS.algorithms)):
        raise ValueError(f"--against={D3RLPY}: its PLAS is compared with plas and plas+p; ask for one of them")


def groups() -> list[list[Case]]:
    """One list of cases for each algorithm and widths."""
    # A batch as the sweep lays it out; one run also on one device with all threads, since it can use only one device.
    layouts = sorted({(runs, cores()) for runs in asked_runs()} | {(1, 1) for runs in asked_runs() if runs == 1})
    return [
        [Case(algorithm, widths, *layout) for layout in layouts] + peers(algorithm, widths)
        for algorithm, widths in asked()
    ]


def peers(algorithm: str, widths: str) -> list[Case]:
    """The counterpart of an algorithm, where one is asked for and there is one, with each number of threads."""
    if not FLAGS.against or not has_counterpart(algorithm):
        return []
    return [Case(algorithm, widths, 1, threads, D3RLPY) for threads in sorted({1, cores()})]


def asked() -> list[tuple[str, str]]:
    """Every algorithm with every widths, each once."""
    return [(name, widths) for widths in dict.fromkeys(FLAGS.widths) for name in dict.fromkeys(FLAGS.algorithms)]


def asked_runs() -> list[int]:
    """Every number of runs once, in order."""
    return sorted({int(runs) for runs in FLAGS.runs})


def cores() -> int:
    """The devices of a batch: one for each core."""
    return os.cpu_count() or 1
