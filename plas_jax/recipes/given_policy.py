"""Policies of a user's own for Adroit's hand, in the two forms in which D4RL's were released: never unpickled.

One is that of `published_policies.py`, of whose snapshots the last acts. The other has arrays `W0`, `b0`, …: the
experts that came with demonstration-augmented policy gradients. docs/domains.md has both forms.
"""

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np

from plas_jax.datasets.catalogue import Environment
from plas_jax.files.npz_files import read_arrays
from plas_jax.recipes.published_policies import load

META = "meta_json"
Arrays = Mapping[str, np.ndarray]
Layer = tuple[np.ndarray, np.ndarray]  # weight [out, in] and bias [out]


class GivenPolicy(NamedTuple):
    """A Gaussian policy of two hidden layers, in float64."""

    hidden: tuple[Layer, ...]
    mean: Layer
    log_std: Layer  # its weight is zero where the deviation does not depend on the state
    is_tanh: bool  # whether the hidden layers are tanh, else ReLU
    is_squashed: bool  # whether the action is a tanh of the Gaussian's
    scales: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]  # shift and scale of inputs, then of means

    def sample(self, observation: np.ndarray, noise: np.ndarray) -> np.ndarray:
        """Return actions, float32 `[episodes, action]`, clipped to ±1 as the environment would.

        Every row is a product of its own, so that it does not depend on the others to the last bit.
        """
        in_shift, in_scale, out_shift, out_scale = self.scales
        features = ((np.asarray(observation, np.float64) - in_shift) / in_scale)[:, None]
        for weight, bias in self.hidden:
            features = features @ weight.T + bias
            features = np.tanh(features) if self.is_tanh else np.maximum(features, 0.0)
        mean, log_std = ((features @ weight.T + bias)[:, 0] for weight, bias in (self.mean, self.log_std))
        drawn = mean * out_scale + out_shift + np.exp(log_std) * noise
        return np.clip(np.tanh(drawn) if self.is_squashed else drawn, -1.0, 1.0).astype(np.float32)


def read_policy(path: Path, environment: Environment) -> GivenPolicy:
    """Read the policy in a file, of the last snapshot where it has several.

    Raises `OSError` for a file that cannot be opened and `ValueError`, one line, for one that is no such policy or is
    of another task.
    """
    arrays = read_arrays(path, texts=(META,))
    policy = _dapg(arrays, path) if "W0" in arrays else _snapshot(path)
    seen, acts = policy.hidden[0][0].shape[1], len(policy.mean[1])
    if (seen, acts) != (environment.observation_size, environment.action_size):
        raise ValueError(
            f"{path}: its policy takes {seen} numbers and gives {acts}, but {environment.name} has "
            f"{environment.observation_size} and {environment.action_size}: is it another task's?"
        )
    return policy


def _snapshot(path: Path) -> GivenPolicy:
    """Read the last snapshot of a file of published policies."""
    last = load(path).policies[-1]
    plain = np.zeros(1), np.ones(1), np.zeros(1), np.ones(1)
    layers = (*last.layers, last.mean, last.log_std)
    *hidden, mean, log_std = ((np.asarray(weight, float), np.asarray(bias, float)) for weight, bias in layers)
    return GivenPolicy(tuple(hidden), mean, log_std, last.nonlinearity == "tanh", last.is_squashed, plain)


def _dapg(arrays: Arrays, path: Path) -> GivenPolicy:
    """Read an expert of demonstration-augmented policy gradients."""
    hidden = tuple(_layer(arrays, f"W{place}", f"b{place}", path) for place in (0, 1))
    mean = _layer(arrays, "Wout", "bout", path)
    names = ("log_std", "in_shift", "in_scale", "out_shift", "out_scale")
    missing = [name for name in names if name not in arrays or not np.isfinite(arrays[name]).all()]
    if missing:
        raise ValueError(f"{path}: {', '.join(missing)}: missing or not finite")
    log_std, in_shift, in_scale, out_shift, out_scale = (arrays[name].astype(np.float64) for name in names)
    constant = np.zeros_like(mean[0]), log_std
    scales = in_shift, in_scale + 1e-8, out_shift, out_scale
    return _fitting(GivenPolicy(hidden, mean, constant, True, False, scales), path)


def _layer(arrays: Arrays, weight: str, bias: str, path: Path) -> Layer:
    pair = [arrays.get(name) for name in (weight, bias)]
    if any(each is None or each.dtype.kind != "f" or not np.isfinite(each).all() for each in pair):
        raise ValueError(f"{path}: {weight[:100]!r} and {bias[:100]!r} are not both arrays of finite numbers")
    first, second = (np.asarray(each, np.float64) for each in pair)
    if first.ndim != 2 or second.shape != first.shape[:1]:
        raise ValueError(f"{path}: {weight[:100]!r} has shape {list(first.shape)} with a bias {list(second.shape)}")
    return first, second


def _fitting(policy: GivenPolicy, path: Path) -> GivenPolicy:
    """Return the policy; refuse layers and scales that do not fit each other."""
    widths = [*(weight.shape for weight, _ in policy.hidden), policy.mean[0].shape]
    fits = all(later[1] == earlier[0] for earlier, later in pairwise(widths))
    acts, seen = len(policy.mean[1]), widths[0][1]
    shapes = [scale.shape for scale in policy.scales]
    fits &= shapes in ([(1,)] * 4, [(seen,), (seen,), (acts,), (acts,)])
    deviations = policy.log_std[1].shape
    if deviations != (acts,):
        raise ValueError(f"{path}: 'log_std' has shape {list(deviations)}, where actions are {acts} numbers")
    if not fits or policy.log_std[0].shape != policy.mean[0].shape:
        raise ValueError(f"{path}: its layers do not fit each other")
    return policy
