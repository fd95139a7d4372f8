"""One sitting at a borrowed device: data made on the side, everything measured, and training with what time is left.

The device is only touched by processes of its own, one after another: a TPU takes no two, and one that hangs is left.
"""

import os
import shlex
import sys
import time
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
    made_by,
    standing,
    trained_until,
    words,
)
from plas_jax.performance.throughput.processes import starting_cold

MEASURING = 0.5  # of the minutes at most; training has the rest
WAITING = 0.6  # of the minutes, for data that are still being made


def sit(request: AcceleratorRequest, command: str) -> Record:
    """Spend the minutes; return what was measured. Raises as `Record` does."""
    started, seconds = time.monotonic(), 60 * request.minutes
    deadline, record = started + seconds, Record(request.output, command, request.resume)
    with data_being_made(request) as making:
        measure(request, record, started + MEASURING * seconds)
        say("wait for the data")
        # Whatever is not there by then is left out, if anything else is; --resume takes it up.
        datasets = made_by(started + WAITING * seconds, request, making)
        datasets = datasets or made_by(deadline - LEAST_SECONDS, request, making)
    record.add(_training(request, datasets, deadline))
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


def _training(request: AcceleratorRequest, datasets: list[str], deadline: float) -> Row:
    folder, started = request.output / FOLDER, time.monotonic()
    outcome = "no time was left"
    if deadline - started >= LEAST_SECONDS and datasets:
        call = words(request, datasets)
        say(shlex.join(["plas-jax", *call]))
        outcome = trained_until([*PLAS_JAX, *call], deadline)
    seconds = time.monotonic() - started
    return {"measure": "training", "preset": request.preset, "outcome": outcome, "seconds": seconds} | standing(folder)
