"""How long an update takes where a device reaches its data sheet: arithmetic, memory, launches, kernel by kernel."""

from collections.abc import Sequence
from typing import NamedTuple

from plas_jax.performance.planning.kernels import Kernel


class Peaks(NamedTuple):
    """What a device does at most, and what it loses between two kernels."""

    operations: float  # FLOP/s of products
    bandwidth: float  # bytes/s
    launch_seconds: float


class UpdateTime(NamedTuple):
    """Seconds of one update of all runs of a device."""

    arithmetic: float  # its products at the peak
    memory: float  # its traffic at the whole bandwidth
    launches: float  # what is lost between its kernels
    predicted: float


def kernel_seconds(kernel: Kernel, peaks: Peaks) -> float:
    """Predict one kernel: its launch, then the longer of its arithmetic and its traffic, which overlap."""
    return peaks.launch_seconds + max(kernel.operations / peaks.operations, kernel.bytes / peaks.bandwidth)


def update_time(kernels: Sequence[Kernel], peaks: Peaks) -> UpdateTime:
    """Predict one update: its kernels one after another, and no shorter than all traffic, in the background or not.

    A kernel's traffic counts what it reads from main memory; what a cache keeps from one kernel to the next is no
    traffic on the device, so that small states may be faster.
    """
    launched = [kernel for kernel in kernels if kernel.is_launched]
    memory = sum(kernel.bytes * kernel.times for kernel in kernels) / peaks.bandwidth
    one_after_another = sum(kernel_seconds(kernel, peaks) * kernel.times for kernel in launched)
    return UpdateTime(
        arithmetic=sum(kernel.operations * kernel.times for kernel in kernels) / peaks.operations,
        memory=memory,
        launches=peaks.launch_seconds * sum(kernel.times for kernel in launched),
        predicted=max(one_after_another, memory),
    )
