"""The folder a sweep writes to: claimed without overwriting anything, resumed only by the same sweep."""

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from plas_jax.files.json_files import ANY, NUMBER, OBJECT, read_object
from plas_jax.files.whole_files import PARTIAL, remove_partial, whole_file
from plas_jax.training.hosts import agreed, is_first

TIMES = {ANY: NUMBER}
PROGRESS = {
    "groups?": {ANY: {"complete": bool, "executables": {ANY: int}, "whole?": str, "cut?": [int]}},
    "executables?": {ANY: int},
    "wall_seconds?": TIMES,
}
METHOD = {
    "complete": bool,
    **dict.fromkeys(("updates?", "first_updates?"), int),
    "git_commit?": str,
    "grid": OBJECT,
    "constants": OBJECT,
    **PROGRESS,
}
# What is read of a manifest, by a sweep that goes on and by the reports.
SHAPE = {
    "complete?": bool,
    "arguments?": OBJECT,
    **dict.fromkeys(("preset?", "dynamics?", "device?", "matmul_precision?", "git_commit?"), str),
    "seeds?": [int],
    "selection_seeds?": [int],
    **dict.fromkeys(("episodes?", "evaluations_in_mean?"), int),
    "clip_weight?": NUMBER,
    "latent_limit?": [NUMBER],
    "versions?": {ANY: str},
    "datasets?": {
        ANY: {"version": str, "fingerprint": str, **dict.fromkeys(("score?", "mean_return?"), (*NUMBER, None))}
    },
    "methods?": {ANY: METHOD},
    **PROGRESS,
}


class Request(Protocol):
    """What a folder must know of the sweep that wants it."""

    @property
    def resume(self) -> bool:
        """Whether it goes on with what the folder holds."""

    @property
    def holds(self) -> str:
        """What the manifest of such a sweep has."""

    def arguments(self) -> dict[str, Any]:
        """What decides the results, as it stands in the manifest."""


def asked_folder(output: str, name: str) -> Path:
    """The folder of --output, or else a new one under results/, by a command's name and the time."""
    return Path(output or agreed(lambda: f"results/{name}-{datetime.now().strftime('%Y%m%d-%H%M%S')}"))


class OutputFolder:
    """The files of one sweep. Every write is to a temporary name, then renamed."""

    def __init__(self, folder: Path):
        self.path = folder
        self.rows = folder / "results.csv"
        self.manifest = folder / "manifest.json"
        self.checkpoints = folder / "checkpoints"

    def claim(self, request: Request) -> dict[str, Any] | None:
        """Make the folder ours, or refuse in one line; returns the manifest of the sweep to resume, if there is one.

        Raises `FileExistsError` when it holds results and may not be resumed, `ValueError` when the sweep to resume
        was another one, `OSError` when it cannot be written to. Of several processes the first one does it for all.
        """
        return agreed(lambda: self._claimed(request))

    def _claimed(self, request: Request) -> dict[str, Any] | None:
        if self.manifest.exists():
            found = self._resumable(request)
            remove_partial(self.path)
            return found
        if self.path.exists() and (not self.path.is_dir() or any(self._finished_files())):
            raise FileExistsError(f"{self.path} exists and holds no sweep: choose another --output")
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.path):
                remove_partial(self.path)
        except OSError as error:
            raise OSError(f"--output {self.path} cannot be written to: {error.strerror}") from error
        return None

    def _finished_files(self) -> Iterator[Path]:
        """All but what a process was writing for the first time when it was killed."""
        return (path for path in self.path.iterdir() if not path.name.endswith(PARTIAL))

    def _resumable(self, request: Request) -> dict[str, Any]:
        found = self.read_manifest()
        state = "a finished" if found.get("complete") else "an unfinished"
        if not request.resume:
            raise FileExistsError(f"{self.path} holds {state} sweep: add --resume, or choose another --output")
        before, now = found["arguments"], request.arguments()
        for name in now:
            if before.get(name) != now[name]:
                raise ValueError(
                    f"{self.path} cannot be resumed: its sweep has {name} {before.get(name)}, not {now[name]}"
                )
        if not {request.holds, "datasets"} <= set(found) or found.get("evaluations_in_mean", 1) < 1:
            raise ValueError(
                f"{self.path} cannot be resumed: another command or an earlier version of plas_jax began its sweep"
            )
        return found

    def read_manifest(self) -> dict[str, Any]:
        """The manifest as it stands. Raises `ValueError`, one line, when it is none that a sweep wrote."""
        found = read_object(self.manifest, SHAPE)
        if "arguments" not in found:
            raise ValueError(f"{self.manifest} is not a manifest: it has no arguments")
        return found

    def write_manifest(self, manifest: dict[str, Any]) -> None:
        """Replace the manifest, whole or not at all; of several processes the first one does."""
        if not is_first():
            return
        with whole_file(self.manifest) as partial:
            partial.write_text(json.dumps(manifest, indent=1, default=str) + "\n", encoding="utf-8")

    @contextmanager
    def named(self) -> Iterator[None]:
        """Put the folder's name before what reports refuse of its rows and manifest."""
        try:
            yield
        except ValueError as error:
            raise ValueError(f"{self.path}: {error}") from error

    def release(self) -> None:
        """Remove the folder if nothing was written to it."""
        if is_first() and self.path.is_dir() and not any(self.path.iterdir()):
            self.path.rmdir()
