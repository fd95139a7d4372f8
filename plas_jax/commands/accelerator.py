"""Everything worth knowing of a borrowed GPU or TPU in eight minutes."""

import shlex
import sys
from pathlib import Path

from absl import flags

from plas_jax.commands.invocation import invoke
from plas_jax.performance.accelerator.parity import keep
from plas_jax.performance.accelerator.request import EXTENTS, RECIPES, request
from plas_jax.performance.accelerator.sitting import sit

USAGE = """usage: accelerator.py [flags]

Spends the minutes on one GPU or TPU: compares fifty padded updates with a processor's, measures run-updates/s for every
option of the compiler and every precision beside what `plas-jax plan` predicts, and trains Table 1 at the paper's size
with what time is left, evaluated on the host's cores. Every row is in --output as it comes (accelerator.json and .md),
and the training in training/ beside them; --resume goes on with both."""

FLAGS = flags.FlagValues()
flags.DEFINE_float("minutes", 8.0, "How long all of it may take.", lower_bound=0.1, flag_values=FLAGS)
flags.DEFINE_enum("preset", "paper", list(EXTENTS), "How large; smoke is for tests.", flag_values=FLAGS)
flags.DEFINE_string("datasets", "", f"What is trained on; default: {','.join(RECIPES)}.", flag_values=FLAGS)
flags.DEFINE_string("data_dir", None, "Folder of data.", flag_values=FLAGS)
flags.DEFINE_string("output", "", "Folder of results; default: a new one under results/.", flag_values=FLAGS)
flags.DEFINE_boolean("resume", False, "Go on with what --output has.", flag_values=FLAGS)
flags.DEFINE_string("keep_parameters", None, "Only write a processor's fifty updates, here.", flag_values=FLAGS)


def run() -> int:
    """Measure, train and print; return 0, or 1 where fifty updates come to other numbers than a processor's."""
    if FLAGS.keep_parameters:
        keep(Path(FLAGS.keep_parameters))
        return 0
    record = sit(request(FLAGS), shlex.join(sys.argv))
    print(record.markdown.read_text(encoding="utf-8"))
    return int(record.differs)


def main() -> int:
    """Run the command; return its exit status."""
    return invoke(run, FLAGS, USAGE)
