"""Table 1 and Figure 7 by one command: data, both phases of training, evaluation, tables and figures."""

import os
import time
from functools import partial
from typing import Any

from absl import flags

from plas_jax.commands.invocation import invoke
from plas_jax.environments.lockstep import DYNAMICS
from plas_jax.files.whole_files import whole_file
from plas_jax.methods.presets import PRESETS
from plas_jax.reports.tables.perturbation import table_1
from plas_jax.results.folder import OutputFolder, asked_folder
from plas_jax.results.rows import read_rows
from plas_jax.sweeps import data
from plas_jax.sweeps.interruption import Interrupted
from plas_jax.sweeps.manifest import first_manifest, same_data, same_groups
from plas_jax.sweeps.progress import Watch, clock
from plas_jax.sweeps.request import Request, asked_groups, request
from plas_jax.sweeps.sweep import run_groups
from plas_jax.sweeps.waves import planned
from plas_jax.training.hosts import connect, is_first
from plas_jax.training.kept_programs import keep_programs
from plas_jax.training.layout import use_every_core

USAGE = """usage: sweep_perturbation.py --preset=smoke|quick|paper|official_code [flags]

Trains PLAS on every data set × seed × perturbation limit (ε) as one batched computation, evaluates in MuJoCo and
writes rows, Table 1 and Figure 7 to a folder. Ctrl-C and SIGTERM stop it at a safe point, and whatever stopped it,
--resume goes on from what is there."""

FLAGS = flags.FlagValues()
flags.DEFINE_enum("preset", "quick", list(PRESETS), "How long and how wide.", flag_values=FLAGS)
flags.DEFINE_string("datasets", "", "Names with commas between them; default: Table 1's recipes.", flag_values=FLAGS)
flags.DEFINE_string("perturbation_limits", "", "Values of ε; default: Table 1's five.", flag_values=FLAGS)
flags.DEFINE_integer("seeds", 3, "How many seeds.", flag_values=FLAGS)
flags.DEFINE_integer("first_seed", 0, "The first of them.", flag_values=FLAGS)
flags.DEFINE_string("data_dir", None, "Folder of data; default: D4RL_DATASET_DIR, ~/.d4rl/datasets.", flag_values=FLAGS)
flags.DEFINE_string("output", "", "Folder of results; default: a new one under results/.", flag_values=FLAGS)
flags.DEFINE_boolean("resume", False, "Go on with the sweep in --output.", flag_values=FLAGS)
flags.DEFINE_enum("dynamics", "d4rl", sorted(DYNAMICS), "Whose dynamics to evaluate in.", flag_values=FLAGS)


def run(words: list[str]) -> int:
    """The whole sweep; 0 when it is finished, 130 or 143 when Ctrl-C or SIGTERM stopped it at a safe point."""
    if words:
        raise ValueError(f"unexpected {' '.join(words)!r}: every argument is a flag, see --help")
    connect()
    use_every_core(os.cpu_count() or 1)
    asked = _request()
    folder = OutputFolder(asked.output)
    # Refuses what is nowhere before the folder is made.
    data.expected_rows(asked.datasets, asked.preset.rows, asked.data_dir)
    earlier = folder.claim(asked)
    if earlier is not None and earlier.get("complete"):
        # Made again, for the sweep may have been killed between its last row and its reports.
        if is_first():
            print(f"{folder.path} holds a finished sweep already\n\n{report(folder, earlier)}")
        return 0
    keep_programs()
    with Watch(quiet=not is_first()) as watch:
        try:
            return _sweep(asked, folder, earlier, watch)
        finally:
            folder.release()


def _request() -> Request:
    return request(
        preset=FLAGS.preset,
        datasets=FLAGS.datasets,
        perturbation_limits=FLAGS.perturbation_limits,
        seeds=FLAGS.seeds,
        first_seed=FLAGS.first_seed,
        dynamics=FLAGS.dynamics,
        data_dir=FLAGS.data_dir,
        output=asked_folder(FLAGS.output, f"sweep_perturbation-{FLAGS.preset}"),
        resume=FLAGS.resume,
    )


def _sweep(asked: Request, folder: OutputFolder, earlier: dict[str, Any] | None, watch: Watch) -> int:
    started = time.monotonic()
    preset = asked.preset
    rows = partial(data.expected_rows, rows=preset.rows, data_dir=asked.data_dir)
    of, said = planned(asked_groups(asked), rows, earlier)
    if is_first():
        print(*said, sep="\n", flush=True)
    shelf = data.Shelf(data.find(asked.datasets, preset.rows, asked.data_dir, watch.rows_made), data.Needs())
    described = shelf.described([group.datasets for group in of])
    manifest = earlier or first_manifest(asked, of, described)
    same_data(manifest, described)
    same_groups(manifest, of, folder.path)
    wall = manifest.setdefault("wall_seconds", {})
    wall["data"] = round(wall.get("data", 0.0) + time.monotonic() - started, 2)
    folder.write_manifest(manifest)
    if preset.name == "smoke":
        watch.say("smoke: too short to mean anything")
    status = 0
    try:
        run_groups(of, shelf, folder, manifest, manifest, watch, partial(_titled, len(of)))
    except Interrupted as stop:
        status = stop.status
        watch.say(f"stopped; go on with: --preset={preset.name} --output={folder.path} --resume")
    folder.write_manifest(manifest)
    if is_first() and folder.rows.exists():
        print(report(folder, manifest))
    watch.say(f"{folder.path} after {clock(time.monotonic() - started)}")
    return status


def _titled(groups_in_all: int, group: str, phase: str) -> str:
    """A phase's name, with its group's where there are several."""
    return phase if groups_in_all == 1 else f"{phase} ({group})"


def report(folder: OutputFolder, manifest: dict[str, Any]) -> str:
    """Write the table and both figures of the rows so far; returns the table."""
    # Not at the top: matplotlib takes a second to load and writes a cache, which a refused request should not.
    from plas_jax.reports.figures.perturbation import perturbation_panel, score_curves  # noqa: PLC0415

    rows = read_rows(folder.rows)
    with folder.named():
        table = table_1(rows, manifest)
        with whole_file(folder.path / "table_1.md") as partial:
            partial.write_text(table, encoding="utf-8")
        score_curves(rows, manifest, folder.path / "score_curves.png")
        perturbation_panel(rows, manifest, folder.path / "figure_7.png")
    return table


def main() -> int:
    """The console entry point."""
    return invoke(run, FLAGS, USAGE)
