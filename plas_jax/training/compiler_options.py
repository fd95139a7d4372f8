"""What XLA is asked for beside its defaults: as measured on a CPU (docs/performance.md), and what is yet untried."""

from functools import cache
from typing import NamedTuple

import jax
import jaxlib
from jax.sharding import Mesh

from plas_jax.types import State

# Of a product's weights, both ways. From here on Eigen's products beat those of YNNPACK, XLA's default. Eigen
# divides a product by the threads of XLA's pool and adds up in that order: as many as there are cores, or devices where
# those are more, or as $NPROC says. Processors with other numbers of cores round wide products otherwise.
WIDE = 300
FUSIONS = "xla_cpu_experimental_ynn_fusion_type"
EIGEN = (FUSIONS, "")
WHOLE_VECTORS = ("xla_cpu_prefer_vector_width", "512")  # where a processor has no such vectors it changes nothing
# Adam then writes new weights where the old ones lay, which are otherwise copied first.
IN_PLACE = ("xla_cpu_copy_insertion_use_region_analysis", True)
# This jaxlib, the last for Python 3.11, hands a product together with a reduction of it to YNNPACK, which is wrong from
# row 32,769 on where three numbers are summed up to two or three (jax issue 39103). XLA's defaults but for reductions
# are right. `-reduce` says the same in $XLA_FLAGS, and is no value of a program's own option. Reductions then add up in
# another order, so that what never has so many rows keeps the defaults, and its results.
MISCOMPILES_MANY_ROWS = "0.10.2"
PLAIN_REDUCTIONS = (FUSIONS, "LIBRARY_FUSION_TYPE_INDIVIDUAL_DOT,LIBRARY_FUSION_TYPE_INDIVIDUAL_CONVOLUTION")
# Transitions of an update: more than any published method has. None puts more than 32 rows of each through a product
# (CQL 31), so that these are at most 32,768.
LARGE_BATCH = 1024

Options = tuple[tuple[str, str | bool], ...]


class Variant(NamedTuple):
    """A way to compile the updates of a chunk. Trainings have `PLAIN`; the others wait for `plas-jax accelerator`."""

    name: str
    options: Options = ()  # beside those of every training
    updates_in_a_pass: int = 1  # of the loop whose end is told at run time
    unrolled: bool = True  # a pass's updates are written out; else a loop of known length counts them


PLAIN = Variant("plain")
# After each pass a GPU's host reads back whether there is another (XLA's `while_thunk.cc`): passes of several updates
# wait less often, and a loop inside whose length is known does not wait at all.
_PASSES = (
    Variant("2 updates a pass", updates_in_a_pass=2),
    Variant("4 updates a pass", updates_in_a_pass=4),
    Variant("64 counted in a pass", updates_in_a_pass=64, unrolled=False),
)
# XLA's defaults and WHILE, which `+WHILE` says in $XLA_FLAGS alone: the device itself then asks whether to go on.
_COMMANDS = "FUSION,CUBLAS,CUBLASLT,CUSTOM_CALL,CUDNN,DYNAMIC_SLICE_FUSION,WHILE"
_BUFFERS = (("xla_gpu_enable_command_buffer", _COMMANDS),)
_REGIONS = (("xla_gpu_command_buffer_scheduling_mode", "CONCURRENT_REGIONS"),)
_ONE_DNN = (("xla_cpu_use_onednn", True), ("xla_cpu_experimental_onednn_fusion_type", "LIBRARY_FUSION_TYPE_DOT"))
_VARIANTS = {
    "gpu": (Variant("command buffers +WHILE", _BUFFERS), Variant("CONCURRENT_REGIONS", _REGIONS), *_PASSES),
    "tpu": _PASSES,
    "cpu": (Variant("oneDNN's products", _ONE_DNN), *_PASSES),
}


def variants(platform: str) -> tuple[Variant, ...]:
    """Return every way to compile that there is for a platform, JAX's word for it, `PLAIN` first."""
    return PLAIN, *_VARIANTS.get(platform, ())


def is_cpu(mesh: Mesh) -> bool:
    """Return whether the devices are a processor's cores."""
    return mesh.devices.flat[0].platform == "cpu"


def compiler_options(mesh: Mesh, state: State) -> Options:
    """Return the options for training runs of this state (leading axis `[runs]`) on these devices."""
    widest = max((min(leaf.shape[-2:]) for leaf in jax.tree.leaves(state) if leaf.ndim > 2), default=0)
    return training_options(is_cpu(mesh), widest, state.architecture.batch_size)


def training_options(on_cpu: bool, widest: int, batch_size: int) -> Options:
    """Return the options for updates on so many transitions of networks whose widest product has so wide weights."""
    if not on_cpu:
        return ()
    fusions = _known(EIGEN) if widest >= WIDE else many_rows_options(on_cpu) if batch_size > LARGE_BATCH else ()
    return (*_known(WHOLE_VECTORS, IN_PLACE), *fusions)


def many_rows_options(on_cpu: bool) -> Options:
    """Return the options without which a product of more than 32,768 rows may be wrong: acting's and the gate's."""
    return _known(PLAIN_REDUCTIONS) if on_cpu and jaxlib.__version__ == MISCOMPILES_MANY_ROWS else ()


def _known(*options: tuple[str, str | bool]) -> Options:
    return tuple(option for option in options if _is_known(option))


@cache
def _is_known(option: tuple[str, str | bool]) -> bool:
    """Return whether this XLA has the option: they come and go between releases."""
    try:
        jax.jit(lambda: 0, compiler_options=dict([option])).lower().compile()
    except (jax.errors.JaxRuntimeError, ValueError):
        return False
    return True
