"""The accelerators that a sweep can be planned for, with what their makers say of them.

Capacity, bandwidth and peaks are data sheets'. `launch_seconds` is no maker's figure but an assumption of this project,
printed beside every prediction and changed by --launch_microseconds.
"""

import importlib.util
import os
from typing import NamedTuple

import jax
from jax.experimental import topologies

from plas_jax.files.messages import unknown


class Chip(NamedTuple):
    """One device: what it holds, how fast it reads it, and how fast it multiplies in full float32."""

    platform: str  # cuda or tpu
    memory: float  # bytes
    usable: float  # the share of them that JAX allocates unless it is told otherwise
    bandwidth: float  # bytes/s of the main memory
    float32_peak: float  # FLOP/s of products in full float32, which is what this project multiplies in
    fast_peak: float  # FLOP/s of dense products in the precision the device would rather have, named next
    fast_precision: str
    launch_seconds: float  # from one kernel to the next, when neither has anything to do
    clock_rate: float | None = None  # Hz, of the cycles that the compiler estimates
    description: str = ""  # of a GPU, as XLA's GpuTargetConfigProto in text


class Target(NamedTuple):
    """So many chips of one kind, as JAX's topologies name them."""

    name: str
    chip: Chip
    topology: str
    devices: int


def _gpu(
    name: str,
    capability: tuple[int, int],
    bandwidth: float,
    float32_peak: float,
    tf32_peak: float,
    facts: dict[str, float],
) -> Chip:
    """Describe one of NVIDIA's GPUs of 80 GB; `facts` are what XLA's compiler asks of it besides.

    What these GPUs share: NVIDIA, CUDA C++ Programming Guide, "Compute Capabilities" (8.0 and 9.0 are alike in these).
    """
    facts = {
        "threads_per_warp": 32,
        "threads_per_block_limit": 1024,
        "threads_per_core_limit": 2048,
        "registers_per_core_limit": 65536,
        "registers_per_block_limit": 65536,
        "shared_memory_per_block": 48 * 1024,
        "block_dim_limit_x": 2**31 - 1,
        "block_dim_limit_y": 65535,
        "block_dim_limit_z": 65535,
        "device_memory_size": 80 * 10**9,
        "memory_bandwidth": int(bandwidth),
    } | facts
    lines = "\n".join(f"  {field}: {value}" for field, value in facts.items())
    description = f"""
gpu_device_info {{
  cuda_compute_capability {{ major: {capability[0]} minor: {capability[1]} }}
{lines}
}}
platform_name: "CUDA"
runtime_version {{ major: 13 minor: 0 patch: 0 }}
dnn_version_info {{ major: 9 minor: 12 patch: 0 }}
device_description_str: "{name}"
"""
    usable = 0.75  # XLA_PYTHON_CLIENT_MEM_FRACTION
    return Chip("cuda", 80e9, usable, bandwidth, float32_peak, tf32_peak, "TF32", 3e-6, description=description)


# NVIDIA H100 Tensor Core GPU data sheet, column SXM: 80 GB, 3.35 TB/s, FP32 67 TFLOP/s, TF32 989 TFLOP/s with sparsity,
# half of it without. NVIDIA H100 architecture white paper, table of SXM5: 132 SMs of 128 FP32 cores, 50 MB of L2,
# 228 KB of shared memory an SM (227 KB a block). 132 · 128 · 2 · 1.98 GHz (the boost clock) = 66.9 TFLOP/s.
H100 = _gpu("NVIDIA H100 80GB HBM3", (9, 0), bandwidth=3.35e12, float32_peak=67e12, tf32_peak=494.7e12, facts={
    "core_count": 132, "fpus_per_core": 128, "clock_rate_ghz": 1.98, "l2_cache_size": 50 * 2**20,
    "shared_memory_per_core": 228 * 1024, "shared_memory_per_block_optin": 227 * 1024,
})  # fmt: skip

# NVIDIA A100 Tensor Core GPU data sheet, column A100 80GB SXM: 80 GB, 2,039 GB/s, FP32 19.5 TFLOP/s, TF32 156 TFLOP/s
# dense. NVIDIA A100 architecture white paper: 108 SMs of 64 FP32 cores at 1.41 GHz, 40 MB of L2, 164 KB of shared
# memory an SM (163 KB a block).
A100 = _gpu("NVIDIA A100-SXM4-80GB", (8, 0), bandwidth=2.039e12, float32_peak=19.5e12, tf32_peak=156e12, facts={
    "core_count": 108, "fpus_per_core": 64, "clock_rate_ghz": 1.41, "l2_cache_size": 40 * 2**20,
    "shared_memory_per_core": 164 * 1024, "shared_memory_per_block_optin": 163 * 1024,
})  # fmt: skip

