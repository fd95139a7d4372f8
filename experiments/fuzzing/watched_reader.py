"""A reader in a child process that may be killed: what it makes of many files, also where it crashes or hangs.

The child is this module called with a target's name: it takes a request a line from stdin, `["read", PATH]` or
`["write", PATH, SEED]`, and answers each with a line of JSON on a pipe of its own. Hostile files are written in such a
child, too: there are files over whose writing HDF5 itself crashes.
"""

import importlib
import json
import os
import resource
import select
import signal
import subprocess
import sys
import time
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import NamedTuple, TextIO

from fuzzing.target import Target

from plas_jax.files.messages import one_line

ROOM = 8 * 2**30  # bytes of address space that reading one file may take
GROWTH = 2**30  # bytes of memory after which a reader has taken absurdly much
FINE, REFUSED = "fine", "refused"


class Outcome(NamedTuple):
    """What became of one file: fine, refused, or else the name of a fault; with the line or the traceback."""

    kind: str
    text: str = ""

    @property
    def is_fault(self) -> bool:
        """Say whether the reader must be mended."""
        return self.kind not in (FINE, REFUSED)

    @property
    def place(self) -> str:
        """Say where it went wrong, to tell faults apart: by the traceback's lines that name files, 600 characters."""
        lines = [line for line in self.text.splitlines() if line.lstrip().startswith("File")]
        return "\n".join(lines)[-600:] or self.text[:80]


def outcome(read: Callable[[Path], object], path: Path) -> Outcome:
    """Read one file in this process and judge what came of it; in a child, that is within the child's limits."""
    before = _peak()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", RuntimeWarning)
            read(path)
        result = Outcome(FINE)
    except (ValueError, OSError) as error:
        result = _judged(error, path)
    except BaseException as error:
        result = Outcome(type(error).__name__, _trace())
    grown = _peak() - before
    return Outcome("memory", f"{grown:,} bytes\n{result.text}") if grown > GROWTH and not result.is_fault else result


def _peak() -> int:
    """Return the most memory that this process has had, in bytes; what `getrusage` has is also its parent's."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


def _judged(error: ValueError | OSError, path: Path) -> Outcome:
    """Judge an error by the line that commands print of it: it must name the file."""
    line = one_line(error)
    if path.name not in line and path.parent.name not in line:
        return Outcome("unnamed", _trace())
    return Outcome(REFUSED, line)


def _trace() -> str:
    return traceback.format_exc()[-6000:]


class WatchedReader:
    """A child that reads files for a target, made anew after each crash or hang. Use as a context manager."""

    def __init__(self, target: str, seconds: float = 60.0):
        self.target, self.seconds = target, seconds
        self._child: subprocess.Popen | None = None
        self._answers = -1

    def __enter__(self) -> "WatchedReader":
        """Return itself; the child starts with the first file."""
        return self

    def __exit__(self, *_: object) -> None:
        """Stop the child."""
        self._stop()

    def write(self, path: Path, seed: str) -> Outcome:
        """Let the child make the hostile file of a seed."""
        return self._answer_to(["write", str(path), seed])

    def read(self, path: Path) -> Outcome:
        """Return what the child makes of a file: "hang" after `seconds`, "crash" where it died."""
        return self._answer_to(["read", str(path)])

    def _answer_to(self, request: list[str]) -> Outcome:
        if self._child is None:
            self._start()
        assert self._child is not None
        assert self._child.stdin is not None
        self._child.stdin.write(f"{json.dumps(request)}\n".encode())
        self._child.stdin.flush()
        line = self._line(self._processor_seconds() + self.seconds)
        if line is None:
            self._stop()
            return Outcome("hang", f"no answer in {self.seconds:g} s of processor time")
        if not line:
            status = self._child.wait()
            self._stop()
            name = signal.Signals(-status).name if status < 0 else f"exit status {status}"
            return Outcome("crash", name)
        return Outcome(*json.loads(line))

    def _start(self) -> None:
        self._answers, child_end = os.pipe()
        command = [sys.executable, "-m", __name__, self.target, str(child_end)]
        self._child = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            pass_fds=(child_end,), env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        )  # fmt: skip
        os.close(child_end)
        if self._line(300.0) != b'"ready"\n':
            raise RuntimeError(f"the reader of {self.target} does not start: {' '.join(command)}")

    def _line(self, limit: float) -> bytes | None:
        """Return the child's next line, empty when it has gone, None when it has had `limit` s of processor time.

        None, too, after ten times `seconds` on the clock, where it waits for what never comes.
        """
        line, end = b"", time.monotonic() + 10 * self.seconds
        while not line.endswith(b"\n"):
            if select.select([self._answers], [], [], 1.0)[0]:
                part = os.read(self._answers, 65536)
                if not part:
                    return b""
                line += part
            elif self._processor_seconds() > limit or time.monotonic() > end:
                return None
        return line

    def _processor_seconds(self) -> float:
        """Return the processor time that the child has had; on a busy machine the clock says little."""
        assert self._child is not None
        fields = Path(f"/proc/{self._child.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def _stop(self) -> None:
        if self._child is not None:
            self._child.kill()
            self._child.communicate()
            os.close(self._answers)
        self._child = None


def serve(name: str, answers: int) -> None:
    """Answer, as the child, each request on stdin within the limits, on the pipe of this file descriptor."""
    target = _target(name)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + ROOM, used + ROOM))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**28, 2**28))
    with os.fdopen(answers, "w") as pipe:
        _answer(pipe, "ready")
        for line in sys.stdin:
            verb, path, *seed = json.loads(line)
            if verb == "read":
                _answer(pipe, outcome(target.read, Path(path)))
            else:
                target.write(Random(seed[0]), Path(path))
                _answer(pipe, Outcome(FINE))


def _target(name: str) -> Target:
    """Return the target of this name, or the one that a `module:function` makes."""
    module, _, function = name.rpartition(":")
    if module:
        return getattr(importlib.import_module(module), function)()
    from fuzzing.targets import TARGETS  # noqa: PLC0415 (it imports what only the child needs)

    return TARGETS[name]()


def _answer(pipe: TextIO, answer: str | Outcome) -> None:
    pipe.write(json.dumps(answer) + "\n")
    pipe.flush()


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]))
