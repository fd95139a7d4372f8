"""The data sets by name: `catalogue.csv` has a line for each, this module reads it and finds names in it.

Facts are D4RL's `d4rl/infos.py` and its registrations, bytes and hashes TensorFlow Datasets' `checksums.tsv`, which has
not all of them; the score references are the same for D4RL's versions v0, v1 and v2, but for Maze2D's v0, which is not
here.
"""

import csv
import difflib
import re
import warnings
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

import numpy as np


class Environment(NamedTuple):
    """What a data set's environment is: array sizes, how episodes end, returns worth 0 and 100."""

    name: str  # one of ENVIRONMENTS, or the Gymnasium id of an environment of one's own
    family: str  # environments of one family share networks, padded to the largest of them
    observation_size: int
    action_size: int
    horizon: int  # steps of a whole episode
    terminates: bool  # whether an episode can end before its horizon
    minimum: float | None  # None where nobody has defined a score
    maximum: float | None
    # Of an environment of one's own: Gymnasium's `EnvSpec` as JSON, and its actions' bounds where they are not ±1.
    specification: str = ""
    action_low: tuple[float, ...] | None = None
    action_high: tuple[float, ...] | None = None
    simulated: bool = True  # whether there is anything to play in: data may come without

    @property
    def is_own(self) -> bool:
        """Return whether it is an environment of one's own, which Gymnasium makes from its specification."""
        return bool(self.specification)


_EVERY = (
    Environment("hopper", "locomotion", 11, 3, 1000, True, -20.272305, 3234.3),
    Environment("walker2d", "locomotion", 17, 6, 1000, True, 1.629008, 4592.3),
    Environment("halfcheetah", "locomotion", 17, 6, 1000, False, -280.178953, 12135.0),
    # Of v1; a score is the return over references that its data controller, which seeks random targets, and an expert
    # had, so that 100 is no ceiling.
    Environment("maze2d-umaze", "maze2d", 4, 2, 300, False, 23.85, 161.86),
    Environment("maze2d-medium", "maze2d", 4, 2, 600, False, 13.13, 277.39),
    Environment("maze2d-large", "maze2d", 4, 2, 800, False, 6.7, 273.99),
    Environment("antmaze-umaze", "antmaze", 29, 8, 700, True, 0.0, 1.0),
    Environment("antmaze-medium", "antmaze", 29, 8, 1000, True, 0.0, 1.0),
    Environment("antmaze-large", "antmaze", 29, 8, 1000, True, 0.0, 1.0),
    Environment("pen", "adroit", 45, 24, 100, True, 96.262799, 3076.8331017826877),
    Environment("hammer", "adroit", 46, 26, 200, False, -274.856578, 12794.134825156867),
    Environment("door", "adroit", 39, 28, 200, False, -56.512833, 2880.5693087298737),
    Environment("relocate", "adroit", 39, 30, 200, False, -6.425911, 4233.877797728884),
    # The four elements of kitchen-complete and -partial, and those of -mixed.
    Environment("kitchen-complete", "kitchen", 60, 9, 280, True, 0.0, 4.0),
    Environment("kitchen-mixed", "kitchen", 60, 9, 280, True, 0.0, 4.0),
)
ENVIRONMENTS = {environment.name: environment for environment in _EVERY}
LOCOMOTION = tuple(environment.name for environment in _EVERY if environment.family == "locomotion")
# Undiscounted, of whole episodes of D4RL's v2 files; a recipe is made to match them.
D4RL_MEAN_RETURN = {
    "hopper": {"random": 18.4, "medium": 1422.0, "expert": 3511.0},
    "walker2d": {"random": 1.75, "medium": 2852.0, "expert": 4920.0},
    "halfcheetah": {"random": -276.0, "medium": 4770.0, "expert": 10656.0},
}
D4RL_SERVER = "http://rail.eecs.berkeley.edu/datasets/offline_rl"
# The levels of each robot's tasks, for which constants are published: D4RL's, and this project's form (a) of hopper's.
LEVELS = {
    **dict.fromkeys(
        LOCOMOTION, ("random", "medium", "expert", "medium-replay", "medium-expert", "medium-expert-a", "full-replay")
    ),
    **dict.fromkeys(("pen", "door", "hammer", "relocate"), ("human", "cloned", "expert")),
    "antmaze": ("umaze", "umaze-diverse", "medium-play", "medium-diverse", "large-play", "large-diverse"),
    "maze2d": ("umaze", "medium", "large"),
    "kitchen": ("complete", "partial", "mixed"),
}
VERSION = re.compile(r"(-trained)?-[rv]\d+$")  # and the mark of a buffer that was trained here
V1_FAULTS = (
    "D4RL's v1 files of locomotion have known faults: hopper-medium and hopper-expert were swapped for a while "
    "(D4RL#76), and the replay sets were questioned (D4RL#86); v2 replaces them"
)


class Dataset(NamedTuple):
    """One data set. `version` is v0, v1 or v2 for D4RL's, r1 for this project's recipes, own or minari for others'."""

    name: str
    environment: Environment
    level: str = ""
    version: str = "own"
    rows: int | None = None  # a recipe's, unless another size is asked for: those of D4RL's v2 file
    source: str = ""  # D4RL: the file on its server; a mixture: the names of its parts; minari: the id there
    bytes: int | None = None
    sha256: str = ""
    path: Path | None = None  # of a file of one's own

    @property
    def is_recipe(self) -> bool:
        """Return whether this project makes the data itself."""
        return self.version.startswith("r")

    @property
    def is_published(self) -> bool:
        """Return whether it is a file of D4RL's, or a mixture of such files."""
        return self.version.startswith("v")


