"""Fixed rows of each data set, on which trained runs are measured: the same for every seed, change and machine."""

import math
from collections.abc import Callable
from functools import partial
from typing import NamedTuple, TypeVar

import chex
import jax
import numpy as np

from plas_jax.datasets.minibatch import Rows
from plas_jax.training.compiler_options import many_rows_options
from plas_jax.types import Transition

ROWS, TERMINAL_ROWS = 512, 64
FORGOTTEN = 0.01  # a return is known where what comes after the steps that are added weighs less
Inputs = TypeVar("Inputs")
Outputs = TypeVar("Outputs")


class ProbeRows(NamedTuple):
    """The probe rows of data sets, stacked: leading axis `[data sets]`, or `[runs]` once they are handed out."""

    rows: Transition  # [ROWS, …], evenly spaced over the data set
    terminal: Transition  # [TERMINAL_ROWS, …], evenly spaced over those where an episode truly ended
    has_terminals: chex.Array  # bool; without any, `terminal` holds other rows that mean nothing


def probe_rows(rows: Rows) -> ProbeRows:
    """Return the probe rows of every data set. A set with fewer rows than are asked for gives some of them twice."""
    chosen = [
        _one_set(rows.transitions, int(start), int(size)) for start, size in zip(rows.start, rows.size, strict=True)
    ]
    return jax.tree.map(lambda *sets: np.stack(sets), *chosen)


def return_to_go(rows: Rows, place: int, discount: float) -> np.ndarray:
    """Return the discounted return from each of a data set's `ROWS` probe rows on, float64 `[ROWS]`.

    It is that of the data's own actions, to where the episode truly ended or 1 % of the weight is left. NaN where the
    recording stops before: at a time limit, or where the data set ends.
    """
    start, size = int(rows.start[place]), int(rows.size[place])
    steps = math.ceil(math.log(FORGOTTEN) / math.log(discount)) if 0 < discount < 1 else size
    own = jax.tree.map(lambda column: column[start : start + size], rows.transitions)
    returns = np.zeros(ROWS)
    index, alive, weight = _spaced(np.arange(size), ROWS), np.ones(ROWS, bool), 1.0
    for _ in range(min(steps, size)):
        returns += np.where(alive, weight * own.reward[index], 0.0)
        alive &= own.bootstrap[index] > 0
        after = np.minimum(index + 1, size - 1)
        goes_on = (index + 1 < size) & (own.next_observation[index] == own.observation[after]).all(axis=1)
        returns[alive & ~goes_on] = np.nan
        index, weight = after, weight * discount
    if weight > FORGOTTEN:
        returns[alive] = np.nan
    return returns


def one_by_one(measure: Callable[[Inputs], Outputs]) -> Callable[[Inputs], Outputs]:
    """Measure every run of a batch, one after another: a hundred candidates a probe row of all at once are 10 GB."""
    # What runs once is not worth optimising; and candidates of probe rows are many.
    options = {"xla_backend_optimization_level": 0, **dict(many_rows_options(jax.default_backend() == "cpu"))}
    return jax.jit(partial(jax.lax.map, measure), compiler_options=options)


def _one_set(transitions: Transition, start: int, size: int) -> ProbeRows:
    index = np.arange(start, start + size)
    terminal = index[transitions.bootstrap[start : start + size] == 0]
    has_terminals = len(terminal) > 0
    spaced, ended = _spaced(index, ROWS), _spaced(terminal if has_terminals else index, TERMINAL_ROWS)
    rows, terminals = (jax.tree.map(lambda column, at=at: column[at], transitions) for at in (spaced, ended))
    return ProbeRows(rows, terminals, np.array(has_terminals))


def _spaced(index: np.ndarray, count: int) -> np.ndarray:
    return index[np.linspace(0, len(index) - 1, count).astype(int)]
