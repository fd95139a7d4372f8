"""The folder a sweep writes to: claimed without overwriting anything, resumed only by the same sweep."""

import json
import shutil
import tempfile
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Protocol
from urllib.parse import quote

from plas_jax.files.json_files import read_object
from plas_jax.files.messages import nearest
from plas_jax.files.whole_files import PARTIAL, remove_partial, write_whole
from plas_jax.results.diagnostics import forget_diagnostics
from plas_jax.results.manifest import RESULTS_VERSION, SHAPE, Manifest
from plas_jax.results.metrics import MetricsRow, read_metrics, write_metrics
from plas_jax.results.q_rows import NAME as Q_ERRORS
from plas_jax.results.q_rows import tidy_q_rows
from plas_jax.results.rows import Row, append_rows, distinct, read_coming_rows, read_rows, write_rows
from plas_jax.training.hosts import agreed, is_first

GROWING = ("datasets", "seeds")  # arguments that may have more on resume: `sweeps/growth.py`


class Request(Protocol):
    """What a folder must know of the sweep that wants it."""

    @property
    def resume(self) -> bool:
        """Return whether it goes on with what the folder holds."""

    @property
    def arguments(self) -> dict[str, object]:
        """Return what decides the results, as it stands in the manifest."""


def output_folder(output: str, name: str) -> Path:
    """Return the folder of --output, or else a new one under results/, by a command's name and the time."""
    return Path(output or agreed(lambda: f"results/{name}-{datetime.now().strftime('%Y%m%d-%H%M%S')}"))


