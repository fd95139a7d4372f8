"""Replay transitions recorded from the real D4RL environments through the project's own, and print the errors.

usage: fidelity.py FILE.npz … [--dynamics=d4rl|gymnasium]

The exit status is 0 only if the worst error is at most 1e-6 and no termination differs.
"""

import platform

import mujoco
from absl import flags

from plas_jax.commands.invocation import invoke
from plas_jax.environments.d4rl_dynamics import DYNAMICS
from plas_jax.environments.lockstep import Lockstep
from plas_jax.verification.parity.simulator import (
    BLOCK,
    HEADING,
    TOLERANCE,
    check,
    environment_of,
    explanations,
    load,
    replay_steps,
    row,
)

FLAGS = flags.FlagValues()
flags.DEFINE_enum("dynamics", "d4rl", sorted(DYNAMICS), "Whose dynamics to replay with.", flag_values=FLAGS)


def run(words: list[str]) -> int:
    """Check every file, then replay them; return 0 only if all of them are faithful."""
    if not words:
        raise ValueError("no file given; usage: fidelity.py FILE.npz … [--dynamics=d4rl|gymnasium]")
    files = {path: load(path) for path in words}
    environments = {name for recordings in files.values() for name in recordings}
    names = {recorded: environment_of(recorded) or "" for recorded in environments}
    locksteps = {recorded: Lockstep(name, BLOCK, FLAGS.dynamics) for recorded, name in names.items()}
    for path, recordings in files.items():
        for environment, recorded in recordings.items():
            check(recorded, locksteps[environment], f"{path}: {environment}")
    print(f"dynamics {FLAGS.dynamics}, mujoco {mujoco.__version__}, python {platform.python_version()}", end="")
    print(f"; limit {TOLERANCE:g}")
    all_faithful = True
    for path, recordings in files.items():
        print(f"\n{path}\n{HEADING}")
        for environment, recorded in recordings.items():
            errors = replay_steps(recorded, locksteps[environment], names[environment])
            line, is_faithful = row(environment, errors)
            print("\n".join([line, *explanations(environment, errors)]))
            all_faithful &= is_faithful
    print("\nfaithful" if all_faithful else f"\nNOT faithful: an error above {TOLERANCE:g} or a termination")
    return 0 if all_faithful else 1


def main() -> int:
    """Run the command; return its exit status."""
    return invoke(run, FLAGS, __doc__ or "", takes_words=True)
