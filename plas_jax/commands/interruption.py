"""Ctrl-C and SIGTERM: the first asks a sweep to stop at the next safe point, the second stops it where it is."""

import signal
from types import FrameType, TracebackType


class Interrupted(Exception):  # noqa: N818 - not an error: the user asked for it
    """Raised at the first safe point after the user asked to stop."""


class Interruption:
    """While entered, a signal sets `requested`; `check` then raises `Interrupted`."""

    def __init__(self) -> None:
        self.requested = False
        self._before: dict[int, object] = {}

    def __enter__(self) -> "Interruption":
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._request)
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def _request(self, number: int, frame: FrameType | None) -> None:
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True

    def check(self) -> None:
        """Raise `Interrupted` if a stop was asked for."""
        if self.requested:
            raise Interrupted
