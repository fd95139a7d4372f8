"""Go on with whatever a folder of results lacks.

usage: plas-jax resume FOLDER

Calls the commands that began its methods again, with --output=FOLDER --resume, from the folder that they were called
in: paths of theirs that are relative must lead somewhere from here.
"""

import importlib
import sys
from pathlib import Path

from absl import flags

from plas_jax.commands.invocation import invoke
from plas_jax.results.folder import OutputFolder
from plas_jax.sweeps.growth import calls_that_go_on

FLAGS = flags.FlagValues()


def run(words: list[str]) -> int:
    """Call the commands; return the first exit status that is not 0."""
    if len(words) != 1:
        raise flags.Error("which FOLDER? --help shows how to call it")
    folder = Path(words[0]).expanduser()
    for command, arguments in calls_that_go_on(folder, OutputFolder(folder).read_manifest()):
        sys.argv = [f"plas-jax {command}", *arguments]
        if status := importlib.import_module(f"plas_jax.commands.{command}").main():
            return status
    return 0


def main() -> int:
    """Run the command; return its exit status."""
    return invoke(run, FLAGS, __doc__ or "", takes_words=True)
