"""The rows of q_errors.csv: how far each run's critic was off at each evaluation."""

import csv
import io
import os
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from plas_jax.evaluation.q_error import QError
from plas_jax.files.json_files import shown
from plas_jax.files.whole_files import write_whole
from plas_jax.results.runs import Cell

NAME = "q_errors.csv"
LARGEST = 2**30  # bytes


class QRow(NamedTuple):
    """The errors of one run at one update."""

    cell: Cell
    seed: int
    update: int
    episodes: int
    error: QError


HEADER = ("dataset", "algorithm", "perturbation_limit", "knobs", "seed", "update", "episodes", *QError._fields)


def append_q_rows(path: Path, rows: Iterable[QRow]) -> None:
    """Append rows, to a file that is begun where there is none, and wait until they are on the disk.

    An evaluation that is made again after an interruption appends its rows again: `read_q_rows` gives each once.
    """
    with path.open("a", encoding="utf-8", newline="") as file:
        file.write(_csv([] if file.tell() else [HEADER], rows))
        file.flush()
        os.fsync(file.fileno())


def tidy_q_rows(path: Path, without: Collection[str] = ()) -> None:
    """Put every row in once, in a fixed order, whole or not at all; nothing where there is no such file.

    Rows of algorithms in `without` are dropped.
    """
    if path.exists():
        rows = [row for row in read_q_rows(path) if row.cell.algorithm not in without]
        write_whole(path, _csv([HEADER], rows))


def read_q_rows(path: Path) -> list[QRow]:
    """Return every row once, of equals the last, in order; a last line that was cut short is left out.

    Raises `ValueError`, one line that names file and line, for what is no such file.
    """
    if not path.is_file() or path.stat().st_size > LARGEST:
        raise ValueError(f"{path}: not a file of Q errors")
    data = path.read_bytes()
    try:
        text = data[: data.rfind(b"\n") + 1].decode("utf-8")
        rows = {(row.cell, row.seed, row.update): row for row in _parsed(text)}
    except csv.Error as error:
        raise ValueError(f"{path}: a line that is no CSV: {error}") from error
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    return [rows[place] for place in sorted(rows)]


def _csv(header: list[tuple[str, ...]], rows: Iterable[QRow]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows(header)
    for (dataset, algorithm, limit, knobs), seed, update, episodes, error in rows:
        writer.writerow((dataset, algorithm, repr(float(limit)), knobs, seed, update, episodes, *map(repr, error)))
    return text.getvalue()


def _parsed(text: str) -> Iterator[QRow]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    if (header := next(reader, None)) != list(HEADER):
        raise ValueError(f"line 1: the header is not that of Q errors: {shown(header)}")
    for line in reader:
        try:
            dataset, algorithm, limit, knobs, seed, update, episodes, transitions, *errors = line
            cell, error = Cell(dataset, algorithm, float(limit), knobs), QError(int(transitions), *map(float, errors))
            yield QRow(cell, int(seed), int(update), int(episodes), error)
        except (ValueError, TypeError) as error:
            raise ValueError(f"line {reader.line_num}: not a row of Q errors: {shown(','.join(line))}") from error
