"""Minari's data sets, read through the minari package: an optional extra that only this module imports.

Nothing is ever downloaded from here. `MINARI_DATASETS_PATH` is honoured, since the package does.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from plas_jax.datasets.catalogue import Environment
from plas_jax.datasets.recordings import BadDatasetError, Recording, recording

METADATA = "metadata.json"
FOLDER = "$MINARI_DATASETS_PATH or else ~/.minari/datasets"
REMOVED_FROM_SPECIFICATIONS = ("autoreset", "apply_api_compatibility")  # by Gymnasium 1.0


def specification(identifier: str) -> str:
    """Gymnasium's `EnvSpec`, as JSON, of the environment to evaluate in: the one that Minari calls `eval_env`.

    That is the environment of the recording unless the data set names another. Raises as `read`, and `ValueError`
    when the data set names none at all.
    """
    metadata = _found(identifier).storage.metadata
    text = metadata.get("eval_env_spec") or metadata.get("env_spec")
    if text is None:
        raise ValueError(
            f"minari:{identifier} does not say which environment it is of: write its rows to a file in D4RL's layout, "
            "and name the environment as in PATH.hdf5@GYMNASIUM_ID"
        )
    return json.dumps({key: value for key, value in json.loads(text).items() if key not in REMOVED_FROM_SPECIFICATIONS})


def references(identifier: str) -> tuple[float, float] | None:
    """The returns that Minari scores 0 and 1 (here 0 and 100), None where it has not both. Raises as `read`."""
    metadata = _found(identifier).storage.metadata
    low, high = metadata.get("ref_min_score"), metadata.get("ref_max_score")
    return None if low is None or high is None else (float(low), float(high))


def count_rows(identifier: str) -> int:
    """How many steps its metadata count. Raises as `read`."""
    return int(_found(identifier).total_steps)


def data_files(identifier: str) -> list[Path]:
    """The files that hold its steps (for Minari's usual format one, `main_data.hdf5`), sorted. Raises as `read`."""
    folder = Path(_found(identifier).storage.data_path)
    return sorted(path for path in folder.rglob("*") if path.is_file() and path.name != METADATA)


def read(identifier: str, environment: Environment) -> Recording:
    """Its episodes one after another, checked and mapped as `recording` does: what D4RL's file of them would give.

    A Minari episode of T steps has T + 1 observations, of which the last is left out: D4RL's loader takes the next
    row's, and drops or masks the transition where that belongs to another episode. An episode whose last step has
    neither flag was cut there, which is a timeout.

    Raises `FileNotFoundError` for a data set that is not on this machine, `ValueError` where minari is not installed,
    `BadDatasetError` for steps that cannot be trained on.
    """
    name, found = f"minari:{identifier}", _found(identifier)
    rows, end = int(found.total_steps), 0
    columns = (
        np.empty((rows, environment.observation_size), np.float32),
        np.empty((rows, environment.action_size), np.float32),
        np.empty(rows, np.float32),
        np.empty(rows, bool),
        np.empty(rows, bool),
    )
    for number, episode in enumerate(_episodes(name, found)):
        part = _recorded(f"{name}: episode {number}", episode, environment)
        start, end = end, end + len(part.rewards)
        if end > rows:
            break
        for column, values in zip(columns, part, strict=True):
            column[start:end] = values
    if end != rows:
        raise BadDatasetError(f"{name}: its episodes have {'more' if end > rows else end} steps, its {METADATA} {rows}")
    return Recording(*columns)


def _recorded(source: str, episode: Any, environment: Environment) -> Recording:
    """One episode's rows."""
    seen, steps = episode.observations, len(episode.rewards)
    if not isinstance(seen, np.ndarray):
        raise BadDatasetError(f"{source}: observations: not an array of numbers but {type(seen).__name__}")
    if len(seen) != steps + 1:
        raise BadDatasetError(f"{source}: observations: there are {len(seen)} of {steps} steps, not one more")
    columns = {
        "observations": seen[:-1],
        "actions": episode.actions,
        "rewards": episode.rewards,
        "terminals": episode.terminations,
        "timeouts": episode.truncations,
    }
    part = recording(source, columns, environment)
    timeouts = np.asarray(part.timeouts)
    timeouts[-1:] |= ~part.terminals[-1:]
    return part._replace(timeouts=timeouts)


def _episodes(name: str, found: Any) -> Iterator[Any]:
    """One at a time, so that memory never holds a second copy of them all."""
    try:
        yield from found.iterate_episodes()
    except (AssertionError, KeyError, OSError, RuntimeError) as error:  # what h5py and minari raise for a damaged file
        raise BadDatasetError(f"{name}: its episodes cannot be read: {_line(error)}") from error


def _found(identifier: str) -> Any:
    """The `MinariDataset` of this id."""
    try:
        import minari  # noqa: PLC0415 (an optional extra)
    except ImportError:
        raise ValueError(f"minari:{identifier} needs the minari package: pip install 'plas_jax[minari]'") from None
    try:
        return minari.load_dataset(identifier)
    except FileNotFoundError as error:
        if "not found locally" not in str(error):
            raise BadDatasetError(f"minari:{identifier} cannot be opened: {_line(error)}") from error
        raise FileNotFoundError(
            f"minari:{identifier} is not on this machine, where {FOLDER} is looked in: minari download {identifier}"
        ) from None
    except ImportError as error:  # a storage format with a package of its own
        raise ValueError(f"minari:{identifier} cannot be opened: {_line(error)}") from error
    except (AssertionError, KeyError, OSError, ValueError) as error:
        raise BadDatasetError(f"minari:{identifier} cannot be opened: {_line(error)}") from error


def _line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
