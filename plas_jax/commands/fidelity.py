"""Replay transitions recorded from the real D4RL environments through the project's own, and print the errors.

usage: fidelity.py FILE.npz … [--dynamics=d4rl|gymnasium]

The exit status is 0 only if the worst error is at most 1e-6 and no termination differs.
"""

import platform

import mujoco
from absl import flags

from plas_jax.commands.invocation import invoke
from plas_jax.environments.lockstep import DYNAMICS, Lockstep
from plas_jax.verification.parity.simulator import BLOCK, TOLERANCE, check, load, replay, row

FLAGS = flags.FlagValues()
flags.DEFINE_enum("dynamics", "d4rl", sorted(DYNAMICS), "Whose dynamics to replay with.", flag_values=FLAGS)


def run(words: list[str]) -> int:
    """Check every file, then replay them; 0 only if all of them are faithful."""
    if not words:
        raise ValueError("no file given; usage: fidelity.py FILE.npz … [--dynamics=d4rl|gymnasium]")
    dynamics, everything_faithful = FLAGS.dynamics, True
    files = {path: load(path) for path in words}
    environments = {name for recordings in files.values() for name in recordings}
    locksteps = {name: Lockstep(name.lower(), BLOCK, dynamics) for name in environments}
    for path, recordings in files.items():
        for environment, recording in recordings.items():
            check(recording, locksteps[environment], f"{path}: {environment}")
    print(f"dynamics {dynamics}, mujoco {mujoco.__version__}, python {platform.python_version()}; limit {TOLERANCE:g}")
    for path, recordings in files.items():
        print(f"\n{path}\n{'':24s}  {'state':>19s}  {'observation':>19s}  {'reward':>19s}  termination")
        print(
            f"{'environment':12s}{'transitions':>12s}" + 3 * f"  {'median':>10s} {'worst':>8s}" + f"{'mismatches':>12s}"
        )
        for environment, recording in recordings.items():
            line, faithful = row(environment, replay(recording, locksteps[environment]))
            print(line)
            everything_faithful &= faithful
    print("\nfaithful" if everything_faithful else f"\nNOT faithful: an error above {TOLERANCE:g} or a termination")
    return 0 if everything_faithful else 1


def main() -> int:
    """The console entry point."""
    return invoke(run, FLAGS, __doc__ or "")
