"""Proof of resuming: kill -9 a sweep at random moments, resume it until it is finished, and compare its rows."""

import csv
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from absl import flags
from kill_moments import Moment, kill_at, moments, order

from plas_jax.commands.invocation import invoke
from plas_jax.files.messages import clock
from plas_jax.files.whole_files import PARTIAL, whole_file
from plas_jax.reports.markdown import table
from plas_jax.results.folder import OutputFolder
from plas_jax.results.manifest import Manifest

USAGE = """usage: kill_and_resume.py [flags]

Runs one sweep unbroken, data included. Then others like it, each killed (SIGKILL) and resumed until it ends before the
next kill, and compares results.csv byte for byte. Prints a line for each kill and keeps them in --output,
kill_and_resume.csv and .md. Exit status 0 if all rows are the unbroken ones, 1 otherwise."""

FLAGS = flags.FlagValues()
flags.DEFINE_integer("kills", 20, "How many.", lower_bound=1, flag_values=FLAGS)
flags.DEFINE_integer("seed", 0, "Of the moments.", flag_values=FLAGS)
flags.DEFINE_string("preset", "quick", "Of the sweep, as the four below.", flag_values=FLAGS)
flags.DEFINE_string("datasets", "hopper-medium-r1", "Recipes, commas between.", flag_values=FLAGS)
flags.DEFINE_string("perturbation_limits", "0,0.05,0.1", "Values of ε.", flag_values=FLAGS)
flags.DEFINE_integer("seeds", 1, "How many.", flag_values=FLAGS)
flags.DEFINE_string("output", "docs/resuming", "Folder of the verdicts.", flag_values=FLAGS)

SWEEP = "import sys; from plas_jax.commands.sweep_perturbation import main; sys.exit(main())"
SAME, ANOTHER = "same bytes", "other bytes"


class Kill(NamedTuple):
    """One kill, where it met the sweep, and what became of that sweep's rows."""

    kill: int
    sweep: int
    aimed_at: str
    seconds: float  # after the process started
    last_said: str
    being_written: str
    rows: int  # lines of results.csv and of what is to be merged into it, at that moment
    verdict: str = ""


class Sweep:
    """A sweep with a folder of results and one of data; it is started by `--resume` each time."""

    def __init__(self, folder: Path):
        self.results, self.data, self._log = folder / "results", folder / "data", folder / "log"
        self.data.mkdir(parents=True)
        words = [f"--{name}={FLAGS[name].value}" for name in ("preset", "datasets", "perturbation_limits", "seeds")]
        self._words = [*words, f"--data_dir={self.data}", f"--output={self.results}", "--resume"]

    @contextmanager
    def started(self) -> Iterator[subprocess.Popen]:
        """Start a process that goes on with the sweep and does not outlive the `with` block."""
        words = [sys.executable, "-c", SWEEP, *self._words]
        with (
            self._log.open("w", encoding="utf-8") as log,
            subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=log) as running,
        ):
            try:
                yield running
            finally:
                running.kill()

    @property
    def rows(self) -> bytes:
        """Read the bytes of results.csv, none before there is one."""
        path = self.results / "results.csv"
        return path.read_bytes() if path.exists() else b""

    @property
    def lines(self) -> int:
        """Count the lines of results.csv and of the files of rows that are not yet merged into it."""
        coming = (path.read_bytes() for path in (self.results / "rows").glob("*.csv"))
        return self.rows.count(b"\n") + sum(data.count(b"\n") for data in coming)

    @property
    def last_said(self) -> str:
        """Read the last line on its process's stderr, without the folder's name."""
        lines = self._log.read_text(encoding="utf-8").replace(f"{self.results.parent}/", "").splitlines()
        return lines[-1] if lines else "nothing yet"

    @property
    def being_written(self) -> str:
        """Name what lies on the disk under a temporary name or is half a line, commas between."""
        names = [path.name for path in self.data.rglob(f"*{PARTIAL}")]
        names += [path.name for path in self.results.glob(f".*{PARTIAL}")]
        checkpoints = (self.results / "checkpoints").glob("*/*/*.orbax-checkpoint-tmp*")
        names += [f"checkpoint {path.name.split('.')[0]} of {path.parent.name}" for path in checkpoints]
        coming = (self.results / "rows").glob("*.csv")
        names += [f"row of {path.stem}" for path in coming if not path.read_bytes().endswith(b"\n")]
        return ", ".join(name.removeprefix(".").removesuffix(PARTIAL).rstrip(".0123456789") for name in sorted(names))


