"""What a user watches: one line for each phase with its speed, the score so far and the time left."""

import sys
import time
from collections.abc import Sequence
from types import TracebackType

from rich import box
from rich.console import Console
from rich.markdown import Markdown
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from plas_jax.files.messages import clock

LINE_SECONDS = 10.0  # between two lines where the output is no terminal
PLAIN_WIDTH = 320  # columns of a table that goes into a file or a pipe


class Watch:
    """Live progress on stderr: bars on a terminal, elsewhere a line every ten seconds; a finished phase is a line.

    A `quiet` one says nothing: of several processes one speaks.
    """

    def __init__(self, console: Console | None = None, quiet: bool = False) -> None:
        self._console = console or Console(stderr=True, quiet=quiet)
        self._phases: dict[str, Phase] = {}
        self.bars = None
        if self._console.is_terminal and not quiet:
            columns = (
                TextColumn("{task.description:<22}"), BarColumn(24), TaskProgressColumn(), TimeElapsedColumn(),
                TextColumn("{task.fields[facts]}"),
            )  # fmt: skip
            # Else what is printed meanwhile would go to the bars' terminal, wherever it was sent.
            self.bars = Progress(*columns, console=self._console, redirect_stdout=sys.stdout.isatty())

    def __enter__(self) -> "Watch":
        if self.bars is not None:
            self.bars.start()
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self.bars is not None:
            self.bars.stop()

    def say(self, text: str) -> None:
        """Print one line that stays."""
        self._console.print(text, highlight=False, soft_wrap=True)

    def phase(self, name: str, total: float) -> "Phase":
        """Return the phase of this name, begun when it is first asked for; `total` is its units of work."""
        if name not in self._phases:
            self._phases[name] = Phase(self, name, total)
        return self._phases[name]

    def rows_made(self, name: str, done: int, rows: int) -> None:
        """Show how much of a data set has been made."""
        self.phase(f"make {name}", rows).show(done, f"{done:,} of {rows:,} rows")


class Phase:
    """One phase: a bar or lines while it runs, one line when it is done."""

    def __init__(self, watch: Watch, name: str, total: float) -> None:
        self._watch, self._name, self._total = watch, name, total
        self._shown_at = self._started = time.monotonic()
        self._done = False
        self._task = watch.bars.add_task(name, total=total, facts="") if watch.bars is not None else None

    def show(self, done: float, facts: str = "", seconds_left: float | None = None) -> None:
        """Show `done` of the total; the time left, in seconds, is reckoned from the time so far unless it is given."""
        if self._done:
            return
        now = time.monotonic()
        if seconds_left is None and done > 0:
            seconds_left = (now - self._started) * (self._total - done) / done
        left = "" if seconds_left is None else f"{clock(seconds_left)} to go"
        text = ", ".join(part for part in (left, facts) if part)
        self._done = done >= self._total
        if self._watch.bars is not None and self._task is not None:
            self._watch.bars.update(self._task, completed=done, facts=text)
            if self._done:  # else the bars of a long sweep's evaluations would fill the screen
                self._watch.bars.remove_task(self._task)
        elif now - self._shown_at < LINE_SECONDS and not self._done:
            return
        if self._done or self._task is None:
            self._shown_at = now
            self._watch.say(f"{self._name}: {100 * done / self._total:.0f} %, {text}")


def screen() -> Console:
    """Return a console on stdout; where that is no terminal, tables are as wide as they need."""
    console = Console()
    return console if console.is_terminal else Console(width=PLAIN_WIDTH)


def print_table(header: Sequence[str], lines: Sequence[Sequence[str]]) -> None:
    """Print a table on stdout."""
    print(table_text(header, lines))


def table_text(header: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """Return a table, the first column to the left and folded where it must be, the others to the right."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)
    for place, heading in enumerate(header):
        table.add_column(heading, justify="right" if place else "left", overflow="fold", no_wrap=place > 0)
    for line in lines:
        table.add_row(*map(Text, line))  # a path may have brackets, which are no markup
    console = screen()
    with console.capture() as captured:
        console.print(table)
    return "\n".join(line.rstrip() for line in captured.get().strip("\n").splitlines())


def print_markdown(text: str) -> None:
    """Print a document on stdout: laid out on a terminal, as it is in a file or a pipe."""
    console = Console()
    if console.is_terminal:
        console.print(Markdown(text))
    else:
        print(text)
