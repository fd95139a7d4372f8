"""A group whose runs do not fit into memory together is cut into waves that do, trained one after the other.

A run's draws depend on its seed and its data set's name alone, so waves change no result. All waves of a group have the
same shape, so that they share its programs.
"""

import os
import re
from collections.abc import Callable, Sequence
from itertools import product
from pathlib import Path

import jax

from plas_jax.datasets.catalogue import Dataset
from plas_jax.results.manifest import MethodRecord
from plas_jax.sweeps.groups import Group, gigabytes, lines, memory
from plas_jax.training.hosts import agreed

VARIABLE = "PLAS_JAX_MEMORY"  # what may be used, instead of what is free
SHARE = 0.8  # of what is free: programs, compilers and other people need memory, too
UNITS = {"": 1, "MB": 10**6, "GB": 10**9, "TB": 10**12}
Rows = Callable[[Sequence[Dataset]], int]


def planned(groups: Sequence[Group], rows: Rows, before: MethodRecord | None) -> tuple[list[Group], list[str]]:
    """Return the groups in waves that fit into the memory that may be used, and what a user reads of both.

    `rows` and `before` are those of `waves`. Raises `ValueError` as `available` and `waves` do.
    """
    free = agreed(available)
    parted = [waves(group, rows, free, before) for group in groups]
    text = lines(groups, [rows(group.datasets) for group in groups])
    text += [line for parts in parted for line in wave_lines(parts, rows, free)]
    return [part for parts in parted for part in parts], text


def available() -> int | None:
    """Return how many bytes a sweep may use on each device, or of the machine where devices are cores; None if unknown.

    Raises `ValueError`, one line, where $PLAS_JAX_MEMORY is no amount.
    """
    text = os.environ.get(VARIABLE, "")
    if text:
        amount = re.fullmatch(r"(\d+(?:\.\d+)?) ?(MB|GB|TB|)", text)
        if amount is None or float(amount[1]) <= 0:
            raise ValueError(f"{VARIABLE} takes an amount such as 12GB or 500MB, not {text!r}")
        return int(float(amount[1]) * UNITS[amount[2]])
    free = _of_machine() if jax.default_backend() == "cpu" else _of_device()
    return None if free is None else int(SHARE * free)


def _of_device() -> int | None:
    known = [device.memory_stats() or {} for device in jax.local_devices()]
    free = [counts["bytes_limit"] - counts.get("bytes_in_use", 0) for counts in known if "bytes_limit" in counts]
    return min(free, default=None)


def _of_machine() -> int | None:
    """Return the bytes that Linux calls available, or less where a container may have less."""
    free = [int(amount) * 1024 for amount in _numbers("/proc/meminfo", r"MemAvailable:\s+(\d+) kB")]
    for limit in _numbers("/sys/fs/cgroup/memory.max", r"(\d+)"):
        free += [int(limit) - int(used) for used in _numbers("/sys/fs/cgroup/memory.current", r"(\d+)")]
    return min(free, default=None)


def _numbers(file: str, pattern: str) -> list[str]:
    try:
        return re.findall(pattern, Path(file).read_text(encoding="utf-8"))[:1]
    except OSError:
        return []


def waves(group: Group, rows: Rows, free: int | None, before: MethodRecord | None = None) -> list[Group]:
    """Return the fewest waves that fit into `free` bytes, the smallest if none do; seeds are parted before data sets.

    `rows` counts the rows of data sets. `before` is the record of a sweep that is resumed, which stays as it was cut.
    """
    cuts = sorted(product(_divisors(len(group.datasets)), _divisors(len(group.seeds))), key=lambda cut: cut[0] * cut[1])
    for record in () if before is None else before.groups.values():
        if record.whole == group.name:
            cuts = [cut for cut in cuts if list(cut) == record.cut]
            if not cuts:
                raise ValueError(f"the manifest has {group.name} cut into {record.cut}, which is no way to cut it")
    for cut in cuts:
        parts = _cut(group, *cut)
        if free is None or max(sum(memory(part, rows(part.datasets))) for part in parts) <= free:
            return parts
    return parts


def _divisors(number: int) -> list[int]:
    return [divisor for divisor in range(1, number + 1) if number % divisor == 0]


def _cut(group: Group, of_datasets: int, of_seeds: int) -> list[Group]:
    count = of_datasets * of_seeds
    if count == 1:
        return [group]
    each, seeds = len(group.datasets) // of_datasets, len(group.seeds) // of_seeds
    return [
        group._replace(
            name=f"{group.name}-wave-{place + 1}-of-{count}",
            datasets=group.datasets[each * data : each * (data + 1)],
            seeds=group.seeds[seeds * seed : seeds * (seed + 1)],
            whole=group.name,
            cut=(of_datasets, of_seeds),
        )
        # Waves of the same data sets follow each other, so that these are loaded once.
        for place, (data, seed) in enumerate(product(range(of_datasets), range(of_seeds)))
    ]


def wave_lines(parts: Sequence[Group], rows: Rows, free: int | None) -> list[str]:
    """List what a user reads of a group's waves before the sweep starts: nothing where there is one and it fits."""
    needed = max(sum(memory(part, rows(part.datasets))) for part in parts)
    if free is not None and needed > free:
        fits = f"needs {gigabytes(needed)} where {gigabytes(free)} may be used, and cannot be parted further"
        return [f"warning: {parts[0].name} {fits}"]
    if len(parts) == 1:
        return []
    limit = "" if free is None else f", since {gigabytes(free)} may be used"
    return [f"{parts[0].whole}: {len(parts)} waves of {parts[0].runs} runs, {gigabytes(needed)} each{limit}"]
