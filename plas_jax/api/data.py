"""Data sets in Python: by name, as every command takes them, or from arrays in memory."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TypedDict, Unpack

import numpy as np
from numpy.typing import ArrayLike

from plas_jax.datasets import catalogue, d4rl_files, loading
from plas_jax.environments import own
from plas_jax.environments.own_data import find, refuse_unreadable
from plas_jax.files.npz_files import read_arrays
from plas_jax.recipes.collect import data_files
from plas_jax.types import Transition

KEYS = ("observations", "actions", "rewards", "terminals", "timeouts")


class AboutArrays(TypedDict, total=False):
    """What there may be to say of arrays beside themselves."""

    action_bounds: tuple[ArrayLike, ArrayLike]  # numbers, or one for each motor; without them ±1
    environment: str  # a robot's name or a Gymnasium id; without it nothing is played
    name: str


class Dataset:
    """One data set: what policies are trained on, and where they are played."""

    def __init__(self, record: catalogue.Dataset, data_dir: str | None = None, kept: object = None):
        """Take what the package knows of a data set; `kept` is kept as long as this is."""
        self.record, self.data_dir, self._kept = record, data_dir, kept

    def __repr__(self) -> str:
        environment = self.record.environment
        where = environment.name if environment.simulated else "no environment"
        return f"Dataset({self.name!r}, {environment.observation_size} → {environment.action_size}, {where})"

    @property
    def name(self) -> str:
        """Return the name that results bear."""
        return self.record.name

    @classmethod
    def load(cls, name: str, data_dir: str | Path | None = None) -> "Dataset":
        """Return the data set of this name, as `--datasets` takes it, or that in a `.npz` file of D4RL's keys.

        A `.npz` file may have its environment behind an @. Raises `ValueError` or `OSError`, one line, for a name that
        is none and a file that is not there. A recipe is made when it is first needed.
        """
        folder = None if data_dir is None else str(data_dir)
        path, at, environment = name.rpartition("@") if "@" in name else (name, "", "")
        if path.endswith(".npz"):
            arrays = read_arrays(Path(path).expanduser())
            about = AboutArrays(name=Path(path).stem)
            if at and environment != own.NOWHERE:
                about["environment"] = environment
            return cls._of_columns(_columns(path, arrays), about)
        record = find(name)
        if not record.is_recipe:
            loading.files(record, folder)  # refuses what is nowhere
        return cls(record, folder)

    @classmethod
    def from_arrays(
        cls,
        observations: ArrayLike,
        actions: ArrayLike,
        rewards: ArrayLike,
        terminals: ArrayLike,
        timeouts: ArrayLike | None = None,
        **about: Unpack[AboutArrays],
    ) -> "Dataset":
        """Return a data set of rows in order, episode after episode: `[rows, observation]`, `[rows, action]`, `[rows]`.

        `terminals` are where an episode truly ended, `timeouts` where a limit cut it. Actions lie in `action_bounds`,
        (−1, 1) by default, or in those of `environment`. Raises `ValueError`, one line, for what cannot be trained on.
        """
        ends = np.zeros(np.shape(rewards), bool) if timeouts is None else timeouts
        columns = dict(zip(KEYS, map(np.asarray, (observations, actions, rewards, terminals, ends)), strict=True))
        return cls._of_columns(columns, about)

    @classmethod
    def _of_columns(cls, columns: Mapping[str, np.ndarray], about: AboutArrays) -> "Dataset":
        for key in ("observations", "actions"):
            if columns[key].ndim != 2 or len(columns[key]) < 2:
                raise ValueError(f"{key} has shape {list(columns[key].shape)}, where [rows, numbers] is expected")
        environment = _environment(columns, about)
        name = f"{about.get('name', 'arrays')}@{environment.name}"
        refuse_unreadable(name)
        folder = tempfile.TemporaryDirectory(prefix="plas_jax-")
        path = Path(folder.name) / "arrays.hdf5"
        # As a file, so that there is one way from rows to transitions, with all that it refuses.
        d4rl_files.write(path, columns, {})
        d4rl_files.read(path, environment)
        return cls(catalogue.Dataset(name, environment, version="own", path=path), kept=folder)

    def transitions(self) -> Transition:
        """Return what is trained on, float32 NumPy `[transitions, …]`; a recipe is made where it was not."""
        record = self.record
        paths = data_files(record, record.rows or 0, 0, self.data_dir, lambda done: None)
        return loading.load(record, paths).transitions


def _columns(path: str, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    missing = [key for key in KEYS[:-1] if key not in arrays]
    if missing:
        raise ValueError(f"{path}: {missing[0]} is missing (the file has {', '.join(arrays) or 'nothing'})")
    columns = {key: arrays[key] for key in KEYS if key in arrays}
    return columns | {"timeouts": arrays.get("timeouts", np.zeros(np.shape(arrays["rewards"]), bool))}


def _environment(columns: Mapping[str, np.ndarray], about: AboutArrays) -> catalogue.Environment:
    named, bounds = about.get("environment"), about.get("action_bounds")
    if named is None:
        return own.nowhere(
            columns["observations"].shape[1], columns["actions"].shape[1], len(columns["actions"]), bounds
        )
    if bounds is not None:
        raise ValueError(f"action_bounds are those of environment={named!r}: leave them out")
    return catalogue.ENVIRONMENTS.get(named) or own.environment(named)
