"""What a checkpoint says of itself, and what its folder may hold."""

import json
import os
import stat
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from plas_jax.types import Array

FORMAT = 1
METADATA_BYTES = 64 * 2**20  # more than Orbax writes beside the arrays of any batch


class Damaged(Exception):  # noqa: N818 - what it says of a checkpoint
    """A checkpoint that cannot be used; one line says why."""


class About(NamedTuple):
    """What a checkpoint is of: beside the format's version all that a restored one must agree with."""

    format: int
    of: str
    update: int
    runs: int
    slots: int  # the leading axis as it was laid out, the last run repeated
    leaves: int

    @classmethod
    def of_batch(cls, of: str, update: int, runs: int, leaves: Sequence[Any]) -> "About":
        """The facts of a batch of these leaves, `[slots, …]` each."""
        return cls(FORMAT, of, update, runs, len(leaves[0]), len(leaves))

    def as_json(self) -> dict[str, Any]:
        """The facts and their checksum, so that a flipped bit is not taken for another version."""
        return {**self._asdict(), "checksum": _checksum(self._asdict())}

    @classmethod
    def from_json(cls, found: Any) -> "About":
        """The facts as `as_json` made them.

        Raises `Damaged` for anything else, but `ValueError`, one line, for those of a newer plas_jax.
        """
        if not isinstance(found, dict) or found.get("checksum") != _checksum(
            {name: value for name, value in found.items() if name != "checksum"}
        ):
            raise Damaged("what it says of itself has another checksum")
        if isinstance(found.get("format"), int) and found["format"] > FORMAT:
            raise ValueError(
                f"the checkpoint of {found.get('of')} after {found.get('update')} updates has format "
                f"{found['format']}, which a newer plas_jax wrote; this one reads up to {FORMAT}"
            )
        try:
            return cls(**{name: value for name, value in found.items() if name != "checksum"})
        except TypeError:
            raise Damaged("what it says of itself is not what this version writes") from None

    def checked(self, of: str, update: int, runs: int) -> "About":
        """The facts themselves. Raises `Damaged` unless they are those of this many runs of `of` at `update`."""
        for name, found, wanted in (
            ("of", self.of, of), ("update", self.update, update), ("runs", self.runs, runs)
        ):  # fmt: skip
            if found != wanted:
                raise Damaged(f"its {name} is {found}, not {wanted}")
        # A mesh has no more devices than runs.
        if not isinstance(self.slots, int) or not runs <= self.slots < 2 * runs:
            raise Damaged(f"{self.slots} slots do not hold {runs} runs")
        return self


def refuse_strange_files(folder: Path, most_bytes: int) -> None:
    """Raise `Damaged` for links, pipes and devices, which reading would follow or wait for, and for far too much."""
    total = 0
    for inside, folders, files in os.walk(folder):
        for name in (*folders, *files):
            found = Path(inside, name).lstat()
            if not (stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode)):
                raise Damaged(f"{name} is neither a file nor a folder")
            total += found.st_size
    if total > most_bytes + METADATA_BYTES:
        raise Damaged(f"{total:,} bytes are more than such a checkpoint has")


def _checksum(facts: dict[str, Any]) -> int:
    return zlib.crc32(json.dumps(facts, sort_keys=True).encode())


def checksums(leaves: Sequence[np.ndarray]) -> np.ndarray:
    """The crc32 of every run's bytes in every leaf `[runs, …]`: uint32 `[runs, leaves]`."""
    return np.stack([_of_block(leaf) for leaf in leaves], axis=1)


def laid_out_checksums(leaves: Sequence[Array]) -> Array:
    """`checksums` of leaves that are split between devices, split as they are: a process reads its own runs alone."""
    columns: dict[Any, list[np.ndarray]] = {}
    for leaf in leaves:
        for shard in leaf.addressable_shards:
            columns.setdefault(shard.device, []).append(_of_block(np.asarray(shard.data)))
    blocks = [jax.device_put(np.stack(of_device, axis=1), device) for device, of_device in columns.items()]
    shape = (len(leaves[0]), len(leaves))
    return jax.make_array_from_single_device_arrays(shape, leaves[0].sharding, blocks)


def first_mismatch(found: np.ndarray, saved: np.ndarray) -> tuple[int, int] | None:
    """The first (run, leaf) whose checksum is another than the saved one, or None."""
    apart = np.argwhere(found != saved)
    return (int(apart[0][0]), int(apart[0][1])) if len(apart) else None


def _of_block(block: np.ndarray) -> np.ndarray:
    rows = np.ascontiguousarray(block)
    return np.array([zlib.crc32(rows[run : run + 1].data) for run in range(len(rows))], np.uint32)
