"""HDF5 files made by h5py that no honest writer makes: odd types, shapes, layouts and links, one or more at a time."""

import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import h5py
import numpy as np

KEYS = ("observations", "actions", "rewards", "terminals", "timeouts", "next_observations", "infos/qpos", "infos/qvel")
WIDTHS = {"observations": 11, "actions": 3, "next_observations": 11, "infos/qpos": 6, "infos/qvel": 6}
NUMBERS = ("<f2", ">f4", "<f8", "g", "i1", "u1", "<i8", ">u8", "?", "c8", "<M8[s]")
# What h5py itself raises for what it cannot write.
REFUSALS = (ValueError, TypeError, AttributeError, OSError, RuntimeError, KeyError, OverflowError, MemoryError)
LONGEST = 2**22  # bytes
VAST = (10**9, 10**12, 2**40, 2**62, 2**63 - 1)
NAMES = ("x", "a/b/c", "a\nb", "\x1b[2J", "é", b"\xff\xfe", "x" * 5000, ".hidden", "..", " ", "metadata")


def columns(rows: int, seed: int = 0) -> dict[str, np.ndarray]:
    """Make the columns of a sound recording of hopper's sizes, `[rows, …]`."""
    generator = np.random.default_rng(seed)
    made: dict[str, np.ndarray] = {}
    for key in KEYS:
        shape = (rows, WIDTHS[key]) if key in WIDTHS else (rows,)
        made[key] = generator.uniform(-1, 1, shape).astype(np.float32)
    ends = np.arange(rows) % 7 == 6
    return made | {"terminals": ends & (np.arange(rows) % 2 == 0), "timeouts": ends & (np.arange(rows) % 2 == 1)}


def sound(path: Path, rows: int, **options: Any) -> Path:
    """Write a sound file and return its path; `options` are `h5py.File`'s."""
    with h5py.File(path, "w", **options) as file:
        for key, values in columns(rows).items():
            file.create_dataset(key, data=values)
    return path


def write_hostile(random: Random, path: Path) -> None:
    """Write a file of which one to three columns are of another make; some of them are sound all the same."""
    rows = random.choice((0, 1, 2, 3, 40, 40, 40))
    made = columns(rows)
    with h5py.File(path, "w", libver=random.choice((None, "latest"))) as file:
        odd = {random.choice(KEYS) for _ in range(random.choice((1, 1, 2, 3)))}
        for key, values in made.items():
            if key not in odd:
                file.create_dataset(key, data=values)
        for key in sorted(odd):
            make = random.choice(MAKES)
            try:
                make(random, file, key, made[key])
            except REFUSALS:
                file.pop(key, None)  # not even h5py writes such a thing: the column is missing instead
        if random.random() < 0.2:
            _extra(random, file)
    if path.stat().st_size > LONGEST:  # an index of chunks may be vast, and a hole in the file
        os.truncate(path, LONGEST)


def _type(random: Random, file: h5py.File, key: str, values: np.ndarray) -> None:
    with np.errstate(all="ignore"):
        file.create_dataset(key, data=(100 * values).astype(random.choice(NUMBERS)))


def _no_numbers(random: Random, file: h5py.File, key: str, values: np.ndarray) -> None:
    """Write strings, references, compounds, arrays of variable length: what h5py may make Python objects of."""
    vast = np.dtype((np.float32, (3,)))
    types = (
        "S5", h5py.string_dtype(), h5py.ref_dtype, h5py.regionref_dtype, h5py.vlen_dtype(np.float32), vast,
        np.dtype([("a", "f4"), ("b", h5py.ref_dtype)]), h5py.enum_dtype({"no": 0, "yes": 1}), np.dtype("V7"),
        h5py.opaque_dtype(np.dtype("<M8[s]")),
    )  # fmt: skip
    made = file.create_dataset(key, shape=values.shape, dtype=random.choice(types))
    if h5py.check_ref_dtype(made.dtype) is h5py.Reference and len(values):
        made[0] = file.ref


def _odd_float(random: Random, file: h5py.File, key: str, values: np.ndarray) -> None:
    """Write a float with fields of its own, or integers of a precision of their own."""
    kind = random.choice((h5py.h5t.IEEE_F32LE, h5py.h5t.STD_I32LE, h5py.h5t.IEEE_F64BE)).copy()
    if isinstance(kind, h5py.h5t.TypeFloatID):
        size = random.choice((2, 4, 8, 16))
        kind.set_size(size)
        kind.set_fields(8 * size - 1, random.choice((8, 20)), 8 * size - 21, 0, 8)
    else:
        kind.set_precision(random.choice((1, 7, 31)))
    space = h5py.h5s.create_simple(values.shape)
    h5py.h5d.create(file.id, key.replace("/", "_").encode(), kind, space)


def _value(random: Random, file: h5py.File, key: str, values: np.ndarray) -> None:
    """Write one number that no column may have."""
    changed = values.astype(np.float64)
    if changed.size:
        changed.flat[random.randrange(changed.size)] = random.choice((np.nan, np.inf, 1e300, -1e38, 2.0, 0.5, -0.0))
    file.create_dataset(key, data=changed)


