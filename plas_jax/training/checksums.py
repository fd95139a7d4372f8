"""Checksums of a batch: one for each run and leaf, so that they hold however the runs are laid out over devices."""

import zlib
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from plas_jax.types import Array


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
