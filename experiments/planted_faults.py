"""Proof of the gate: plant mistakes in a copy of the package, one by one, and see what the gate says of each."""

import csv
import os
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from pathlib import Path
from typing import NamedTuple, NotRequired, TypedDict
from xml.etree import ElementTree

from absl import flags

import plas_jax
from plas_jax.commands.invocation import invoke
from plas_jax.files.messages import clock
from plas_jax.files.whole_files import whole_file
from plas_jax.reports.markdown import table
from plas_jax.verification.gate.report import BETTER_WHEN_LARGER, FAIL, PASS, UNDECIDED

USAGE = """usage: planted_faults.py [flags]

Plants each mistake of --faults_file in a copy of the package, runs the gate on the copy and keeps its verdict in
--output, planted_faults.csv and .md. Those that are there already are left out, so that it can be stopped and called
again."""

FLAGS = flags.FlagValues()
flags.DEFINE_string("faults", "", "Names, commas between; default: all, and `none`.", flag_values=FLAGS)
flags.DEFINE_string("faults_file", "experiments/planted_faults.toml", "The mistakes.", flag_values=FLAGS)
flags.DEFINE_string("accepted", "benchmarks/accepted/gate.json", "What the gate compares with.", flag_values=FLAGS)
flags.DEFINE_string("golden", "tests/golden", "Folder of golden files.", flag_values=FLAGS)
flags.DEFINE_string("preset", "gate", "The gate's preset.", flag_values=FLAGS)
flags.DEFINE_string("algorithms", "", "The gate's methods; default: all of them.", flag_values=FLAGS)
flags.DEFINE_string("datasets", "", "The gate's data sets; default: all of them.", flag_values=FLAGS)
flags.DEFINE_string("data_dir", None, "Folder of data; default: D4RL_DATASET_DIR, ~/.d4rl/datasets.", flag_values=FLAGS)
flags.DEFINE_string("output", "docs/gate", "Folder of the verdicts.", flag_values=FLAGS)

NONE = "none"  # the package as it is
GATE = "import sys; from plas_jax.commands.score_regression import main; sys.exit(main())"
VERDICTS = {PASS: "pass", FAIL: "fail", UNDECIDED: "could not decide"}


class Edit(TypedDict):
    """A text that occurs once in all of the package, and what it becomes."""

    before: str
    after: str


class Fault(TypedDict):
    """A mistake as the faults' file has it; `test` names what catches one that is out of the gate's reach."""

    says: str
    edits: list[Edit]
    test: NotRequired[str]


class Verdict(NamedTuple):
    """The gate's verdict on one mistake; `scores` and `measures` count what moved of either kind."""

    fault: str
    says: str
    verdict: str
    scores: int
    measures: int
    first: str  # the most conspicuous


def run() -> int:
    """Try every mistake that is named; return 0 when the gate saw each, and nothing where there is none, else 1."""
    faults = read_faults(Path(FLAGS.faults_file))
    names = FLAGS.faults.split(",") if FLAGS.faults else [NONE, *faults]
    for name in names:
        if name not in faults and name != NONE:
            raise ValueError(f"--faults: {name!r} is none of {NONE}, {', '.join(faults)}")
    folder = Path(FLAGS.output)
    folder.mkdir(parents=True, exist_ok=True)
    done = read_verdicts(folder / "planted_faults.csv")
    for name in names:
        if name not in done:
            started = time.monotonic()
            done[name] = _try(name, faults.get(name, {"says": "the package as it is", "edits": []}))
            print(f"{name}: {done[name].verdict}, {done[name].first or 'nothing moved'}"
                  f" ({clock(time.monotonic() - started)})", flush=True)  # fmt: skip
            _write(folder, [done[each] for each in (NONE, *faults) if each in done], faults)
    unseen = [
        name for name in names if name != NONE and "test" not in faults[name] and done[name].verdict == VERDICTS[PASS]
    ]
    return int(bool(unseen) or (NONE in names and done[NONE].verdict != VERDICTS[PASS]))


