"""Proof of the tests: plant small mistakes drawn at random, one by one, and see which test of `make test` goes red."""

import ast
import csv
import os
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from pathlib import Path
from queue import SimpleQueue
from typing import NamedTuple

from absl import flags
from mutant_sites import Mutant, drawn

from plas_jax.commands.invocation import invoke
from plas_jax.files.messages import clock
from plas_jax.files.whole_files import whole_file
from plas_jax.reports.markdown import table
from plas_jax.training import kept_programs

USAGE = """usage: mutants.py [--mutants=60] [--seed=0] [--at_once=2] [flags]

Draws functions of the package's core and a mistake in each, plants each in a clone of the commit that is checked out,
as many at once as there are cores, and runs what `make test` runs until the first failure: first the files of tests
that import the mutated module, the nearest before the others. What failed must pass again without the mistake.
Keeps verdicts in --output, mutants.csv and .md, and leaves out what is there already, so that it can be stopped and
called again. The exit status is 0 only if every mutant was killed."""

FLAGS = flags.FlagValues()
flags.DEFINE_integer("mutants", 60, "How many.", lower_bound=1, flag_values=FLAGS)
flags.DEFINE_integer("seed", 0, "Of the draws.", flag_values=FLAGS)
flags.DEFINE_integer("at_once", os.cpu_count() or 1, "Clones that are tested.", lower_bound=1, flag_values=FLAGS)
flags.DEFINE_float("minutes", 40.0, "Tests that take longer have found it.", lower_bound=0.0, flag_values=FLAGS)
flags.DEFINE_string("output", "docs/mutants", "Folder of the verdicts.", flag_values=FLAGS)

ROOT = Path(__file__).parents[1]
CORE = ("algorithms", "models", "training", "datasets", "results", "sweeps")
KILLED, SURVIVED, ENDLESS = "killed", "survived", "no end"
NEAR = 1  # imports away
PASSED = (0, 5)  # pytest's statuses of no failure, and of files whose every test is marked slow
EVERY_CORE = ["--numprocesses=auto", "--maxprocesses=4", "--dist=loadfile", "--no-loadscope-reorder"]


class Verdict(NamedTuple):
    """What became of one mutant; `test` is the first to fail."""

    mutant: str
    function: str
    before: str
    after: str
    verdict: str
    test: str
    seconds: float


def run() -> int:
    """Try every mutant that is drawn; return 0 when each was killed, else 1."""
    folder = Path(FLAGS.output)
    mutants = drawn(ROOT / "plas_jax", CORE, FLAGS.mutants, FLAGS.seed)
    verdicts = read_verdicts(folder / "mutants.csv")
    folder.mkdir(parents=True, exist_ok=True)
    free: SimpleQueue[Path] = SimpleQueue()

    def tried(mutant: Mutant) -> Verdict:
        clone = free.get()
        try:
            return _try(mutant, clone, order)
        finally:
            free.put(clone)

    with tempfile.TemporaryDirectory() as place, ThreadPoolExecutor(FLAGS.at_once) as pool:
        for number in range(FLAGS.at_once):
            free.put(clone := Path(place) / str(number))
            if subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=False).returncode:
                raise ValueError(f"{ROOT} is no checkout that could be cloned")
        order = Order(clone)
        waiting = [pool.submit(tried, mutant) for mutant in mutants if mutant.name not in verdicts]
        try:
            for verdict in map(Future.result, as_completed(waiting)):
                verdicts[verdict.mutant] = verdict
                print(f"{verdict.mutant}: {verdict.verdict} {verdict.test} ({clock(verdict.seconds)})", flush=True)
                _write(folder, list(verdicts.values()))
        finally:  # what has not begun when one fails, or the command is stopped
            pool.shutdown(cancel_futures=True)
    return int(any(verdicts[mutant.name].verdict == SURVIVED for mutant in mutants))


