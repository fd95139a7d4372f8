"""The policies behind the recipes: small squashed Gaussians, shipped as float16 weights with provenance."""

import json
from collections.abc import Mapping, Sequence
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from plas_jax.files.json_files import check, parsed
from plas_jax.files.npz_files import read_arrays
from plas_jax.files.whole_files import whole_file
from plas_jax.models.gaussian_policy import LOG_STD_RANGE
from plas_jax.types import Parameters

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
        """Return tanh(mean + std·noise) for `[episodes, observation]` and `[episodes, action]`, as float32 actions.

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


def from_parameters(policy: Parameters) -> BehaviourPolicy:
    """Return the numpy policy of a `GaussianPolicy`'s Flax parameters."""
    hidden, (mean,), (log_std,) = (layers_of(policy["params"][f"Perceptron_{index}"]) for index in range(3))
    return BehaviourPolicy(hidden, mean, log_std)


def layers_of(perceptron: Parameters) -> tuple[tuple[np.ndarray, np.ndarray], ...]:
    """Return kernel and bias, float64, of each layer of a `Perceptron`'s Flax parameters."""
    layers = [perceptron[f"Linear_{index}"] for index in range(len(perceptron))]
    return tuple((np.asarray(each["kernel"], np.float64), np.asarray(each["bias"], np.float64)) for each in layers)


def save_policies(path: Path, policies: Sequence[BehaviourPolicy], provenance: Mapping[str, object]) -> None:
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
    """Read the ladder of policies in a file of `save_policies`, and its provenance.

    Raises `OSError` for a file that cannot be opened, `ValueError`, one line, for one that holds no such policies.
    """
    arrays = read_arrays(path)
    if "provenance" not in arrays:
        raise ValueError(f"{path}: no policies: it has no array 'provenance'")
    provenance = parsed(arrays["provenance"].tobytes(), f"{path}: provenance")
    check(provenance, {}, f"{path}: provenance")
    policies: list[BehaviourPolicy] = []
    while f"{len(policies)}/mean/kernel" in arrays:
        rung = len(policies)
        depth = sum(name.startswith(f"{rung}/layer") and name.endswith("kernel") for name in arrays)
        hidden = tuple(_layer(arrays, f"{rung}/layer{i}", path) for i in range(depth))
        policies.append(
            BehaviourPolicy(hidden, _layer(arrays, f"{rung}/mean", path), _layer(arrays, f"{rung}/log_std", path))
        )
        _check_widths(policies[-1], f"{path}: policy {rung}")
    if not policies:
        raise ValueError(f"{path}: holds no policies")
    return policies, provenance


def _layer(arrays: Mapping[str, np.ndarray], name: str, path: Path) -> tuple[np.ndarray, np.ndarray]:
    pair = [arrays.get(f"{name}/{part}") for part in ("kernel", "bias")]
    if any(each is None or not np.isfinite(each).all() for each in pair):
        raise ValueError(f"{path}: {name[:100]!r} has no kernel and bias of finite numbers")
    kernel, bias = (np.asarray(each, np.float64) for each in pair)
    if kernel.ndim != 2 or bias.shape != kernel.shape[1:]:
        raise ValueError(f"{path}: {name[:100]!r} has a kernel {list(kernel.shape)} with a bias {list(bias.shape)}")
    return kernel, bias


def _check_widths(policy: BehaviourPolicy, where: str) -> None:
    """Refuse layers of which one does not take what the one before gives."""
    layers = [*policy.layers, policy.mean]
    fits = all(before[0].shape[1] == after[0].shape[0] for before, after in pairwise(layers))
    if not fits or policy.mean[0].shape != policy.log_std[0].shape:
        raise ValueError(f"{where}: its layers do not fit each other")


def shipped(environment: str, level: str = "medium", folder: Path = WEIGHTS) -> Path:
    """Return the file of one environment's policies: the ladder whose last rung is the medium one, or the expert."""
    return folder / (f"{environment}.npz" if level == "medium" else f"{environment}_{level}.npz")
