"""All that is measured of a device, row after row: what it is, whether it computes rightly, how fast it trains."""

import os
import platform
import subprocess
from collections.abc import Collection, Iterator
from importlib.metadata import version

import jax

from plas_jax.performance.accelerator import parity, speed
from plas_jax.performance.accelerator.programs import Row, Way, ways
from plas_jax.performance.accelerator.request import Extent
from plas_jax.results.circumstances import PACKAGES, device, git_commit
from plas_jax.training.processor import processor_name
from plas_jax.training.soundness import refuse_unsound_machine

END: Row = {"measure": "end"}
ASKED = "name,driver_version,memory.total,clocks.max.sm,power.limit"
DRIVER = ("nvidia-smi", f"--query-gpu={ASKED}", "--format=csv,noheader")
Key = tuple[str, ...]


def key(row: Row) -> Key:
    """Return what tells a row from every other one."""
    return tuple(str(row.get(name, "")) for name in ("measure", "method", "widths", "runs", "way"))


def rows(extent: Extent, done: Collection[Key] = ()) -> Iterator[Row]:
    """Measure what is not done yet; yield a row for each thing, `END` last. In a process that has the device to itself.

    Raises `ValueError` where programs of this machine come to other numbers than NumPy's.
    """
    yield facts()
    refuse_unsound_machine()
    every = ways(jax.default_backend())
    # PLAS is compared in every way that is measured, so that none is fast and wrong; the others as a sweep trains them.
    for method in parity.METHODS:
        several = every if method == speed.METHOD else every[:1]
        wanted = _lacking({"measure": "parity", "method": method}, several, done)
        if wanted:
            yield from parity.rows(method, wanted)
    for widths, runs in extent.batches:
        wanted = _lacking({"measure": "speed", "widths": widths, "runs": runs}, every, done)
        if wanted:
            yield from speed.rows(widths, runs, wanted, extent)
    yield END


def _lacking(row: Row, several: list[Way], done: Collection[Key]) -> list[Way]:
    return [way for way in several if key(row | {"way": way.name}) not in done]


def facts() -> Row:
    """Return what is measured on: device, driver, host and versions."""
    return {
        "measure": "device",
        "device": device(),
        "platform": jax.default_backend(),
        "driver": driver(),
        "host": f"{os.cpu_count()} cores, {processor_name()}, {platform.platform()}",
        "versions": {name: version(name) for name in (*PACKAGES, "jaxlib")} | {"python": platform.python_version()},
        "git_commit": git_commit(),
    }


def driver() -> str:
    """Return what the device's runtime calls itself, with what NVIDIA's driver says where there is one."""
    runtime = " ".join(str(getattr(jax.devices()[0].client, "platform_version", "")).split())
    try:
        done = subprocess.run(DRIVER, capture_output=True, text=True, check=False, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return runtime
    return "; ".join([runtime, *done.stdout.split("\n")]).strip("; ") if done.returncode == 0 else runtime
