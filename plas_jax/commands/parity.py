"""Replay golden files of the reference implementation and print how far every tensor is from it.

usage: parity.py FILE.npz …

Prints max|a − b| / max|b| for each tensor; the exit status is 0 only if all are at most 1e-4.
"""

from pathlib import Path

from absl import flags

from plas_jax.commands.invocation import invoke
from plas_jax.verification.parity.golden import read
from plas_jax.verification.parity.updates import TOLERANCE, replay_updates

FLAGS = flags.FlagValues()


def run(words: list[str]) -> int:
    """Replay every file; return 0 if all agree."""
    if not words:
        raise ValueError("no file given; usage: parity.py FILE.npz …")
    worst = 0.0
    for golden in [read(Path(word)) for word in words]:
        errors = replay_updates(golden)
        print(f"{golden.path}: {golden.config['algorithm']}, {len(errors)} tensors")
        for name, error in errors.items():
            print(f"  {error:9.2e}  {name}{'' if error <= TOLERANCE else '   <-- differs'}")
        worst = max(worst, *errors.values())
        print(f"  {max(errors.values()):9.2e}  worst\n")
    print(f"{'agree' if worst <= TOLERANCE else 'DIFFER'}: worst {worst:.2e}, tolerance {TOLERANCE:g}")
    return 0 if worst <= TOLERANCE else 1


def main() -> int:
    """Run the command; return its exit status."""
    return invoke(run, FLAGS, __doc__ or "", takes_words=True)
