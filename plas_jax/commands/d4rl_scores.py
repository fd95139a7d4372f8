"""Tables 2 and 3 by one command: any methods on any data sets, trained, evaluated and compared."""

import os
import time
from functools import partial
from typing import Any

from absl import flags

from plas_jax.commands.invocation import invoke
from plas_jax.environments.lockstep import DYNAMICS
from plas_jax.files.whole_files import whole_file
from plas_jax.methods.method import Method
from plas_jax.methods.published import METHODS
from plas_jax.methods.scales import SCORE_PRESETS
from plas_jax.results.folder import OutputFolder, asked_folder
from plas_jax.results.rows import read_rows
from plas_jax.sweeps import data
from plas_jax.sweeps.groups import Group, groups
from plas_jax.sweeps.interruption import Interrupted
from plas_jax.sweeps.manifest import same_data
from plas_jax.sweeps.progress import Watch, clock
from plas_jax.sweeps.scores_manifest import added, is_complete, scores_manifest
from plas_jax.sweeps.scores_request import Request, request
from plas_jax.sweeps.sweep import run_groups
from plas_jax.sweeps.waves import planned
from plas_jax.training.hosts import connect, is_first
from plas_jax.training.kept_programs import keep_programs
from plas_jax.training.layout import use_every_core

USAGE = f"""usage: d4rl_scores.py --algorithms=A,B --datasets=C,D [flags]

Trains every method on every data set with every seed, a method at a time and each as one batched computation,
evaluates in MuJoCo and writes rows, Tables 2 and 3 and a figure to a folder. With --resume a folder's interrupted
methods go on and others are added to it, so that no sitting must hold a whole table.

Methods: {", ".join(METHODS)}; or the path of a Python file with a METHOD.
--knobs="divergence_weight=0.1,0.3;discount=0.99" trains every combination. Where a knob has several values, the value
is chosen on as many seeds again and reported on --seeds; so is the perturbation limit of plas+p."""

FLAGS = flags.FlagValues()
flags.DEFINE_enum("preset", "laptop", list(SCORE_PRESETS), "How long and how wide.", flag_values=FLAGS)
flags.DEFINE_string("algorithms", "", "Methods, commas between; default: the paper's and bc.", flag_values=FLAGS)
flags.DEFINE_string("datasets", "", "Names, commas between; default: Table 2's recipes.", flag_values=FLAGS)
flags.DEFINE_integer("seeds", 3, "How many seeds are reported.", flag_values=FLAGS)
flags.DEFINE_integer("first_seed", 0, "The first of them.", flag_values=FLAGS)
flags.DEFINE_string("knobs", "", "Values of knobs, for every method of --algorithms.", flag_values=FLAGS)
flags.DEFINE_string("data_dir", None, "Folder of data; default: D4RL_DATASET_DIR, ~/.d4rl/datasets.", flag_values=FLAGS)
flags.DEFINE_string("output", "", "Folder of results; default: a new one under results/.", flag_values=FLAGS)
flags.DEFINE_boolean("resume", False, "Go on with the methods in --output, and add others.", flag_values=FLAGS)
flags.DEFINE_enum("dynamics", "d4rl", sorted(DYNAMICS), "Whose dynamics to evaluate in.", flag_values=FLAGS)


def run(words: list[str]) -> int:
    """Every method that was asked for; 0 when finished, 130 or 143 when Ctrl-C or SIGTERM stopped it safely."""
    if words:
        raise ValueError(f"unexpected {' '.join(words)!r}: every argument is a flag, see --help")
    connect()
    use_every_core(os.cpu_count() or 1)
    asked = _request()
    folder = OutputFolder(asked.output)
    # Refuses what is nowhere before the folder is made.
    data.expected_rows(asked.datasets, asked.preset.rows, asked.data_dir)
    earlier = folder.claim(asked)
    keep_programs()
    with Watch(quiet=not is_first()) as watch:
        try:
            return _train_all(asked, folder, earlier, watch)
        finally:
            folder.release()


