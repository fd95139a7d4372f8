"""Laying a batch of runs out over devices: data on each of them, runs split between them."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding

from plas_jax.training.chunk import AXIS, ON_ALL, ON_RUNS
from plas_jax.types import Array


def use_every_core(cores: int) -> None:
    """Let each CPU core be a device of its own, in full float32; call before anything else touches JAX.

    One matrix product over two threads wastes what two products on a thread each do not (BUILD.md has the figures).
    Where there is an accelerator this changes nothing.
    """
    jax.config.update("jax_num_cpu_devices", cores)
    # Also where the device would rather multiply in TF32 or bfloat16.
    jax.config.update("jax_default_matmul_precision", "float32")


def run_mesh(runs: int) -> Mesh:
    """The devices for a batch of runs: all there are, but no more than runs."""
    return Mesh(np.array(jax.devices()[:runs]), (AXIS,))


def on_runs(mesh: Mesh, tree: Any) -> Any:
    """Split a tree with a leading axis of runs between the devices, the last run repeated to make it even."""

    def place(leaf: Any) -> Array:
        extra = -len(leaf) % mesh.size
        leaf = jnp.concatenate([leaf, jnp.repeat(leaf[-1:], extra, axis=0)]) if extra else leaf
        return jax.device_put(leaf, NamedSharding(mesh, ON_RUNS))

    return jax.tree.map(place, tree)


def on_all(mesh: Mesh, tree: Any) -> Any:
    """A copy of the tree on every device."""
    return jax.device_put(tree, NamedSharding(mesh, ON_ALL))
