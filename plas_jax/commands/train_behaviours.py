"""Train the behaviour policies behind the medium, replay and expert recipes, with snapshots and checkpoints.

usage: train_behaviours.py --environment=hopper [--seed=0] [--steps=1000000] [--output=results/behaviours]

Called again with the same flags it goes on from its last checkpoint.
"""

import json
import time
from pathlib import Path

import jax
import numpy as np
from absl import flags

from plas_jax.algorithms import sac
from plas_jax.commands.invocation import invoke
from plas_jax.environments.locomotion import LOCOMOTION
from plas_jax.recipes import behaviours
from plas_jax.recipes.behaviour_policy import from_parameters, save_policies
from plas_jax.training.checkpoints import Checkpoints
from plas_jax.types import Sizes

FLAGS = flags.FlagValues()
flags.DEFINE_enum("environment", "hopper", sorted(LOCOMOTION), "Which robot.", flag_values=FLAGS)
flags.DEFINE_integer("seed", 0, "Seed of the run.", lower_bound=0, flag_values=FLAGS)
flags.DEFINE_integer("steps", 1_000_000, "Control steps, each with one update.", lower_bound=1, flag_values=FLAGS)
flags.DEFINE_string("output", "results/behaviours", "Folder of snapshots and checkpoints.", flag_values=FLAGS)
SNAPSHOT_STEPS = 2_000
CHECKPOINT_STEPS = 50_000


def _resume(checkpoints: Checkpoints, environment: str, steps: int) -> tuple | None:
    latest = checkpoints.latest()
    if latest is None:
        return None
    robot = LOCOMOTION[environment]
    sizes = Sizes.of(robot.observation_size, robot.action_size)
    like = (
        jax.eval_shape(lambda: sac.init(jax.random.key(0), behaviours.ARCHITECTURE, sizes)),
        jax.eval_shape(lambda: behaviours.empty_replay(steps, sizes)),
    )
    return (latest, *checkpoints.restore(latest, like))


def run(_: list[str]) -> int:
    """Train, resuming from the newest checkpoint in the output folder when there is one."""
    environment, folder = FLAGS.environment, Path(FLAGS.output) / f"{FLAGS.environment}-{FLAGS.seed}"
    folder.mkdir(parents=True, exist_ok=True)
    checkpoints = Checkpoints(folder / "checkpoints", keep=1)
    resume = _resume(checkpoints, environment, FLAGS.steps)
    seams = json.loads((folder / "seams.json").read_text()) if (folder / "seams.json").exists() else []
    if resume is not None:
        seams.append(resume[0])
        (folder / "seams.json").write_text(json.dumps(seams))
    recent: list[float] = []
    started = time.monotonic()
    first = resume[0] if resume else 0
    for progress in behaviours.train(environment, FLAGS.seed, FLAGS.steps, resume):
        recent = (recent + progress.returns)[-10:]
        if progress.step % SNAPSHOT_STEPS == 0:
            record = {"environment": environment, "seed": FLAGS.seed, "step": progress.step, "seams": seams}
            policy = from_parameters(progress.state.policy.parameters)
            save_policies(folder / f"actor_{progress.step:08d}.npz", [policy], record)
            rate = (progress.step - first) / (time.monotonic() - started)
            mean = np.mean(recent) if recent else float("nan")
            print(f"{environment} step {progress.step:,}: last 10 episodes {mean:.0f}, {rate:.0f} steps/s", flush=True)
        if progress.step % CHECKPOINT_STEPS == 0:
            checkpoints.save(progress.step, (progress.state, progress.replay))
    checkpoints.close()
    return 0


def main() -> int:
    """The console entry point."""
    return invoke(run, FLAGS, __doc__ or "")
