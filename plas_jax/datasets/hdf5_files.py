"""HDF5 files that anyone may have written, opened so that nothing but their own numbers is read, and not too many.

A file may name others (links, virtual data sets, raw bytes elsewhere) and claim shapes of which it stores nothing. The
first are refused because a data set must be what its one file says; besides, HDF5 2.0.0 crashes on some of them.
"""

import itertools
import math
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np

from plas_jax.datasets.recordings import BadDatasetError, memory_of_the_machine
from plas_jax.files.messages import one_line
from plas_jax.files.whole_files import refuse_devices

# Deflate makes at most 1032 bytes of one. HDF5 inflates a chunk to wherever that leads, whatever size it should have.
EXPANSION = 1100
NEVER_WRITTEN = 64 * 2**20  # bytes that a column may have without storing them: flags that are all 0
UNCHECKED = 2**20  # bytes of a compressed chunk that may be inflated without a look at where it leads
COMPRESSORS = {h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_SZIP, h5py.h5z.FILTER_LZF}
MOST_PIECES = 2**17  # of one column: HDF5 takes 4 kB for each chunk that it reads
DEEPEST, MOST = 16, 10_000_000  # groups within each other, and links in all
SHOWN = 20  # names in a message


class Column:
    """One array of an open file, of which nothing is read before it is asked for."""

    def __init__(self, where: str, stored: h5py.Dataset):
        self.where, self.stored = where, stored
        self.dtype: np.dtype = stored.dtype
        self.shape: tuple[int, ...] = stored.shape or ()

    def __getitem__(self, rows: tuple[()]) -> np.ndarray:
        """Read all of it. Raises `BadDatasetError` where HDF5 cannot read it."""
        with _refused(f"{self.where}: cannot be read"):
            return np.asarray(self.stored[rows])


class Columns(Mapping[str, Column]):
    """The arrays of an open file by key (`infos/qpos` lies in a group), each checked when it is taken."""

    def __init__(self, path: Path, file: h5py.File):
        self._path, self._file = path, file

    def __getitem__(self, key: str) -> Column:
        """Return one array. Raises `BadDatasetError` for what is none, or not wholly in this file."""
        where = f"{self._path}: {key}"
        with _refused(f"{where}: damaged"):
            stored = _linked(self._file, key, where)
            if not isinstance(stored, h5py.Dataset):
                raise BadDatasetError(f"{where}: not an array of numbers")
            _check(stored, where, self._path)
            return Column(where, stored)

    def __contains__(self, key: object) -> bool:
        """Tell whether the file has something of this name, be it sound or not."""
        with _refused(f"{self._path}: {key}: damaged"):
            group: h5py.Group | h5py.Dataset = self._file
            for name in str(key).split("/"):
                if not isinstance(group, h5py.Group) or group.get(name, getlink=True, default=None) is None:
                    return False
                group = _linked(group, name, f"{self._path}: {key}")
            return True

    def __iter__(self) -> Iterator[str]:
        """Yield the names at the top of the file, long and odd ones escaped; the first few where they are many."""
        with _refused(f"{self._path}: damaged"):
            names = list(itertools.islice(self._file, SHOWN + 1))
        for place, name in enumerate(names):
            if place == SHOWN:
                yield "…"
                return
            text = name.decode("utf-8", "backslashreplace") if isinstance(name, bytes) else name
            shown = text if text.isprintable() else ascii(text)[1:-1]
            yield shown if len(shown) < 100 else f"{shown[:100]}…"

    def __len__(self) -> int:
        """Count the names at the top."""
        return len(self._file)


@contextmanager
def opened(path: Path) -> Iterator[Columns]:
    """Yield the columns of a file while it is open.

    Raises `OSError` for a file that cannot be opened at all, `BadDatasetError`, one line, for one that is damaged.
    """
    with _opened(path, str(path)) as file:
        yield Columns(path, file)


def check_all(path: Path, name: str) -> None:
    """Refuse a file of which any part lies elsewhere or claims absurdly much; `name` opens the line of an error.

    Raises as `opened` does.
    """
    with _refused(f"{name}: damaged"), _opened(path, name) as file:
        groups: list[tuple[h5py.Group, str, int]] = [(file, name, 0)]
        seen, links = set(), 0
        while groups:
            group, where, depth = groups.pop()
            if depth > DEEPEST:
                raise BadDatasetError(f"{where}: groups within groups, more than {DEEPEST} deep")
            for link in group:
                links += 1
                below = f"{where}: {ascii(link)[:100]}"
                if links > MOST:
                    raise BadDatasetError(f"{name}: more than {MOST:,} names")
                stored = _linked(group, link, below)
                if isinstance(stored, h5py.Dataset):
                    _check(stored, below, path)
                elif isinstance(stored, h5py.Group) and stored.id not in seen:
                    seen.add(stored.id)
                    groups.append((stored, below, depth + 1))


