"""The rows of metrics.csv: what updates returned, for each run at fixed updates. Methods differ in their columns."""

import csv
import io
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from plas_jax.files.whole_files import whole_file
from plas_jax.results.rows import NUMERAL


class MetricsRow(NamedTuple):
    """What one run's update returned; the fields are the first columns, the metrics by name the others."""

    dataset: str
    algorithm: str  # as in results.csv; of a first phase, the method that it is of
    seed: str
    perturbation_limit: str  # these and `knobs` as in results.csv; empty for a method that has none
    latent_limit: str
    clip_weight: str
    knobs: str
    phase: str  # "behaviour" is a first phase, "policy" the last
    update: int
    metrics: dict[str, str]


COLUMNS = MetricsRow._fields[:-1]


def append_metrics(path: Path, rows: Sequence[MetricsRow]) -> None:
    """Append rows of one method and phase to a CSV, which is begun where there is none."""
    names = list(rows[0].metrics)
    with path.open("a", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        if not file.tell():
            writer.writerow([*COLUMNS, *names])
        writer.writerows([*row[:-1], *(row.metrics[name] for name in names)] for row in rows)


def on_the_disk(path: Path) -> None:
    """Wait until what was appended is on the disk."""
    if path.exists():
        with path.open("rb") as file:
            os.fsync(file.fileno())


def read_metrics(path: Path) -> list[MetricsRow]:
    """Return the rows of a CSV; the half line that a process was writing as it died is let be.

    Raises `ValueError`, one line that names the file and the line, for what no sweep wrote.
    """
    data = path.read_bytes()
    try:
        whole = data[: data.rfind(b"\n") + 1].decode("utf-8")
        reader = csv.reader(io.StringIO(whole, newline=""), strict=True)
        header = next(reader, None)
        if header is None:
            return []
        if tuple(header[: len(COLUMNS)]) != COLUMNS:
            raise ValueError(f"the header does not begin with {','.join(COLUMNS)}")
        return [_row(header, fields, reader.line_num) for fields in reader]
    except (ValueError, csv.Error) as error:
        raise ValueError(f"{path}: {error}") from error


def _row(header: list[str], fields: list[str], line: int) -> MetricsRow:
    if len(fields) != len(header):
        raise ValueError(f"line {line}: {len(fields)} fields, where the header has {len(header)}")
    *identity, update = fields[: len(COLUMNS)]
    metrics = {name: text for name, text in zip(header[len(COLUMNS) :], fields[len(COLUMNS) :], strict=True) if text}
    wrong = [name for name, text in metrics.items() if not NUMERAL.fullmatch(text)] + ["update"] * (
        not update.isdigit()
    )
    if wrong:
        raise ValueError(f"line {line}: {wrong[0]} is not a number")
    return MetricsRow._make([*identity, int(update), metrics])


def write_metrics(path: Path, rows: Iterable[MetricsRow]) -> None:
    """Write a CSV whose bytes depend only on the set of rows, whole or not at all; what a row lacks is empty."""
    ordered = sorted({row[:-1]: row for row in rows}.values(), key=lambda row: row[:-1])
    names = sorted({name for row in ordered for name in row.metrics})
    with whole_file(path) as partial, partial.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([*COLUMNS, *names])
        writer.writerows([*row[:-1], *(row.metrics.get(name, "") for name in names)] for row in ordered)
