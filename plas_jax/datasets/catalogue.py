"""The data sets by name: environments with their sizes and score references, D4RL's levels and files, and recipes.

Facts are D4RL's `d4rl/infos.py`; the score references are the same for its versions v0, v1 and v2.
"""

import difflib
import warnings
from typing import NamedTuple

import numpy as np


class Environment(NamedTuple):
    """What a data set's environment fixes: array sizes, steps of a whole episode, returns worth 0 and 100."""

    observation_size: int
    action_size: int
    horizon: int
    minimum: float
    maximum: float


ENVIRONMENTS: dict[str, Environment] = {
    "hopper": Environment(11, 3, 1000, -20.272305, 3234.3),
    "walker2d": Environment(17, 6, 1000, 1.629008, 4592.3),
    "halfcheetah": Environment(17, 6, 1000, -280.178953, 12135.0),
}
D4RL_LEVELS = ("random", "medium", "medium-replay", "medium-expert", "expert")
# Each version of D4RL's files and the folder of its server that holds them; later ones carry their version in the name.
D4RL_FOLDERS = {"v0": "gym_mujoco", "v1": "gym_mujoco_v1", "v2": "gym_mujoco_v2"}
D4RL_SERVER = "http://rail.eecs.berkeley.edu/datasets/offline_rl"
V1_FAULT = "D4RL's v1 files of hopper-medium and hopper-expert were swapped for a while (D4RL#76); v2 repaired Hopper"
# Data made by this project (`plas_jax/recipes/collect.py`): each level and the version tag of its recipe.
RECIPES = {"random": "r1", "medium": "r1"}


class Dataset(NamedTuple):
    """A parsed name: `hopper-medium-replay-v2` is ("hopper", "medium-replay", "v2")."""

    name: str
    environment: str
    level: str
    version: str

    @property
    def is_recipe(self) -> bool:
        """Whether this project makes the data itself; otherwise they are a file of D4RL's."""
        return self.version not in D4RL_FOLDERS


def names() -> list[str]:
    """Every name worth offering: all recipes, then D4RL's v0 and v2. `parse` also takes v1, with a warning."""
    recipes = [f"{environment}-{level}-{tag}" for environment in ENVIRONMENTS for level, tag in RECIPES.items()]
    levels = [(version, level) for version in ("v0", "v2") for level in D4RL_LEVELS]
    return recipes + [f"{environment}-{level}-{version}" for version, level in levels for environment in ENVIRONMENTS]


def parse(name: str) -> Dataset:
    """The data set of this name. Raises `ValueError`, one line that says which part is wrong and what is close."""
    environment, _, rest = name.partition("-")
    level, _, version = rest.rpartition("-")
    fault = _fault(environment, level, version)
    if fault:
        close = difflib.get_close_matches(name.lower(), names(), n=3, cutoff=0.75)
        advice = f"did you mean {' or '.join(close)}?" if close else f"the names are {', '.join(names())}"
        raise ValueError(f"unknown data set {name!r}: {fault}; {advice}")
    if version == "v1":
        warnings.warn(f"{name}: {V1_FAULT}", stacklevel=2)
    return Dataset(name, environment, level, version)


def _fault(environment: str, level: str, version: str) -> str:
    """What is wrong with the three parts of a name, or an empty string."""
    if environment not in ENVIRONMENTS:
        return f"no environment {environment!r} (there are {', '.join(ENVIRONMENTS)})"
    versions = [*D4RL_FOLDERS, *sorted(set(RECIPES.values()))]
    if version not in versions:
        ending = f", not in {version!r}" if version else ""
        return f"it must end in a version ({', '.join(versions)}){ending}"
    levels = D4RL_LEVELS if version in D4RL_FOLDERS else [key for key, tag in RECIPES.items() if tag == version]
    if level not in levels:
        return f"{version} has no level {level!r} (it has {', '.join(levels)})"
    return ""


def url(dataset: Dataset) -> str:
    """Where D4RL published the file; its last part is the file's name in D4RL's cache. `ValueError` for a recipe."""
    if dataset.is_recipe:
        raise ValueError(f"{dataset.name} is a recipe: it is made, not downloaded")
    environment, level, suffix = dataset.environment, dataset.level.replace("-", "_"), f"-{dataset.version}"
    if dataset.version == "v0":
        suffix = ""
        if dataset.level == "medium-replay":
            # v0 named the replay data "mixed", and called this one walker.
            environment, level = environment.replace("walker2d", "walker"), "mixed"
    return f"{D4RL_SERVER}/{D4RL_FOLDERS[dataset.version]}/{environment}_{level}{suffix}.hdf5"


def normalised_score(environment: str, episode_return: np.ndarray | float) -> np.ndarray:
    """D4RL's score 100·(return − min)/(max − min); any shape to float64 of that shape. `KeyError` if unknown."""
    reference = ENVIRONMENTS[environment]
    spread = reference.maximum - reference.minimum
    return 100.0 * (np.asarray(episode_return, np.float64) - reference.minimum) / spread
