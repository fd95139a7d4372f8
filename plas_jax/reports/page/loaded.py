"""A folder of results as its page shows it: rows and manifest, told apart by a name."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from plas_jax.reports.lines import Line, Scores, scores
from plas_jax.reports.page.html import cut
from plas_jax.results.diagnostics import by_cell, read_diagnostics
from plas_jax.results.folder import OutputFolder
from plas_jax.results.manifest import Manifest
from plas_jax.results.q_rows import QRow, read_q_rows
from plas_jax.results.rows import Row
from plas_jax.results.runs import Cell


class Loaded(NamedTuple):
    """One folder."""

    name: str
    path: Path
    manifest: Manifest
    scores: Scores
    q_rows: tuple[QRow, ...] = ()
    diagnostics: Mapping[Cell, Mapping[str, float]] = {}  # means over seeds

    def columns(self) -> dict[str, dict[str, Line]]:
        """Return by label the line of each data set, the controls first."""
        return {**self.scores.controls(), **self.scores.columns()}

    def scored(self) -> list[str]:
        """Return the data sets that have scores: data of one's own may have no references for them."""
        known = self.manifest.datasets
        return [name for name in self.scores.datasets if name not in known or known[name].score is not None]


class Series(NamedTuple):
    """What has a colour on the page: one method with one setting in one folder."""

    name: str  # the label, and the folder's name where there are several
    folder: Loaded
    column: dict[str, Line]  # by data set


def loaded(folder: OutputFolder, manifest: Manifest, rows: Iterable[Row], name: str = "") -> Loaded:
    """Return a folder with its rows. Raises `ValueError`, one line that names it, for rows that are no table."""
    with folder.named():
        q_rows = read_q_rows(folder.q_errors) if folder.q_errors.exists() else []
        name = name or folder.path.resolve().name
        measured = by_cell(read_diagnostics(folder.diagnostics)) if folder.diagnostics.exists() else {}
        return Loaded(name, folder.path, manifest, scores(rows, manifest), tuple(q_rows), measured)


def read_folders(paths: Sequence[Path]) -> list[Loaded]:
    """Return the folders at these paths. Raises `ValueError` or `OSError`, one line, for one that holds no results."""
    folders = []
    for path in paths:
        folder = OutputFolder(path)
        manifest, rows = folder.read_manifest(), folder.read_rows()
        if not rows:
            raise ValueError(f"{path} holds no rows yet: its sweep has evaluated nothing")
        folders.append(loaded(folder, manifest, rows, str(path) if _is_twice(path, paths) else ""))
    return folders


def _is_twice(path: Path, paths: Sequence[Path]) -> bool:
    return sum(other.resolve().name == path.resolve().name for other in paths) > 1


def all_series(folders: Sequence[Loaded]) -> list[Series]:
    """Return every series of the folders, in their order."""
    several = len(folders) > 1
    return [
        Series(f"{cut(label)} · {cut(folder.name)}" if several else cut(label), folder, column)
        for folder in folders
        for label, column in folder.columns().items()
        if column
    ]


def all_datasets(folders: Sequence[Loaded]) -> list[str]:
    """Return every data set of the folders, once."""
    return list(dict.fromkeys(name for folder in folders for name in folder.scores.datasets))
