"""HDF5 files in D4RL's layout: read with every fault refused by name, and written byte for byte the same each time."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import h5py
import numpy as np

from plas_jax.datasets.catalogue import Environment
from plas_jax.datasets.hdf5_files import opened
from plas_jax.datasets.recordings import BadDatasetError, Recording, recording
from plas_jax.files.messages import one_line


def read(path: Path, environment: Environment) -> Recording:
    """Read the recording in `path`, checked and its actions mapped to [-1, 1] as `recording` does.

    Raises `BadDatasetError` as `recording` does, for a damaged file and for one of fewer than two rows; `OSError` for
    a file that cannot be opened at all.
    """
    with opened(path) as columns:
        recorded = recording(str(path), columns, environment)
    rows = len(recorded.rewards)
    if rows < 2:
        raise BadDatasetError(f"{path}: observations: a transition needs two rows, and there is {rows}")
    return recorded


def write(path: Path, columns: Mapping[str, np.ndarray], attributes: Mapping[str, str | int]) -> None:
    """Write arrays by key (`infos/qpos` makes a group), uncompressed, and attributes of a group `metadata`.

    The same arguments give the same bytes: nothing in the file depends on time or place. Raises `OSError`, one line,
    where it cannot be written.
    """
    try:
        # The default library version bounds keep old-style groups, which carry no times.
        with h5py.File(path, "w") as file:
            for key, values in columns.items():
                file.create_dataset(key, data=values, track_times=False)
            metadata = file.create_group("metadata")
            for key, value in attributes.items():
                metadata.attrs[key] = value
    except (OSError, RuntimeError) as error:  # h5py raises either where the disk takes no more
        raise OSError(f"{path} cannot be written: {one_line(error, 300)}") from error


def count_rows(path: Path) -> int:
    """Count the rows of a file without reading them. Raises as `read` does."""
    with opened(path) as columns:
        shape = columns["observations"].shape if "observations" in columns else ()
    if not shape:
        raise BadDatasetError(f"{path}: its rows cannot be counted: it has no array observations [rows, …]")
    return shape[0]


def widths(path: Path) -> tuple[int, int]:
    """Return how many numbers an observation and an action of a file have. Raises as `count_rows` does."""
    with opened(path) as columns:
        shapes = [columns[key].shape if key in columns else () for key in ("observations", "actions")]
    for key, shape in zip(("observations", "actions"), shapes, strict=True):
        if len(shape) != 2:
            raise BadDatasetError(f"{path}: {key}: not an array of shape [rows, numbers]")
    return shapes[0][1], shapes[1][1]


def read_extras(path: Path, keys: Sequence[str]) -> dict[str, np.ndarray]:
    """Read the arrays under those of the keys (`infos/qpos`, …) that the file has, as they are stored.

    Raises `BadDatasetError` for one that is not an array of numbers and for a damaged file, `OSError` as `read` does.
    """
    with opened(path) as columns:
        extras = {key: columns[key] for key in keys if key in columns}
        for key, column in extras.items():
            if column.dtype.kind not in "fiub":
                raise BadDatasetError(f"{path}: {key}: not an array of numbers")
        return {key: column[()] for key, column in extras.items()}
