"""What XLA is asked for on a CPU beside its defaults: measured, each attempt in docs/performance.md."""

from functools import cache

import jax
from jax.sharding import Mesh

from plas_jax.types import State

# Of a product's weights, both ways. From here on Eigen's products beat those of YNNPACK, XLA's default. Eigen
# divides a product by the threads of XLA's pool and adds up in that order: as many as there are cores, or devices where
# those are more, or as $NPROC says. Processors with other numbers of cores round wide products otherwise.
WIDE = 300
EIGEN = ("xla_cpu_experimental_ynn_fusion_type", "")
WHOLE_VECTORS = ("xla_cpu_prefer_vector_width", "512")  # where a processor has no such vectors it changes nothing
# Adam then writes new weights where the old ones lay, which are otherwise copied first.
IN_PLACE = ("xla_cpu_copy_insertion_use_region_analysis", True)

Options = tuple[tuple[str, str | bool], ...]


def is_cpu(mesh: Mesh) -> bool:
    """Return whether the devices are a processor's cores."""
    return mesh.devices.flat[0].platform == "cpu"


def compiler_options(mesh: Mesh, state: State) -> Options:
    """Return the options for training runs of this state (leading axis `[runs]`) on these devices."""
    if not is_cpu(mesh):
        return ()
    widest = max((min(leaf.shape[-2:]) for leaf in jax.tree.leaves(state) if leaf.ndim > 2), default=0)
    wanted: Options = (WHOLE_VECTORS, IN_PLACE, *((EIGEN,) if widest >= WIDE else ()))
    return tuple(option for option in wanted if _is_known(option))


@cache
def _is_known(option: tuple[str, str | bool]) -> bool:
    """Return whether this XLA has the option: they come and go between releases."""
    try:
        jax.jit(lambda: 0, compiler_options=dict([option])).lower().compile()
    except (jax.errors.JaxRuntimeError, ValueError):
        return False
    return True