# NVIDIA H200 Tensor Core GPU data sheet, column SXM: 141 GB, 4.8 TB/s, arithmetic as the H100's. It is no target: its
# description would need its caches.
H200 = H100._replace(memory=141e9, bandwidth=4.8e12, description="")


def _tpu(memory: float, bandwidth: float, bfloat16_peak: float, clock_rate: float | None = None) -> Chip:
    """Describe one of Google's TPUs, all of whose memory can be had."""
    # It multiplies bfloat16 numbers; a product in full float32 is six of these (jax.lax.Precision.HIGHEST).
    float32_peak = bfloat16_peak / 6
    return Chip("tpu", memory, 1.0, bandwidth, float32_peak, bfloat16_peak, "bfloat16", 1e-6, clock_rate)


# Google Cloud, "TPU v5e": 16 GB, 819 GB/s, 197 TFLOP/s in bfloat16 a chip of four matrix units. With 128 × 128
# multiply-adds a cycle each, that is 1.5 GHz.
V5E = _tpu(16e9, 819e9, 197e12, clock_rate=1.5e9)
# Google Cloud, "TPU v6e": 32 GB, 1,638 GB/s, 918 TFLOP/s in bfloat16 a chip.
V6E = _tpu(32e9, 1638e9, 918e12)

# By what a device's own name has in it, as JAX tells it.
_KINDS = {"H100": H100, "H200": H200, "A100-SXM4-80GB": A100, "TPU v5 lite": V5E, "TPU v5e": V5E, "TPU v6": V6E}


def chip_of(device_kind: str) -> Chip | None:
    """Return what is known of a device of this kind, None where nobody has looked up its data sheet."""
    return next((chip for name, chip in _KINDS.items() if name in device_kind), None)


TARGETS = {
    target.name: target
    for target in (
        Target("h100", H100, "1x1x1", 1),
        Target("h100-8", H100, "1x1x8", 8),  # slices × hosts × GPUs of a host
        Target("a100", A100, "1x1x1", 1),
        Target("v5e-1x1", V5E, "v5e:1x1", 1),
        Target("v5e-2x2", V5E, "v5e:2x2", 4),
        Target("v5e-4x4", V5E, "v5e:4x4", 16),
        Target("v6e-1x1", V6E, "v6e:1x1", 1),
        Target("v6e-2x2", V6E, "v6e:2x2", 4),
    )
}
# What the compiler of a platform is in: the module, and the extra that installs it.
_COMPILERS = {"cuda": ("jax_plugins.xla_cuda13", "cuda-plan"), "tpu": ("libtpu", "tpu-plan")}


def target_of_flag(name: str | None) -> Target:
    """Return the target of --target. Raises `ValueError`, one line, for an unknown one, or without its compiler."""
    if name is None:
        raise ValueError(f"--target must be one of {', '.join(TARGETS)}")
    if name not in TARGETS:
        raise ValueError(f"--target: {name!r} is {unknown(name, list(TARGETS), 'target')}")
    target = TARGETS[name]
    module, extra = _COMPILERS[target.chip.platform]
    if not _is_installed(module):
        raise ValueError(
            f"--target={name} needs {module.split('.')[-1]}, a compiler that is not installed here: "
            f"pip install 'plas_jax[{extra}]'"
        )
    return target


def _is_installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # its package is missing
        return False


def environment_of(target: Target) -> dict[str, str]:
    """Return the variables with which JAX compiles for the target and asks for no device: set before it starts."""
    variables = os.environ | {
        "JAX_PLATFORMS": "cpu",  # runs nothing, but JAX wants a backend
        "CUDA_VISIBLE_DEVICES": "-1",
        "TPU_SKIP_MDS_QUERY": "1",  # else libtpu asks the cloud's metadata server who it is
        "ALLOW_MULTIPLE_LIBTPU_LOAD": "1",  # it only compiles
    }
    if target.chip.platform == "cuda":
        # There is no GPU to time variants of a kernel on.
        variables["XLA_FLAGS"] = f"{variables.get('XLA_FLAGS', '')} --xla_gpu_autotune_level=0".strip()
    return variables


def devices_of(target: Target) -> list[jax.Device]:
    """Return JAX's descriptions of the target's devices, in a process with its environment."""
    name, options = target.topology, dict[str, object]()
    if target.chip.platform == "cuda":
        name, options = "", {"topology": target.topology, "target_config": target.chip.description}
    elif target.devices == 1:
        options = {"chips_per_host_bounds": [1, 1, 1]}
    return list(topologies.get_topology_desc(name, target.chip.platform, **options).devices)
