"""Figure 4: scores of the paper's methods while they are trained, from any folder of results.

The paper draws BEAR, BRAC, BCQ and PLAS on the medium-expert and the medium-replay data sets, a mean of three seeds and
one standard deviation around it; here each seed has a dot instead.
"""

import sys
from pathlib import Path

from absl import flags

from plas_jax.commands.invocation import invoke
from plas_jax.reports import markdown
from plas_jax.reports.figures.training import training_curves
from plas_jax.reports.lines import Scores, robot_and_level, scores
from plas_jax.results.folder import OutputFolder
from plas_jax.results.runs import across_seeds

USAGE = """usage: training_curves.py FOLDER [--algorithms=A,B] [--datasets=C,D] [--output=FILE.png]

Draws the learning curves of a folder of results, and prints the mean score of every method that is drawn."""

ALGORITHMS = ("bear", "brac_v", "bcq", "plas")
LEVELS = ("medium-expert", "medium-replay")

FLAGS = flags.FlagValues()
flags.DEFINE_string("algorithms", "", "Methods, commas between; default: the paper's four.", flag_values=FLAGS)
flags.DEFINE_string("datasets", "", "Names, commas between; default: medium-expert and -replay.", flag_values=FLAGS)
flags.DEFINE_string("output", "", "The figure; default: figure_4.png in the folder.", flag_values=FLAGS)


def run(words: list[str]) -> int:
    """Draw the figure; print its path and a table of what is drawn."""
    if len(words) != 1:
        raise ValueError("name one folder of results: training_curves.py FOLDER")
    folder = OutputFolder(Path(words[0]))
    manifest = folder.read_manifest()
    with folder.named():
        all_scores = scores(folder.read_rows(), manifest)
        algorithms = FLAGS.algorithms.split(",") if FLAGS.algorithms else list(ALGORITHMS)
        default = [name for name in all_scores.datasets if robot_and_level(name)[1] in LEVELS]
        datasets = FLAGS.datasets.split(",") if FLAGS.datasets else default
        path = Path(FLAGS.output) if FLAGS.output else folder.path / "figure_4.png"
        training_curves(all_scores, manifest, datasets, algorithms, path)
    print(f"{_table(all_scores, datasets, algorithms)}\n\n{path}")
    return 0


def _table(scores: Scores, datasets: list[str], algorithms: list[str]) -> str:
    spreads = across_seeds(scores.reported)
    columns = {
        label: column
        for label, column in scores.columns().items()
        if any(line.cell.algorithm in algorithms for line in column.values())
    }
    seeds = max(spread.seeds for spread in spreads.values())
    body = [
        [label, *(markdown.mean_interval(spreads.get(line.cell) if line else None, seeds) for line in lines)]
        for label, column in columns.items()
        for lines in [[column.get(name) for name in datasets]]
    ]
    return markdown.table(["method", *datasets], body)


if __name__ == "__main__":
    sys.exit(invoke(run, FLAGS, USAGE, takes_words=True))
