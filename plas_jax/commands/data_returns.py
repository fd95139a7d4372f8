"""The returns of data sets' episodes: a histogram for each, and a line with mean, quantiles and score.

usage: data_returns.py --datasets=hopper-random-r1,hopper-medium-r1 [--size=N] [--output=returns.png] [--data_dir=D]

Recipes are made where they are missing, with D4RL's sizes unless --size is given.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from absl import flags

from plas_jax.commands.invocation import invoke
from plas_jax.datasets.catalogue import normalised_score
from plas_jax.datasets.loading import load
from plas_jax.environments.own_data import find
from plas_jax.recipes.collect import data_files
from plas_jax.reports import markdown
from plas_jax.sweeps.progress import Watch, print_markdown

FLAGS = flags.FlagValues()
flags.DEFINE_list("datasets", [], "Names with commas between them.", flag_values=FLAGS)
flags.DEFINE_integer("size", None, "Rows of a recipe.", lower_bound=2, flag_values=FLAGS)
flags.DEFINE_string("output", "returns.png", "The figure.", flag_values=FLAGS)
flags.DEFINE_string("data_dir", None, "Folder to look in and to write to.", flag_values=FLAGS)
QUANTILES = (0.0, 0.1, 0.5, 0.9, 1.0)
HEADER = ("data set", "rows", "episodes", "mean", "score", *(f"{quantile:.0%}" for quantile in QUANTILES))
SEED = 0


def run(words: list[str]) -> int:
    """Draw a histogram of each data set's returns and print a line for each; return 0."""
    if words or not FLAGS.datasets:
        raise ValueError("data_returns takes --datasets=NAME,NAME and flags only, see --help")
    # Not at the top: matplotlib takes a second to load and writes a cache, which a refused request should not.
    from plas_jax.reports.figures.histograms import return_histograms  # noqa: PLC0415

    datasets = [find(name) for name in FLAGS.datasets]
    returns, body = {}, []
    with Watch() as watch:
        for dataset in datasets:
            rows = FLAGS.size or dataset.rows or 0
            made = lambda done, name=dataset.name, rows=rows: watch.rows_made(name, done, rows)  # noqa: E731
            contents = load(dataset, data_files(dataset, rows, SEED, FLAGS.data_dir, made)).description
            if not contents.episodes:
                raise ValueError(f"{dataset.name}: no episode of it ended")
            returns[dataset.name] = contents.returns
            score = float(normalised_score(dataset.environment, contents.return_mean))
            quantiles = [markdown.number(float(value)) for value in np.quantile(contents.returns, QUANTILES)]
            counts = [f"{contents.rows:,}", f"{contents.episodes:,}"]
            means = [markdown.number(contents.return_mean), markdown.number(score)]
            body.append([dataset.name, *counts, *means, *quantiles])
    return_histograms(returns, "Returns of the data's episodes", Path(FLAGS.output))
    print_markdown(markdown.table(HEADER, body))
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status."""
    return invoke(run, FLAGS, __doc__ or "", argv, takes_words=True)
