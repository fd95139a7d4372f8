"""Opening `.npz` files: arrays of numbers or one line, never an object."""

import zipfile
from collections.abc import Collection
from pathlib import Path

import numpy as np

from plas_jax.files.messages import one_line
from plas_jax.files.whole_files import refuse_devices

LARGEST = 2**31  # bytes of all arrays, unpacked: what is kept in such files takes a thousandth of it


def read_arrays(path: Path | str, texts: Collection[str] = ()) -> dict[str, np.ndarray]:
    """Read the arrays of a `.npz` file by name; never unpickle. Those named in `texts` may hold letters.

    Raises `OSError` for a file that cannot be opened and `ValueError`, one line, for one that is not such a file, or
    that would unpack to more than any such file.
    """
    path = Path(path)
    refuse_devices(path)
    with path.open("rb") as file:
        if not zipfile.is_zipfile(file):
            raise ValueError(f"{path}: not an npz file")
        try:
            with zipfile.ZipFile(file) as archive:
                return _arrays(archive, texts)
        except Exception as error:  # zipfile, five decompressors and NumPy raise most kinds for damage
            raise ValueError(f"{path}: cannot be read as arrays of numbers ({one_line(error, 300)})") from None


def _arrays(archive: zipfile.ZipFile, texts: Collection[str]) -> dict[str, np.ndarray]:
    size = sum(member.file_size for member in archive.infolist())
    if size > LARGEST:
        raise ValueError(f"unpacks to {size:,} bytes, more than {LARGEST:,}")
    arrays = {}
    for member in archive.infolist():
        name = member.filename.removesuffix(".npy")
        with archive.open(member) as stored:
            array = np.lib.format.read_array(stored, allow_pickle=False)
        if array.dtype.kind not in ("biufU" if name in texts else "biuf"):
            raise ValueError(f"{name[:100]!r} is of type {array.dtype}")
        arrays[name] = array
    return arrays
