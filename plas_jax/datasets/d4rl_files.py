"""HDF5 files in D4RL's layout: read with every fault refused by name, and written byte for byte the same each time."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import h5py
import numpy as np

from plas_jax.datasets.catalogue import Environment
from plas_jax.datasets.recordings import BadDatasetError, Recording, recording


def read(path: Path, environment: Environment) -> Recording:
    """The recording in `path`, checked and its actions mapped to [-1, 1] as `recording` does.

    Raises `BadDatasetError` as `recording` does, for a damaged file and for one of fewer than two rows; `OSError` for
    a file that cannot be opened at all.
    """
    try:
        with h5py.File(path, "r") as file:
            found = recording(str(path), file, environment)
    except (FileNotFoundError, PermissionError, IsADirectoryError):
        raise
    except (OSError, RuntimeError) as error:  # h5py raises either for a file that was cut off
        raise BadDatasetError(f"{path}: not a whole HDF5 file: {str(error).splitlines()[0]}") from error
    if len(found.rewards) < 2:
        raise BadDatasetError(f"{path}: observations: a transition needs two rows, and there is {len(found.rewards)}")
    return found


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


def count_rows(path: Path) -> int:
    """How many rows a file has, without reading them. Raises as `read` does."""
    try:
        with h5py.File(path, "r") as file:
            return len(file["observations"])
    except (FileNotFoundError, PermissionError, IsADirectoryError):
        raise
    except (KeyError, OSError, RuntimeError, TypeError) as error:
        raise BadDatasetError(f"{path}: its rows cannot be counted: {str(error).splitlines()[0]}") from error


def read_extras(path: Path, keys: Sequence[str]) -> dict[str, np.ndarray]:
    """The arrays under those of the keys (`infos/qpos`, …) that the file has, as they are stored.

    Raises `BadDatasetError` for one that is not an array of numbers and for a damaged file, `OSError` as `read` does.
    """
    try:
        with h5py.File(path, "r") as file:
            found = {key: file[key] for key in keys if key in file}
            for key, stored in found.items():
                if not isinstance(stored, h5py.Dataset) or stored.dtype.kind not in "fiub":
                    raise BadDatasetError(f"{path}: {key}: not an array of numbers")
            return {key: np.asarray(stored[()]) for key, stored in found.items()}
    except (FileNotFoundError, PermissionError, IsADirectoryError):
        raise
    except (OSError, RuntimeError) as error:
        raise BadDatasetError(f"{path}: not a whole HDF5 file: {str(error).splitlines()[0]}") from error
