"""The gate on scores: train a small fixed suite, compare it with accepted results, say what moved."""

import os
import platform
import shlex
import sys
import time
from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np
from absl import flags

from plas_jax.commands import sweep_data
from plas_jax.commands.gate_request import ALGORITHMS, DATASETS, PRESETS, Request, request
from plas_jax.commands.gate_runs import DATA, Values, gate_values, values_of_data
from plas_jax.commands.interruption import Interrupted
from plas_jax.commands.invocation import invoke
from plas_jax.commands.progress import Watch, clock
from plas_jax.commands.sweep_groups import groups
from plas_jax.commands.sweep_manifest import circumstances
from plas_jax.datasets.folders import whole_file
from plas_jax.datasets.loading import contents
from plas_jax.evaluation.accepted import Accepted, read_accepted, write_accepted
from plas_jax.evaluation.movement import DIVISIONS, Place, movements, smallest_p
from plas_jax.reports.junit import junit
from plas_jax.reports.regression import UNDECIDED, Finding, finding, regression_report
from plas_jax.training.layout import use_every_core

# A clean check fails at most this often. Half of what is promised, 1 %: the accepted seeds are drawn once, and every
# later check is compared with the same ones.
LEVEL = 0.005

OTHER_ROWS = (
    "the rows of {} are not those of the accepted results (other versions of MuJoCo or NumPy, or another kind of"
    " processor?): accept results made with these"
)

USAGE = f"""usage: score_regression.py [flags]
       score_regression.py --accept --reason="why"

Trains {", ".join(ALGORITHMS)} on {", ".join(DATASETS)} with ten seeds, in minutes on a CPU, and
compares scores, and measures that vary less than scores, with the accepted results of other seeds. A clean change
fails in at most 1 % of checks, over all measures together.

Exit status: 0 nothing moved for the worse, 1 a regression, 2 could not decide (or bad input).
--output gets regression.md (for a pull request), junit.xml and values.json (which has the form of an accepted file).
--algorithms takes Python files with a METHOD, too: gate your own with an --accepted file of your own."""

FLAGS = flags.FlagValues()
flags.DEFINE_enum("preset", "gate", list(PRESETS), "How long and how wide; smoke is for tests.", flag_values=FLAGS)
flags.DEFINE_string("algorithms", "", f"Methods; default: {','.join(ALGORITHMS)}.", flag_values=FLAGS)
flags.DEFINE_string("datasets", "", f"Names; default: {','.join(DATASETS)}.", flag_values=FLAGS)
flags.DEFINE_integer("seeds", None, "How many; default: 10, or 40 with --accept.", flag_values=FLAGS)
flags.DEFINE_integer("first_seed", None, "The first; default: 1000, or 0 with --accept.", flag_values=FLAGS)
flags.DEFINE_string("accepted", "", "File; default: benchmarks/accepted/PRESET.json.", flag_values=FLAGS)
flags.DEFINE_boolean("accept", False, "Write the file instead of comparing with it.", flag_values=FLAGS)
flags.DEFINE_string("reason", "", "Why the results are accepted; stays in the file.", flag_values=FLAGS)
flags.DEFINE_string("data_dir", None, "Folder of data; default: D4RL_DATASET_DIR, ~/.d4rl/datasets.", flag_values=FLAGS)
flags.DEFINE_string("output", "", "Folder of reports; default: a new one under results/.", flag_values=FLAGS)


def run(words: list[str]) -> int:
    """Train, then compare or accept; 0, 1 or 2 as the usage says."""
    if words:
        raise ValueError(f"unexpected {' '.join(words)!r}: every argument is a flag, see --help")
    use_every_core(os.cpu_count() or 1)
    started = time.monotonic()
    asked = _request()
    known = read_accepted(asked.accepted) if asked.accepted.exists() or not asked.reason else None
    if known is not None and not asked.reason:
        _comparable(asked, known)
    with Watch() as watch:
        try:
            measured = measure(asked, watch)
        except Interrupted:
            watch.say("stopped: nothing was compared, and nothing is kept")
            return 130
        seconds = time.monotonic() - started
        if asked.reason:
            history = [] if known is None else [*known.circumstances.get("history", []), _entry(known)]
            accept(asked, measured._replace(circumstances={**measured.circumstances, "history": history}))
            watch.say(f"{asked.accepted}: accepted {len(measured.seeds)} seeds after {clock(seconds)}")
        if known is None:
            return 0
        found = compare(known, measured)
        write_reports(asked.output, found, measured, seconds)
        print(regression_report(found))
        watch.say(f"{asked.output} after {clock(seconds)}")
    return 0 if asked.reason else found.status


def _request() -> Request:
    stamp = datetime.now().strftime("%Y%m%d-%H%M%S")
    output = Path(FLAGS.output or f"results/score_regression-{stamp}")
    return request(
        preset=FLAGS.preset,
        algorithms=FLAGS.algorithms,
        datasets=FLAGS.datasets,
        seeds=FLAGS.seeds,
        first_seed=FLAGS.first_seed,
        accepted=FLAGS.accepted,
        accept=FLAGS.accept,
        reason=FLAGS.reason,
        data_dir=FLAGS.data_dir,
        output=output,
    )


