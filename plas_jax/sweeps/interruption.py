"""Ctrl-C and SIGTERM: the first asks a sweep to stop at the next safe point, the second stops it where it is."""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType


class Interrupted(Exception):  # noqa: N818 - not an error: the user asked for it
    """Raised at the first safe point after the user asked to stop; `status` is the exit status that says how."""

    def __init__(self, number: int = signal.SIGINT):
        super().__init__()
        self.status = 128 + number


class Terminated(KeyboardInterrupt):
    """SIGTERM where there is no safe point to wait for: it unwinds as Ctrl-C does."""


class Interruption:
    """While entered, a signal sets `requested`, and `check` raises `Interrupted`; a second one stops at once."""

    def __init__(self) -> None:
        self.requested: int | None = None
        self._before: dict[int, object] = {}

    def __enter__(self) -> "Interruption":
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._request)
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def _request(self, number: int, frame: FrameType | None) -> None:
        if self.requested is not None:
            raise Terminated if number == signal.SIGTERM else KeyboardInterrupt
        self.requested = number

    def check(self) -> None:
        """Raise `Interrupted` if a stop was asked for."""
        if self.requested is not None:
            raise Interrupted(self.requested)


@contextmanager
def terminable() -> Iterator[None]:
    """Let SIGTERM raise `Terminated` while entered, so that temporary files are removed on the way out.

    Neither it nor Ctrl-C is lost where it happens to be raised in a callback of the garbage collector, of which JAX has
    one: Python ignores what is raised there.
    """
    if threading.current_thread() is not threading.main_thread():  # which alone may have handlers
        yield
        return
    before, hook = signal.signal(signal.SIGTERM, _terminate), sys.unraisablehook

    def ask_again(ignored: "sys.UnraisableHookArgs") -> None:
        if not isinstance(ignored.exc_value, KeyboardInterrupt):
            hook(ignored)
            return
        number = signal.SIGTERM if isinstance(ignored.exc_value, Terminated) else signal.SIGINT
        threading.Timer(0.01, os.kill, (os.getpid(), number)).start()

    sys.unraisablehook = ask_again
    try:
        yield
    finally:
        sys.unraisablehook = hook
        signal.signal(signal.SIGTERM, before)


def _terminate(number: int, frame: FrameType | None) -> None:
    raise Terminated
