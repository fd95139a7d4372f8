"""All data sets of a sweep in one array, and minibatches drawn from the rows of one of them."""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import numpy as np

from plas_jax.types import Array, Transition


class Rows(NamedTuple):
    """The concatenated transitions, zero-padded to the widest, and where each data set starts and how long it is."""

    transitions: Transition
    start: np.ndarray  # int32 [data sets]
    size: np.ndarray  # int32 [data sets]


def concatenate(datasets: Sequence[Transition], observation: int, action: int) -> Rows:
    """One array for all, with `observation` and `action` columns."""
    sizes = np.array([len(dataset.reward) for dataset in datasets], np.int32)
    columns = []
    for field, values in zip(Transition._fields, zip(*datasets, strict=True), strict=True):
        width = {"observation": observation, "next_observation": observation, "action": action}.get(field)
        columns.append(np.concatenate([value if width is None else _padded(value, width) for value in values]))
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int32)
    return Rows(Transition(*columns), starts, sizes)


def _padded(values: np.ndarray, width: int) -> np.ndarray:
    return np.pad(values, ((0, 0), (0, width - values.shape[1])))


def minibatch(key: Array, transitions: Transition, start: Array, size: Array, batch_size: int) -> Transition:
    """`batch_size` rows of the data set at `start`, uniform with replacement (`utils.py` of PLAS and BCQ)."""
    index = start + jax.random.randint(key, (batch_size,), 0, size)
    return jax.tree.map(lambda column: column[index], transitions)