def _comparable(asked: Request, known: Accepted) -> None:
    """Refuse before training what could not be compared after it: `ValueError`, one line."""
    for name, now in asked.suite().items():
        if known.suite.get(name) != now:
            raise ValueError(
                f"{asked.accepted} was made with {name} {known.suite.get(name)}, not {now}: accept this suite's results"
            )
    for dataset in asked.datasets:
        if not any(place.dataset == dataset.name for place in known.values):
            raise ValueError(f"{asked.accepted} has no results of {dataset.name}")
    missing = [label for label in _labels(asked) if not any(place.algorithm == label for place in known.values)]
    if missing:
        raise ValueError(f"{asked.accepted} has no results of {', '.join(missing)}")
    if smallest_p(len(known.seeds), len(asked.seeds)) > LEVEL:
        raise ValueError(f"--seeds: {len(asked.seeds)} against {len(known.seeds)} cannot decide at p ≤ {LEVEL:g}")


def _labels(asked: Request) -> list[str]:
    """The names under which the methods' results stand; those of a method with a grid of its own are not foretold."""
    found = []
    for method in asked.methods:
        grid = dict(method.grid)
        if method.name == "plas":
            found += ["plas+p" if limit else "plas" for limit in grid["perturbation_limit"]]
        elif not grid:
            found.append(method.name)
    return found


def measure(asked: Request, watch: Watch) -> Accepted:
    """Train everything that was asked for; every measure of every seed, in the form of an accepted file."""
    needs = sweep_data.Needs(
        statistics=any(method.uses_statistics for method in asked.methods),
        next_actions=any(method.uses_next_actions for method in asked.methods),
    )
    files = sweep_data.find(asked.datasets, asked.preset.rows, asked.data_dir, watch.rows_made)
    shelf, values = sweep_data.Shelf(files, needs), Values()
    for method in asked.methods:
        for group in groups(method, asked.preset.protocol(method), asked.datasets, asked.seeds, asked.dynamics):
            values |= gate_values(group, shelf.of(group.datasets), watch)
    for datasets in dict.fromkeys((dataset,) for dataset in asked.datasets):
        values |= values_of_data(shelf.of(datasets), [datasets[0].name], asked.seeds)
    contents_of = {dataset.name: contents(dataset, files[dataset.name]) for dataset in asked.datasets}
    return Accepted(asked.seeds, _columns(values, asked.seeds), asked.suite(), _circumstances(asked, contents_of))


def _columns(values: Values, seeds: tuple[int, ...]) -> dict[Place, np.ndarray]:
    columns = {place: np.array([of[seed] for seed in seeds]) for place, of in sorted(values.items())}
    return {place: column for place, column in columns.items() if not np.isnan(column).all()}


def _circumstances(asked: Request, contents_of: dict[str, str]) -> dict[str, Any]:
    return {
        "reason": asked.reason,
        "date": date.today().isoformat(),
        "command": shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]),
        **circumstances(),
        "machine": platform.machine(),
        "contents": contents_of,
    }


def accept(asked: Request, measured: Accepted) -> None:
    """Make these the accepted results."""
    write_accepted(asked.accepted, measured)


def _entry(known: Accepted) -> dict[str, Any]:
    """What a new accepted file keeps of the one before."""
    return {name: known.circumstances.get(name) for name in ("reason", "date", "git_commit")}


def compare(known: Accepted, measured: Accepted, divisions: int = DIVISIONS) -> Finding:
    """The finding of a check. Data that came out otherwise leave it undecided, unless something else moved."""
    before, now = known.circumstances.get("contents", {}), measured.circumstances["contents"]
    others = [name for name in now if name in before and now[name] != before[name]]
    # A file of other rows has other sums; as seeds draw from it, it is compared all the same.
    kept = {
        place: of for place, of in measured.values.items()
        if not (place.dataset in others and place.algorithm == DATA and np.ptp(of) == 0)
    }  # fmt: skip
    undecided = [OTHER_ROWS.format(", ".join(others))] if others else []
    new = sorted({f"{place.measure} of {place.algorithm}" for place in kept if place not in known.values})
    gone = sorted(place for place in known.values if _is_asked(place, kept) and place not in measured.values)
    undecided += [f"{gone[0].measure} of {gone[0].algorithm} is no longer there"] if gone else []
    notes = [f"Not compared, since the accepted results have none: {', '.join(new)}."] if new else []
    return finding(movements(known.values, kept, divisions), LEVEL, undecided, notes)


def _is_asked(place: Place, values: dict[Place, np.ndarray]) -> bool:
    return any(place[:2] == other[:2] for other in values)


def write_reports(folder: Path, found: Finding, measured: Accepted, seconds: float) -> None:
    """The report as Markdown and JUnit XML, and the values."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in (("regression.md", regression_report(found)), ("junit.xml", junit(found, seconds))):
        with whole_file(folder / name) as partial_file:
            partial_file.write_text(text, encoding="utf-8")
    write_accepted(folder / "values.json", measured)


def main() -> int:
    """The console entry point; an error is no regression."""
    return invoke(run, FLAGS, USAGE, error_status=UNDECIDED)