def _request() -> Request:
    return request(
        preset=FLAGS.preset,
        algorithms=FLAGS.algorithms,
        datasets=FLAGS.datasets,
        seeds=FLAGS.seeds,
        first_seed=FLAGS.first_seed,
        knobs=FLAGS.knobs,
        dynamics=FLAGS.dynamics,
        data_dir=FLAGS.data_dir,
        output=asked_folder(FLAGS.output, f"d4rl_scores-{FLAGS.preset}"),
        resume=FLAGS.resume,
    )


def _train_all(asked: Request, folder: OutputFolder, earlier: dict[str, Any] | None, watch: Watch) -> int:
    started = time.monotonic()
    groups_of = {method.name: _planned(asked, method, earlier or {}) for method in asked.methods}
    shelf = _shelf(asked, watch)
    described = shelf.described(list({group.datasets: None for of in groups_of.values() for group in of}))
    manifest = earlier or scores_manifest(asked, described)
    same_data(manifest, described)
    added(manifest, asked, groups_of, described)
    folder.write_manifest(manifest)
    if asked.preset.name == "smoke":
        watch.say("smoke: too short to mean anything")
    tables, status = "", 0
    try:
        for method in asked.methods:
            record, of = manifest["methods"][method.name], groups_of[method.name]
            if not record["complete"]:
                tables = ""
                run_groups(of, shelf, folder, manifest, record, watch, partial(_titled, method.name, len(of)))
                manifest["complete"] = is_complete(manifest)
                folder.write_manifest(manifest)
                if is_first():
                    tables = report(folder, manifest)  # so that a table is there after every method
    except Interrupted as stop:
        status = stop.status
        watch.say(f"stopped; the same command with --output={folder.path} --resume goes on")
    if is_first() and folder.rows.exists():
        print(tables or report(folder, manifest))
    watch.say(f"{folder.path} after {clock(time.monotonic() - started)}")
    return status


def _groups(asked: Request, method: Method) -> list[Group]:
    return groups(method, asked.preset.protocol(method), asked.datasets, asked.seeds_of(method), asked.dynamics)


def _planned(asked: Request, method: Method, earlier: dict[str, Any]) -> list[Group]:
    """A method's groups in waves that fit into memory; what is going to be done is printed."""
    rows = partial(data.expected_rows, rows=asked.preset.rows, data_dir=asked.data_dir)
    parts, said = planned(_groups(asked, method), rows, earlier.get("methods", {}).get(method.name))
    if is_first():
        print(*said[1:], sep="\n", flush=True)
    return parts


def _shelf(asked: Request, watch: Watch) -> data.Shelf:
    files = data.find(asked.datasets, asked.preset.rows, asked.data_dir, watch.rows_made)
    return data.Shelf(files, data.Needs.of(asked.methods))


def _titled(method: str, groups_in_all: int, group: str, phase: str) -> str:
    """A phase's name with its method's, or with its group's where there are several."""
    return f"{method if groups_in_all == 1 else group}: {phase}"


def report(folder: OutputFolder, manifest: dict[str, Any]) -> str:
    """Write tables, figure and CSV of the rows so far; returns the tables."""
    # Not at the top: matplotlib takes a second to load and writes a cache, which a refused request should not.
    from plas_jax.reports.figures.scores import score_figure  # noqa: PLC0415
    from plas_jax.reports.tables.scores import score_tables  # noqa: PLC0415
    from plas_jax.reports.tables.scores_csv import score_csv  # noqa: PLC0415

    rows = read_rows(folder.rows)
    with folder.named():
        tables = score_tables(rows, manifest)
        with whole_file(folder.path / "tables_2_and_3.md") as partial_file:
            partial_file.write_text(tables, encoding="utf-8")
        score_csv(rows, manifest, folder.path / "scores.csv")
        score_figure(rows, manifest, folder.path / "scores.png")
    return tables


def main() -> int:
    """The console entry point."""
    return invoke(run, FLAGS, USAGE)