def run() -> int:
    """Kill and resume until there were enough kills; return 0 when no sweep lost or changed a row, else 1."""
    output = Path(FLAGS.output)
    output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        unbroken = Sweep(Path(folder) / "unbroken")
        started = time.monotonic()
        with unbroken.started() as running:
            if running.wait():
                raise ValueError(f"the unbroken sweep failed: {unbroken.last_said}")
        seconds = time.monotonic() - started
        print(f"unbroken: {seconds:.1f} s, {len(unbroken.rows.splitlines()) - 1} rows", flush=True)
        kills = []
        for kills_of_sweep in _killed_sweeps(Path(folder), unbroken.rows, moments(seconds)):
            kills += kills_of_sweep
            _write(output, kills, OutputFolder(unbroken.results).read_manifest(), seconds)
    print(f"{len(kills)} kills, {sum(kill.verdict != SAME for kill in kills)} with other rows; {output}")
    return int(any(kill.verdict != SAME for kill in kills))


def _killed_sweeps(folder: Path, rows: bytes, named: dict[str, Moment]) -> Iterator[list[Kill]]:
    """Yield the kills of one sweep after another, each sweep resumed until it ends before it is killed."""
    draws, names, done, place = random.Random(FLAGS.seed), order(), 0, 0
    name = next(names)
    while done < FLAGS.kills:
        place += 1
        sweep, kills, started = Sweep(folder / f"sweep_{place}"), list[Kill](), time.monotonic()
        while True:
            with sweep.started() as running:
                enough = done + len(kills) >= FLAGS.kills
                seconds = None if enough else kill_at(named[name], running, sweep.results, sweep.data, draws)
                failed = seconds is None and running.wait() != 0
            if seconds is None:
                break
            met = sweep.last_said, sweep.being_written, sweep.lines
            kills.append(Kill(done + len(kills) + 1, place, name, round(seconds, 2), *met))
            name = next(names)
        verdict = f"failed: {sweep.last_said}" if failed else SAME if sweep.rows == rows else ANOTHER
        kills = [kill._replace(verdict=verdict) for kill in kills]
        done += len(kills)
        print(f"sweep {place}: {len(kills)} kills, {verdict}, {clock(time.monotonic() - started)}", flush=True)
        for kill in kills:
            print("  ", *kill[:-1], flush=True)
        yield kills


def _write(folder: Path, kills: list[Kill], manifest: Manifest, seconds: float) -> None:
    with whole_file(folder / "kill_and_resume.csv") as partial, partial.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([Kill._fields, *kills])
    versions = ", ".join(f"{name} {manifest.versions[name]}" for name in ("python", "jax", "orbax-checkpoint"))
    heads = ["kill", "sweep", "aimed at", "s after start", "last line said", "being written", "rows", "verdict"]
    words = " ".join(f"--{name}={FLAGS[name].value}" for name in FLAGS if name != "output")
    text = (
        f"`python experiments/kill_and_resume.py {words}`: "
        f"{len(kills)} kills of {kills[-1].sweep if kills else 0} sweeps that take {seconds:.0f} s unbroken; "
        f"{manifest.device}; {versions}; commit {manifest.git_commit}.\n\n"
    )
    with whole_file(folder / "kill_and_resume.md") as partial:
        partial.write_text(text + table(heads, [list(map(str, kill)) for kill in kills]) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(invoke(run, FLAGS, USAGE))
