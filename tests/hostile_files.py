"""Files that nobody honest writes, and readers that go wrong on purpose."""

import ctypes
import json
import zipfile
import zlib

import h5py
import numpy as np
from fuzzing.hostile_hdf5 import columns, sound
from fuzzing.target import Target

from plas_jax.results.rows import Row

ROWS = 40
DEEP = "[" * 100_000


# HDF5, each a change to an open sound file


def replaced(key, make):
    """A change that puts something of another make in a column's place."""

    def change(file, path):
        del file[key]
        make(file, path)

    return change


def vast(file, path):
    file.create_dataset("observations", shape=(10**12, 11), dtype="f4", chunks=(64, 11))


def vast_and_packed(file, path):
    file.create_dataset("observations", shape=(2 * 10**7, 11), dtype="f4", chunks=(64, 11), compression="gzip")


def beyond_a_length(file, path):
    file.create_dataset("observations", shape=(2**62, 11), dtype="f4", chunks=(64, 11))


def vast_chunk(file, path):
    file.create_dataset("rewards", shape=(ROWS,), maxshape=(None,), chunks=(10**8,), compression="gzip")


def many_pieces(file, path):
    """Within what may be missing, 40 MB, but HDF5 needs 4 kB for each piece that it reads or fills in."""
    file.create_dataset("rewards", shape=(10**7,), dtype="f4", chunks=(3,))


def external_link(file, path):
    file["rewards"] = h5py.ExternalLink(str(sound(path.with_name("other.hdf5"), ROWS)), "/rewards")


def external_group(file, path):
    file["infos"] = h5py.ExternalLink(str(sound(path.with_name("other.hdf5"), ROWS)), "/infos")


def virtual(file, path):
    layout = h5py.VirtualLayout(shape=(ROWS,), dtype="f4")
    layout[...] = h5py.VirtualSource(str(sound(path.with_name("other.hdf5"), ROWS)), "rewards", shape=(ROWS,))
    file.create_virtual_dataset("rewards", layout)


def raw_bytes_elsewhere(file, path):
    other = path.with_name("other.raw")
    other.write_bytes(np.zeros(ROWS, np.float32).tobytes())
    file.create_dataset("rewards", shape=(ROWS,), dtype="f4", external=[(str(other), 0, 4 * ROWS)])


def circle(file, path):
    file["rewards"] = h5py.SoftLink("/rewards")


def nowhere(file, path):
    file["rewards"] = h5py.SoftLink("/nowhere")


def references(file, path):
    file.create_dataset("rewards", shape=(ROWS,), dtype=h5py.ref_dtype)


def strings(file, path):
    file.create_dataset("rewards", data=["1"] * ROWS)


def strange_float(file, path):
    kind = h5py.h5t.IEEE_F64LE.copy()
    kind.set_fields(63, 42, 20, 0, 42)
    h5py.h5d.create(file.id, b"rewards", kind, h5py.h5s.create_simple((ROWS,)))


def deflated(inflated, times):
    """A chunk of 40 numbers that inflates to `inflated` bytes, compressed `times` over."""

    def change(file, path):
        made = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        made.set_chunk((ROWS,))
        for _ in range(times):
            made.set_deflate(9)
        space = h5py.h5s.create_simple((ROWS,))
        stored = h5py.h5d.create(file.id, b"rewards", h5py.h5t.IEEE_F32LE, space, made)
        packed = bytes(inflated)
        for _ in range(times):
            packed = zlib.compress(packed, 9)
        stored.write_direct_chunk((0,), packed)

    return change


def odd_names(file, path):
    for name in (b"\xff\xfe", b"two\nlines", b"\x1b[2J", b"x" * 5000, *(b"name %d" % place for place in range(300))):
        file.create_group(name)


HDF5 = {
    "vast": (replaced("observations", vast), "observations: shape [1000000000000, 11] takes 44,000 GB"),
    "packed": (replaced("observations", vast_and_packed), "is claimed, and 0 bytes are stored"),
    "length": (replaced("observations", beyond_a_length), "observations: shape"),
    "chunk": (replaced("rewards", vast_chunk), "rewards: shape [40] is claimed"),
    "pieces": (replaced("rewards", many_pieces), "rewards: in 3,333,334 chunks of shape [3], more than the 131,072"),
    "external": (replaced("rewards", external_link), "rewards: a link to another file, which is not followed"),
    "virtual": (replaced("rewards", virtual), "rewards: its rows lie in other files"),
    "raw": (replaced("rewards", raw_bytes_elsewhere), "rewards: its rows lie in other files"),
    "circle": (replaced("rewards", circle), "rewards: a link to another name, which is not followed"),
    "nowhere": (replaced("rewards", nowhere), "rewards: a link to another name"),
    "references": (replaced("rewards", references), "rewards: not an array of numbers"),
    "strings": (replaced("rewards", strings), "rewards: not an array of numbers"),
    "float": (replaced("rewards", strange_float), "rewards: damaged"),
    "bomb": (replaced("rewards", deflated(2 * 10**8, 1)), "rewards: a chunk of 160 bytes takes"),
    "twice": (replaced("rewards", deflated(2 * 10**8, 2)), "rewards: compressed more than once"),
    "names": (replaced("rewards", odd_names), "rewards: this key is missing", "…"),
}
EXTERNAL_STATES = replaced("infos", external_group)


# Rows

HEADER = ",".join(Row._fields) + "\n"
LINE = "hopper-medium-r1,plas,0,0.0,2.0,1.0,,d4rl,3,0,500,10.0,1.0,\n"


# Archives


def archive(path, members):
    """A zip file of these bytes by name."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in members.items():
            file.writestr(name, data)
    return path


def header(shape, kind="<f4"):
    """What opens an array of this shape in NumPy's format; no number follows."""
    text = str({"descr": kind, "fortran_order": False, "shape": shape}).ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode()


def claiming(path, size):
    """An archive whose directory says that its member has `size` bytes."""
    archive(path, {"a.npy": header((2,)) + bytes(8)})
    data = bytearray(path.read_bytes())
    place = data.rindex(b"PK\x01\x02")
    data[place + 24 : place + 28] = size.to_bytes(4, "little")
    path.write_bytes(data)
    return path


# Readers that go wrong, for what watches them


def wrong_readers():
    """What each file's first word asks for."""

    def read(path):
        word = path.read_text()
        if word == "crash":
            ctypes.string_at(0)
        elif word == "hang":
            while True:
                pass
        elif word == "memory":
            return np.ones(140 * 2**20).sum()
        elif word == "recursion":
            json.loads(DEEP)
        elif word == "unnamed":
            raise ValueError("something is wrong somewhere")
        elif word == "named":
            raise ValueError(f"{path}: is\nwrong")
        return columns(3)

    return Target(lambda random, path: path.write_text("fine"), read)
