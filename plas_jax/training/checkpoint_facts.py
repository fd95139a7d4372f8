"""What a checkpoint says of itself, the checksums of its runs, and what its folder may hold."""

import json
import os
import stat
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

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
    subject: str  # "of" in the file
    update: int
    runs: int
    slots: int  # the leading axis as it was laid out, the last run repeated
    leaves: int

    @classmethod
    def of_batch(cls, subject: str, update: int, runs: int, leaves: Sequence[Array | np.ndarray]) -> "About":
        """Return the facts of a batch of these leaves, `[slots, …]` each."""
        return cls(FORMAT, subject, update, runs, len(leaves[0]), len(leaves))

    def as_json(self) -> dict[str, str | int]:
        """Return the facts and their checksum, so that a flipped bit is not taken for another version."""
        facts = {"of" if name == "subject" else name: value for name, value in self._asdict().items()}
        return {**facts, "checksum": _checksum(facts)}

    @classmethod
    def from_json(cls, content: object) -> "About":
        """Return the facts as `as_json` made them.

        Raises `Damaged` for anything else, but `ValueError`, one line, for those of a newer plas_jax.
        """
        facts = dict(content) if isinstance(content, dict) else {}
        if facts.pop("checksum", None) != _checksum(facts):
            raise Damaged("what it says of itself has another checksum")
        if isinstance(facts.get("format"), int) and facts["format"] > FORMAT:
            raise ValueError(
                f"the checkpoint of {facts.get('of')} after {facts.get('update')} updates has format "
                f"{facts['format']}, which a newer plas_jax wrote; this one reads up to {FORMAT}"
            )
        try:
            return cls(subject=facts.pop("of"), **facts)
        except (KeyError, TypeError):
            raise Damaged("what it says of itself is not what this version writes") from None

    def checked(self, subject: str, update: int, runs: int) -> "About":
        """Return the facts. Raises `Damaged` unless they are those of this many runs of `subject` at `update`."""
        for name, stated, wanted in (
            ("subject", self.subject, subject), ("update", self.update, update), ("runs", self.runs, runs)
        ):  # fmt: skip
            if stated != wanted:
                raise Damaged(f"its {name} is {stated}, not {wanted}")
        # A mesh has no more devices than runs.
        if not isinstance(self.slots, int) or not runs <= self.slots < 2 * runs:
            raise Damaged(f"{self.slots} slots do not hold {runs} runs")
        return self


def refuse_strange_files(folder: Path, most_bytes: int) -> None:
    """Raise `Damaged` for links, pipes and devices, which reading would follow or wait for, and for far too much."""
    total = 0
    for inside, folders, files in os.walk(folder):
        for name in (*folders, *files):
            status = Path(inside, name).lstat()
            if not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
                raise Damaged(f"{name} is neither a file nor a folder")
            total += status.st_size
    if total > most_bytes + METADATA_BYTES:
        raise Damaged(f"{total:,} bytes are more than such a checkpoint has")


def _checksum(facts: Mapping[str, object]) -> int:
    return zlib.crc32(json.dumps(facts, sort_keys=True).encode())


def checksums(leaves: Sequence[np.ndarray]) -> np.ndarray:
    """Return the crc32 of every run's bytes in every leaf `[runs, …]`: uint32 `[runs, leaves]`."""
    return np.stack([_of_block(leaf) for leaf in leaves], axis=1)


def laid_out_checksums(leaves: Sequence[Array]) -> Array:
    """Return `checksums` of leaves that are split between devices, split as they are: a process reads its own runs."""
    columns: dict[jax.Device, list[np.ndarray]] = {}
    for leaf in leaves:
        for shard in leaf.addressable_shards:
            columns.setdefault(shard.device, []).append(_of_block(np.asarray(shard.data)))
    blocks = [jax.device_put(np.stack(of_device, axis=1), device) for device, of_device in columns.items()]
    shape = (len(leaves[0]), len(leaves))
    return jax.make_array_from_single_device_arrays(shape, leaves[0].sharding, blocks)


def first_mismatch(computed: np.ndarray, saved: np.ndarray) -> tuple[int, int] | None:
    """Return the first (run, leaf) whose checksum is another than the saved one, or None."""
    apart = np.argwhere(computed != saved)
    return (int(apart[0][0]), int(apart[0][1])) if len(apart) else None


def _of_block(block: np.ndarray) -> np.ndarray:
    rows = np.ascontiguousarray(block)
    return np.array([zlib.crc32(rows[run : run + 1].data) for run in range(len(rows))], np.uint32)
