"""Minari's data sets, read through the minari package: an optional extra that only this module imports.

Nothing is ever downloaded from here. `MINARI_DATASETS_PATH` is honoured, since the package does.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from plas_jax.datasets.catalogue import Environment
from plas_jax.datasets.hdf5_files import EXPANSION, check_all
from plas_jax.datasets.recordings import BadDatasetError, Recording, memory_of_the_machine, recording
from plas_jax.files.json_files import NUMBER, check, parsed, read_object
from plas_jax.files.messages import one_line

if TYPE_CHECKING:
    from minari import EpisodeData, MinariDataset

METADATA = "metadata.json"
FOLDER = "$MINARI_DATASETS_PATH or else ~/.minari/datasets"
SHAPE = {  # of its metadata
    **dict.fromkeys(("total_steps", "total_episodes"), int),
    **dict.fromkeys(("env_spec?", "eval_env_spec?"), (str, None)),
    **dict.fromkeys(("observation_space?", "action_space?"), str),
    **dict.fromkeys(("ref_min_score?", "ref_max_score?"), (*NUMBER, None)),
}
CALLED = {"entry_point": str, "kwargs?": (dict, None)}
SPECIFICATION = {
    "id": str,
    **CALLED,
    "max_episode_steps?": (int, None),
    "additional_wrappers": [{"name": str, **CALLED}],
}
FLAGS_AND_REWARD = 6  # bytes of a row in memory beside its observation and action
REMOVED_FROM_SPECIFICATIONS = ("autoreset", "apply_api_compatibility")  # by Gymnasium 1.0


def specifications(identifier: str) -> list[str]:
    """Return Gymnasium's `EnvSpec`s that the data set names, as JSON: first of the environment to evaluate in.

    That is Minari's `eval_env`, or else the environment of the recording, which comes last. None of Minari's code has
    seen them: a specification names a function to call. Raises as `read`.
    """
    metadata = _metadata(identifier)
    texts = [metadata.get(name) for name in ("eval_env_spec", "env_spec")]
    return [_without_removed(text, f"minari:{identifier}") for text in texts if text]


def _without_removed(text: str, where: str) -> str:
    specification = parsed(text, f"{where}: its environment", finite=False)
    check(specification, SPECIFICATION, f"{where}: its environment")
    return json.dumps({key: value for key, value in specification.items() if key not in REMOVED_FROM_SPECIFICATIONS})


def has_spaces(identifier: str) -> bool:
    """Tell whether it says what observations and actions are; else Minari asks the environment. Raises as `read`."""
    return {"observation_space", "action_space"} <= set(_metadata(identifier))


def references(identifier: str) -> tuple[float, float] | None:
    """Return the returns that Minari scores 0 and 1 (here 0 and 100), None where it has not both. Raises as `read`."""
    metadata = _metadata(identifier)
    low, high = metadata.get("ref_min_score"), metadata.get("ref_max_score")
    return None if low is None or high is None else (float(low), float(high))


def count_rows(identifier: str) -> int:
    """Return how many steps its metadata count. Raises as `read`."""
    return int(_dataset(identifier).total_steps)


def data_files(identifier: str) -> list[Path]:
    """List the files that hold its steps (of Minari's usual format one, `main_data.hdf5`), sorted. Raises as `read`."""
    folder = Path(_dataset(identifier).storage.data_path)
    return sorted(path for path in folder.rglob("*") if path.is_file() and path.name != METADATA)


def read(identifier: str, environment: Environment) -> Recording:
    """Read its episodes one after another, checked and mapped as `recording` does: what D4RL's file of them would give.

    A Minari episode of T steps has T + 1 observations, of which the last is left out: D4RL's loader takes the next
    row's, and drops or masks the transition where that belongs to another episode. An episode whose last step has
    neither flag was cut there, which is a timeout.

    Raises `FileNotFoundError` for a data set that is not on this machine, `ValueError` where minari is not installed,
    `BadDatasetError` for steps that cannot be trained on.
    """
    name, dataset = f"minari:{identifier}", _dataset(identifier)
    for path in data_files(identifier):
        if path.suffix in (".hdf5", ".h5"):
            check_all(path, f"{name}: {path.name}")
    rows, end = int(dataset.total_steps), 0
    size = rows * (4 * environment.observation_size + 4 * environment.action_size + FLAGS_AND_REWARD)
    if size > memory_of_the_machine() // 2:
        raise BadDatasetError(f"{name}: {rows:,} steps take {size / 1e9:,.0f} GB, too many for this machine")
    columns = (
        np.empty((rows, environment.observation_size), np.float32),
        np.empty((rows, environment.action_size), np.float32),
        np.empty(rows, np.float32),
        np.empty(rows, bool),
        np.empty(rows, bool),
    )
    for number, episode in enumerate(_episodes(name, dataset)):
        part = _recorded(f"{name}: episode {number}", episode, environment)
        start, end = end, end + len(part.rewards)
        if end > rows:
            break
        for column, values in zip(columns, part, strict=True):
            column[start:end] = values
    if end != rows:
        raise BadDatasetError(f"{name}: its episodes have {'more' if end > rows else end} steps, its {METADATA} {rows}")
    return Recording(*columns)


def _recorded(source: str, episode: "EpisodeData", environment: Environment) -> Recording:
    """Return one episode's rows."""
    for name in ("observations", "rewards"):
        column = getattr(episode, name)
        if not isinstance(column, np.ndarray) or not column.ndim:
            raise BadDatasetError(f"{source}: {name}: not an array of numbers but {type(column).__name__}")
    seen, steps = episode.observations, len(episode.rewards)
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


def _episodes(name: str, dataset: "MinariDataset") -> Iterator["EpisodeData"]:
    """Yield one at a time, so that memory never holds a second copy of them all."""
    try:
        yield from dataset.iterate_episodes()
    except Exception as error:  # h5py and minari raise most kinds for damage
        raise BadDatasetError(f"{name}: its episodes cannot be read: {one_line(error, 300)}") from error


def _metadata(identifier: str) -> dict[str, Any]:
    """Read its metadata, before any of minari's code acts on them."""
    try:
        import minari  # noqa: F401, PLC0415 (an optional extra)
        from minari.storage.datasets_root_dir import get_dataset_path  # noqa: PLC0415
    except ImportError:
        raise ValueError(f"minari:{identifier} needs the minari package: pip install 'plas_jax[minari]'") from None
    folder = Path(get_dataset_path(identifier)) / "data"
    if not folder.exists():
        raise FileNotFoundError(
            f"minari:{identifier} is not on this machine, where {FOLDER} is looked in: minari download {identifier}"
        )
    try:
        metadata = read_object(folder / METADATA, SHAPE)
        held = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    except (OSError, ValueError) as error:
        raise BadDatasetError(f"minari:{identifier} cannot be opened: {one_line(error, 300)}") from error
    for name, most in (("total_episodes", held), ("total_steps", EXPANSION * held)):
        if not 0 <= metadata[name] <= most:
            raise BadDatasetError(f"minari:{identifier} cannot be opened: {metadata[name]:,} {name} in {held:,} bytes")
    return metadata


def _dataset(identifier: str) -> "MinariDataset":
    """Open the `MinariDataset` of this id."""
    _metadata(identifier)
    import minari  # noqa: PLC0415 (an optional extra)

    try:
        return minari.load_dataset(identifier)
    except ImportError as error:  # a storage format with a package of its own
        raise ValueError(f"minari:{identifier} cannot be opened: {one_line(error, 300)}") from error
    except Exception as error:  # minari raises most kinds for damage
        raise BadDatasetError(f"minari:{identifier} cannot be opened: {one_line(error, 300)}") from error
