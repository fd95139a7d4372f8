"""How often the 95 % intervals of the tables cover what they should, in simulated experiments.

usage: interval_coverage.py [--experiments=2000] [--seed=0]

Draws the scores of every seed from a known population, makes each interval and counts how often the population's own
value lies in it. Prints a Markdown table, docs/statistics.md's.
"""

import platform
import sys
import time
from collections.abc import Callable
from math import sqrt
from typing import NamedTuple

import numpy as np
import scipy
from absl import flags

from plas_jax.commands.invocation import invoke
from plas_jax.reports import markdown
from plas_jax.results.aggregates import interquartile_mean, mean
from plas_jax.results.intervals import CONFIDENCE, Statistic, bootstrap, expanded, student_t

FLAGS = flags.FlagValues()
flags.DEFINE_integer("experiments", 2000, "Simulated experiments of each line.", lower_bound=1, flag_values=FLAGS)
flags.DEFINE_integer("seed", 0, "Seed of the simulation.", lower_bound=0, flag_values=FLAGS)

CHUNK = 100  # experiments that share their resamples
POPULATION_SIZE = 200_000  # scores of each task that stand for the whole population

# Mean and standard deviation of each task's scores: one cell, three tasks, and nine like the kept Tables 2 and 3.
CELL = ((50.0, 15.0),)
THREE = ((30.0, 5.0), (50.0, 10.0), (80.0, 20.0))
NINE = ((60.0, 6.0), (50.0, 16.0), (40.0, 1.0), (25.0, 20.0), (30.0, 5.0), (20.0, 1.0), (60.0, 12.0), (70.0, 15.0),
        (40.0, 3.0))  # fmt: skip
Tasks = tuple[tuple[float, float], ...]

STATISTICS: dict[str, Statistic] = {"mean": mean, "IQM": interquartile_mean}
METHODS = ("Student's t", "percentile", "BCa", "expanded")


class Case(NamedTuple):
    """One line of the table, but for the population."""

    tasks: Tasks
    seeds: int
    statistic: str


CASES = (
    *(Case(THREE, 10, statistic) for statistic in STATISTICS),
    *(Case(NINE, 3, statistic) for statistic in STATISTICS),
    *(Case(CELL, seeds, "mean") for seeds in (3, 5, 10)),
)


def normal(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """Draw from the normal distribution; mean 0 and deviation 1, as of the two below."""
    return rng.standard_normal(shape)


def skewed(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """Draw from an exponential distribution: most runs lie a little below the mean, few far above it."""
    return rng.exponential(size=shape) - 1


def bimodal(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """Draw as on hopper: three of five runs fall early, the others walk to the end, and none is between."""
    where = np.where(rng.random(shape) < 0.6, 0.0, 2.0) + 0.2 * rng.standard_normal(shape)
    return (where - 0.8) / sqrt(0.6 * 0.4 * 2.0**2 + 0.2**2)


Population = Callable[[np.random.Generator, tuple[int, int]], np.ndarray]
POPULATIONS: tuple[Population, ...] = (normal, skewed, bimodal)


def coverage(population: Population, case: Case, experiments: int, seed: int) -> dict[str, float]:
    """Return the share of experiments whose interval covers the population's value, by method of making intervals.

    Student's t is there for one cell's mean alone.
    """
    rng, statistic = np.random.default_rng(seed), STATISTICS[case.statistic]
    truth = statistic(_scores(population, case.tasks, (1, POPULATION_SIZE), rng))
    hits: dict[str, list[np.ndarray]] = {}
    for chunk, first in enumerate(range(0, experiments, CHUNK)):
        shape = min(CHUNK, experiments - first), case.seeds
        scores = _scores(population, case.tasks, shape, rng)
        for method, (low, high) in _ends(case, scores, chunk).items():
            hits.setdefault(method, []).append((low <= truth) & (truth <= high))
    return {method: float(np.concatenate(chunks).mean()) for method, chunks in hits.items()}


def _scores(population: Population, tasks: Tasks, shape: tuple[int, int], rng: np.random.Generator) -> list[np.ndarray]:
    return [centre + spread * population(rng, shape) for centre, spread in tasks]


def _ends(case: Case, scores: list[np.ndarray], seed: int) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    levels = {"percentile": CONFIDENCE, "BCa": CONFIDENCE, "expanded": expanded(case.seeds)}
    ends = {}
    if case.tasks == CELL:
        low, high = np.transpose([student_t(cell.mean(), cell.std(ddof=1), case.seeds) for cell in scores[0]])
        ends["Student's t"] = low, high
    for name, confidence in levels.items():
        method = "BCa" if name == "BCa" else "percentile"
        interval = bootstrap(STATISTICS[case.statistic], scores, confidence=confidence, method=method, seed=seed)
        ends[name] = interval.confidence_interval
    return ends


def run() -> int:
    """Print the table."""
    started, body = time.monotonic(), []
    for case in CASES:
        for population in POPULATIONS:
            shares = coverage(population, case, FLAGS.experiments, FLAGS.seed)
            cells = [f"{100 * shares[method]:.1f}" if method in shares else "" for method in METHODS]
            body.append([f"{case.seeds} × {len(case.tasks)}", case.statistic, population.__name__, *cells])
    print(markdown.table(["seeds × tasks", "statistic", "population", *METHODS], body))
    error = 100 * sqrt(CONFIDENCE * (1 - CONFIDENCE) / FLAGS.experiments)
    print(
        f"\n% of {FLAGS.experiments:,} experiments, standard error {error:.1f}; seed {FLAGS.seed}; python"
        f" {platform.python_version()}, numpy {np.__version__}, scipy {scipy.__version__};"
        f" {time.monotonic() - started:.0f} s"
    )
    return 0


if __name__ == "__main__":
    sys.exit(invoke(run, FLAGS, __doc__ or ""))
