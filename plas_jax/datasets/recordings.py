"""Rows of episodes as they were recorded, and what is refused before anything is trained on them."""

import os
from collections.abc import Mapping
from typing import NamedTuple, Protocol

import numpy as np

from plas_jax.datasets.catalogue import Environment


class BadDatasetError(ValueError):
    """Data that cannot be trained on; one line that names the file, the key and the first bad row."""


class Column(Protocol):
    """An array in memory or in a file, of which nothing is read before it is asked for."""

    @property
    def dtype(self) -> np.dtype:
        """Return the type of its numbers."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Return its axes, rows first."""

    def __getitem__(self, rows: tuple[()], /) -> np.ndarray:
        """Read all of it."""


def memory_of_the_machine() -> int:
    """Return its physical memory in bytes."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


class Recording(NamedTuple):
    """Rows in order, episode after episode; `timeouts` is None where a file has no such key."""

    observations: np.ndarray  # [rows, observation], float32
    actions: np.ndarray  # [rows, action], float32, in [-1, 1]
    rewards: np.ndarray  # [rows], float32
    terminals: np.ndarray  # [rows], bool: the episode truly ended here
    timeouts: np.ndarray | None  # [rows], bool: the time limit cut it here


def recording(source: str, columns: Mapping[str, Column], environment: Environment) -> Recording:
    """Return the recording in `columns`, arrays (or an open HDF5 file's) by D4RL's keys, checked for `environment`.

    Actions of an environment whose bounds are not ±1 are mapped linearly from them to [-1, 1]. `source` opens the
    line of an error.

    Raises `BadDatasetError` for a missing key, a wrong shape or length, a value that is not finite, an action outside
    its bounds or a flag that is neither 0 nor 1.
    """
    observations = _numbers(source, columns, "observations", (environment.observation_size,))
    rows = len(observations)
    actions = _numbers(source, columns, "actions", (environment.action_size,), rows)
    rewards = _numbers(source, columns, "rewards", (), rows)
    terminals = _flags(source, columns, "terminals", rows)
    timeouts = _flags(source, columns, "timeouts", rows) if "timeouts" in columns else None
    return Recording(observations, _in_unit_box(source, actions, environment), rewards, terminals, timeouts)


def _in_unit_box(source: str, actions: np.ndarray, environment: Environment) -> np.ndarray:
    """Map actions from the environment's bounds to [-1, 1]; refuse any outside."""
    if environment.action_low is None or environment.action_high is None:
        _refuse_rows(source, "actions", ~np.all(np.abs(actions) <= 1.0, axis=-1), actions, "outside [-1, 1]")
        return actions
    low, high = (np.array(bound, np.float32) for bound in (environment.action_low, environment.action_high))
    inside = np.all((low <= actions) & (actions <= high), axis=-1)
    _refuse_rows(source, "actions", ~inside, actions, f"outside [{low.tolist()}, {high.tolist()}]")
    return np.clip(2.0 * (actions - low) / (high - low) - 1.0, -1.0, 1.0)  # clipped: rounding may pass ±1


def _array(source: str, columns: Mapping[str, Column], key: str, tail: tuple[int, ...], rows: int | None) -> np.ndarray:
    """Return the numbers under `key` as they are stored, with the shape `[rows, *tail]`."""
    if key not in columns:
        there = ", ".join(columns) or "none"
        raise BadDatasetError(f"{source}: {key}: this key is missing (the file has {there})")
    stored = columns[key]
    # A group of an HDF5 file has no type, and a data set of its null space has no shape.
    dtype, shape = getattr(stored, "dtype", None), getattr(stored, "shape", None)
    if dtype is None or dtype.kind not in "fiub" or shape is None:
        raise BadDatasetError(f"{source}: {key}: not an array of numbers")
    # Some of D4RL's files store rewards and flags as columns.
    flat = shape[:1] if not tail and len(shape) == 2 and shape[1] == 1 else shape
    if len(flat) != 1 + len(tail) or flat[1:] != tail:
        wanted = "[rows" + "".join(f", {size}" for size in tail) + "]"
        raise BadDatasetError(
            f"{source}: {key}: shape {list(shape)}, but this data set has {wanted}: is it another task's?"
        )
    if rows is not None and flat[0] != rows:
        raise BadDatasetError(f"{source}: {key}: ends at row {flat[0]}, but observations has {rows} rows")
    return stored[()].reshape(flat)


def _numbers(
    source: str, columns: Mapping[str, Column], key: str, tail: tuple[int, ...], rows: int | None = None
) -> np.ndarray:
    """Return finite float32 numbers."""
    with np.errstate(over="ignore"):  # a number beyond float32 becomes infinite and is refused below
        values = np.asarray(_array(source, columns, key, tail, rows), np.float32)
    finite = np.all(np.isfinite(values), axis=tuple(range(1, values.ndim)))
    _refuse_rows(source, key, np.logical_not(finite), values, "not finite")
    return values


def _flags(source: str, columns: Mapping[str, Column], key: str, rows: int) -> np.ndarray:
    """Return booleans, whatever number type they are stored in."""
    values = _array(source, columns, key, (), rows)
    _refuse_rows(source, key, ~np.isin(values, (0, 1)), values, "neither 0 nor 1")
    return values.astype(bool)


def _refuse_rows(source: str, key: str, bad: np.ndarray, values: np.ndarray, why: str) -> None:
    """Raise for the first row that is bad, quoting it."""
    if bad.any():
        row = int(bad.argmax())
        raise BadDatasetError(
            f"{source}: {key}: row {row} is {why}: {np.array2string(values[row], max_line_width=10**6)}"
        )
