"""The scores that others published on D4RL's locomotion data: `published_scores.csv` has a line for each.

The paper's Tables 2 and 3 as printed, seeds of other people's logged runs put together, and CORL's table. Every line
names its data set with D4RL's version, its statistic and its source; scores of two versions are not comparable.
"""

import csv
from functools import cache
from importlib.resources import files
from typing import NamedTuple


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
    """Every published score, in the file's order."""
    lines = (files("plas_jax.reports") / "published_scores.csv").read_text(encoding="utf-8").splitlines()
    return tuple(map(_published, csv.DictReader(lines)))


def _published(line: dict[str, str]) -> Published:
    numbers = {name: float(line[name]) if line[name] else None for name in ("std", "episode_return")}
    seeds = int(line["seeds"]) if line["seeds"] else None
    return Published(**line | numbers | {"score": float(line["score"]), "seeds": seeds})  # type: ignore[arg-type]
