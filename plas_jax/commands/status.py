"""Say how far a sweep has come, from outside and without touching it.

usage: plas-jax status FOLDER

Prints what has finished and what has not, rows, runs that diverged, the latest score, and when anything was last
written. 0 when the sweep is finished, 3 while it is not.
"""

import time
from pathlib import Path

from absl import flags

from plas_jax.commands.invocation import invoke
from plas_jax.files.messages import clock
from plas_jax.results.folder import OutputFolder
from plas_jax.results.standing import HEADER, last_written, line, state
from plas_jax.sweeps.progress import print_table

FLAGS = flags.FlagValues()
UNFINISHED = 3


def run(words: list[str]) -> int:
    """Print the state of the folder; return 0 if it is finished, else 3."""
    if len(words) != 1:
        raise flags.Error("which FOLDER? --help shows how to call it")
    folder = OutputFolder(Path(words[0]).expanduser())
    manifest, rows, metrics = folder.read_manifest(), folder.read_rows(), folder.read_metrics()
    print_table(HEADER, [line(name, record, rows, metrics) for name, record in manifest.methods.items()])
    print(f"{folder.path}: {state(manifest)}; last written {clock(time.time() - last_written(folder))} ago")
    return 0 if manifest.complete else UNFINISHED


def main() -> int:
    """Run the command; return its exit status."""
    return invoke(run, FLAGS, __doc__ or "", takes_words=True)
