"""Opening `.npz` files: arrays of numbers or one line, never an object."""

import zipfile
import zlib
from pathlib import Path

import numpy as np


def read_arrays(path: Path | str) -> dict[str, np.ndarray]:
    """The arrays of a `.npz` file by name; never unpickles.

    Raises `OSError` for a file that cannot be opened and `ValueError`, one line, for one that is not such a file.
    """
    with Path(path).open("rb") as file:
        if not zipfile.is_zipfile(file):
            raise ValueError(f"{path}: not an npz file")
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {key: np.asarray(archive[key]) for key in archive.files}
    except (ValueError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(f"{path}: cannot be read as arrays of numbers ({error})") from None
