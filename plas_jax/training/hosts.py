"""Several processes, one a host, as `jax.distributed` connects them: who they are, and what they must agree on.

Runs share nothing, so hosts meet only between chunks: to agree on when the next one ends, and to put together what
each of them found of its own runs.
"""

import json
import os
import re
from collections.abc import Callable
from typing import TypeVar

import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Mesh, NamedSharding

from plas_jax.training.chunk import AXIS, ON_RUNS
from plas_jax.training.layout import placed, runs_of_each
from plas_jax.types import Array, Tree

Value = TypeVar("Value")  # of JSON's

VARIABLE = "PLAS_JAX_HOSTS"
AUTO = "auto"
SHUTDOWN_SECONDS = 60  # that a process waits at its end for the others, which may have failed
EXPLICIT = re.compile(r"(?P<address>[^,\s]+:\d+),(?P<processes>\d+),(?P<index>\d+)")


def connect() -> None:
    """Join the other processes of a run, if $PLAS_JAX_HOSTS says that there are any, before anything touches JAX.

    "auto" leaves it to `jax.distributed.initialize`, which knows Slurm, Open MPI, Cloud TPU and Kubernetes; otherwise
    it is "address:port,processes,index". Raises `ValueError`, one line, for anything else and where nothing is
    detected.
    """
    how = os.environ.get(VARIABLE, "")
    if not how:
        return
    explicit = EXPLICIT.fullmatch(how)
    if how != AUTO and explicit is None:
        raise ValueError(f"{VARIABLE} takes auto or ADDRESS:PORT,PROCESSES,INDEX, not {how!r}")
    if explicit is None:
        _initialize()
    elif not int(explicit["index"]) < int(explicit["processes"]):
        raise ValueError(f"{VARIABLE}={how}: the index counts from 0 and is less than the number of processes")
    else:
        _initialize(explicit["address"], int(explicit["processes"]), int(explicit["index"]))


def _initialize(address: str | None = None, processes: int | None = None, index: int | None = None) -> None:
    try:
        jax.distributed.initialize(address, processes, index, shutdown_timeout_seconds=SHUTDOWN_SECONDS)
    except (ValueError, RuntimeError) as error:
        raise ValueError(f"{VARIABLE}: the processes could not be connected: {error}") from error


def is_first() -> bool:
    """Return whether this process is the one that writes files and speaks."""
    return jax.process_index() == 0


def agreed(value: Callable[[], Value]) -> Value:
    """Return what `value()` is on the first process, on all of them; it is called there alone. It must be JSON's.

    Raises what it raised there, a `ValueError` or an `OSError`, on every process as a `ValueError` of the same text.
    """
    if jax.process_count() == 1:
        return value()
    message = ""
    if is_first():
        try:
            message = json.dumps({"value": value()})
        except (ValueError, OSError) as error:
            message = json.dumps({"error": str(error)})
    answer = json.loads(_broadcast(message.encode()))
    if "error" in answer:
        raise ValueError(answer["error"])
    return answer["value"]


def largest(value: int) -> int:
    """Return the largest that it is on any process."""
    return value if jax.process_count() == 1 else int(multihost_utils.process_allgather(np.int32(value)).max())


def on_host(tree: Tree) -> Tree:
    """Return a tree of arrays as NumPy; those that are split between processes whole, on each of them."""

    def whole(leaf: Array | np.ndarray) -> np.ndarray:
        if isinstance(leaf, jax.Array) and not leaf.is_fully_addressable:
            return multihost_utils.process_allgather(leaf, tiled=True)
        return np.asarray(leaf)

    return jax.tree.map(whole, tree)


def joined(mesh: Mesh, runs: int, tree: Tree) -> Tree:
    """Put together on each process what each has of its `own_runs`: NumPy `[own runs, …]` to `[runs, …]`."""
    if jax.process_count() == 1:
        return tree
    slots = runs_of_each(mesh, runs) * len(mesh.local_devices)

    def whole(leaf: np.ndarray) -> np.ndarray:
        padded = np.concatenate([leaf, np.zeros((slots - len(leaf), *leaf.shape[1:]), leaf.dtype)])
        # As bytes: what counts in 64 bits would otherwise come back in 32.
        as_bytes = multihost_utils.process_allgather(padded.view(np.uint8), tiled=True)
        return np.ascontiguousarray(as_bytes).view(leaf.dtype)[:runs]

    return jax.tree.map(whole, tree)


def own_mesh(mesh: Mesh) -> Mesh:
    """Return those of a mesh's devices that this process drives."""
    return Mesh(np.array([device for device in mesh.devices.flat if device in mesh.local_devices]), (AXIS,))


def own_runs(mesh: Mesh, runs: int) -> slice:
    """Return which of so many runs this process's devices hold, padding left out."""
    each, places = runs_of_each(mesh, runs), [device in mesh.local_devices for device in mesh.devices.flat]
    first = places.index(True) * each
    return slice(first, min(runs, first + each * sum(places)))


def own_part(mesh: Mesh, tree: Tree) -> Tree:
    """Return what this process holds of a tree laid out over `mesh`, laid out over `own_mesh`; nothing is copied."""
    if jax.process_count() == 1:
        return tree
    own = own_mesh(mesh)

    def part(leaf: Array) -> Array:
        shards = [shard.data for shard in sorted(leaf.addressable_shards, key=lambda shard: shard.index[0].start or 0)]
        shape = (sum(len(shard) for shard in shards), *leaf.shape[1:])
        return jax.make_array_from_single_device_arrays(shape, NamedSharding(own, ON_RUNS), shards)

    return placed(part, tree)


def _broadcast(message: bytes) -> bytes:
    """Return the first process's message, on all of them."""
    length = int(multihost_utils.broadcast_one_to_all(np.int32(len(message))))
    padded = np.frombuffer(message[:length].ljust(length), np.uint8)
    return multihost_utils.broadcast_one_to_all(padded).astype(np.uint8).tobytes()
