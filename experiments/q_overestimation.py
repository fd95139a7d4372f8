"""Figure 5: how far critics overestimate what their policies earn, at every evaluation of a training.

Section 5.4 of the paper compares BEAR, BRAC, BCQ and PLAS on walker2d-medium-expert. The errors are those of
docs/q_errors.md; any method with a critic and any data set can be named.
"""

import sys

from absl import flags

from plas_jax.commands.invocation import invoke
from plas_jax.commands.table_flags import table_flags
from plas_jax.methods.scales import SCORE_PRESETS
from plas_jax.reports import markdown
from plas_jax.reports.writing import write_scores
from plas_jax.results.folder import OutputFolder
from plas_jax.results.manifest import Manifest
from plas_jax.results.q_rows import NAME, QRow, read_q_rows
from plas_jax.sweeps.flag_values import methods_of_flag
from plas_jax.sweeps.request import Request, TableCommand, request
from plas_jax.sweeps.sitting import sit

USAGE = """usage: q_overestimation.py [--algorithms=A,B] [--datasets=C,D] [flags of d4rl_scores.py]

Trains the methods as d4rl_scores.py does, measures their critics at every evaluation, and writes figure_5.png,
q_errors.csv and q_overestimation.md beside the tables of scores."""

ALGORITHMS = ("bear", "brac_v", "bcq", "plas")
DATASETS = ("walker2d-medium-expert-r1",)
MEASURES = ("mean_squared_error", "positive_share", "positive_mean", "negative_mean", "mean_q", "mean_return")
NOTE = (
    "Means over seeds and the last {k} evaluations. An error is Q of the first critic less what the policy then earns"
    " in H steps, discounted, H the time limit, past which rollouts go on. The paper's mean squared error is printed"
    " without its 1/N; here it has it."
)

FLAGS = table_flags(SCORE_PRESETS, "laptop", "walker2d-medium-expert-r1", "Go on with the methods in --output.")
flags.DEFINE_string("algorithms", "", "Methods, commas between; default: the paper's four.", flag_values=FLAGS)
FLAGS["q_errors"].default = True
FLAGS["q_errors"].value = True


def requested() -> Request:
    """Return what the flags ask for."""
    preset = SCORE_PRESETS[FLAGS.preset]
    methods = tuple(preset.method(method) for method in methods_of_flag(FLAGS.algorithms, ALGORITHMS))
    return request(FLAGS, TableCommand("q_overestimation", preset, methods, DATASETS))


def report(folder: OutputFolder, manifest: Manifest) -> str:
    """Write figure and table of the Q errors so far, and the tables of scores; return what a user reads at the end."""
    # Not at the top: matplotlib takes a second to load and writes a cache, which a refused request should not.
    from plas_jax.reports.figures.q_error import q_error_panels  # noqa: PLC0415

    closing = write_scores(folder, manifest)
    path = folder.path / NAME
    rows = read_q_rows(path) if path.exists() else []
    if not rows:
        return f"{closing}\nno method here has a critic"
    where = f"{', '.join(sorted({record.version for record in manifest.datasets.values()}))}, {manifest.preset}"
    title = [f"Errors of critics: mean over seeds, and each seed (here, {where})"]
    q_error_panels(rows, title, folder.path / "figure_5.png")
    name, table = "q_overestimation.md", q_table(rows, manifest.evaluations_in_mean)
    folder.write_text(name, f"# Figure 5: errors of critics\n\n{table}\n")
    return f"{closing}\n{folder.path / name}"


def q_table(rows: list[QRow], evaluations: int) -> str:
    """Return a line for each method and data set, with the means of its last evaluations."""
    body = []
    for cell in dict.fromkeys(row.cell for row in rows):
        ours = [row for row in rows if row.cell == cell]
        last = sorted({row.update for row in ours})[-evaluations:]
        kept = [row.error for row in ours if row.update in last]
        means = [sum(getattr(error, name) for error in kept) / len(kept) for name in MEASURES]
        body.append([cell.dataset, cell.algorithm, f"{len(kept)}", *(f"{mean:,.2f}" for mean in means)])
    header = ["data set", "method", "evaluations", *(name.replace("_", " ") for name in MEASURES)]
    return f"{markdown.table(header, body)}\n\n{NOTE.format(k=evaluations)}"


if __name__ == "__main__":
    sys.exit(invoke(lambda: sit(requested, report), FLAGS, USAGE))
