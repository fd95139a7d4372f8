"""Control steps per second of our environments beside Gymnasium's vector environment, same policy, same cores.

usage: evaluation_speed.py [--copies=10] [--episodes=60] [--seconds=2]
"""

import os
import platform

import gymnasium
import mujoco
import numpy as np
from absl import flags

from plas_jax.commands.invocation import invoke
from plas_jax.environments.d4rl_dynamics import DYNAMICS
from plas_jax.environments.locomotion import LOCOMOTION
from plas_jax.performance.throughput.environments import ROUNDS, WIDTHS, compare

FLAGS = flags.FlagValues()
flags.DEFINE_integer("copies", 10, "Environments in Gymnasium's vector.", lower_bound=1, flag_values=FLAGS)
flags.DEFINE_integer("episodes", 60, "Episodes in lock-step in ours.", lower_bound=1, flag_values=FLAGS)
flags.DEFINE_float("seconds", 2.0, "Length of one measurement.", lower_bound=0.01, flag_values=FLAGS)


def run() -> int:
    """Print where it ran, then one line per environment; return 0."""
    print(f"{platform.platform()}, {platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    print(f"python {platform.python_version()}, numpy {np.__version__}, mujoco {mujoco.__version__}", end=", ")
    print(f"gymnasium {gymnasium.__version__}, OPENBLAS_NUM_THREADS={os.environ.get('OPENBLAS_NUM_THREADS', 'unset')}")
    print(f"control steps/s, policy {WIDTHS}, median of {ROUNDS} interleaved rounds of {FLAGS.seconds:g} s")
    print(f"SyncVectorEnv: {FLAGS.copies} copies of -v4; ours: {FLAGS.episodes} episodes\n")
    print(f"{'environment':12s}{'SyncVectorEnv':>14s}" + "".join(f"{key:>11s}{'ratio':>7s}" for key in DYNAMICS))
    for name in LOCOMOTION:
        rates = compare(name, FLAGS.copies, FLAGS.episodes, FLAGS.seconds)
        gymnasiums = rates.pop("SyncVectorEnv")
        cells = "".join(f"{rate:11.0f}{rate / gymnasiums:7.2f}" for rate in rates.values())
        print(f"{name:12s}{gymnasiums:14.0f}{cells}", flush=True)
    return 0


def main() -> int:
    """Run the command; return its exit status."""
    return invoke(run, FLAGS, __doc__ or "")
