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

from plas_jax.commands.invocation import invoke
from plas_jax.commands.progress import clock
from plas_jax.datasets.folders import whole_file
from plas_jax.environments.locomotion import LOCOMOTION
from plas_jax.recipes.behaviour_policy import from_parameters, save_policies
from plas_jax.recipes.behaviours import CHUNK, Checkpoint, first_checkpoint, train
from plas_jax.training.checkpoints import Checkpoints

FLAGS = flags.FlagValues()
flags.DEFINE_enum("environment", "hopper", sorted(LOCOMOTION), "Which robot.", flag_values=FLAGS)
flags.DEFINE_integer("seed", 0, "Seed of the run.", lower_bound=0, flag_values=FLAGS)
flags.DEFINE_integer("steps", 1_000_000, "Control steps, each with one update.", lower_bound=CHUNK, flag_values=FLAGS)
flags.DEFINE_string("output", "results/behaviours", "Folder of snapshots and checkpoints.", flag_values=FLAGS)
SNAPSHOT_STEPS = 2_000
CHECKPOINT_STEPS = 50_000


def run(words: list[str]) -> int:
    """Train, from the newest checkpoint in the output folder when there is one."""
    if words:
        raise ValueError(f"unexpected {' '.join(words)!r}: every argument is a flag, see --help")
    folder = Path(FLAGS.output) / f"{FLAGS.environment}-{FLAGS.seed}"
    folder.mkdir(parents=True, exist_ok=True)
    checkpoints = Checkpoints(folder / "checkpoints", keep=1)
    start, seams = _resumed(checkpoints), folder / "seams.json"
    seen = json.loads(seams.read_text()) if seams.exists() else []
    if start is not None:
        seen.append(start.step)
        with whole_file(seams) as partial:
            partial.write_text(json.dumps(seen))
    first, started, recent = start.step if start else 0, time.monotonic(), [float("nan")]
    for at, _, returns in train(FLAGS.environment, FLAGS.seed, FLAGS.steps, start):
        recent = (recent + returns)[-10:]
        if at.step % SNAPSHOT_STEPS == 0:
            _snapshot(folder, at, seen)
            rate = (at.step - first) / (time.monotonic() - started)
            left = clock((FLAGS.steps - at.step) / rate)
            print(
                f"step {at.step:,}: last 10 episodes {np.nanmean(recent):.0f}, {rate:.0f} steps/s, {left} to go",
                flush=True,
            )
        if at.step % CHECKPOINT_STEPS == 0:
            checkpoints.save(at.step, (at.state, at.replay))
    checkpoints.close()
    return 0


def _resumed(checkpoints: Checkpoints) -> Checkpoint | None:
    latest = checkpoints.latest()
    if latest is None:
        return None
    like = jax.eval_shape(lambda: first_checkpoint(FLAGS.environment, FLAGS.seed, FLAGS.steps)[1:])
    return Checkpoint(latest, *checkpoints.restore(latest, like))


def _snapshot(folder: Path, at: Checkpoint, seams: list[int]) -> None:
    record = {"environment": FLAGS.environment, "seed": FLAGS.seed, "step": at.step, "seams": seams}
    save_policies(folder / f"actor_{at.step:08d}.npz", [from_parameters(at.state.policy.parameters)], record)


def main() -> int:
    """The console entry point."""
    return invoke(run, FLAGS, __doc__ or "")