@contextmanager
def _opened(path: Path, name: str) -> Iterator[h5py.File]:
    refuse_devices(path)
    try:
        file = h5py.File(path, "r")
    except (FileNotFoundError, PermissionError, IsADirectoryError):
        raise
    except Exception as error:  # h5py raises most kinds for what it cannot make sense of
        raise BadDatasetError(f"{name}: not a whole HDF5 file: {one_line(error, 300)}") from error
    with file:
        yield file


@contextmanager
def _refused(what: str) -> Iterator[None]:
    """Raise whatever h5py raises for damage as one line."""
    try:
        yield
    except BadDatasetError:
        raise
    except Exception as error:  # KeyError, OSError, RuntimeError, TypeError, ValueError, … by the place of the damage
        raise BadDatasetError(f"{what}: {one_line(error, 300)}") from error


def _linked(group: h5py.Group, key: str, where: str) -> h5py.Group | h5py.Dataset:
    """Return what hard links lead to under a key: a soft one may lead round in circles, an external one elsewhere."""
    node: h5py.Group | h5py.Dataset = group
    for name in key.split("/") if isinstance(key, str) else [key]:
        if not isinstance(node, h5py.Group):
            raise BadDatasetError(f"{where}: not an array of numbers")
        link = node.get(name, getlink=True)
        if not isinstance(link, h5py.HardLink):
            kind = "another file" if isinstance(link, h5py.ExternalLink) else "another name"
            raise BadDatasetError(f"{where}: a link to {kind}, which is not followed: copy the rows into this file")
        node = node[name]
    return node


def _check(stored: h5py.Dataset, where: str, path: Path) -> None:
    """Refuse rows that lie elsewhere, that are not there, or that no memory holds."""
    made = stored.id.get_create_plist()
    if made.get_layout() == h5py.h5d.VIRTUAL or made.get_external_count():
        raise BadDatasetError(f"{where}: its rows lie in other files, which are not read: copy them into this file")
    size, chunk = math.prod(stored.shape or (0,)) * stored.dtype.itemsize, 0
    if size > memory_of_the_machine() // 2:
        raise BadDatasetError(
            f"{where}: shape {list(stored.shape)} takes {size / 1e9:,.0f} GB, too many for the"
            f" {memory_of_the_machine() / 1e9:,.0f} GB of this machine: is the file damaged?"
        )
    if made.get_layout() == h5py.h5d.CHUNKED:
        chunk = math.prod(made.get_chunk()) * stored.dtype.itemsize
    held = min(stored.id.get_storage_size(), path.stat().st_size)
    if max(size, chunk) > max(NEVER_WRITTEN, EXPANSION * held):
        raise BadDatasetError(
            f"{where}: shape {list(stored.shape)} is claimed, and {held:,} bytes are stored: never written, or cut off"
        )
    if chunk:
        _check_pieces(stored, where, made.get_chunk())
    filters = [made.get_filter(place)[0] for place in range(made.get_nfilters())]
    packed = [code for code in filters if code in COMPRESSORS]
    if len(packed) > 1:
        raise BadDatasetError(f"{where}: compressed more than once, which is not read: compress it once")
    if packed and size:
        _check_chunks(stored, where, chunk, deflated=filters == packed == [h5py.h5z.FILTER_DEFLATE])


def _check_pieces(stored: h5py.Dataset, where: str, chunk: Sequence[int]) -> None:
    """Refuse so many chunks that keeping account of them takes more memory than the numbers do."""
    pieces = math.prod(-(-length // piece) for length, piece in zip(stored.shape, chunk, strict=True))
    if pieces > MOST_PIECES:
        raise BadDatasetError(
            f"{where}: in {pieces:,} chunks of shape {list(chunk)}, more than the {MOST_PIECES:,} that are read:"
            " write it in larger ones"
        )


def _check_chunks(stored: h5py.Dataset, where: str, size: int, deflated: bool) -> None:
    """Refuse compressed chunks that would become much more than a chunk's `size` in bytes."""

    def check(chunk: h5py.h5d.StoreInfo) -> None:
        # An incompressible chunk grows by a few bytes in a thousand.
        if chunk.size > size + size // 64 + 4096:
            raise BadDatasetError(f"{where}: a chunk of {size:,} bytes takes {chunk.size:,} compressed: damaged")
        if chunk.size > UNCHECKED and deflated and not _inflates_to(stored, chunk, size):
            raise BadDatasetError(f"{where}: a chunk inflates to more than its {size:,} bytes: damaged")

    stored.id.chunk_iter(check)


def _inflates_to(stored: h5py.Dataset, chunk: h5py.h5d.StoreInfo, size: int) -> bool:
    _, packed = stored.id.read_direct_chunk(chunk.chunk_offset)
    try:
        return len(zlib.decompressobj().decompress(packed, size + 1)) <= size
    except zlib.error:
        return False
