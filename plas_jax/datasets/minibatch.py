"""All data sets of a sweep in one array, and minibatches drawn from the rows of one of them."""

import math
from collections.abc import Iterable
from typing import NamedTuple

import jax
import numpy as np

from plas_jax.types import Array, Transition


class Rows(NamedTuple):
    """The concatenated transitions, zero-padded to the widest, and where each data set starts and how long it is."""

    transitions: Transition
    start: np.ndarray  # int32 [data sets]
    size: np.ndarray  # int32 [data sets]


def concatenate(datasets: Iterable[Transition], rows: int, observation: int, action: int) -> Rows:
    """Concatenate all in one array, with `observation` and `action` columns and room for `rows` transitions.

    Data sets are taken one after the other, so that an iterator which loads them holds one at a time. The whole has
    next actions if each of them has.
    Raises `ValueError` when there are more than `rows` transitions, and where some alone have next actions.
    """
    widths = ((observation,), (action,), (), (observation,), ())
    whole = Transition(*(_aligned((rows, *width)) for width in widths))
    ends = [0]
    for dataset in datasets:
        start, end = ends[-1], ends[-1] + len(dataset.reward)
        if end > rows:
            raise ValueError(f"{end} transitions do not fit where {rows} were expected")
        if len(ends) == 1 and dataset.next_action is not None:
            whole = whole._replace(next_action=_aligned((rows, action)))
        if (whole.next_action is None) != (dataset.next_action is None):
            raise ValueError("either every data set has next actions or none has")
        for column, values in zip(jax.tree.leaves(whole), jax.tree.leaves(dataset), strict=True):
            if values.ndim == 1:
                column[start:end] = values
            else:
                column[start:end, : values.shape[1]] = values
        ends.append(end)
    bounds = np.array(ends, np.int32)
    return Rows(jax.tree.map(lambda column: column[: ends[-1]], whole), bounds[:-1], np.diff(bounds))


def _aligned(shape: tuple[int, ...]) -> np.ndarray:
    """Return float32 zeros that start at a multiple of 64 bytes: JAX then reads them where they are.

    Otherwise each core's device would hold a copy of its own, of gigabytes at the paper's sizes.
    """
    memory = np.zeros(4 * math.prod(shape) + 64, np.uint8)
    start = -memory.ctypes.data % 64
    return memory[start : start + 4 * math.prod(shape)].view(np.float32).reshape(shape)


def minibatch(key: Array, transitions: Transition, start: Array, size: Array, batch_size: int) -> Transition:
    """Draw `batch_size` rows of the data set at `start`, uniform with replacement (`utils.py` of PLAS and BCQ).

    Columns that the data do not have, their next actions, the minibatch has not either.
    """
    index = start + jax.random.randint(key, (batch_size,), 0, size)
    return jax.tree.map(lambda column: column[index], transitions)
