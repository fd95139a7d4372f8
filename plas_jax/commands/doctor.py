"""Look at this machine: what is installed, what computes, whether it computes rightly, where data and results go.

usage: plas-jax doctor [--data_dir=D]

Prints a line for each thing, `ok`, `no` for what is optional and not there, or `wrong` with what to do. 0 when nothing
is wrong.
"""

import os

from absl import flags

from plas_jax.commands.invocation import invoke
from plas_jax.sweeps.progress import print_table
from plas_jax.training.layout import use_every_core
from plas_jax.verification.machine import examined

FLAGS = flags.FlagValues()
flags.DEFINE_string("data_dir", None, "Folder of data.", flag_values=FLAGS)


def run() -> int:
    """Print what was found; return 0 if nothing is wrong, else 1."""
    use_every_core(os.cpu_count() or 1)
    lines = examined(FLAGS.data_dir)
    print_table(("what", "is", ""), [(what, detail, state) for what, state, detail in lines])
    return int(any(state == "wrong" for _, state, _ in lines))


def main() -> int:
    """Run the command; return its exit status."""
    return invoke(run, FLAGS, __doc__ or "")