def read_faults(path: Path) -> dict[str, Fault]:
    """Read the mistakes by name. Raises `ValueError` or `OSError`, one line."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{path}: {error}") from error


def plant(package: Path, fault: Fault) -> None:
    """Make the edits in a copy of the package. Raises `ValueError` where a text does not occur once in all of it."""
    for edit in fault["edits"]:
        before = edit["before"]
        sources = {path: path.read_text(encoding="utf-8") for path in package.rglob("*.py")}
        holders = {path: source for path, source in sources.items() if before in source}
        count = sum(source.count(before) for source in holders.values())
        if count != 1:
            raise ValueError(f"the package has {count} times {before!r}, not once")
        for path, source in holders.items():
            path.write_text(source.replace(before, edit["after"]), encoding="utf-8")


def _try(name: str, fault: Fault) -> Verdict:
    with tempfile.TemporaryDirectory() as folder:
        copy, output = Path(folder), Path(folder) / "output"
        shutil.copytree(Path(plas_jax.__file__).parent, copy / "plas_jax", ignore=shutil.ignore_patterns("__pycache__"))
        plant(copy / "plas_jax", fault)
        words = [f"--preset={FLAGS.preset}", f"--accepted={Path(FLAGS.accepted).absolute()}", f"--output={output}"]
        words += [f"--golden={Path(FLAGS.golden).absolute()}"]
        words += [f"--algorithms={FLAGS.algorithms}", f"--datasets={FLAGS.datasets}"]
        words += [f"--data_dir={Path(FLAGS.data_dir).absolute()}"] if FLAGS.data_dir else []
        call, environment = [sys.executable, "-c", GATE, *words], os.environ | {"PYTHONPATH": str(copy)}
        done = subprocess.run(call, cwd=copy, env=environment, capture_output=True, text=True, check=False)
        if done.returncode not in VERDICTS or not (output / "junit.xml").exists():
            raise ValueError(f"{name}: the gate did not run: {done.stderr.strip().splitlines()[-1:]}")
        return _verdict(name, fault["says"], done.returncode, output / "junit.xml")


def _verdict(name: str, says: str, status: int, report: Path) -> Verdict:
    cases = [case for case in ElementTree.parse(report).getroot() if case.find("failure") is not None]
    moved = [f"{case.get('name')} of {case.get('classname', '').replace('.', ', ')}" for case in cases]
    scores = sum(case.get("name") in BETTER_WHEN_LARGER for case in cases)
    return Verdict(name, says, VERDICTS[status], scores, len(cases) - scores, moved[0] if moved else "")


def read_verdicts(path: Path) -> dict[str, Verdict]:
    """Read the verdicts so far, by mistake."""
    if not path.exists():
        return {}
    with path.open(encoding="utf-8", newline="") as file:
        verdicts = [
            Verdict(row["fault"], row["says"], row["verdict"], int(row["scores"]), int(row["measures"]), row["first"])
            for row in csv.DictReader(file)
        ]
    return {verdict.fault: verdict for verdict in verdicts}


def _write(folder: Path, verdicts: list[Verdict], faults: dict[str, Fault]) -> None:
    with whole_file(folder / "planted_faults.csv") as partial, partial.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([Verdict._fields, *verdicts])
    heads = ["mistake", "verdict", "scores moved", "measures moved", "most conspicuous, or what catches it instead"]
    body = [
        [each.says, each.verdict, str(each.scores), str(each.measures), each.first or _catcher(faults.get(each.fault))]
        for each in verdicts
    ]
    with whole_file(folder / "planted_faults.md") as partial:
        partial.write_text(table(heads, body) + "\n", encoding="utf-8")


def _catcher(fault: Fault | None) -> str:
    return fault.get("test", "—") if fault else "—"


if __name__ == "__main__":
    sys.exit(invoke(run, FLAGS, USAGE))