class OutputFolder:
    """The files of one sweep. All but rows that are still coming are written to a temporary name, then renamed.

    `results.csv` has every row, in a fixed order. While a group is trained its rows lie in a file of its own in
    `rows/`, to which each evaluation is appended: `results.csv` may have half a million.
    """

    def __init__(self, folder: Path):
        self.path = folder
        self.rows = folder / "results.csv"
        self.manifest = folder / "manifest.json"
        self.checkpoints = folder / "checkpoints"
        self.coming = folder / "rows"
        self.watchers: list[Callable[[Iterable[Row]], None]] = []  # what is told of rows that come
        self.policies = folder / "policies"
        self.best_policies = self.policies / "best"
        self.sources = folder / "methods"
        self.diagnostics = folder / "diagnostics.csv"
        self.metrics = folder / "metrics.csv"
        self.metrics_parts = folder / "metrics"
        self.q_errors = folder / Q_ERRORS
        self._made = [folder]  # what goes again where nothing is written to it

    def claim(self, request: Request) -> Manifest | None:
        """Make the folder ours, or refuse in one line; return the manifest of the sweep to resume, if there is one.

        Raises `FileExistsError` when it holds results and may not be resumed, `ValueError` when the sweep to resume
        was another one, `OSError` when it cannot be written to. Of several processes the first one does it for all.
        """
        agreed(lambda: self._claim(request))
        return self.read_manifest() if self.manifest.exists() else None

    def look(self, request: Request) -> Manifest | None:
        """Return the manifest of the sweep to resume, if there is one; write nothing. Raises as `claim` does."""
        if self.manifest.exists():
            self._refuse_another(request)
            return self.read_manifest()
        if self.path.exists() and (not self.path.is_dir() or any(self._finished_files())):
            raise FileExistsError(f"{self.path} exists and holds no sweep: choose another --output")
        return None

    def _claim(self, request: Request) -> None:
        if self.look(request) is not None:
            remove_partial(self.path)
            return
        self._made = [self.path, *(above for above in self.path.parents if not above.exists())]
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.path):
                remove_partial(self.path)
        except OSError as error:
            raise OSError(f"--output {self.path} cannot be written to: {error.strerror}") from error

    def _finished_files(self) -> Iterator[Path]:
        """Yield all but what a process was writing for the first time when it was killed."""
        return (path for path in self.path.iterdir() if not path.name.endswith(PARTIAL))

    def _refuse_another(self, request: Request) -> None:
        manifest = self.read_manifest()
        if not request.resume:
            state = "a finished" if manifest.complete else "an unfinished"
            raise FileExistsError(f"{self.path} holds {state} sweep: add --resume, or choose another --output")
        before, now = manifest.arguments, request.arguments
        for name in {**now, **before}:
            if name not in GROWING and before.get(name) != now.get(name):
                raise ValueError(
                    f"{self.path} cannot be resumed: its sweep has {name} {before.get(name)}, not {now.get(name)}"
                )
        if manifest.results_version != RESULTS_VERSION:
            raise ValueError(
                f"{self.path} cannot be resumed: its numbers are of version {manifest.results_version}, those of this "
                f"plas_jax of version {RESULTS_VERSION}: choose a new --output"
            )
        if not manifest.methods or not manifest.datasets or manifest.evaluations_in_mean < 1:
            raise ValueError(
                f"{self.path} cannot be resumed: an earlier version of plas_jax began its sweep: choose a new --output"
            )

    def read_manifest(self) -> Manifest:
        """Return the manifest as it stands. Raises `ValueError`, one line, when it is none that a sweep wrote."""
        if not self.manifest.exists():
            others = [path.parent.name for path in self.path.parent.glob(f"*/{self.manifest.name}")]
            missing = f"holds no sweep: it has no {self.manifest.name}, as every folder of results"
            raise FileNotFoundError(f"{self.path} {missing}{nearest(self.path.name, others)}")
        manifest = read_object(self.manifest, SHAPE)
        if "arguments" not in manifest:
            raise ValueError(f"{self.manifest} is not a manifest: it has no arguments")
        return Manifest.from_json(manifest)

    def write_manifest(self, manifest: Manifest) -> None:
        """Replace the manifest, whole or not at all; of several processes the first one does."""
        text = json.dumps(manifest.to_json(), indent=1, default=str) + "\n"
        if is_first():
            write_whole(self.manifest, text)

    def read_rows(self) -> list[Row]:
        """Return every row, those that are still coming included. Raises `ValueError` as `rows.read_rows` does."""
        rows = read_rows(self.rows) if self.rows.exists() else []
        if not self.coming.exists():
            return rows
        coming = [row for path in sorted(self.coming.glob("*.csv")) for row in read_coming_rows(path)]
        return distinct([*rows, *coming])  # a process may die while it moves rows from one file to the other

    def append_rows(self, group: str, rows: Iterable[Row]) -> None:
        """Write down rows that are still coming."""
        self.coming.mkdir(exist_ok=True)
        rows = list(rows)
        append_rows(self.coming / f"{group}.csv", rows)
        for watcher in self.watchers:
            watcher(rows)

    @contextmanager
    def watched(self, watcher: Callable[[Iterable[Row]], None]) -> Iterator[None]:
        """Tell a watcher of rows that come, while entered."""
        self.watchers.append(watcher)
        try:
            yield
        finally:
            self.watchers.remove(watcher)

    def merge_rows(self) -> None:
        """Put the rows that came into `results.csv`."""
        if self.coming.exists():
            self.replace_rows(self.read_rows())

    def replace_rows(self, rows: Iterable[Row]) -> None:
        """Make `results.csv` of these rows and of no others."""
        rows = list(rows)
        if rows or self.rows.exists():
            write_rows(self.rows, rows)
        for path in self.coming.glob("*.csv"):
            path.unlink()
        if self.coming.exists():
            self.coming.rmdir()

    def read_metrics(self) -> list[MetricsRow]:
        """Return what updates returned, what is still coming included. Raises `ValueError` as `read_metrics` does."""
        paths = [*([self.metrics] if self.metrics.exists() else []), *sorted(self.metrics_parts.glob("*.csv"))]
        return [row for path in paths for row in read_metrics(path)]

    def keep_metrics(self, is_wanted: Callable[[MetricsRow], bool] = lambda row: True) -> None:
        """Put what came into `metrics.csv`, but for rows that are not wanted."""
        rows = self.read_metrics()
        if rows:
            write_metrics(self.metrics, filter(is_wanted, rows))
        for path in self.metrics_parts.glob("*.csv"):
            path.unlink()
        if self.metrics_parts.exists():
            self.metrics_parts.rmdir()

    def keep_source(self, method: str, text: str) -> None:
        """Keep the file of a method of one's own as it was when it was trained. Of several processes the first does."""
        self.sources.mkdir(exist_ok=True)
        write_whole(self.sources / f"{method}.py", text)

    def forget(self, algorithms: Collection[str], method: str, groups: Collection[str]) -> None:
        """Remove all that every file has of these algorithms, and a method's checkpoints, policies and source."""
        self.replace_rows(row for row in self.read_rows() if row.algorithm not in algorithms)
        self.keep_metrics(lambda row: row.algorithm not in algorithms)
        forget_diagnostics(self.diagnostics, algorithms)
        tidy_q_rows(self.q_errors, without=algorithms)
        for group in groups:
            shutil.rmtree(self.checkpoints / group, ignore_errors=True)
        for path in self.policies.rglob("*.npz"):
            if any(f"_{quote(name, safe='+')}_" in path.name for name in algorithms if name):
                path.unlink()
        (self.sources / f"{method}.py").unlink(missing_ok=True)

    def write_text(self, name: str, text: str) -> None:
        """Replace a file of text in the folder, whole or not at all."""
        write_whole(self.path / name, text)

    @contextmanager
    def named(self) -> Iterator[None]:
        """Put the folder's name before what reports refuse of its rows and manifest."""
        try:
            yield
        except ValueError as error:
            raise ValueError(f"{self.path}: {error}") from error

    def release(self) -> None:
        """Remove the folder if nothing was written to it, and those above it that were made for it."""
        for folder in self._made:
            if not is_first() or not folder.is_dir() or any(folder.iterdir()):
                return
            folder.rmdir()