@cache
def _table() -> dict[str, Dataset]:
    lines = (files("plas_jax.datasets") / "catalogue.csv").read_text(encoding="utf-8").splitlines()
    return {line["name"]: _dataset(line) for line in csv.DictReader(lines)}


def _dataset(line: dict[str, str]) -> Dataset:
    return Dataset(
        name=line["name"],
        environment=ENVIRONMENTS[line["environment"]],
        level=line["level"],
        version=line["version"],
        rows=int(line["rows"]) if line["rows"] else None,
        source=line["source"],
        bytes=int(line["bytes"]) if line["bytes"] else None,
        sha256=line["sha256"],
    )


def names() -> list[str]:
    """List every name worth offering: all recipes, then D4RL's. `parse` also takes locomotion's v1, with a warning."""
    return [name for name, dataset in _table().items() if not _is_faulty(dataset)]


def _is_faulty(dataset: Dataset) -> bool:
    return dataset.version == "v1" and dataset.environment.name in LOCOMOTION


def parse(name: str) -> Dataset:
    """Return the data set of this name.

    Raises `ValueError`, one line that says which part is wrong and what is close.
    """
    dataset = _table().get(name)
    if dataset is None:
        close = difflib.get_close_matches(name.lower(), names(), n=3, cutoff=0.75)
        advice = f"did you mean {' or '.join(close)}?" if close else f"the names are {', '.join(names())}"
        raise ValueError(f"unknown data set {name!r}: {_fault(name)}; {advice}")
    if _is_faulty(dataset):
        warnings.warn(f"{name}: {V1_FAULTS}", stacklevel=2)
    return dataset


def _fault(name: str) -> str:
    """Say what is wrong with a name that the table does not have."""
    written, _, rest = name.partition("-")
    level, _, version = rest.rpartition("-")
    if written not in LEVELS:
        return f"no environment {written!r} (there are {', '.join(LEVELS)})"
    same = [dataset for dataset in _table().values() if robot(dataset.name) == written]
    versions = sorted({dataset.version for dataset in same})
    if version not in versions:
        ending = f", not in {version!r}" if version else ""
        return f"it must end in a version ({', '.join(versions)}){ending}"
    levels = [dataset.level for dataset in same if dataset.version == version]
    return f"{version} of {written} has no level {level!r} (it has {', '.join(levels)})"


def robot(name: str) -> str:
    """Return the robot that a data set is of, as D4RL calls it, or "" where its name does not tell: see `task`."""
    identifier = name.rpartition("@")[2]
    if identifier == name:
        named = _robot_and_level(name)[0]
    else:
        named = identifier.partition("-")[0] if identifier in ENVIRONMENTS else VERSION.sub("", identifier).lower()
    return named if named in LEVELS else ""


def family(name: str) -> str:
    """Return the family of environments that a data set is of, or "" where its name does not tell: see `task`."""
    named = robot(name)
    return ENVIRONMENTS[named].family if named in ENVIRONMENTS else named


def task(name: str) -> str:
    """Return robot and level of a data set, such as "halfcheetah-medium-expert", or "" where its name does not tell.

    The name is one of D4RL's or of a recipe, of any version; one of Minari's (`minari:mujoco/hopper/expert-v0`); or
    `<file's stem>@<environment>`, where the environment alone tells the robot, by its name here or by an id of
    Gymnasium's, and the stem the level, if it is a data set's name or that of its file on D4RL's server.
    """
    written, level = _robot_and_level(name.rpartition("@")[0] or name)
    is_level = all(level in LEVELS.get(each, ()) for each in (written, robot(name)))
    return f"{robot(name)}-{level}" if is_level else ""


def _robot_and_level(name: str) -> tuple[str, str]:
    """Split a data set's name, of whichever robot and level; Minari's ids have namespaces before these two."""
    plain = VERSION.sub("", _names_of_files().get(name, name).removeprefix("minari:"))
    written, _, level = "-".join(plain.split("/")[-2:]).partition("-")
    return written, level


@cache
def _names_of_files() -> dict[str, str]:
    """Return the names of D4RL's data sets by the stems of their files, such as `hopper_mixed` of one."""
    return {
        Path(dataset.source).stem: dataset.name for dataset in _table().values() if dataset.source.endswith(".hdf5")
    }


def parts(dataset: Dataset) -> tuple[Dataset, ...]:
    """Return the data sets that one is mixed of, in their order; itself alone when it is no mixture."""
    if " + " not in dataset.source:
        return (dataset,)
    return tuple(_table()[name] for name in dataset.source.split(" + "))


def url(dataset: Dataset) -> str:
    """Return where D4RL published the file; its last part is the file's name in D4RL's cache.

    Raises `ValueError` for what D4RL has no single file of.
    """
    if not dataset.is_published or len(parts(dataset)) > 1:
        raise ValueError(
            f"{dataset.name} is no file of D4RL's: there is nothing to download; make {dataset.name} makes it"
        )
    return f"{D4RL_SERVER}/{dataset.source}"


def normalised_score(environment: Environment, episode_return: np.ndarray | float) -> np.ndarray:
    """Return D4RL's score 100·(return − min)/(max − min), float64 of the returns' shape; NaN without references."""
    values = np.asarray(episode_return, np.float64)
    if environment.minimum is None or environment.maximum is None:
        return np.full_like(values, np.nan)
    with np.errstate(over="ignore"):  # a file's numbers may be anything
        return 100.0 * (values - environment.minimum) / (environment.maximum - environment.minimum)
