"""The policies behind the recipes: small squashed Gaussians, shipped as float16 weights with provenance."""

import json
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from plas_jax.datasets.folders import whole_file
from plas_jax.models.gaussian_policy import LOG_STD_RANGE

WEIGHTS = Path(str(files("plas_jax.recipes") / "weights"))


class BehaviourPolicy(NamedTuple):
    """A tanh-Gaussian policy in numpy: ReLU layers, then a head for the mean and one for the log std.

    numpy and not JAX, because it is called once for each control step on a few rows, where a dispatch costs more
    than the product itself.
    """

    layers: tuple[tuple[np.ndarray, np.ndarray], ...]
    mean: tuple[np.ndarray, np.ndarray]
    log_std: tuple[np.ndarray, np.ndarray]

    def sample(self, observation: np.ndarray, noise: np.ndarray) -> np.ndarray:
        """tanh(mean + std·noise); `[episodes, observation]` and `[episodes, action]`, to float32 actions.

        Every row is a product of its own: of several rows at once, a library may round each by its place among them,
        and what an episode does would depend on how many run beside it. In float64, so that processors which add up in
        another order come to the same float32 actions, and a recipe to the same rows.
        """
        features = np.asarray(observation, np.float64)[:, None]
        for kernel, bias in self.layers:
            features = np.maximum(features @ kernel + bias, 0.0)
        mean = (features @ self.mean[0] + self.mean[1])[:, 0]
        log_std = np.clip(features @ self.log_std[0] + self.log_std[1], *LOG_STD_RANGE)[:, 0]
        return np.tanh(mean + np.exp(log_std) * noise).astype(np.float32)


def from_parameters(policy: Any) -> BehaviourPolicy:
    """The numpy policy of a `GaussianPolicy`'s Flax parameters."""

    def layer(node: Any) -> tuple[np.ndarray, np.ndarray]:
        return np.asarray(node["kernel"], np.float64), np.asarray(node["bias"], np.float64)

    body, mean, log_std = (policy["params"][f"Perceptron_{index}"] for index in range(3))
    hidden = tuple(layer(body[f"Linear_{index}"]) for index in range(len(body)))
    return BehaviourPolicy(hidden, layer(mean["Linear_0"]), layer(log_std["Linear_0"]))


def save_policies(path: Path, policies: Sequence[BehaviourPolicy], provenance: dict[str, Any]) -> None:
    """Write a ladder of policies as float16, with its provenance, whole or not at all."""
    arrays: dict[str, Any] = {"provenance": np.frombuffer(json.dumps(provenance, indent=1).encode(), np.uint8)}
    for rung, policy in enumerate(policies):
        named = {f"layer{i}": pair for i, pair in enumerate(policy.layers)}
        for name, (kernel, bias) in (named | {"mean": policy.mean, "log_std": policy.log_std}).items():
            arrays[f"{rung}/{name}/kernel"] = kernel.astype(np.float16)
            arrays[f"{rung}/{name}/bias"] = bias.astype(np.float16)
    with whole_file(path) as partial, partial.open("wb") as file:
        np.savez_compressed(file, **arrays)


def load_policies(path: Path) -> tuple[list[BehaviourPolicy], dict[str, Any]]:
    """The ladder of policies in a file of `save_policies`, and its provenance."""
    with np.load(path, allow_pickle=False) as file:
        provenance = json.loads(file["provenance"].tobytes())

        def layer(name: str) -> tuple[np.ndarray, np.ndarray]:
            return file[f"{name}/kernel"].astype(np.float64), file[f"{name}/bias"].astype(np.float64)

        policies: list[BehaviourPolicy] = []
        while f"{len(policies)}/mean/kernel" in file:
            rung = len(policies)
            depth = sum(name.startswith(f"{rung}/layer") and name.endswith("kernel") for name in file)
            hidden = tuple(layer(f"{rung}/layer{i}") for i in range(depth))
            policies.append(BehaviourPolicy(hidden, layer(f"{rung}/mean"), layer(f"{rung}/log_std")))
    return policies, provenance


def shipped(environment: str, level: str = "medium", folder: Path = WEIGHTS) -> Path:
    """The file of one environment's policies: the ladder whose last rung is the medium one, or the expert."""
    return folder / (f"{environment}.npz" if level == "medium" else f"{environment}_{level}.npz")
