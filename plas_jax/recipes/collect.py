"""Making recipes: data sets rolled out or trained on the spot, written in D4RL's layout beside a manifest.

`random` draws uniform actions, `medium` and `expert` sample shipped policies, `medium-expert` is one after the other,
`medium-replay` rolls out the ladder of snapshots that led to `medium`, as D4RL's data sets of these names; and
`medium-replay-trained` is the buffer of a fresh run. The mazes have D4RL's own controllers (`maze2d.py`,
`antmaze.py`), and Adroit's hand what a user has (`adroit.py`). The same recipe on the same machine and versions gives
the same bytes.
"""

import hashlib
import json
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

from plas_jax.datasets import d4rl_files
from plas_jax.datasets.catalogue import Dataset, parse, parts
from plas_jax.datasets.folders import writable_folder
from plas_jax.datasets.loading import files
from plas_jax.datasets.transitions import describe
from plas_jax.files.whole_files import appears_whole, sha256
from plas_jax.recipes import adroit
from plas_jax.recipes.antmaze import led
from plas_jax.recipes.behaviour_policy import WEIGHTS, load_policies
from plas_jax.recipes.manifests import beside, made, reusable
from plas_jax.recipes.maze2d import steered
from plas_jax.recipes.replay_buffer import constants, replay_buffer
from plas_jax.recipes.rollout import Columns
from plas_jax.recipes.stretches import SHARES, roll_out_all, stretches, weights_of

DYNAMICS = "d4rl"
ARITHMETIC = "float64, rounded to float32"  # in which policies reckon: rows made in another are other rows
TRAINED = "medium-replay-trained"
PACKAGES = ("mujoco", "numpy", "gymnasium")  # gymnasium's version counts because the robots' model files are its own
PACKAGES_OF_TRAINING = ("jax", "jaxlib", "flax", "optax")


def ignore(rows: int) -> None:
    """Take progress that nobody looks at."""


def parse_recipe(name: str) -> Dataset:
    """Return the recipe of this name; `ValueError`, one line, for a name that is unknown or D4RL's."""
    dataset = parse(name)
    if not dataset.is_recipe:
        raise ValueError(f"{name} is a file of D4RL's, not a recipe: fetch {name} gets it")
    return dataset


def data_files(
    dataset: Dataset,
    rows: int,
    seed: int,
    data_dir: str | Path | None = None,
    progress: Callable[[int], None] = ignore,
) -> list[Path]:
    """Find the files of a data set: a recipe's is made or reused with `rows` rows, others are looked for as they are.

    Raises `ValueError` for an impossible size or seed, `OSError` (one line) for a folder that is missing or cannot be
    written to and for a file of D4RL's that is nowhere.
    """
    if dataset.is_recipe:
        return [make(dataset.name, rows, seed, writable_folder(data_dir), progress)]
    return files(dataset, data_dir)


def make(
    name: str,
    rows: int,
    seed: int,
    folder: Path,
    progress: Callable[[int], None] = ignore,
    weights: Path = WEIGHTS,
) -> Path:
    """Make the file of a recipe in `folder` unless it is there; `progress` is called with the rows so far.

    A recipe of several stretches has at least `rows` rows, in whole episodes, any other has exactly `rows`. `weights`
    is the folder of policies, or the file that an Adroit recipe is made of, without which it is looked for as it was
    made before. Nothing half-written is left behind. Raises `ValueError` for a name that is no recipe, fewer than 2
    rows or a negative seed; `FileNotFoundError` for missing weights; `OSError`, one line, for a folder that cannot be
    written to.
    """
    dataset = parse_recipe(name)
    if rows < 2 or seed < 0:
        raise ValueError(f"{name}: a recipe takes at least 2 rows and a seed of at least 0, not {rows} and {seed}")
    if dataset.environment.family == "adroit" and weights == WEIGHTS:
        return _made_before(dataset, rows, seed, folder)
    recipe = _recipe(dataset, rows, seed, weights)
    fingerprint = hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()
    path = folder / f"{name}-{rows}-{fingerprint[:12]}.hdf5"
    if not reusable(path, fingerprint):
        # Opened before the rollout, so that a folder that cannot be written to costs no minutes.
        with appears_whole(beside(path)) as manifest, appears_whole(path) as file:
            columns = _columns(dataset, rows, seed, weights, progress)
            d4rl_files.write(file, columns, {"recipe": json.dumps(recipe, sort_keys=True), "fingerprint": fingerprint})
            record = recipe | {"fingerprint": fingerprint} | _contents(dataset, columns, file)
            manifest.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    progress(rows)
    return path


