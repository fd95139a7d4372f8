"""Replay golden files of reference implementations and print how far every tensor is from them.

usage: parity.py FILE.npz …

Prints max|a − b| / max|b| for each tensor; the exit status is 0 only if all are at most 1e-4. It is 3 if those that
are not are in files of SAC or BEAR whose policy's gradient is not the one followed here.
"""

import platform
from pathlib import Path

import jax
import numpy as np
from absl import flags

from plas_jax.commands.invocation import invoke
from plas_jax.verification.parity.golden import Golden, read
from plas_jax.verification.parity.updates import TOLERANCE, decisive, other_gradient, replay_updates

FLAGS = flags.FlagValues()
DIFFERS, UNDECIDED = 1, 3


def run(words: list[str]) -> int:
    """Replay every file; return 0 if all agree."""
    if not words:
        raise ValueError("no file given; usage: parity.py FILE.npz …")
    print(f"jax {jax.__version__}, numpy {np.__version__}, python {platform.python_version()}, {jax.default_backend()}")
    verdicts = [_verdict(golden) for golden in [read(Path(word)) for word in words]]
    counted = [worst for worst, status in verdicts if status != UNDECIDED]
    undecided = len(verdicts) - len(counted)
    status = DIFFERS if any(status == DIFFERS for _, status in verdicts) else UNDECIDED if undecided else 0
    if counted:
        print(f"{'DIFFER' if status == DIFFERS else 'agree'}: worst {max(counted):.2e}, tolerance {TOLERANCE:g}")
    if undecided:
        print(
            f"{undecided} of {len(verdicts)} files without a verdict: their policy's gradient is another by intention"
        )
    return status


def _verdict(golden: Golden) -> tuple[float, int]:
    """Replay one file and print its tensors; return the worst error and what it is for the exit status."""
    errors = replay_updates(golden)
    reference = f", {golden.config['reference']}" if "reference" in golden.config else ""
    print(f"\n{golden.path}: {golden.text('algorithm')}{reference}; {golden.updates} updates, {len(errors)} tensors")
    for name, error in errors.items():
        print(f"  {error:9.2e}  {name}{'' if error <= TOLERANCE else '   <-- differs'}")
    for name in golden.arrays:
        if name.startswith("losses/") and name not in errors:
            print(f"{'-':>11s}  {name}   not reported here")
    worst, gradient = max(errors.values()), other_gradient(golden)
    print(f"  {worst:9.2e}  worst")
    if worst <= TOLERANCE or gradient is None:
        return worst, 0 if worst <= TOLERANCE else DIFFERS
    # What it cannot have reached is held to the tolerance.
    sound = all(error <= TOLERANCE for error in decisive(golden, errors).values())
    if sound:
        name = f"variants/{golden.text('algorithm').lower()}_new_critics.npz"
        print(f"  no verdict: its policy's gradient is {gradient}, which is not reproduced here; {name} decides")
    return worst, UNDECIDED if sound else DIFFERS


def main() -> int:
    """Run the command; return its exit status."""
    return invoke(run, FLAGS, __doc__ or "", takes_words=True)
