"""Golden files: short runs of a reference implementation, opened as arrays, batches and parameters.

The layout of a file is described in `tests/golden/README.md`; its layers are torch's, named as in the authors' code.
What is particular to one method's files is in `plas.py` and `bcq.py`.
"""

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

from plas_jax.files.json_files import NUMBER, check, parsed
from plas_jax.files.npz_files import read_arrays
from plas_jax.types import Parameters, Sizes, Transition

ALGORITHMS = ("Latent", "LatentPerturbation", "BCQ")  # the authors' names: PLAS, PLAS+P, BCQ

MOMENT = re.compile(r"after_[0-9]{1,9}/")
WIDEST = 10_000  # dimensions of an observation, an action or a latent action
# What there is in a configuration; each method needs some of it.
CONFIG = {
    "algorithm": str,
    **dict.fromkeys(("observation_dim?", "action_dim?", "latent_dim?", "sampled_actions?"), int),
    **dict.fromkeys(("lmbda?", "max_perturbation?", "max_latent_action?", "latent_clip?", "discount?", "tau?"), NUMBER),
    **dict.fromkeys(("actor_lr?", "critic_lr?", "vae_lr?"), NUMBER),
}

# Of every tensor that a file has after some updates, by its name: what ours became, and what it says.
Tensors = dict[str, tuple[ArrayLike, np.ndarray]]


class BadGoldenFileError(ValueError):
    """Not a golden file that can be replayed; the message names the file and what is wrong with it."""


class Golden(NamedTuple):
    """An open golden file: its path, its configuration and its arrays."""

    path: Path
    config: Mapping[str, str | float]
    arrays: dict[str, np.ndarray]

    def array(self, name: str) -> np.ndarray:
        """Return one array. Raises `BadGoldenFileError` where it is missing or not finite."""
        if name not in self.arrays:
            raise BadGoldenFileError(f"{self.path}: has no array {name!r}")
        if not np.isfinite(self.arrays[name]).all():
            raise BadGoldenFileError(f"{self.path}: {name!r} holds values that are not finite")
        return self.arrays[name]

    def setting(self, name: str) -> float:
        """Return one number of the configuration. Raises `BadGoldenFileError` where it is missing."""
        value = self.config.get(name)
        if not isinstance(value, int | float):
            raise BadGoldenFileError(f"{self.path}: its config has no {name!r}")
        return value

    def whole(self, name: str) -> int:
        """Return one whole number of the configuration. Raises as `setting` does."""
        return int(self.setting(name))

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
        counts = {int(name.split("/")[0][len("after_") :]) for name in self.arrays if MOMENT.match(name)}
        if not counts or max(counts) > self.updates:
            raise BadGoldenFileError(f"{self.path}: has no parameters after one of its {self.updates} updates")
        return sorted(counts)

    def batches(self) -> Iterator[Transition]:
        """Return the batch of each update, `[batch, …]`, in order."""
        keys = ("observations", "actions", "rewards", "next_observations", "not_dones")
        columns = (map(jnp.asarray, self.array(f"batch/{key}")) for key in keys)
        return itertools.starmap(Transition, zip(*columns, strict=True))

    def sizes(self) -> Sizes:
        """Return the run's dimensions. Raises `BadGoldenFileError` for impossible ones."""
        sizes = [self.whole(name) for name in ("observation_dim", "action_dim", "latent_dim")]
        if not all(0 < size <= WIDEST for size in sizes):
            raise BadGoldenFileError(f"{self.path}: its config has dimensions {sizes}, not from 1 to {WIDEST}")
        return Sizes.of(*sizes)

    def cvae(self, moment: str) -> Parameters:
        """Return the CVAE's parameters at `init` or `after_K`."""
        return {
            "params": {
                "encoder": self.perceptron(f"{moment}/vae", ["e1", "e2"]),
                "latent_mean": self.layer(f"{moment}/vae/mean"),
                "latent_log_std": self.layer(f"{moment}/vae/log_std"),
                "decoder": self.perceptron(f"{moment}/vae", ["d1", "d2", "d3"]),
            }
        }

    def critics(self, moment: str, net: str = "critic") -> Parameters:
        """Return the parameters of `critic` or `critic_target`."""
        parts = {"first_critic": ["l1", "l2", "l3"], "second_critic": ["l4", "l5", "l6"]}
        return {"params": {part: self.perceptron(f"{moment}/{net}", layers) for part, layers in parts.items()}}

    def widths(self, net: str, layers: Sequence[str]) -> tuple[int, ...]:
        """Return how many units these layers of a network have."""
        return tuple(len(self.array(f"init/{net}/{layer}.bias")) for layer in layers)

    def layer(self, name: str) -> dict[str, np.ndarray]:
        """Return the parameters of one layer."""
        return {"kernel": self.array(f"{name}.weight").T, "bias": self.array(f"{name}.bias")}

    def perceptron(self, net: str, layers: Sequence[str]) -> Parameters:
        """Return the parameters of these layers, as a perceptron's."""
        return {f"Linear_{place}": self.layer(f"{net}/{layer}") for place, layer in enumerate(layers)}


def paired(prefix: str, ours: object, theirs: Parameters) -> Tensors:
    """Pair every tensor of theirs with ours, which may hold more: the perturbation layer that a run at ε = 0 lacks."""
    mine = dict(jax.tree.leaves_with_path(ours))
    return {
        f"{prefix}/{jax.tree_util.keystr(path, simple=True, separator='/')}": (mine[path], tensor)
        for path, tensor in jax.tree.leaves_with_path(theirs)
    }


def read(path: Path) -> Golden:
    """Open a golden file. Raises `OSError` if it cannot be opened, `BadGoldenFileError`, one line, if it is no such."""
    try:
        arrays = read_arrays(path)
        if "config" not in arrays:
            raise ValueError("it has no array 'config'")
        config = parsed(arrays["config"].tobytes(), "config")
        check(config, CONFIG, "config")
        algorithm = config["algorithm"]
    except ValueError as error:
        raise BadGoldenFileError(f"{path}: not a golden file ({error})") from error
    if algorithm not in ALGORITHMS:
        raise BadGoldenFileError(f"{path}: algorithm {algorithm!r} cannot be replayed, {', '.join(ALGORITHMS)} can")
    return Golden(path, config, arrays)