def _made_before(dataset: Dataset, rows: int, seed: int, folder: Path) -> Path:
    """Find the file of a recipe that is made of what only its user has."""
    found = [path for path, record in made(folder, dataset.name) if (record["rows"], record["seed"]) == (rows, seed)]
    if len(found) > 1:
        raise ValueError(f"{dataset.name}: {folder} has {len(found)} of {rows:,} rows: move all but one away")
    if not found:
        raise adroit.ask_for(dataset)
    return found[0]


def _recipe(dataset: Dataset, rows: int, seed: int, folder: Path) -> dict[str, object]:
    """Return everything that the rows depend on; its hash is the fingerprint."""
    is_trained, is_hand = dataset.level == TRAINED, dataset.environment.family == "adroit"
    packages = PACKAGES + (PACKAGES_OF_TRAINING if is_trained or is_hand else ())
    recipe: dict[str, object] = {
        "name": dataset.name,
        "recipe": dataset.version,
        "rows": rows,
        "seed": seed,
        "dynamics": DYNAMICS,
        "actions": ARITHMETIC,
        "versions": {package: version(package) for package in packages},
        "weights": None,
    }
    if is_hand:
        # Its content and not its name, which may change.
        training = {"training": adroit.constants()} if dataset.level == "cloned" else {}
        return recipe | {"weights": {"sha256": sha256(folder)}} | training
    if is_trained:
        return recipe | {"training": constants()}
    used = [{"sha256": sha256(path), "provenance": load_policies(path)[1]} for path in weights_of(dataset, folder)]
    if len(parts(dataset)) > 1:
        recipe["shares"] = SHARES.get(dataset.level)
    return recipe | {"weights": used[0] if len(used) == 1 else used or None}


def _columns(dataset: Dataset, rows: int, seed: int, weights: Path, progress: Callable[[int], None]) -> Columns:
    """Make the rows of a recipe."""
    if dataset.environment.family == "maze2d":
        return steered(dataset.environment.name, rows, seed, progress)
    if dataset.environment.family == "antmaze":
        ant = load_policies(weights_of(dataset, weights)[0])[0][-1]
        return led(dataset.environment.name, dataset.level, ant, (rows, seed), progress)
    if dataset.environment.family == "adroit":
        hand = adroit.cloned if dataset.level == "cloned" else adroit.expert
        return hand(dataset, weights, rows, seed, progress)
    if dataset.level == TRAINED:
        return replay_buffer(dataset.environment.name, rows, seed, progress)
    return roll_out_all(dataset, stretches(dataset, weights), rows, seed, progress)


def _contents(dataset: Dataset, columns: Columns, file: Path) -> dict[str, object]:
    """Return what the manifest says of the file: its size and hash, its episodes and their returns."""
    recording = d4rl_files.Recording(*(columns[key] for key in d4rl_files.Recording._fields))
    description = describe(recording, dataset.environment)
    whole = description.episodes > 0
    return {
        "bytes": file.stat().st_size,
        "sha256": sha256(file),
        "rows_made": description.rows,
        "episodes": description.episodes,
        "terminals": description.terminals,
        "timeouts": description.timeouts,
        # of whole episodes; JSON has no NaN for the case that none ended
        "return_mean": description.return_mean if whole else None,
        "return_std": description.return_std if whole else None,
        "h5py": version("h5py"),
    }
