"""When a sweep is killed: at any moment, or as soon as its files show that it does something brief."""

import random
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

POLL_SECONDS = 2e-4


class Moment(NamedTuple):
    """What is waited for in a sweep's and its data's folder, and the longest that passes between it and the kill.

    `seen` is given both folders and when the process started, as files have it.
    """

    aimed_at: str
    seen: Callable[[Path, Path, float], bool]
    seconds: float


def _partial(folder: Path, name: str) -> bool:
    return folder.is_dir() and any(path.match(f".{name}.*.partial") for path in folder.iterdir())


def _writes_checkpoint(sweep: Path, data: Path, started: float) -> bool:
    return any(
        ".orbax-checkpoint-tmp" in path.name and path.stat().st_mtime > started
        for phase in (sweep / "checkpoints").glob("*/*")
        for path in phase.iterdir()
    )


def _wrote(path: Path, started: float) -> bool:
    return path.exists() and path.stat().st_mtime > started


def _appends_rows(sweep: Path, data: Path, started: float) -> bool:
    return any(path.stat().st_mtime > started for path in (sweep / "rows").glob("*.csv"))


def moments(whole_seconds: float) -> dict[str, Moment]:
    """Return the moments by name; `whole_seconds` is what an unbroken sweep takes."""
    known = (
        Moment("any", lambda sweep, data, started: True, whole_seconds),
        Moment("data", lambda sweep, data, started: _partial(data, "*.hdf5"), whole_seconds / 8),
        Moment("compile", lambda sweep, data, started: _wrote(sweep / "manifest.json", started), whole_seconds / 8),
        Moment("checkpoint", _writes_checkpoint, 0.05),
        Moment("rows", _appends_rows, 0.0),
        Moment("merge", lambda sweep, data, started: _partial(sweep, "results.csv"), 0.0),
        Moment("reports", lambda sweep, data, started: _wrote(sweep / "table_1.md", started), whole_seconds / 100),
    )
    return {moment.aimed_at: moment for moment in known}


def order() -> Iterator[str]:
    """Yield the moments' names for ever: every other kill is at any moment, those between in turn at the others."""
    while True:
        for name in ("data", "compile", "checkpoint", "rows", "merge", "reports"):
            yield from ("any", name)


def kill_at(moment: Moment, running: subprocess.Popen, sweep: Path, data: Path, draws: random.Random) -> float | None:
    """Kill a sweep (SIGKILL) at a moment; return the seconds that it ran in this process, None when it ended before."""
    started, on_disk = time.monotonic(), time.time()
    wait = draws.uniform(0, moment.seconds)
    while running.poll() is None:
        try:
            seen = moment.seen(sweep, data, on_disk)
        except OSError:  # renamed or removed between two looks
            seen = False
        if seen:
            try:
                running.wait(wait)
            except subprocess.TimeoutExpired:
                running.kill()
                running.wait()
                return time.monotonic() - started
        time.sleep(POLL_SECONDS)
    return None
