"""The real replay buffer of a fresh run: what `medium-replay-trained` recipes hold."""

from collections.abc import Callable

import numpy as np

from plas_jax.recipes.behaviours import ARCHITECTURE, CHUNK, LEARNING_RATE, RANDOM_STEPS, train
from plas_jax.recipes.rollout import Columns


def replay_buffer(environment: str, rows: int, seed: int, progress: Callable[[int], None]) -> Columns:
    """Record the first `rows` transitions of a Soft Actor-Critic run with this seed, as columns of D4RL's v2 layout.

    One update for each control step, so that this takes as long as training does; `progress` is called with the
    number of rows so far.
    """
    chunks: list[Columns] = []
    # Every chunk has 50 rows: the last may be more than is asked for.
    for chunk in train(environment, seed, -(-rows // CHUNK) * CHUNK):
        chunks.append(chunk.columns)
        progress(min(rows, chunk.checkpoint.step))
    return {key: np.concatenate([columns[key] for columns in chunks])[:rows] for key in chunks[0]}


def constants() -> dict[str, object]:
    """Return what decides the buffer besides its seed and its length."""
    return ARCHITECTURE._asdict() | {
        "random_steps": RANDOM_STEPS,
        "chunk": CHUNK,
        "learning_rate": LEARNING_RATE,
    }