class Order:
    """In which order files of tests are asked about a module: by how many imports away they are from it."""

    def __init__(self, clone: Path):
        paths = [*(clone / "plas_jax").rglob("*.py"), *(clone / "tests").glob("*.py")]
        names = {".".join(path.relative_to(clone).with_suffix("").parts): path for path in paths}
        self.tests = sorted(name for name in names if name.startswith("tests.test_"))
        self._imports = {name: imported(path, set(names)) for name, path in names.items()}

    def of(self, path: str) -> tuple[list[str], list[str]]:
        """Return files of tests that import the module at a path within the package, and all others, nearest first."""
        module = "plas_jax." + path.removesuffix(".py").replace("/", ".")
        away = {name: self._distance(name, module) for name in self.tests}
        nearest = sorted(self.tests, key=lambda name: (away[name], name))
        files = {name: name.replace(".", "/") + ".py" for name in nearest}
        near = [files[name] for name in nearest if away[name] <= NEAR]
        return near, [file for file in files.values() if file not in near]

    def _distance(self, name: str, module: str) -> float:
        seen, edge, steps = {name}, {name}, 0
        while edge and module not in edge:
            edge = set().union(*(self._imports[each] for each in edge)) - seen
            seen |= edge
            steps += 1
        return steps if edge else float("inf")


def imported(path: Path, names: set[str]) -> set[str]:
    """Return which of these modules a file imports anywhere; tests import each other without their folder."""
    found = set()
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return (found | {f"tests.{name}" for name in found}) & names


def _try(mutant: Mutant, clone: Path, order: Order) -> Verdict:
    file, started = clone / "plas_jax" / mutant.path, time.monotonic()
    source = file.read_bytes()
    file.write_bytes(mutant.planted(source))
    verdict, test = SURVIVED, ""
    try:
        near, others = order.of(mutant.path)
        test = first_failure(near, clone) or first_failure([*others, *EVERY_CORE], clone)
    except subprocess.TimeoutExpired:
        verdict = ENDLESS
    finally:
        file.write_bytes(source)
    if test:
        verdict = KILLED
        if first_failure([test], clone):
            raise ValueError(f"{test} fails without any mistake")
    before, after = (" ".join(text.split()) for text in (mutant.before, mutant.after))
    seconds = round(time.monotonic() - started, 1)
    return Verdict(mutant.name, mutant.function, before, after, verdict, test, seconds)


def first_failure(words: list[str], clone: Path) -> str:
    """Run tests until one fails; return its name, and nothing where none does."""
    if not words:
        return ""
    programs = ROOT / ".pytest_cache" / "programs" / kept_programs.folder().name
    environment = {"PYTHONPATH": str(clone), "PYTHONDONTWRITEBYTECODE": "1", "JAX_COMPILATION_CACHE_DIR": str(programs)}
    call = [sys.executable, "-m", "pytest", "-q", "-x", "-rfE", "-m", "not slow", *words]
    with tempfile.TemporaryFile("w+") as output:
        running = subprocess.Popen(
            call, cwd=clone, env=os.environ | environment, stdout=output, stderr=output, start_new_session=True
        )
        try:
            status = running.wait(60 * FLAGS.minutes)
        finally:  # workers and commands that tests have started too
            if running.poll() is None:
                os.killpg(running.pid, signal.SIGKILL)
        output.seek(0)
        lines = output.read().splitlines()
    failures = [line.split(" ", 1)[1].split(" - ")[0] for line in lines if line.startswith(("FAILED ", "ERROR "))]
    if (status in PASSED) == bool(failures):
        raise ValueError(f"pytest ended with {status}: {lines[-1:]}")
    return failures[0] if failures else ""


def read_verdicts(path: Path) -> dict[str, Verdict]:
    """Read the verdicts so far, by mutant."""
    if not path.exists():
        return {}
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))[1:]
    verdicts = [Verdict._make([*row[:-1], float(row[-1])]) for row in rows]
    return {verdict.mutant: verdict for verdict in verdicts}


def _write(folder: Path, verdicts: list[Verdict]) -> None:
    with whole_file(folder / "mutants.csv") as partial, partial.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([Verdict._fields, *verdicts])
    body = [
        [f"{each.mutant.split(',')[0]} `{each.function}`", *(_code(text) for text in (each.before, each.after)),
         each.verdict, each.test or "—"]
        for each in verdicts
    ]  # fmt: skip
    text = table(["where", "before", "after", "verdict", "the first test to fail"], body)
    with whole_file(folder / "mutants.md") as partial:
        partial.write_text(text + "\n", encoding="utf-8")


def _code(text: str) -> str:
    return f"`{text.replace('|', chr(92) + '|')}`"


if __name__ == "__main__":
    sys.exit(invoke(run, FLAGS, USAGE))
