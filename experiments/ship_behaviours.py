"""Ship a policy of a training run with the package: medium with the ladder of snapshots that leads to it, or expert.

usage: ship_behaviours.py FOLDER [--level=medium|expert]   (a folder of snapshots that train_behaviours.py wrote)

The rules are fixed before any return is seen. Every snapshot plays 10 episodes (expert: every fifth of the run's
second half). The five nearest to D4RL's mean return (expert: the five best) play 100; the nearest (the best) of these
is shipped, and its return is that of 100 episodes more. Weights are judged as they are shipped, in float16.
"""

import sys
from pathlib import Path
from typing import NamedTuple

from absl import flags

from plas_jax.commands.invocation import invoke
from plas_jax.datasets.catalogue import D4RL_MEAN_RETURN, LOCOMOTION
from plas_jax.files.json_files import NUMBER, check
from plas_jax.recipes.behaviour_policy import BehaviourPolicy, load_policies, save_policies, shipped
from plas_jax.recipes.levels import EPISODES, FIRST_EPISODES, choose, ladder, level

FLAGS = flags.FlagValues()
flags.DEFINE_enum("level", "medium", ["medium", "expert"], "Which policy.", flag_values=FLAGS)
RECORD = {"environment": str, "seed": int, "step": int, "learning_rate": NUMBER, "seams": [int]}  # of a snapshot
EVERY = 5  # snapshots of a run's second half that may become its expert


class Snapshots(NamedTuple):
    """A run's policies in the order of their steps."""

    environment: str
    seed: int
    learning_rate: float
    seams: list[int]
    steps: list[int]
    policies: list[BehaviourPolicy]

    def play(self, place: int, episodes: int, again: int = 0) -> float:
        """Return the mean return of the policy at a place; another `again` is other episodes."""
        returns = level(self.policies[place], self.environment, episodes, self.steps[place] + again)
        if episodes > FIRST_EPISODES:
            print(f"step {self.steps[place]:,}: {returns.mean:.0f} ± {returns.std:.0f} over {returns.length:.0f} steps")
        return returns.mean


def run(words: list[str]) -> int:
    """Choose a policy, write it where the package ships it, and return 0."""
    if len(words) != 1 or not any(Path(words[0]).glob("actor_*.npz")):
        raise ValueError("ship_behaviours takes one folder that holds snapshots, actor_*.npz")
    snapshots = _read(Path(words[0]))
    steps, expert = snapshots.steps, FLAGS.level == "expert"
    wanted = D4RL_MEAN_RETURN[snapshots.environment][FLAGS.level]
    if expert:
        half = [place for place, step in enumerate(steps) if 2 * step >= steps[-1]]
        chosen = choose(half[::-EVERY], snapshots.play, None)
    else:
        chosen = choose(range(len(steps)), snapshots.play, wanted)
    rungs = [chosen] if expert else ladder(steps, chosen)
    path, record = shipped(snapshots.environment, FLAGS.level), _provenance(snapshots, rungs, wanted)
    save_policies(path, [snapshots.policies[place] for place in rungs], record)
    print(path, record)
    return 0


def _read(folder: Path) -> Snapshots:
    paths = sorted(folder.glob("actor_*.npz"))
    loaded = [load_policies(path) for path in paths]
    for path, (_, record) in zip(paths, loaded, strict=True):
        check(record, RECORD, f"{path}: provenance")
        if record["environment"] not in LOCOMOTION:
            raise ValueError(f"{path}: provenance: no environment is called {record['environment'][:60]!r}")
    last, steps = loaded[-1][1], [record["step"] for _, record in loaded]
    run = (last["environment"], last["seed"], last["learning_rate"], last["seams"])
    return Snapshots(*run, steps, [policies[0] for policies, _ in loaded])


def _provenance(snapshots: Snapshots, rungs: list[int], wanted: float) -> dict[str, object]:
    return {
        "script": "experiments/train_behaviours.py",
        "environment": snapshots.environment,
        "dynamics": "d4rl",
        "seed": snapshots.seed,
        "learning_rate": snapshots.learning_rate,
        "steps": [snapshots.steps[place] for place in rungs],
        "returns": [round(snapshots.play(place, EPISODES, again=1), 1) for place in rungs],
        "return_of": f"sampled actions, {EPISODES} episodes, float16 weights",
        "wanted_return": wanted,
        "seams": [seam for seam in snapshots.seams if seam <= snapshots.steps[rungs[-1]]],
    }


if __name__ == "__main__":
    sys.exit(invoke(run, FLAGS, __doc__ or "", takes_words=True))
