"""The rows of diagnostics.csv: what shows, of each trained run, whether its method can work on its data."""

import csv
import io
import math
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import NamedTuple

from plas_jax.files.json_files import shown
from plas_jax.files.whole_files import write_whole
from plas_jax.results.runs import Cell, Run

LARGEST = 2**28  # bytes
HEADER = ("dataset", "algorithm", "perturbation_limit", "knobs", "seed", "measure", "value")


class Diagnostic(NamedTuple):
    """One measure of one run, NaN where the data do not tell it."""

    run: Run
    measure: str
    value: float


def replace_diagnostics(path: Path, diagnostics: Iterable[Diagnostic]) -> None:
    """Put these in place of what the file has of the same runs; whole, in a fixed order."""
    diagnostics = list(diagnostics)
    replaced = {each.run for each in diagnostics}
    kept = [each for each in (read_diagnostics(path) if path.exists() else []) if each.run not in replaced]
    _write(path, [*kept, *diagnostics])


def forget_diagnostics(path: Path, algorithms: Collection[str]) -> None:
    """Drop what the file has of these algorithms; nothing where there is no such file."""
    if path.exists():
        _write(path, [each for each in read_diagnostics(path) if each.run.cell.algorithm not in algorithms])


def _write(path: Path, diagnostics: Iterable[Diagnostic]) -> None:
    text = io.StringIO()
    lines = sorted((*run.cell, run.seed, measure, repr(value)) for run, measure, value in diagnostics)
    rows = [
        (dataset, algorithm, repr(limit), knobs, seed, *rest) for dataset, algorithm, limit, knobs, seed, *rest in lines
    ]
    csv.writer(text, lineterminator="\n").writerows([HEADER, *rows])
    write_whole(path, text.getvalue())


def read_diagnostics(path: Path) -> list[Diagnostic]:
    """Return every row. Raises `ValueError`, one line that names file and line, for what is no such file."""
    if not path.is_file() or path.stat().st_size > LARGEST:
        raise ValueError(f"{path}: not a file of diagnostics")
    try:
        lines = list(csv.reader(io.StringIO(path.read_bytes().decode("utf-8"), newline=""), strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{path}: {error}") from error
    if not lines or tuple(lines[0]) != HEADER:
        raise ValueError(f"{path}: line 1: the header is not {','.join(HEADER)}")
    return [_parsed(path, number, fields) for number, fields in enumerate(lines[1:], 2)]


def _parsed(path: Path, number: int, fields: list[str]) -> Diagnostic:
    try:
        dataset, algorithm, limit, knobs, seed, measure, value = fields
        cell = Cell(dataset, algorithm, float(limit), knobs)
        return Diagnostic(Run(cell, int(seed)), measure, float(value))
    except ValueError as error:
        raise ValueError(f"{path}: line {number}: {shown(','.join(fields))} is no diagnostic") from error


def by_cell(diagnostics: Iterable[Diagnostic]) -> dict[Cell, dict[str, float]]:
    """Return the mean over seeds of every measure of a cell, of those seeds that have it."""
    values: dict[Cell, dict[str, list[float]]] = {}
    for run, measure, value in diagnostics:
        if math.isfinite(value):
            values.setdefault(run.cell, {}).setdefault(measure, []).append(value)
    return {
        cell: {measure: sum(numbers) / len(numbers) for measure, numbers in measures.items()}
        for cell, measures in values.items()
    }
