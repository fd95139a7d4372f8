"""Policies that others have published with what they return, read from arrays; nothing is unpickled.

A `.npz` file has `meta_json`, the bytes of a JSON object with `task` and, for each of its `snapshots`, the name of the
`nonlinearity`, the `output_distribution` and the published `return_mean` and `return_std`; and for each snapshot S the
layers `S/fc0/weight` `[out, in]`, `S/fc0/bias`, S/fc1, … and the heads S/last_fc and S/last_fc_log_std. Deep OPE's
policies of D4RL's tasks (google-research/deep_ope, `d4rl_policies.json`) have this shape.
"""

from collections.abc import Callable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from plas_jax.datasets.catalogue import ENVIRONMENTS, Environment
from plas_jax.files.json_files import ANY, NUMBER, check, parsed
from plas_jax.files.messages import nearest
from plas_jax.files.npz_files import read_arrays

NONLINEARITIES: Mapping[str, Callable[[np.ndarray], np.ndarray]] = {"relu": lambda x: np.maximum(x, 0), "tanh": np.tanh}
SQUASHED, UNSQUASHED = "tanh_gaussian", "gaussian"
SNAPSHOT = {"nonlinearity": str, "output_distribution": str, "return_mean": NUMBER, "return_std": NUMBER}
META = {"task": str, "snapshots": {ANY: SNAPSHOT}}
NAMES = {"walker": "walker2d"}  # of tasks, where they are not this project's

Layer = tuple[np.ndarray, np.ndarray]  # weight [out, in] and bias [out], float32


class PublishedPolicy(NamedTuple):
    """One snapshot of a Gaussian policy, and what its episodes returned."""

    snapshot: str
    nonlinearity: str
    is_squashed: bool
    layers: tuple[Layer, ...]
    mean: Layer
    log_std: Layer
    return_mean: float
    return_std: float  # of episodes

    def act(self, observation: np.ndarray, noise: np.ndarray) -> np.ndarray:
        """Return the actions `[episodes, action]` of its returns, which the environment clips.

        Those of a squashed Gaussian (SAC) are sampled with the noise `[episodes, action]`, those of an unsquashed one
        (DAPG) are its means: so the published returns were made.
        """
        features = observation
        for weight, bias in self.layers:
            features = NONLINEARITIES[self.nonlinearity](features @ weight.T + bias)
        mean = features @ self.mean[0].T + self.mean[1]
        if not self.is_squashed:
            return mean
        return np.tanh(mean + np.exp(features @ self.log_std[0].T + self.log_std[1]) * noise)


class PublishedPolicies(NamedTuple):
    """The snapshots of one file, in the order of their numbers, and the environment of its task."""

    path: Path
    environment: Environment
    policies: tuple[PublishedPolicy, ...]


def load(path: Path) -> PublishedPolicies:
    """Read a file of published policies.

    Raises `OSError` for a file that cannot be read and `ValueError`, one line, for one that holds no such policies.
    """
    arrays = read_arrays(path)
    if "meta_json" not in arrays:
        raise ValueError(f"{path}: no published policies: it has no array 'meta_json'")
    meta = parsed(arrays["meta_json"].tobytes(), f"{path}: meta_json")
    check(meta, META, f"{path}: meta_json")
    if not meta["snapshots"]:
        raise ValueError(f"{path}: meta_json: it has no snapshots")
    environment = environment_of(meta["task"], path)
    numbered = sorted(meta["snapshots"].items(), key=lambda item: (len(item[0]), item[0]))
    policies = (_policy(arrays, snapshot, about, environment, path) for snapshot, about in numbered)
    return PublishedPolicies(path, environment, tuple(policies))


def environment_of(task: str, path: Path) -> Environment:
    """Return the environment of a task. Raises `ValueError` for one that is not simulated here."""
    name = NAMES.get(task, task.replace("_", "-"))
    if name not in ENVIRONMENTS:
        raise ValueError(f"{path}: its task {task!r} is not simulated here{nearest(name, ENVIRONMENTS)}")
    return ENVIRONMENTS[name]


def _policy(
    arrays: Mapping[str, np.ndarray], snapshot: str, about: Mapping[str, Any], environment: Environment, path: Path
) -> PublishedPolicy:
    where = f"{path}: snapshot {snapshot}"
    for key, known in (("nonlinearity", NONLINEARITIES), ("output_distribution", (SQUASHED, UNSQUASHED))):
        if about[key] not in known:
            raise ValueError(f"{where}: {key} is {about[key]!r}, expected {' or '.join(known)}")
    depth = sum(name.startswith(f"{snapshot}/fc") and name.endswith("/weight") for name in arrays)
    layers = tuple(_layer(arrays, f"{snapshot}/fc{place}", path) for place in range(depth))
    mean, log_std = (_layer(arrays, f"{snapshot}/{head}", path) for head in ("last_fc", "last_fc_log_std"))
    widths = [environment.observation_size, *(len(bias) for _, bias in layers)]
    chained = [*layers, mean]
    expected = [*pairwise(widths), (widths[-1], environment.action_size)]
    if [weight.shape[::-1] for weight, _ in chained] != expected or mean[0].shape != log_std[0].shape:
        shapes = ", ".join(str(list(weight.shape)) for weight, _ in chained)
        sizes = f"{environment.observation_size} observations and {environment.action_size} actions"
        raise ValueError(f"{where}: its layers {shapes} are not of {environment.name}, which has {sizes}")
    return PublishedPolicy(
        snapshot, about["nonlinearity"], about["output_distribution"] == SQUASHED, layers, mean, log_std,
        about["return_mean"], about["return_std"],
    )  # fmt: skip


def _layer(arrays: Mapping[str, np.ndarray], name: str, path: Path) -> Layer:
    for part in ("weight", "bias"):
        if f"{name}/{part}" not in arrays:
            raise ValueError(f"{path}: has no array {f'{name}/{part}'!r}{nearest(f'{name}/{part}', arrays)}")
    weight, bias = (np.asarray(arrays[f"{name}/{part}"], np.float32) for part in ("weight", "bias"))
    if (
        weight.ndim != 2
        or bias.shape != weight.shape[:1]
        or not np.isfinite(weight).all()
        or not np.isfinite(bias).all()
    ):
        raise ValueError(f"{path}: {name!r} is no layer of finite numbers: {list(weight.shape)}, {list(bias.shape)}")
    return weight, bias
