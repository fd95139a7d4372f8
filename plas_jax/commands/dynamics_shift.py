"""How far scores move when only the simulator changes: the shipped behaviour policies in both dynamics.

usage: dynamics_shift.py [--episodes=100] [--seed=0]

Prints a Markdown table: mean return of sampled actions ± its standard error and the normalised score in D4RL's own
dynamics and in Gymnasium's -v4 as shipped, from the same start states.
"""

import math

import mujoco
from absl import flags

from plas_jax.commands.invocation import invoke
from plas_jax.datasets.catalogue import D4RL_MEAN_RETURN, ENVIRONMENTS, LOCOMOTION, normalised_score
from plas_jax.recipes.behaviour_policy import load_policies, shipped
from plas_jax.recipes.levels import level
from plas_jax.reports import markdown
from plas_jax.sweeps.progress import print_markdown

FLAGS = flags.FlagValues()
flags.DEFINE_integer("episodes", 100, "Episodes of each policy in each dynamics.", lower_bound=2, flag_values=FLAGS)
flags.DEFINE_integer("seed", 0, "Seed of start states and noise.", lower_bound=0, flag_values=FLAGS)
HEADER = ("policy", "wanted return", "d4rl: return", "score", "gymnasium: return", "score", "score moves by")


def run() -> int:
    """Print the table; return 0."""
    body = [_line(name, shown) for shown in ("medium", "expert") for name in LOCOMOTION]
    print_markdown(markdown.table(HEADER, body))
    print(f"\n{FLAGS.episodes} episodes each, sampled actions, mujoco {mujoco.__version__}; ± is the standard error.")
    return 0


def _line(environment: str, shown: str) -> list[str]:
    """Return the cells of one policy's line."""
    policy = load_policies(shipped(environment, shown))[0][-1]
    cells, scores = [f"{environment} {shown}", f"{D4RL_MEAN_RETURN[environment][shown]:.0f}"], []
    for dynamics in ("d4rl", "gymnasium"):
        measured = level(policy, environment, FLAGS.episodes, FLAGS.seed, dynamics)
        scores.append(float(normalised_score(ENVIRONMENTS[environment], measured.mean)))
        error = measured.std / math.sqrt(FLAGS.episodes)
        cells += [f"{measured.mean:.0f} ± {error:.0f}", markdown.number(scores[-1])]
    return [*cells, f"{scores[1] - scores[0]:+.1f}"]


def main() -> int:
    """Run the command; return its exit status."""
    return invoke(run, FLAGS, __doc__ or "")
