"""`python -m plas_jax.datasets validate NAME`: every check of a data set's files on one screen."""

from collections import Counter
from collections.abc import Sequence
from itertools import chain
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from plas_jax.datasets.catalogue import Dataset, parts
from plas_jax.verification.data.findings import MINARI, findings
from plas_jax.verification.data.validation import Finding

STYLES = {"ok": "green", "warning": "yellow", "wrong": "bold red", "skipped": "dim"}
PLAIN_WIDTH = 240  # columns of a table that goes into a file or a pipe
ALWAYS = ("score",)  # told of each of several files even when it is ok


def report(
    dataset: Dataset, paths: Sequence[Path], manifest_sha256: str | None = None, console: Console | None = None
) -> int:
    """Check each file of a data set and print what was found, a line for each check, then a verdict.

    Of several files (a mixture of D4RL's), checks that are ok are only counted. `manifest_sha256` is that in a recipe's
    manifest. Minari's data lie where its package keeps them, whatever `paths` says. Returns the exit status: 0 when
    nothing is wrong, warnings or not, and 1 otherwise. Raises `ValueError` where the minari package is needed and not
    installed.
    """
    if console is None:
        console = Console()
        console = console if console.is_terminal else Console(width=PLAIN_WIDTH)
    paths = [Path(f"minari:{dataset.source}")] if dataset.version == MINARI else paths
    several = parts(dataset)
    of = several if len(several) == len(paths) else (dataset,) * len(paths)
    found = [findings(part, path, manifest_sha256) for part, path in zip(of, paths, strict=True)]
    for path, of_path in zip(paths, found, strict=True):
        console.print(Text(str(path)), soft_wrap=True)
        console.print(_table(of_path if len(paths) == 1 else _notable(of_path)))
    verdict, status = _verdict(dataset.name, list(chain.from_iterable(found)))
    console.print(Text(verdict), soft_wrap=True)
    return status


def _notable(found: Sequence[Finding]) -> list[Finding]:
    """The findings that a screen with several files has room for, and how many others are ok."""
    shown = [one for one in found if one.status in ("warning", "wrong") or one.check in ALWAYS]
    others = Counter(one.status for one in found) - Counter(one.status for one in shown)
    told = ", ".join(f"{count} {status}" for status, count in others.items())
    return [*shown, Finding("other checks", "ok", told)] if told else shown


def _table(found: Sequence[Finding]) -> Table:
    table = Table()
    table.add_column("check", no_wrap=True)
    table.add_column("status", no_wrap=True)
    table.add_column("detail", overflow="fold")
    for one in found:
        table.add_row(one.check, Text(one.status, STYLES[one.status]), Text(one.detail))
    return table


def _verdict(name: str, found: Sequence[Finding]) -> tuple[str, int]:
    """The last line, and the exit status."""
    wrong = list(dict.fromkeys(one.check for one in found if one.status == "wrong"))
    counts: Counter[str] = Counter(one.status for one in found)
    told = ", ".join(f"{counts[status]} {status}" for status in STYLES if counts[status])
    return (f"{name}: WRONG ({', '.join(wrong)}); {told}", 1) if wrong else (f"{name}: nothing is wrong; {told}", 0)
