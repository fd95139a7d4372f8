"""What is asked of a borrowed device: how many minutes, how large the measurements, which training, where it goes."""

import math
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from absl.flags import FlagValues

from plas_jax.datasets.catalogue import Dataset
from plas_jax.sweeps.flag_values import datasets_of_flag

RECIPES = ("hopper-medium-r1", "halfcheetah-medium-expert-r1")


class Extent(NamedTuple):
    """How large the measurements are."""

    batches: tuple[tuple[str, int], ...]  # widths and runs, the most telling first
    seconds: float  # of one chunk
    rounds: int
    seeds: int  # of the training


EXTENTS = {
    # The paper's widths and 64; Table 1's ninety runs, a sixth of them and five times as many.
    "paper": Extent((("paper", 90), ("64", 90), ("paper", 15), ("paper", 450), ("64", 15), ("64", 450)), 0.75, 2, 3),
    "smoke": Extent((("16", 2),), 0.05, 1, 1),
}


class AcceleratorRequest(NamedTuple):
    """What `plas-jax accelerator` was asked for."""

    minutes: float
    output: Path
    resume: bool
    preset: str  # of EXTENTS, and of the training
    datasets: tuple[Dataset, ...]
    words: str  # the data sets as they were written
    data_dir: str | None

    @property
    def extent(self) -> Extent:
        """Return how large the measurements are."""
        return EXTENTS[self.preset]


def request(flags: FlagValues) -> AcceleratorRequest:
    """Return the request of these flags. Raises `ValueError` or `OSError`, one line, for a bad one."""
    if not math.isfinite(flags.minutes):
        raise ValueError("--minutes takes a finite number")
    words = flags.datasets or ",".join(RECIPES)
    output = flags.output or f"results/accelerator-{datetime.now().strftime('%Y%m%d-%H%M%S')}"
    datasets = datasets_of_flag(words, RECIPES)
    return AcceleratorRequest(flags.minutes, Path(output), flags.resume, flags.preset, datasets, words, flags.data_dir)
