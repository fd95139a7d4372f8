"""The rows of results.csv: one for each run, update and episode. Every table and figure is a reader of them."""

import csv
import io
import math
import os
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import zip_longest
from operator import index
from pathlib import Path
from typing import Any, NamedTuple, TextIO

from plas_jax.files.json_files import shown
from plas_jax.files.whole_files import whole_file

LONGEST = 10_000  # characters of a line; a sweep's are a hundred
UNREADABLE = ("Cc", "Cs", "Zl", "Zp")  # Unicode's categories of what ends a line, moves a cursor or is half a character
NUMERAL = re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[-+]?[0-9]+)?|[-+]?inf|nan", re.ASCII | re.IGNORECASE)


class Row(NamedTuple):
    """One evaluation episode; the fields are the columns of results.csv, in their order."""

    dataset: str
    algorithm: str  # a method's name; plas has ε = 0, plas+p ε > 0, cvae_prior and cvae_mode are the CVAE by itself
    seed: int
    perturbation_limit: float | None  # ε, and Φ of BCQ; None for a method that has none, here and below
    latent_limit: float | None  # σ, and the limit of BCQ's and BEAR's latents
    clip_weight: float | None  # λ
    knobs: str  # those that were swept, but for ε, as name=value with blanks between them
    dynamics: str
    update: int
    episode: int
    episode_length: int
    episode_return: float  # undiscounted
    score: float  # normalised
    diverged_at: int | None  # the run's update, or None while it is healthy


def write_rows(path: Path | str, rows: Iterable[Row]) -> None:
    """Write a CSV whose bytes depend only on the set of rows, whole or not at all."""
    with whole_file(Path(path)) as partial:
        lines = [place[-1] for place in sorted(map(_place, rows))]
        partial.write_text(_csv([Row._fields, *lines]), encoding="utf-8", newline="")


def append_rows(path: Path, rows: Iterable[Row]) -> None:
    """Append rows to a CSV, which is begun where there is none, and wait until they are on the disk."""
    with path.open("a", encoding="utf-8", newline="") as file:
        header = [] if file.tell() else [Row._fields]
        file.write(_csv([*header, *map(_fields, rows)]))
        file.flush()
        os.fsync(file.fileno())


def read_rows(path: Path | str) -> list[Row]:
    """Return the rows of a CSV that `write_rows` wrote; a `ValueError` names file, line and column of what is wrong."""
    if Path(path).is_fifo():  # it would be waited for
        raise ValueError(f"{path}: not a file")
    with _named(path), Path(path).open(encoding="utf-8", newline="") as file:
        return list(_parsed(file))


def read_coming_rows(path: Path) -> list[Row]:
    """Return the rows of a CSV that `append_rows` was writing to, perhaps as its process died: whole lines alone."""
    with _named(path):
        data = path.read_bytes()
        whole = io.StringIO(data[: data.rfind(b"\n") + 1].decode("utf-8"), newline="")
        return list(_parsed(whole)) if whole.getvalue() else []


@contextmanager
def _named(path: Path | str) -> Iterator[None]:
    """Put a file's name before what is wrong with it."""
    try:
        yield
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: byte {error.start} is not UTF-8 text") from error
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def distinct(rows: Iterable[Row]) -> list[Row]:
    """Return every row once."""
    return list({_fields(row): row for row in rows}.values())


class _Kind(NamedTuple):
    meaning: str
    write: Callable[[Any], str]
    read: Callable[[str], object]  # raises ValueError


def _place(row: Row) -> tuple:
    # the line itself comes last, so that rows of one run, update and episode have an order too
    limit = -1.0 if row.perturbation_limit is None else row.perturbation_limit
    keys = (row.dataset, row.algorithm, row.seed, limit, row.knobs, row.update, row.episode)
    return (*keys, _fields(row))


def _fields(row: Row) -> tuple[str, ...]:
    return tuple(kind.write(value) for kind, value in zip(_COLUMNS.values(), row, strict=True))


