"""What a user watches: one line for each phase with its speed, the score so far and the time left."""

import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

LINE_SECONDS = 10.0  # between two lines where the output is no terminal


class Watch:
    """Live progress on stderr: bars on a terminal, elsewhere a line every ten seconds and at the end of a phase."""

    def __init__(self) -> None:
        self._console = Console(stderr=True)
        self._bars = None
        if self._console.is_terminal:
            columns = (
                TextColumn("{task.description:<22}"), BarColumn(24), TaskProgressColumn(), TimeElapsedColumn(),
                TextColumn("{task.fields[facts]}"),
            )  # fmt: skip
            self._bars = Progress(*columns, console=self._console)

    def __enter__(self) -> "Watch":
        if self._bars is not None:
            self._bars.start()
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._bars is not None:
            self._bars.stop()

    def say(self, text: str) -> None:
        """One line that stays."""
        self._console.print(text, highlight=False, soft_wrap=True)

    def phase(self, name: str, total: float) -> "Phase":
        """A phase of `total` units of work."""
        return Phase(self._bars, name, total, self.say)


class Phase:
    """One phase: its bar or its lines."""

    def __init__(self, bars: Progress | None, name: str, total: float, say) -> None:  # type: ignore[no-untyped-def]
        self._bars, self._name, self._total, self._say = bars, name, total, say
        self._said = self._started = time.monotonic()
        self._done = False
        self._task = bars.add_task(name, total=total, facts="") if bars is not None else None

    def show(self, done: float, facts: str = "", seconds_left: float | None = None) -> None:
        """`done` of the total; the time left is reckoned from the time so far unless it is given."""
        now = time.monotonic()
        if seconds_left is None and done > 0:
            seconds_left = (now - self._started) * (self._total - done) / done
        left = "" if seconds_left is None else f"{clock(seconds_left)} to go"
        text = ", ".join(part for part in (left, facts) if part)
        if self._bars is not None and self._task is not None:
            self._bars.update(self._task, completed=done, facts=text)
        elif not self._done and (now - self._said >= LINE_SECONDS or done >= self._total):
            self._said, self._done = now, done >= self._total
            self._say(f"{self._name}: {100 * done / self._total:.0f} %, {text}")


def clock(seconds: float) -> str:
    """Seconds as 1:02:03 or 2:03."""
    minutes, seconds = divmod(round(max(seconds, 0.0)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
