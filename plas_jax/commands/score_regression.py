"""The gate on scores: train a small fixed suite, compare it with accepted results, say what moved."""

import os
import time
from pathlib import Path

from absl import flags

from plas_jax.commands.invocation import invoke
from plas_jax.files.messages import clock
from plas_jax.files.whole_files import write_whole
from plas_jax.sweeps.interruption import Interrupted
from plas_jax.sweeps.progress import Watch, print_markdown
from plas_jax.training.kept_programs import keep_programs
from plas_jax.training.layout import use_every_core
from plas_jax.training.soundness import refuse_unsound_machine
from plas_jax.verification.gate.accepted import Accepted, read_accepted, write_accepted
from plas_jax.verification.gate.comparison import comparable, compare, replaceable
from plas_jax.verification.gate.junit import junit
from plas_jax.verification.gate.measurement import measure
from plas_jax.verification.gate.replays import FOLDER, replays
from plas_jax.verification.gate.report import UNDECIDED, Verdict, regression_report
from plas_jax.verification.gate.request import ALGORITHMS, DATASETS, PRESETS, request

USAGE = f"""usage: score_regression.py [flags]
       score_regression.py --accept --reason="why"

Trains {", ".join(ALGORITHMS)} on {", ".join(DATASETS)} with ten seeds, in minutes on a CPU, and
compares scores, and measures that vary less than scores, with the accepted results of other seeds. A clean change
fails in at most 1 % of checks, over all measures together. Golden files are replayed, too, also of other methods.

Exit status: 0 nothing moved, or for the better; 1 a regression, or a change of a measure of which
nobody knows what is better; 2 could not decide (or bad input).
--output gets regression.md (for a pull request), junit.xml and values.json (which has the form of an accepted file).
--algorithms takes Python files with a METHOD, too: gate your own with an --accepted file of your own."""

FLAGS = flags.FlagValues()
flags.DEFINE_enum("preset", "gate", list(PRESETS), "How long and how wide; smoke is for tests.", flag_values=FLAGS)
flags.DEFINE_string("algorithms", "", f"Methods; default: {','.join(ALGORITHMS)}.", flag_values=FLAGS)
flags.DEFINE_string("datasets", "", f"Names; default: {','.join(DATASETS)}.", flag_values=FLAGS)
flags.DEFINE_integer("seeds", None, "How many; default: 10, or 40 with --accept.", flag_values=FLAGS)
flags.DEFINE_integer("first_seed", None, "The first; default: 1000, or 0 with --accept.", flag_values=FLAGS)
flags.DEFINE_string("accepted", "", "File; default: benchmarks/accepted/PRESET.json.", flag_values=FLAGS)
flags.DEFINE_string("golden", "", f"Folder of golden files; default: {FOLDER}, if it is there.", flag_values=FLAGS)
flags.DEFINE_boolean("accept", False, "Write the file instead of comparing with it.", flag_values=FLAGS)
flags.DEFINE_string("reason", "", "Why the results are accepted; stays in the file.", flag_values=FLAGS)
flags.DEFINE_string("data_dir", None, "Folder of data; default: D4RL_DATASET_DIR, ~/.d4rl/datasets.", flag_values=FLAGS)
flags.DEFINE_string("output", "", "Folder of reports; default: a new one under results/.", flag_values=FLAGS)


def run() -> int:
    """Train, then compare or accept; return 0, 1 or 2 as the usage says."""
    use_every_core(os.cpu_count() or 1)
    started = time.monotonic()
    gate = request(FLAGS)
    known = read_accepted(gate.accepted) if gate.accepted.exists() or not gate.reason else None
    if known is not None:
        (replaceable if gate.reason else comparable)(gate, known)
    keep_programs()
    refuse_unsound_machine()
    with Watch() as watch:
        try:
            replayed = replays(gate.golden, watch)
            measured = measure(gate, watch)
        except Interrupted as stop:
            watch.say("stopped: nothing was compared, and nothing is kept")
            return stop.status
        seconds = time.monotonic() - started
        if gate.reason:
            history = [] if known is None else known.history_of_successor()
            write_accepted(gate.accepted, measured._replace(history=history))
            watch.say(f"{gate.accepted}: accepted {len(measured.seeds)} seeds after {clock(seconds)}")
        if known is None or known.suite != measured.suite:
            return 0
        verdict = compare(known, measured, replayed)
        _write_reports(gate.output, verdict, measured, seconds)
        print_markdown(regression_report(verdict))
        watch.say(f"{gate.output} after {clock(seconds)}")
    return 0 if gate.reason else verdict.status


def _write_reports(folder: Path, verdict: Verdict, measured: Accepted, seconds: float) -> None:
    """Write the report as Markdown and JUnit XML, and the values."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in (("regression.md", regression_report(verdict)), ("junit.xml", junit(verdict, seconds))):
        write_whole(folder / name, text)
    write_accepted(folder / "values.json", measured)


def main() -> int:
    """Run the command; return its exit status, of which an error has that of no decision."""
    return invoke(run, FLAGS, USAGE, error_status=UNDECIDED)
