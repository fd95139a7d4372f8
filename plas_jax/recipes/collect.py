"""The recipes: data sets made by rolling policies out, written in D4RL's layout beside a manifest.

`random` draws uniform actions, `medium` samples the shipped policy of the environment (its ladder's last rung), as
D4RL's own data sets of these names. The same recipe on the same machine and versions gives the same bytes.
"""

import hashlib
import json
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from plas_jax.datasets import d4rl_files
from plas_jax.datasets.catalogue import ENVIRONMENTS, Dataset, parse
from plas_jax.datasets.folders import appears_whole, require, sha256, writable_folder
from plas_jax.datasets.transitions import describe
from plas_jax.recipes.behaviour_policy import BehaviourPolicy, load_policies, shipped
from plas_jax.recipes.manifests import beside, reusable
from plas_jax.recipes.rollout import SLOTS, Behaviour, Columns, roll_out

DYNAMICS = "d4rl"
# A matrix product may round a row differently in a batch of another size; in blocks of one size it never does.
BLOCK = 16


def ignore(rows: int) -> None:
    """Progress that nobody looks at."""


def parse_recipe(name: str) -> Dataset:
    """The recipe of this name; `ValueError`, one line, for a name that is unknown or D4RL's."""
    dataset = parse(name)
    if not dataset.is_recipe:
        raise ValueError(f"{name} is a file of D4RL's, not a recipe: it cannot be made")
    return dataset


def recipe_or_file(
    name: str,
    rows: int,
    seed: int,
    data_dir: str | Path | None = None,
    progress: Callable[[int], None] = ignore,
) -> Path:
    """The file of a data set: a recipe's is made or reused with `rows` rows, D4RL's is looked for as it is.

    Raises `ValueError` for an unknown name or an impossible size or seed, `OSError` (one line) for a folder that is
    missing or cannot be written to and for a file of D4RL's that is nowhere.
    """
    dataset = parse(name)
    if dataset.is_recipe:
        return make(name, rows, seed, writable_folder(data_dir), progress)
    return require(dataset, data_dir)


def make(
    name: str,
    rows: int,
    seed: int,
    folder: Path,
    progress: Callable[[int], None] = ignore,
    weights: Path | None = None,
    slots: int = SLOTS,
) -> Path:
    """The file of a recipe in `folder`, made unless it is there; `progress` is called with the rows so far.

    `weights` replaces the shipped policy of a medium recipe; `slots` changes the speed and nothing else. Nothing
    half-written is left behind. Raises `ValueError` for a name that is no recipe, fewer than 2 rows or a negative
    seed; `FileNotFoundError` for missing weights; `OSError`, one line, for a folder that cannot be written to.
    """
    dataset = parse_recipe(name)
    if rows < 2 or seed < 0:
        raise ValueError(f"{name}: a recipe takes at least 2 rows and a seed of at least 0, not {rows} and {seed}")
    ladder = None if dataset.level == "random" else (weights or shipped(dataset.environment))
    if ladder is not None and not ladder.is_file():
        raise FileNotFoundError(f"{name}: the policy's weights {ladder} are missing")
    recipe = _recipe(dataset, rows, seed, ladder)
    fingerprint = hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()
    path = folder / f"{name}-{rows}-{fingerprint[:12]}.hdf5"
    if not reusable(path, fingerprint):
        # Opened before the rollout, so that a folder that cannot be written to costs no minutes.
        with appears_whole(beside(path)) as manifest, appears_whole(path) as file:
            columns = _columns(dataset, rows, seed, ladder, progress, slots)
            d4rl_files.write(file, columns, {"recipe": json.dumps(recipe, sort_keys=True), "fingerprint": fingerprint})
            record = recipe | {"fingerprint": fingerprint} | _contents(dataset, columns, file)
            manifest.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    progress(rows)
    return path


def _recipe(dataset: Dataset, rows: int, seed: int, ladder: Path | None) -> dict[str, Any]:
    """Everything that the rows depend on; its hash is the fingerprint."""
    weights = None
    if ladder is not None:
        weights = {"sha256": sha256(ladder), "provenance": load_policies(ladder)[1]}
    return {
        "name": dataset.name,
        "recipe": dataset.version,
        "rows": rows,
        "seed": seed,
        "dynamics": DYNAMICS,
        # gymnasium's version counts because the robots' model files are its own
        "versions": {package: version(package) for package in ("mujoco", "numpy", "gymnasium")},
        "weights": weights,
    }


def _columns(
    dataset: Dataset, rows: int, seed: int, ladder: Path | None, progress: Callable[[int], None], slots: int
) -> Columns:
    """The rows of a recipe."""
    behaviour = UNIFORM if ladder is None else sampled(load_policies(ladder)[0][-1])
    stream = int.from_bytes(hashlib.sha256(dataset.name.encode()).digest()[:8], "little")
    horizon = ENVIRONMENTS[dataset.environment].horizon
    return roll_out(dataset.environment, horizon, rows, behaviour, [seed, stream], progress, slots)


UNIFORM = Behaviour(
    noise=lambda generator, shape: generator.uniform(-1.0, 1.0, shape),
    act=lambda observation, noise: noise.astype(np.float32),
)


def sampled(policy: BehaviourPolicy) -> Behaviour:
    """The behaviour that samples a policy: its actions with standard normal noise."""

    def act(observation: np.ndarray, noise: np.ndarray) -> np.ndarray:
        episodes = len(observation)
        padding = ((0, -episodes % BLOCK), (0, 0))
        observation, noise = np.pad(observation, padding), np.pad(noise, padding)
        blocks = range(0, len(observation), BLOCK)
        actions = [policy.sample(observation[i : i + BLOCK], noise[i : i + BLOCK]) for i in blocks]
        return np.concatenate(actions)[:episodes]

    return Behaviour(lambda generator, shape: generator.standard_normal(shape), act)


def _contents(dataset: Dataset, columns: Columns, file: Path) -> dict[str, Any]:
    """What the manifest says of the file: its size and hash, its episodes and their returns."""
    recording = d4rl_files.Recording(*(columns[key] for key in d4rl_files.Recording._fields))
    description = describe(recording, ENVIRONMENTS[dataset.environment].horizon)
    whole = description.episodes > 0
    return {
        "bytes": file.stat().st_size,
        "sha256": sha256(file),
        "episodes": description.episodes,
        "terminals": description.terminals,
        "timeouts": description.timeouts,
        # of whole episodes; JSON has no NaN for the case that none ended
        "return_mean": description.return_mean if whole else None,
        "return_std": description.return_std if whole else None,
        "h5py": version("h5py"),
    }
