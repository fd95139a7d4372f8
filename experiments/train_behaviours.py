"""Train the behaviour policies behind the medium, replay and expert recipes, with snapshots and checkpoints.

usage: train_behaviours.py --environment=hopper [--seed=0] [--steps=1000000] [--learning_rate=3e-4]
                           [--start=experiments/behaviours/hopper.npz] [--output=results/behaviours]

Called again with the same flags it goes on from its last checkpoint. A run without one can start from the networks
of an earlier run (--start): it first refills its buffer with transitions of that run's policy, and the step at which
it did so is a seam in the provenance of what it ships.
"""

import json
import sys
import time
from pathlib import Path

import jax
import numpy as np
from absl import flags

from plas_jax.commands.invocation import invoke
from plas_jax.environments.locomotion import LOCOMOTION
from plas_jax.files.json_files import check, parsed, text_of
from plas_jax.files.messages import clock
from plas_jax.files.whole_files import whole_file
from plas_jax.recipes.behaviour_policy import from_parameters, save_policies
from plas_jax.recipes.behaviours import CHUNK, LEARNING_RATE, Checkpoint, first_checkpoint, train
from plas_jax.recipes.networks import restart, save_networks
from plas_jax.training.checkpoints import Checkpoints
from plas_jax.training.soundness import refuse_unsound_machine

FLAGS = flags.FlagValues()
flags.DEFINE_enum("environment", "hopper", sorted(LOCOMOTION), "Which robot.", flag_values=FLAGS)
flags.DEFINE_integer("seed", 0, "Seed of the run.", lower_bound=0, flag_values=FLAGS)
flags.DEFINE_integer("steps", 1_000_000, "Control steps, each with one update.", lower_bound=CHUNK, flag_values=FLAGS)
flags.DEFINE_float("learning_rate", LEARNING_RATE, "Of every network.", lower_bound=0.0, flag_values=FLAGS)
flags.DEFINE_string("output", "results/behaviours", "Folder of snapshots and checkpoints.", flag_values=FLAGS)
flags.DEFINE_string("start", None, "Networks of a run to go on from.", flag_values=FLAGS)
SNAPSHOT_STEPS = 2_000
CHECKPOINT_STEPS = 50_000


def run() -> int:
    """Train, from the newest checkpoint in the output folder when there is one, and return 0."""
    refuse_unsound_machine()
    folder = Path(FLAGS.output) / f"{FLAGS.environment}-{FLAGS.seed}"
    folder.mkdir(parents=True, exist_ok=True)
    # A buffer of a million transitions is a third of a gigabyte.
    name = f"{FLAGS.environment}, seed {FLAGS.seed}"
    checkpoints = Checkpoints(folder / "checkpoints", name, lambda text: print(text, file=sys.stderr), keep=1)
    start, seams = _start(folder, checkpoints)
    first, started, recent = start.step if start else 0, time.monotonic(), [float("nan")]
    for at, _, returns in train(FLAGS.environment, FLAGS.seed, FLAGS.steps, start, FLAGS.learning_rate):
        recent = (recent + returns)[-10:]
        if at.step % SNAPSHOT_STEPS == 0:
            record = _record(at, seams)
            save_policies(folder / f"actor_{at.step:08d}.npz", [from_parameters(at.state.policy.parameters)], record)
            rate = (at.step - first) / (time.monotonic() - started)
            left = clock((FLAGS.steps - at.step) / rate)
            print(
                f"step {at.step:,}: last 10 episodes {np.nanmean(recent):.0f}, {rate:.0f} steps/s, {left} to go",
                flush=True,
            )
        if at.step % CHECKPOINT_STEPS == 0:
            # A copy, since the next chunk takes the state's place while it is written.
            one_run = jax.tree.map(lambda leaf: np.array(leaf)[None], (at.state, at.replay))
            checkpoints.save(at.step, one_run, runs=1)
            save_networks(folder / "networks.npz", at.state, _record(at, seams))
    checkpoints.close()
    return 0


def _start(folder: Path, checkpoints: Checkpoints) -> tuple[Checkpoint | None, list[int]]:
    """Find where the run begins, None for its first step, and every step at which it was taken up again."""
    kept = folder / "seams.json"
    seams = parsed(text_of(kept), str(kept)) if kept.exists() else []
    check(seams, [int], str(kept))
    like = jax.eval_shape(lambda: first_checkpoint(FLAGS.environment, FLAGS.seed, FLAGS.steps)[1:])
    like = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct((1, *leaf.shape), leaf.dtype), like)
    newest = checkpoints.newest(like, runs=1)
    if newest is not None:
        start = Checkpoint(newest[0], *jax.tree.map(lambda leaf: leaf[0], newest[1]))
    elif FLAGS.start:
        start, record = restart(Path(FLAGS.start), FLAGS.environment, FLAGS.seed, FLAGS.steps)
        seams = record["seams"]
    else:
        return None, seams
    seams.append(start.step)
    with whole_file(kept) as partial:
        partial.write_text(json.dumps(seams))
    return start, seams


def _record(at: Checkpoint, seams: list[int]) -> dict[str, object]:
    return {
        "environment": FLAGS.environment,
        "seed": FLAGS.seed,
        "step": at.step,
        "learning_rate": FLAGS.learning_rate,
        "seams": seams,
    }


if __name__ == "__main__":
    sys.exit(invoke(run, FLAGS, __doc__ or ""))
