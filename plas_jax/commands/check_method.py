"""Ask of a method of one's own what every method must be.

usage: plas-jax check-method FILE.py

Trains the file's METHOD for a few updates with small networks, alone and zero-padded, and asks: are its metrics finite
scalars; have its actions shape and range; does the same noise give the same actions; is it one program for all values
of its knobs; does padding change nothing? The same is asked before its first training. 0 when all is well, 1 if not.
"""

from pathlib import Path

from absl import flags

from plas_jax.commands.invocation import invoke
from plas_jax.methods.own import own_method
from plas_jax.sweeps.progress import print_table
from plas_jax.training.method_check import check_method

FLAGS = flags.FlagValues()


def run(words: list[str]) -> int:
    """Print what was found; return 0 if nothing is wrong, else 1."""
    if len(words) != 1:
        raise flags.Error("which FILE.py? --help shows how to call it")
    method = own_method(Path(words[0]).expanduser())
    findings = check_method(method)
    lines = [[finding.asked, "wrong" if finding.wrong else "ok"] for finding in findings]
    print_table((method.name, ""), lines)
    for finding in findings:
        if finding.wrong:
            print(f"{finding.asked}: {finding.wrong}")
    return int(any(finding.wrong for finding in findings))


def main() -> int:
    """Run the command; return its exit status."""
    return invoke(run, FLAGS, __doc__ or "", takes_words=True)
