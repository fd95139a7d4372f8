"""Ship the medium policy of a training run, and the ladder of snapshots that leads to it, with the package.

usage: ship_behaviours.py FOLDER   (a folder of snapshots that train_behaviours.py wrote)

The rule is fixed before any return is seen: every snapshot plays 10 episodes, the five nearest to D4RL's mean return
play 100, and the nearest of these is the medium policy. Weights are judged as they are shipped, in float16.
"""

from pathlib import Path

from absl import flags

from plas_jax.commands.invocation import invoke
from plas_jax.recipes.behaviour_policy import load_policies, save_policies, shipped
from plas_jax.recipes.levels import MEDIUM_RETURN, ladder, level, nearest

FLAGS = flags.FlagValues()
FIRST_EPISODES, EPISODES, CANDIDATES = 10, 100, 5


def run(words: list[str]) -> int:
    """Choose and ship."""
    if len(words) != 1 or not any(Path(words[0]).glob("actor_*.npz")):
        raise ValueError("ship_behaviours takes one folder that holds snapshots, actor_*.npz")
    snapshots = [load_policies(path) for path in sorted(Path(words[0]).glob("actor_*.npz"))]
    policies, records = [policies[0] for policies, _ in snapshots], [record for _, record in snapshots]
    environment, steps = records[0]["environment"], [record["step"] for record in records]
    wanted = MEDIUM_RETURN[environment]
    rough = [
        level(policy, environment, FIRST_EPISODES, step).mean for policy, step in zip(policies, steps, strict=True)
    ]
    near = sorted(range(len(rough)), key=lambda place: abs(rough[place] - wanted))[:CANDIDATES]
    fine = {place: level(policies[place], environment, EPISODES, steps[place]) for place in sorted(near)}
    for place, found in fine.items():
        print(f"step {steps[place]:,}: {found.mean:.0f} ± {found.std:.0f} over {found.length:.0f} steps")
    medium = sorted(near)[nearest([found.mean for found in fine.values()], wanted)]
    rungs = ladder(steps, medium)
    provenance = {
        "script": "experiments/train_behaviours.py",
        "environment": environment,
        "dynamics": "d4rl",
        "seed": records[medium]["seed"],
        "steps": [steps[place] for place in rungs],
        "returns": [round(level(policies[place], environment, EPISODES, steps[place]).mean, 1) for place in rungs],
        "return_of": f"sampled actions, {EPISODES} episodes, float16 weights",
        "wanted_return": wanted,
        "seams": [seam for seam in records[medium]["seams"] if seam <= steps[medium]],
    }
    path = shipped(environment)
    save_policies(path, [policies[place] for place in rungs], provenance)
    print(path, provenance)
    return 0


def main() -> int:
    """The console entry point."""
    return invoke(run, FLAGS, __doc__ or "")
