"""What the paper printed: Table 1 of "PLAS: Latent Action Space for Offline Reinforcement Learning".

The data behind it are D4RL's v0, which are neither its v2 nor this project's recipes.
"""

import csv
import re
from functools import cache
from importlib.resources import files
from typing import NamedTuple

SOURCE = "Zhou, Bajracharya and Held, CoRL 2020, section 5.5, Table 1: normalised scores, D4RL v0, mean of 3 seeds"
VERSION = "v0"

# Table 2 prints a return of 104.0 for PLAS on walker2d-random, a score of 2.2; Tables 1 and 3 print 3.1.
TABLE_1: dict[str, dict[float, float]] = {
    "walker2d-random": {0.0: 3.1, 0.05: 6.8, 0.1: 2.4, 0.2: 1.3, 0.5: -0.3},
    "hopper-random": {0.0: 10.5, 0.05: 11.1, 0.1: 11.6, 0.2: 12.2, 0.5: 13.3},
    "halfcheetah-random": {0.0: 25.8, 0.05: 25.7, 0.1: 27.4, 0.2: 27.6, 0.5: 28.3},
    "walker2d-medium": {0.0: 44.6, 0.05: 64.8, 0.1: 66.9, 0.2: 62.1, 0.5: 39.2},
    "hopper-medium": {0.0: 32.9, 0.05: 35.5, 0.1: 17.5, 0.2: 2.5, 0.5: 2.1},
    "halfcheetah-medium": {0.0: 39.3, 0.05: 41.3, 0.1: 42.2, 0.2: 42.2, 0.5: 40.4},
}

# Remarks that belong under the printed numbers wherever their data set is shown.
NOTES = {
    "walker2d-random": "The paper calls all its walker2d-random runs unstable (Appendix D).",
    "hopper-medium": "Table 3 prints 36.9 for PLAS+P on hopper-medium, which is in no column of Table 1"
    " (ε = 0.01 of Figure 7 by elimination).",
}


def unversioned(dataset: str) -> str:
    """Return a name without its version: hopper-medium of hopper-medium-r1. Own data and Minari's keep theirs."""
    return dataset if {"@", ":"} & set(dataset) else re.sub(r"-[rv]\d+$", "", dataset)


def table_1_score(dataset: str, perturbation_limit: float) -> float | None:
    """Return the score that Table 1 prints for this task and ε, or None where it prints none."""
    # six digits, so that an ε that went through float32 still finds its column
    return TABLE_1.get(unversioned(dataset), {}).get(round(perturbation_limit, 6))


class Published(NamedTuple):
    """A published score; its fields are the columns of the file."""

    dataset: str  # with D4RL's version; form (a) of hopper-medium-expert, the file that v0 shipped, has its own name
    algorithm: str  # as in results.csv
    collection: str  # whose: paper, d3rlpy, official code, CORL
    score: float  # normalised
    std: float | None  # over seeds; None where no spread is given, here and below
    seeds: int | None
    statistic: str  # which evaluations a score is made of
    episode_return: float | None  # undiscounted, where it is printed
    setting: str  # as name=value, where it is not the same on all data sets of the collection
    source: str
    note: str  # what is known to be wrong


@cache
def published_scores() -> tuple[Published, ...]:
    """Return every published score, in the file's order."""
    lines = (files("plas_jax.reports") / "published_scores.csv").read_text(encoding="utf-8").splitlines()
    return tuple(map(_published, csv.DictReader(lines)))


def _published(line: dict[str, str]) -> Published:
    numbers = {name: float(line[name]) if line[name] else None for name in ("std", "episode_return")}
    seeds = int(line["seeds"]) if line["seeds"] else None
    return Published(**line | numbers | {"score": float(line["score"]), "seeds": seeds})  # type: ignore[arg-type]
