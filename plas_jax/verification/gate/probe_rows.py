"""Fixed rows of each data set, on which trained runs are measured: the same for every seed, change and machine."""

from typing import NamedTuple

import chex
import jax
import numpy as np

from plas_jax.datasets.minibatch import Rows
from plas_jax.types import Transition

ROWS, TERMINAL_ROWS = 512, 64


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


def _one_set(transitions: Transition, start: int, size: int) -> ProbeRows:
    index = np.arange(start, start + size)
    terminal = index[transitions.bootstrap[start : start + size] == 0]
    has_terminals = len(terminal) > 0
    spaced, ended = _spaced(index, ROWS), _spaced(terminal if has_terminals else index, TERMINAL_ROWS)
    rows, terminals = (jax.tree.map(lambda column, at=at: column[at], transitions) for at in (spaced, ended))
    return ProbeRows(rows, terminals, np.array(has_terminals))


def _spaced(index: np.ndarray, count: int) -> np.ndarray:
    return index[np.linspace(0, len(index) - 1, count).astype(int)]
