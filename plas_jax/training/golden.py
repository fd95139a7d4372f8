"""Golden files: short runs of the reference implementation, opened as this project's states and batches.

The layout of a file is described in `tests/golden/README.md`; its layers are torch's, named as in the authors' code.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from plas_jax.algorithms import behaviour, plas
from plas_jax.datasets.npz_files import read_arrays
from plas_jax.types import Sizes, Transition

WITH_PERTURBATION = {"Latent": False, "LatentPerturbation": True}


class BadGoldenFileError(ValueError):
    """Not a golden file that can be replayed; the message names the file and what is wrong with it."""


class Golden(NamedTuple):
    """An open golden file: its path, its configuration and its arrays."""

    path: Path
    config: dict[str, Any]
    arrays: dict[str, np.ndarray]

    def array(self, name: str) -> np.ndarray:
        """One array. Raises `BadGoldenFileError` where it is missing or not finite."""
        if name not in self.arrays:
            raise BadGoldenFileError(f"{self.path}: has no array {name!r}")
        if not np.isfinite(self.arrays[name]).all():
            raise BadGoldenFileError(f"{self.path}: {name!r} holds values that are not finite")
        return self.arrays[name]

    def setting(self, name: str) -> Any:
        """One entry of the configuration. Raises `BadGoldenFileError` where it is missing."""
        if name not in self.config:
            raise BadGoldenFileError(f"{self.path}: its config has no {name!r}")
        return self.config[name]

    @property
    def has_perturbation(self) -> bool:
        """Whether the run had a perturbation layer."""
        return WITH_PERTURBATION[self.config["algorithm"]]

    def moments(self) -> list[int]:
        """The numbers of updates after which the file holds parameters."""
        return sorted({int(name.split("/")[0][len("after_") :]) for name in self.arrays if name.startswith("after_")})

    def batches(self) -> Transition:
        """The batch of each update, `[steps, batch, …]`."""
        keys = ("observations", "actions", "rewards", "next_observations", "not_dones")
        return Transition(*(jnp.asarray(self.array(f"batch/{key}")) for key in keys))

    def sizes(self) -> Sizes:
        """The run's dimensions."""
        return Sizes.of(*(self.setting(name) for name in ("observation_dim", "action_dim", "latent_dim")))

    def knobs(self) -> plas.Knobs:
        """The run's knobs; ε is 0 where it had no perturbation layer."""
        return plas.Knobs(
            perturbation_limit=self.setting("max_perturbation") if self.has_perturbation else 0.0,
            latent_limit=self.setting("max_latent_action"),
            clip_weight=self.setting("lmbda"),
            discount=self.setting("discount"),
            polyak=self.setting("tau"),
            policy_learning_rate=self.setting("actor_lr"),
            critic_learning_rate=self.setting("critic_lr"),
        )

    def cvae(self, moment: str) -> dict[str, Any]:
        """The CVAE's parameters at `init` or `after_K`."""
        return {
            "params": {
                "encoder": self._perceptron(f"{moment}/vae", ["e1", "e2"]),
                "latent_mean": self._layer(f"{moment}/vae/mean"),
                "latent_log_std": self._layer(f"{moment}/vae/log_std"),
                "decoder": self._perceptron(f"{moment}/vae", ["d1", "d2", "d3"]),
            }
        }

    def policy(self, moment: str, net: str = "actor") -> dict[str, Any]:
        """The parameters of `actor` or `actor_target`: the latent policy and, if there is one, the perturbation."""
        parts = {"latent_policy": ["l1", "l2", "l3"]}
        if self.has_perturbation:
            parts["perturbation"] = ["l4", "l5", "l6"]
        return {
            part: {"params": {"Perceptron_0": self._perceptron(f"{moment}/{net}", layers)}}
            for part, layers in parts.items()
        }

    def critics(self, moment: str, net: str = "critic") -> dict[str, Any]:
        """The parameters of `critic` or `critic_target`."""
        parts = {"first_critic": ["l1", "l2", "l3"], "second_critic": ["l4", "l5", "l6"]}
        return {"params": {part: self._perceptron(f"{moment}/{net}", layers) for part, layers in parts.items()}}

    def first_cvae(self) -> behaviour.State:
        """The CVAE before its first update."""
        architecture = behaviour.Architecture(self._widths("vae", ["e1"])[0], self.array("batch/rewards").shape[1])
        return behaviour.around(architecture, self.sizes(), jax.tree.map(jnp.asarray, self.cvae("init")))

    def first_policy(self, cvae: behaviour.State) -> plas.State:
        """The policy before its first update. A run without a perturbation layer gets one that ε = 0 silences."""
        policy_widths, critic_widths = self._widths("actor", ["l1", "l2"]), self._widths("critic", ["l1", "l2"])
        architecture = plas.Architecture(policy_widths, critic_widths, *cvae.architecture)
        drawn = plas.init(jax.random.key(0), architecture, cvae.sizes, cvae.cvae.parameters)
        given = jax.tree.map(jnp.asarray, (self.policy("init"), self.critics("init")))
        policy = drawn.policy.parameters | given[0]
        return plas.around(architecture, cvae.sizes, cvae.cvae.parameters, policy, given[1])

    def _widths(self, net: str, layers: Sequence[str]) -> tuple[int, ...]:
        return tuple(len(self.array(f"init/{net}/{layer}.bias")) for layer in layers)

    def _layer(self, name: str) -> dict[str, np.ndarray]:
        return {"kernel": self.array(f"{name}.weight").T, "bias": self.array(f"{name}.bias")}

    def _perceptron(self, net: str, layers: Sequence[str]) -> dict[str, Any]:
        return {f"Linear_{place}": self._layer(f"{net}/{layer}") for place, layer in enumerate(layers)}


def read(path: Path) -> Golden:
    """Open a golden file. Raises `OSError` if it cannot be opened, `BadGoldenFileError`, one line, if it is no such."""
    try:
        arrays = read_arrays(path)
        config = json.loads(arrays["config"].tobytes())
        algorithm = config["algorithm"]
    except (ValueError, KeyError, TypeError) as error:
        raise BadGoldenFileError(f"{path}: not a golden file ({error})") from error
    if algorithm not in WITH_PERTURBATION:
        raise BadGoldenFileError(
            f"{path}: algorithm {algorithm!r} cannot be replayed, {' and '.join(WITH_PERTURBATION)} can"
        )
    return Golden(path, config, arrays)
