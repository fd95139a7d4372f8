"""One sitting at a borrowed device: data made on the side, everything measured, and training with what time is left.

The device is only touched by processes of its own, one after another: a TPU takes no two, and one that hangs is left.
"""

import os
import subprocess
import sys
import time
from contextlib import suppress
from functools import partial

from plas_jax.performance.accelerator.measuring import END, Key, key, rows
from plas_jax.performance.accelerator.programs import BEGUN, Row
from plas_jax.performance.accelerator.record import Record
from plas_jax.performance.accelerator.request import AcceleratorRequest
from plas_jax.performance.accelerator.training import (
    FOLDER,
    LEAST_SECONDS,
    PLAS_JAX,
    data_being_made,
    standing,
    trained_until,
    words,
)
from plas_jax.performance.throughput.processes import starting_cold

MEASURING = 0.5  # of the minutes at most; training has the rest


def sit(request: AcceleratorRequest, command: str) -> Record:
    """Spend the minutes; return what was measured. Raises as `Record` does."""
    started = time.monotonic()
    record = Record(request.output, command, request.resume)
    with data_being_made(request) as making:
        measure(request, record, started + MEASURING * 60 * request.minutes)
        say("wait for the data")
        deadline = started + 60 * request.minutes
        for process in making:
            with suppress(subprocess.TimeoutExpired):  # training makes what is missing
                process.wait(max(0.1, deadline - LEAST_SECONDS - time.monotonic()))
    record.add(_training(request, deadline))
    return record


def measure(request: AcceleratorRequest, record: Record, until: float) -> None:
    """Measure until `until`, on the clock of `time.monotonic`, what the record has not; each row is written at once.

    What a process dies of is left out by the next one.
    """
    deadly = set[Key]()
    while True:
        latest = _measured(request, record, deadly, until)
        if latest is None:
            return
        say(f"{_line(latest)}; another process goes on")
        deadly.add(key(latest))


def _measured(request: AcceleratorRequest, record: Record, deadly: set[Key], until: float) -> Row | None:
    """Measure in a process of its own; return what it was at when it died, None where nothing is left to do."""
    latest: Row | None = None
    wanted = partial(rows, request.extent, frozenset(record.done | deadly))
    with starting_cold(wanted, os.cpu_count() or 1) as connection:
        while connection.poll(max(0.0, until - time.monotonic())):
            try:
                row, peak = connection.recv()
            except EOFError:
                if latest is None:
                    say("the process that measures died: what it had measured is kept")
                return latest
            if row == END:
                return None
            latest = row if row.get("refused") == BEGUN else None
            record.add(row | {"peak_memory": peak})
            if latest is None:
                say(_line(row))
            connection.send(None)
    say("the time for measuring is over: --resume measures what is missing")
    return None


def say(text: str) -> None:
    """Print a line of progress on stderr."""
    print(text, file=sys.stderr, flush=True)


def _line(row: Row) -> str:
    parts = [str(row[name]) for name in ("measure", "method", "widths", "runs", "way", "device") if name in row]
    told = next(row[name] for name in ("refused", "difference", "updates_per_second", "driver") if name in row)
    return f"{' '.join(parts)}: {f'{told:,.4g}' if isinstance(told, float) else told}"


def _training(request: AcceleratorRequest, deadline: float) -> Row:
    folder, started = request.output / FOLDER, time.monotonic()
    outcome = "no time was left"
    if deadline - started >= LEAST_SECONDS:
        say(" ".join(["plas-jax", *words(request)]))
        outcome = trained_until([*PLAS_JAX, *words(request)], deadline)
    seconds = time.monotonic() - started
    return {"measure": "training", "preset": request.preset, "outcome": outcome, "seconds": seconds} | standing(folder)
