"""Golden files: short runs of a reference implementation, opened as arrays, settings and batches.

The layout of a file is described in `tests/golden/README.md`. Where its tensors stand in the states that train here is
in `layers.py`, and what is particular to one method's files in a table of its family's.
"""

import itertools
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

from plas_jax.files.json_files import NUMBER, check, parsed, shown
from plas_jax.files.messages import nearest
from plas_jax.files.npz_files import read_arrays
from plas_jax.types import Sizes, Transition

MOMENT = re.compile(r"after_([0-9]{1,9})/")
WIDEST = 10_000  # dimensions of an observation, an action or a latent action

# Of every tensor that a file has after some updates, by its name: what ours became, and what it says.
Tensors = dict[str, tuple[ArrayLike, np.ndarray]]


class BadGoldenFileError(ValueError):
    """Not a golden file that can be replayed; the message names the file and what is wrong with it."""


class Golden(NamedTuple):
    """An open golden file: its path, its configuration and its arrays."""

    path: Path
    config: Mapping[str, object]
    arrays: dict[str, np.ndarray]

    def array(self, name: str) -> np.ndarray:
        """Return one array. Raises `BadGoldenFileError` where it is missing or not finite."""
        if name not in self.arrays:
            raise BadGoldenFileError(f"{self.path}: has no array {name!r}{nearest(name, self.arrays)}")
        if not np.isfinite(self.arrays[name]).all():
            raise BadGoldenFileError(f"{self.path}: {name!r} holds values that are not finite")
        return self.arrays[name]

    def setting(self, name: str) -> float:
        """Return one number of the configuration. Raises `BadGoldenFileError` where there is none."""
        return self._configured(name, NUMBER)

    def whole(self, name: str) -> int:
        """Return one whole number of the configuration. Raises as `setting` does."""
        return self._configured(name, int)

    def flag(self, name: str) -> bool:
        """Return one truth of the configuration. Raises as `setting` does."""
        return self._configured(name, bool)

    def text(self, name: str) -> str:
        """Return one text of the configuration. Raises as `setting` does."""
        return self._configured(name, str)

    def _configured(self, name: str, kind: object) -> Any:
        if name not in self.config:
            raise BadGoldenFileError(f"{self.path}: its config has no {name!r}{nearest(name, self.config)}")
        try:
            check(self.config[name], kind, f"config: {name}")
        except ValueError as error:
            raise BadGoldenFileError(f"{self.path}: {error}") from None
        return self.config[name]

    def require(self, settings: Mapping[str, object]) -> None:
        """Raise `BadGoldenFileError` where the run had another value of what is no knob of the method here."""
        for name, ours in settings.items():
            if name in self.config and self.config[name] != ours:
                theirs = shown(self.config[name])
                raise BadGoldenFileError(f"{self.path}: its run had {name} = {theirs}, the method here has {ours!r}")

    @property
    def updates(self) -> int:
        """Return how many updates the run had, of each phase."""
        return self._length(0)

    @property
    def batch_size(self) -> int:
        """Return the rows of one batch."""
        return self._length(1)

    def _length(self, axis: int) -> int:
        """Return how long an axis of the rewards is."""
        rewards = self.array("batch/rewards")
        if rewards.ndim != 2 or not rewards.size:
            raise BadGoldenFileError(
                f"{self.path}: 'batch/rewards' has shape {list(rewards.shape)}, not [updates, batch]"
            )
        return rewards.shape[axis]

    def moments(self) -> list[int]:
        """Return after how many updates the file holds parameters. Raises `BadGoldenFileError` if it has none."""
        counts = {int(match[1]) for match in map(MOMENT.match, self.arrays) if match}
        if not counts or max(counts) > self.updates:
            raise BadGoldenFileError(f"{self.path}: has no parameters after one of its {self.updates} updates")
        return sorted(counts)

    def shaped(self, name: str, shape: tuple[int, ...]) -> np.ndarray:
        """Return one array. Raises as `array` does, and where it has another shape, which might be broadcast."""
        array = self.array(name)
        if array.shape != shape:
            message = f"{name!r} has shape {list(array.shape)}, expected {list(shape)}"
            raise BadGoldenFileError(f"{self.path}: its arrays do not fit each other ({message})")
        return array

    def batches(self, states: str = "batch") -> Iterator[Transition]:
        """Return the batch of each update, in order; `states` is "raw" for states that are not yet normalised."""
        rows, sizes = (self.updates, self.batch_size), self.sizes()
        observation, action = (*rows, int(sizes.observation.true)), (*rows, int(sizes.action.true))
        columns = [
            self.shaped(f"{states}/observations", observation),
            self.shaped("batch/actions", action),
            self.shaped("batch/rewards", rows),
            self.shaped(f"{states}/next_observations", observation),
            self.shaped("batch/not_dones", rows),
        ]
        if "batch/next_actions" in self.arrays:
            columns.append(self.shaped("batch/next_actions", action))
        return itertools.starmap(Transition, zip(*(map(jnp.float32, column) for column in columns), strict=True))

    def sizes(self) -> Sizes:
        """Return the run's dimensions; one without a CVAE has none of a latent. Raises for impossible ones."""
        names = ("observation_dim", "action_dim", *(["latent_dim"] if "latent_dim" in self.config else []))
        sizes = [self.whole(name) for name in names]
        if not all(0 < size <= WIDEST for size in sizes):
            raise BadGoldenFileError(f"{self.path}: its config has dimensions {sizes}, not from 1 to {WIDEST}")
        return Sizes.of(*sizes)


def read(path: Path) -> Golden:
    """Open a golden file. Raises `OSError` if it cannot be opened, `BadGoldenFileError`, one line, if it is no such."""
    try:
        arrays = read_arrays(path)
        if "config" not in arrays:
            raise ValueError("it has no array 'config'")
        config = parsed(arrays["config"].tobytes(), "config")
        check(config, {"algorithm": str}, "config")
    except ValueError as error:
        raise BadGoldenFileError(f"{path}: not a golden file ({error})") from error
    return Golden(path, config, arrays)
