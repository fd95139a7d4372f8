"""Laying a batch of runs out over devices: runs split between them, to each the data sets of its runs."""

import os
import warnings
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding

from plas_jax.datasets.minibatch import Rows
from plas_jax.training.chunk import AXIS, ON_RUNS
from plas_jax.training.compiler_options import is_cpu
from plas_jax.types import Array, Transition, Tree


def use_every_core(cores: int) -> None:
    """Let each CPU core be a device of its own, in full float32; call before anything else touches JAX.

    One matrix product over two threads wastes what two products on a thread each do not (docs/performance.md).
    Where there is an accelerator this changes nothing, and $JAX_NUM_CPU_DEVICES, where it is set, stays as it is.
    """
    if "JAX_NUM_CPU_DEVICES" not in os.environ and jax.config.values["jax_num_cpu_devices"] != cores:
        try:
            jax.config.update("jax_num_cpu_devices", cores)
        except RuntimeError:
            # In Python somebody may have used JAX before: as many devices as there are will do, if not as fast.
            warnings.warn(
                f"JAX has begun with {jax.device_count()} devices; begin with plas_jax, or set "
                f"JAX_NUM_CPU_DEVICES={cores}, to use every core",
                stacklevel=2,
            )
    # Also where the device would rather multiply in TF32 or bfloat16.
    jax.config.update("jax_default_matmul_precision", "float32")


def run_mesh(runs: int, devices: Sequence[jax.Device] | None = None) -> Mesh:
    """Return the devices for a batch of runs: all there are, or all of these, but no more than runs.

    With several hosts as many of each, and at least one: a host whose devices had no part could not follow the rest.
    """
    hosts = jax.process_count()
    devices = jax.devices() if devices is None else devices
    if hosts == 1:
        return Mesh(np.array(devices[:runs]), (AXIS,))
    of_hosts = [[device for device in devices if device.process_index == host] for host in range(hosts)]
    each = max(1, min(runs // hosts, *map(len, of_hosts)))
    return Mesh(np.array([device for of_host in of_hosts for device in of_host[:each]]), (AXIS,))


def host_mesh(runs: int) -> Mesh:
    """Return the cores of this process's host as devices for so many runs: policies are played there.

    Raises `ValueError`, one line, where JAX was told to leave them out.
    """
    try:
        cores = jax.local_devices(backend="cpu")
    except RuntimeError as error:
        raise ValueError("JAX_PLATFORMS must name cpu, too: policies are played on the host's cores") from error
    return Mesh(np.array(cores[: max(1, runs)]), (AXIS,))


def on_runs(mesh: Mesh, tree: Tree) -> Tree:
    """Split a tree with a leading axis of runs between the devices, the last run repeated to make it even.

    Every host must hold the whole tree.
    """

    def place(leaf: Array | np.ndarray) -> Array:
        leaf = np.asarray(leaf)
        extra = -len(leaf) % mesh.size
        leaf = np.concatenate([leaf, np.repeat(leaf[-1:], extra, axis=0)]) if extra else leaf
        return jax.make_array_from_callback(leaf.shape, NamedSharding(mesh, ON_RUNS), lambda index: leaf[index])

    return placed(place, tree)


def placed(place: Callable[[Array], Array], tree: Tree) -> Tree:
    """Return a tree with each array where `place` puts it; of keys it is given what they hold."""

    def of_leaf(leaf: Array) -> Array:
        if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            return jax.random.wrap_key_data(place(jax.random.key_data(leaf)), impl=jax.random.key_impl(leaf))
        return place(leaf)

    return jax.tree.map(of_leaf, tree)


def runs_of_each(mesh: Mesh, runs: int) -> int:
    """Return how many runs each device has, where so many are made even."""
    return -(-runs // mesh.size)


def datasets_on(mesh: Mesh, sizes: np.ndarray, datasets: np.ndarray) -> list[list[int]]:
    """Return the data sets that each device holds, by their places in the rows.

    `datasets` are those that runs have, `[runs]`, and `sizes` has the rows of each data set. An accelerator holds those
    of its own runs. The cores of a processor share one memory, in which one copy of all is enough for all.
    """
    if is_cpu(mesh):
        return [list(range(len(sizes)))] * mesh.size
    each = runs_of_each(mesh, len(datasets))
    slots = np.concatenate([datasets, np.repeat(datasets[-1], each * mesh.size - len(datasets))])
    return [sorted(set(of_device.tolist())) for of_device in slots.reshape(mesh.size, each)]


def most_rows(mesh: Mesh, sizes: np.ndarray, datasets: np.ndarray) -> int:
    """Return the most rows that a device holds."""
    return max(int(sizes[held].sum()) for held in datasets_on(mesh, sizes, datasets))


def starts_on(mesh: Mesh, rows: Rows, datasets: np.ndarray) -> np.ndarray:
    """Return where each run's rows start among those of its device, int32 `[runs]`."""
    held, each = datasets_on(mesh, rows.size, datasets), runs_of_each(mesh, len(datasets))
    starts = [_starts(rows, held[slot // each])[dataset] for slot, dataset in enumerate(datasets.tolist())]
    return np.array(starts, np.int32)


def data_on(mesh: Mesh, rows: Rows, datasets: np.ndarray) -> Transition:
    """Hand to each device the rows of its data sets, end to end, `[devices × most rows of a device, …]`.

    No update then needs another device's memory. Rows that a device lacks to the most are zeros that nobody draws.
    """
    held, most = datasets_on(mesh, rows.size, datasets), most_rows(mesh, rows.size, datasets)
    mine = [(device, held[place]) for place, device in enumerate(mesh.devices.flat) if _is_local(device)]

    def place(column: np.ndarray) -> Array:
        parts = [jax.device_put(_gathered(column, rows, of_device, most), device) for device, of_device in mine]
        shape = (len(parts[0]) * mesh.size, *column.shape[1:])
        return jax.make_array_from_single_device_arrays(shape, NamedSharding(mesh, ON_RUNS), parts)

    return jax.tree.map(place, rows.transitions)


def _is_local(device: jax.Device) -> bool:
    return device.process_index == jax.process_index()


def _starts(rows: Rows, held: list[int]) -> dict[int, int]:
    ends = np.cumsum(rows.size[held])
    return dict(zip(held, (ends - rows.size[held]).tolist(), strict=True))


def _gathered(column: np.ndarray, rows: Rows, held: list[int], most: int) -> np.ndarray:
    if len(held) == len(rows.size):
        return column  # as it lies: on a CPU the devices then read it where it is
    parts = [column[rows.start[dataset] : rows.start[dataset] + rows.size[dataset]] for dataset in held]
    missing = most - sum(map(len, parts))
    return np.concatenate([*parts, np.zeros((missing, *column.shape[1:]), column.dtype)])