def _csv(lines: list[tuple[str, ...]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(lines)
    return text.getvalue()


def _lines(file: TextIO) -> Iterator[str]:
    """Yield the lines of a file, none of which may fill the memory."""
    number = 1
    while line := file.readline(LONGEST + 1):
        if len(line) > LONGEST:
            raise ValueError(f"line {number}: more than {LONGEST:,} characters")
        yield line
        number += 1


def _parsed(file: TextIO) -> Iterator[Row]:
    reader = csv.reader(_lines(file), strict=True)
    try:
        header: list[str] = next(reader, [])
        for name, expected in zip_longest(header, Row._fields):
            if name != expected:
                there = "nothing" if name is None else shown(name)
                raise ValueError(f"line 1, column {expected or len(Row._fields) + 1}: the header has {there} there")
        for fields in reader:
            yield _row(fields, f"line {reader.line_num}")
    except csv.Error as error:
        raise ValueError(f"line {reader.line_num}: {error}") from error


def _row(fields: list[str], line: str) -> Row:
    values = []
    for (name, kind), field in zip(_COLUMNS.items(), fields, strict=False):
        try:
            values.append(kind.read(field))
        except ValueError as error:
            raise ValueError(f"{line}, column {name}: {shown(field)} is not {kind.meaning}") from error
    if len(fields) < len(_COLUMNS):
        raise ValueError(f"{line}, column {Row._fields[len(fields)]}: missing, the line ends before it")
    if len(fields) > len(_COLUMNS):
        raise ValueError(f"{line}, column {len(_COLUMNS) + 1}: more fields than the header has")
    return Row._make(values)


def _read_name(field: str) -> str:
    if not field.strip() or any(unicodedata.category(char) in UNREADABLE for char in field):
        raise ValueError
    return field


def _read_count(field: str) -> int:
    if not (field.isascii() and field.isdigit() and len(field) < 20 and int(field) < 2**63):
        raise ValueError
    return int(field)


def _read_setting(field: str) -> str:
    for word in field.split(" ") if field else []:
        name, _, value = word.partition("=")
        if not name.isidentifier() or not math.isfinite(_read_number(value)):
            raise ValueError
    return field


def _read_finite(field: str) -> float:
    value = _read_number(field)
    if not math.isfinite(value):
        raise ValueError
    return value


def _read_number(field: str) -> float:
    if not NUMERAL.fullmatch(field):  # float() takes digits of every script, and 1_000
        raise ValueError
    return float(field)


def _write_count(value: int) -> str:
    return str(index(value))  # refuses 1.5, which int(…) would round


def _write_float(value: float) -> str:
    return repr(float(value))  # NumPy's own repr is `np.float64(…)`


_NAME = _Kind("a name on one line", str, _read_name)
_COUNT = _Kind("a whole number from 0 to 2^63 − 1", _write_count, _read_count)
_LIMIT_OR_NONE = _Kind(
    "empty or a finite number",
    lambda value: "" if value is None else _write_float(value),
    lambda field: _read_finite(field) if field else None,
)
_SETTING = _Kind("empty or knobs as name=value with blanks between them", str, _read_setting)
_NUMBER = _Kind("a number", _write_float, _read_number)  # a diverged run may return NaN
_UPDATE_OR_NONE = _Kind(
    "empty or a whole number from 0 to 2^63 − 1",
    lambda value: "" if value is None else _write_count(value),
    lambda field: _read_count(field) if field else None,
)
_COLUMNS = {
    "dataset": _NAME,
    "algorithm": _NAME,
    "seed": _COUNT,
    "perturbation_limit": _LIMIT_OR_NONE,
    "latent_limit": _LIMIT_OR_NONE,
    "clip_weight": _LIMIT_OR_NONE,
    "knobs": _SETTING,
    "dynamics": _NAME,
    "update": _COUNT,
    "episode": _COUNT,
    "episode_length": _COUNT,
    "episode_return": _NUMBER,
    "score": _NUMBER,
    "diverged_at": _UPDATE_OR_NONE,
}
