"""HDF5 files in D4RL's layout: read with every fault refused by name, and written byte for byte the same each time."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np

from plas_jax.datasets.catalogue import Environment


class BadDatasetError(ValueError):
    """A file that cannot be trained on; one line that names the file, the key and the first bad row."""


class Recording(NamedTuple):
    """A file's rows in order, episode after episode; `timeouts` is None where the file has no such key."""

    observations: np.ndarray  # [rows, observation], float32
    actions: np.ndarray  # [rows, action], float32, in [-1, 1]
    rewards: np.ndarray  # [rows], float32
    terminals: np.ndarray  # [rows], bool: the episode truly ended here
    timeouts: np.ndarray | None  # [rows], bool: the time limit cut it here


def read(path: Path, environment: Environment) -> Recording:
    """The recording in `path`, checked against what data of `environment` must be.

    Actions of an environment whose bounds are not ±1 are mapped linearly from them to [-1, 1].

    Raises `BadDatasetError` for a damaged file, a missing key, a wrong shape or length, a value that is not finite, an
    action outside its bounds or a flag that is neither 0 nor 1; `OSError` for a file that cannot be opened at all.
    """
    try:
        with h5py.File(path, "r") as file:
            observations = _numbers(path, file, "observations", (environment.observation_size,))
            rows = len(observations)
            if rows < 2:
                raise BadDatasetError(f"{path}: observations: a transition needs two rows, and there is {rows}")
            actions = _numbers(path, file, "actions", (environment.action_size,), rows)
            rewards = _numbers(path, file, "rewards", (), rows)
            terminals = _flags(path, file, "terminals", rows)
            timeouts = _flags(path, file, "timeouts", rows) if "timeouts" in file else None
    except (FileNotFoundError, PermissionError, IsADirectoryError):
        raise
    except (OSError, RuntimeError) as error:  # h5py raises either for a file that was cut off
        raise BadDatasetError(f"{path}: not a whole HDF5 file: {str(error).splitlines()[0]}") from error
    return Recording(observations, _in_unit_box(path, actions, environment), rewards, terminals, timeouts)


def _in_unit_box(path: Path, actions: np.ndarray, environment: Environment) -> np.ndarray:
    """The actions, mapped from the environment's bounds to [-1, 1]; any outside is refused."""
    if environment.action_low is None or environment.action_high is None:
        _refuse_rows(path, "actions", ~np.all(np.abs(actions) <= 1.0, axis=-1), actions, "outside [-1, 1]")
        return actions
    low, high = (np.array(bound, np.float32) for bound in (environment.action_low, environment.action_high))
    inside = np.all((low <= actions) & (actions <= high), axis=-1)
    _refuse_rows(path, "actions", ~inside, actions, f"outside [{low.tolist()}, {high.tolist()}]")
    return np.clip(2.0 * (actions - low) / (high - low) - 1.0, -1.0, 1.0)  # clipped: rounding may pass ±1


def _array(path: Path, file: h5py.File, key: str, tail: tuple[int, ...], rows: int | None) -> np.ndarray:
    """The numbers under `key` as they are stored, with the shape `[rows, *tail]`."""
    if key not in file:
        raise BadDatasetError(f"{path}: {key}: this key is missing (the file has {', '.join(sorted(file)) or 'none'})")
    stored = file[key]
    if not isinstance(stored, h5py.Dataset) or stored.dtype.kind not in "fiub":
        raise BadDatasetError(f"{path}: {key}: not an array of numbers")
    shape = stored.shape
    # Some of D4RL's files store rewards and flags as columns.
    flat = shape[:1] if not tail and len(shape) == 2 and shape[1] == 1 else shape
    if len(flat) != 1 + len(tail) or flat[1:] != tail:
        wanted = "[rows" + "".join(f", {size}" for size in tail) + "]"
        raise BadDatasetError(
            f"{path}: {key}: shape {list(shape)}, but this data set has {wanted}: is it another task's?"
        )
    if rows is not None and flat[0] != rows:
        raise BadDatasetError(f"{path}: {key}: ends at row {flat[0]}, but observations has {rows} rows")
    return stored[()].reshape(flat)


def _numbers(path: Path, file: h5py.File, key: str, tail: tuple[int, ...], rows: int | None = None) -> np.ndarray:
    """Finite float32 numbers."""
    with np.errstate(over="ignore"):  # a number beyond float32 becomes infinite and is refused below
        values = np.asarray(_array(path, file, key, tail, rows), np.float32)
    finite = np.all(np.isfinite(values), axis=tuple(range(1, values.ndim)))
    _refuse_rows(path, key, np.logical_not(finite), values, "not finite")
    return values


def _flags(path: Path, file: h5py.File, key: str, rows: int) -> np.ndarray:
    """Booleans, whatever number type they are stored in."""
    values = _array(path, file, key, (), rows)
    _refuse_rows(path, key, ~np.isin(values, (0, 1)), values, "neither 0 nor 1")
    return values.astype(bool)


def _refuse_rows(path: Path, key: str, bad: np.ndarray, values: np.ndarray, why: str) -> None:
    """Raise for the first row that is bad, quoting it."""
    if bad.any():
        row = int(bad.argmax())
        raise BadDatasetError(
            f"{path}: {key}: row {row} is {why}: {np.array2string(values[row], max_line_width=10**6)}"
        )


def write(path: Path, columns: Mapping[str, np.ndarray], attributes: Mapping[str, str | int]) -> None:
    """Write arrays by key (`infos/qpos` makes a group), uncompressed, and attributes of a group `metadata`.

    The same arguments give the same bytes: nothing in the file depends on time or place.
    """
    # The default library version bounds keep old-style groups, which carry no times.
    with h5py.File(path, "w") as file:
        for key, values in columns.items():
            file.create_dataset(key, data=values, track_times=False)
        metadata = file.create_group("metadata")
        for key, value in attributes.items():
            metadata.attrs[key] = value