def _shape(random: Random, file: h5py.File, key: str, values: np.ndarray) -> None:
    rows, *tail = values.shape
    shapes: tuple[tuple[int, ...], ...] = (
        (), (rows, 1), (rows, *tail, 1), (*tail, rows), (0, *tail), (rows, 0), (rows - 1, *tail), (rows + 1, *tail),
        (1,) * 32,
    )  # fmt: skip
    shape = random.choice(shapes)
    if random.random() < 0.1:
        file.create_dataset(key, data=h5py.Empty("f4"))
    else:
        file.create_dataset(key, data=np.resize(values, shape) if min(shape, default=0) >= 0 else 0.0)


def _vast(random: Random, file: h5py.File, key: str, values: np.ndarray) -> None:
    """Write a shape of which nothing is stored, so that it takes no room on the disk."""
    tail = values.shape[1:]
    shape = random.choice(((random.choice(VAST), *tail), (len(values), random.choice(VAST)), (random.choice(VAST),)))
    chunk = tuple(min(size, 64) for size in shape)
    made = file.create_dataset(key, shape=shape, dtype="f4", chunks=chunk, compression=random.choice((None, "gzip")))
    if random.random() < 0.5 and max(shape) <= 2**40:  # HDF5 2.0.0 crashes on writing to more
        made[(0,) * len(shape)] = 0.0  # one chunk


def _layout(random: Random, file: h5py.File, key: str, values: np.ndarray) -> None:
    """Write filters, chunks larger than what they hold, rows that were never stored."""
    options = random.choice(
        (
            {"compression": "gzip", "compression_opts": 9, "shuffle": True},
            {"compression": "lzf", "fletcher32": True},
            {"compression": "szip"},
            {"scaleoffset": 3},
            {"chunks": tuple(1000 for _ in values.shape), "maxshape": (None,) * values.ndim, "compression": "gzip"},
            {"fillvalue": random.choice((0, float("nan"), 0.5))},
            {"fletcher32": True},
        )
    )
    made = file.create_dataset(key, shape=values.shape, dtype="f4", **options)
    if random.random() < 0.7:
        made[...] = values


def _link(random: Random, file: h5py.File, key: str, values: np.ndarray) -> None:
    """Write links to nowhere, to other files, to themselves, and sound ones."""
    other = Path(file.filename).with_suffix(".other")
    if random.random() < 0.7:
        sound(other, len(values))
    file[key] = random.choice(
        (
            h5py.SoftLink("/nowhere"), h5py.SoftLink(f"/{key}"), h5py.SoftLink("/rewards"), h5py.SoftLink("."),
            h5py.ExternalLink(str(other), f"/{key}"), h5py.ExternalLink(file.filename, f"/{key}"),
            h5py.ExternalLink("/nowhere.hdf5", "/"), file["/"], np.dtype("f4"),
        )
    )  # fmt: skip


def _elsewhere(random: Random, file: h5py.File, key: str, values: np.ndarray) -> None:
    """Write rows that lie in other files: a virtual data set, or raw bytes."""
    if random.random() < 0.5:
        place = random.choice((__file__, "/dev/zero", "/etc/passwd", "nowhere.raw"))
        file.create_dataset(key, shape=values.shape, dtype="f4", external=[(place, 0, h5py.h5f.UNLIMITED)])
        return
    other = sound(Path(file.filename).with_suffix(".other"), len(values))
    layout = h5py.VirtualLayout(shape=values.shape, dtype="f4")
    layout[...] = h5py.VirtualSource(random.choice((str(other), ".", "/nowhere")), key, shape=values.shape)
    file.create_virtual_dataset(key, layout)


def _group(random: Random, file: h5py.File, key: str, values: np.ndarray) -> None:
    group = file.create_group(key)
    group[key] = values
    if random.random() < 0.5:
        group["again"] = random.choice((group, file["/"]))


def _missing(random: Random, file: h5py.File, key: str, values: np.ndarray) -> None:
    """Leave the column out."""


def _extra(random: Random, file: h5py.File) -> None:
    """Write names and attributes beside the columns."""
    for _ in range(random.choice((1, 3, 60))):
        name = random.choice(NAMES)
        file.attrs["x"] = name if isinstance(name, str) else "x"
        name = name + str(random.randrange(1000)).encode() if isinstance(name, bytes) else f"{name}{random.random()}"
        with contextlib.suppress(ValueError):  # the name is there already
            file.create_group(name)


MAKES: tuple[Callable[[Random, h5py.File, str, np.ndarray], None], ...] = (
    _type, _no_numbers, _odd_float, _value, _shape, _vast, _layout, _link, _elsewhere, _group, _missing,
)  # fmt: skip


def spoil(random: Random, path: Path, group: str) -> None:
    """Make one of a group's data sets, in a file that is there, of another make."""
    with h5py.File(path, "a") as file:
        key = random.choice(list(file[group]))
        values = file[group][key][()] if isinstance(file[group][key], h5py.Dataset) else np.zeros(3)
        del file[group][key]
        try:
            random.choice(MAKES)(random, file, f"{group}/{key}", np.asarray(values, np.float32))
        except REFUSALS:
            file[group].pop(key, None)
