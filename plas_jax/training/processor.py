"""The processor that computes here: what it is called, which programs it can run, how much memory it took."""

import hashlib
import platform
import resource
import sys
from pathlib import Path

import jax

INFORMATION = Path("/proc/cpuinfo")  # of Linux
INSTRUCTION_SET = ("model name", "flags", "Features")  # the lines that tell which instructions there are


def processor_name() -> str:
    """Return the processor's name in words."""
    names = [line.split(":", 1)[1].strip() for line in _lines("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def instruction_set() -> str:
    """Return a name for the processor's instruction set, for folders of what is compiled for it."""
    facts = "".join(_lines(*INSTRUCTION_SET)) if INFORMATION.exists() else platform.processor()
    return f"{platform.machine()}-{hashlib.sha256(facts.encode()).hexdigest()[:12]}"


def peak_memory() -> int:
    """Return the bytes of this process's device's peak where it counts its own memory, otherwise of the process's."""
    statistics = jax.local_devices()[0].memory_stats() or {}
    unit = 1 if sys.platform == "darwin" else 1024
    in_process = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    return int(statistics.get("peak_bytes_in_use", in_process))


def _lines(*beginnings: str) -> list[str]:
    if not INFORMATION.exists():
        return []
    return [line for line in INFORMATION.read_text(encoding="utf-8").splitlines() if line.startswith(beginnings)]
