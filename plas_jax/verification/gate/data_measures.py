"""What a learner is fed, in numbers: how much of it, where its targets stop, whether rewards belong to their rows."""

import jax
import numpy as np

from plas_jax.datasets.minibatch import Rows, minibatch
from plas_jax.types import Array, Transition

DRAWN = 2048  # rows of the minibatches' measures


def data_measures(rows: Transition, weights: np.ndarray) -> dict[str, float]:
    """Return the measures of a whole data set, the same for every seed; `weights` are its `reward_weights`.

    `transitions`; `masked_targets`, the share whose target has no bootstrap; `mean_reward`; `reward_alignment`, R² of
    the reward on its own row, as in `reward_alignment`.
    """
    return {
        "transitions": float(len(rows.reward)),
        "masked_targets": float(1.0 - rows.bootstrap.mean(dtype=np.float64)),
        "mean_reward": float(rows.reward.mean(dtype=np.float64)),
        "reward_alignment": reward_alignment(rows, weights),
    }


def minibatch_measures(rows: Rows, dataset: int, key: Array, weights: np.ndarray) -> dict[str, float]:
    """Return the same of rows as training draws them, with a run's key; R² with the weights of the whole data set."""
    drawn = minibatch(key, rows.transitions, rows.start[dataset], rows.size[dataset], DRAWN)
    drawn = jax.tree.map(np.asarray, drawn)
    return {
        "drawn_masked_targets": float(1.0 - drawn.bootstrap.mean(dtype=np.float64)),
        "drawn_reward_alignment": reward_alignment(drawn, weights),
    }


def reward_weights(rows: Transition) -> np.ndarray:
    """Return the least-squares weights of the reward on a row's state, action, following state and squared action.

    A robot's reward is its speed, a bonus and the cost of its action, all of which stand in the row.
    """
    return np.linalg.lstsq(_features(rows), rows.reward.astype(np.float64), rcond=None)[0]


def reward_alignment(rows: Transition, weights: np.ndarray) -> float:
    """Return R² of these weights on rows: near 1 where rewards belong to them, lower where they are another row's."""
    reward = rows.reward.astype(np.float64)
    left = np.square(reward - _features(rows) @ weights).mean()
    return float(1.0 - left / reward.var()) if reward.var() > 0 else 1.0


def _features(rows: Transition) -> np.ndarray:
    ones = np.ones((len(rows.reward), 1))
    columns = (rows.observation, rows.action, rows.next_observation, np.square(rows.action), ones)
    return np.concatenate(columns, axis=1, dtype=np.float64)


def rows_of_dataset(rows: Rows, dataset: int) -> Transition:
    """Return all transitions of one data set."""
    start, size = int(rows.start[dataset]), int(rows.size[dataset])
    return jax.tree.map(lambda column: column[start : start + size], rows.transitions)
