"""Replay transitions recorded from the real D4RL environments through the project's own, and print the errors.

usage: fidelity.py FILE.npz … [--dynamics=d4rl|gymnasium]
       fidelity.py --policies=FILE.npz|FOLDER … [--episodes=100] [--seed=0] [--dynamics=d4rl|gymnasium]

The exit status is 0 only if the worst error is at most 1e-6 and no termination differs. With --policies, published
policies are played instead: 0 only if nine in ten return what their authors say, within two standard errors of the
difference.
"""

import platform

import mujoco
from absl import flags

from plas_jax.commands.invocation import invoke
from plas_jax.environments.d4rl_dynamics import DYNAMICS
from plas_jax.environments.lockstep import Lockstep
from plas_jax.environments.together import refuse_impossible
from plas_jax.recipes import published_policies
from plas_jax.verification.parity import returns
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


flags.DEFINE_list("policies", [], "Files of published policies to play, or folders of them.", flag_values=FLAGS)
flags.DEFINE_integer("episodes", 100, "Episodes of each policy.", lower_bound=2, flag_values=FLAGS)
flags.DEFINE_integer("seed", 0, "Seed of start states and sampled actions.", lower_bound=0, flag_values=FLAGS)


def run(words: list[str]) -> int:
    """Check every file, then replay or play them; return 0 only if all of them are faithful."""
    return _play([*FLAGS.policies, *words]) if FLAGS.policies else _replay(words)


def _play(words: list[str]) -> int:
    """Play every policy of these files; return 0 only if nine in ten are within two standard errors."""
    files = [published_policies.load(path) for path in returns.files_in(words)]
    refuse_impossible([file.environment for file in files], FLAGS.dynamics)
    print(f"dynamics {FLAGS.dynamics}, mujoco {mujoco.__version__}, {FLAGS.episodes} episodes each, seed {FLAGS.seed}")
    print(f"published returns taken for means of {returns.PUBLISHED_EPISODES} episodes\n\n{returns.HEADING}")
    within = []
    for file in files:
        for compared in returns.compare(file, FLAGS.episodes, FLAGS.seed, FLAGS.dynamics):
            print(compared.line(), flush=True)
            within.append(compared.is_within)
    print(f"\n{sum(within)} of {len(within)} within two standard errors")
    return 0 if sum(within) >= returns.SHARE * len(within) else 1


def _replay(words: list[str]) -> int:
    """Replay the transitions in these files; return 0 only if all of them are faithful."""
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
