"""Time the writing of a sweep's rows alone.

usage: row_writing.py [--runs=90] [--evaluations=500] [--episodes=10]

The defaults are Table 1 at the paper's size: 450,000 rows. Every evaluation appends its rows to the group's file and
waits for the disk; at the end they are merged into results.csv, in order.
"""

import platform
import sys
import tempfile
import time
from pathlib import Path

from absl import flags

from plas_jax.commands.invocation import invoke
from plas_jax.results.folder import OutputFolder
from plas_jax.results.rows import Row
from plas_jax.training.processor import processor_name

FLAGS = flags.FlagValues()
flags.DEFINE_integer("runs", 90, "Policies in training.", lower_bound=1, flag_values=FLAGS)
flags.DEFINE_integer("evaluations", 500, "How often each is evaluated.", lower_bound=1, flag_values=FLAGS)
flags.DEFINE_integer("episodes", 10, "Episodes of each evaluation.", lower_bound=1, flag_values=FLAGS)


def rows_of(update: int) -> list[Row]:
    """Return the rows of one evaluation, with numbers as long as a sweep's."""
    return [
        Row(
            "halfcheetah-medium-r1", "plas", run, 0.05, 2.0, 1.0, "", "d4rl", update, episode, 1000,
            4321.0 / (1 + run + episode), 43.21 / (1 + run + episode), None,
        )
        for run in range(FLAGS.runs)
        for episode in range(FLAGS.episodes)
    ]  # fmt: skip


def run() -> int:
    """Append and merge all rows, and print how long either took; return 0."""
    appended = 0.0
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as path:
        folder = OutputFolder(Path(path))
        for evaluation in range(1, FLAGS.evaluations + 1):
            rows = rows_of(1000 * evaluation)
            started = time.perf_counter()
            folder.append_rows("plas-750", rows)
            appended += time.perf_counter() - started
        started = time.perf_counter()
        folder.merge_rows()
        merged = time.perf_counter() - started
        size = folder.rows.stat().st_size
    count = FLAGS.runs * FLAGS.evaluations * FLAGS.episodes
    print(
        f"{count:,} rows, {size / 1e6:.0f} MB: {FLAGS.evaluations} evaluations appended in {appended:.1f} s, merged in"
        f" {merged:.1f} s; {processor_name()}, python {platform.python_version()}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(invoke(run, FLAGS, __doc__ or ""))
