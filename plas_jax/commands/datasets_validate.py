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
ALWAYS = ("score",)  # shown of each of several files even when it is ok


def report(
    dataset: Dataset, paths: Sequence[Path], manifest_sha256: str | None = None, console: Console | None = None
) -> int:
    """Check each file of a data set and print the findings, a line for each check, then a verdict.

    Of several files (a mixture of D4RL's), checks that are ok are only counted. `manifest_sha256` is that in a recipe's
    manifest. Minari's data lie where its package keeps them, whatever `paths` says. Returns the exit status: 0 when
    nothing is wrong, warnings or not, and 1 otherwise. Raises `ValueError` where the minari package is needed and not
    installed.
    """
    if console is None:
        console = Console()
        console = console if console.is_terminal else Console(width=PLAIN_WIDTH)
    paths = [Path(f"minari:{dataset.source}")] if dataset.version == MINARI else paths
    members = parts(dataset)
    datasets = members if len(members) == len(paths) else (dataset,) * len(paths)
    by_file = [findings(member, path, manifest_sha256) for member, path in zip(datasets, paths, strict=True)]
    for path, file_findings in zip(paths, by_file, strict=True):
        console.print(Text(str(path)), soft_wrap=True)
        console.print(_table(file_findings if len(paths) == 1 else _notable(file_findings)))
    verdict, status = _verdict(dataset.name, list(chain.from_iterable(by_file)))
    console.print(Text(verdict), soft_wrap=True)
    return status


def _notable(file_findings: Sequence[Finding]) -> list[Finding]:
    """Return the findings that a screen with several files has room for, and how many others are ok."""
    notable = [each for each in file_findings if each.status in ("warning", "wrong") or each.check in ALWAYS]
    others = Counter(each.status for each in file_findings) - Counter(each.status for each in notable)
    counts = ", ".join(f"{count} {status}" for status, count in others.items())
    return [*notable, Finding("other checks", "ok", counts)] if counts else notable


def _table(rows: Sequence[Finding]) -> Table:
    table = Table()
    table.add_column("check", no_wrap=True)
    table.add_column("status", no_wrap=True)
    table.add_column("detail", overflow="fold")
    for row in rows:
        table.add_row(row.check, Text(row.status, STYLES[row.status]), Text(row.detail))
    return table


def _verdict(name: str, everything: Sequence[Finding]) -> tuple[str, int]:
    """Return the last line, and the exit status."""
    wrong = list(dict.fromkeys(each.check for each in everything if each.status == "wrong"))
    numbers: Counter[str] = Counter(each.status for each in everything)
    counts = ", ".join(f"{numbers[status]} {status}" for status in STYLES if numbers[status])
    return (f"{name}: WRONG ({', '.join(wrong)}); {counts}", 1) if wrong else (f"{name}: nothing is wrong; {counts}", 0)
