"""From the files of a data set to its transitions: one recording for each part of a mixture, in the mixture's order."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from plas_jax.datasets import d4rl_files, minari_files
from plas_jax.datasets.catalogue import Dataset, parts
from plas_jax.datasets.folders import require
from plas_jax.datasets.recordings import Recording
from plas_jax.datasets.transitions import Description, describe, qlearning_transitions
from plas_jax.files.whole_files import sha256
from plas_jax.types import Transition


class Loaded(NamedTuple):
    """A data set in memory, and what its files hold."""

    transitions: Transition
    description: Description


def files(dataset: Dataset, data_dir: str | Path | None = None) -> list[Path]:
    """Find the files of a data set that is no recipe: one's own, Minari's, or those of D4RL's parts.

    Raises `OSError`, one line, for one that is nowhere and for a `data_dir` that is no folder.
    """
    if dataset.version == "minari":
        return minari_files.data_files(dataset.source)
    return [dataset.path] if dataset.path is not None else [require(part, data_dir) for part in parts(dataset)]


def load(dataset: Dataset, paths: Sequence[Path], next_actions: bool = False) -> Loaded:
    """Load the transitions of a data set whose parts lie in `paths`; Minari's lies where its package keeps it.

    No transition leads from one part to the next: each part loses its last row, as a file does. `next_actions` are
    those of `qlearning_transitions`.

    Raises `BadDatasetError` and `OSError` as `d4rl_files.read` and `minari_files.read` do, `ValueError` when no
    transition is left.
    """
    # One recording at a time: each is let go before the next is read.
    loaded = [_prepared(dataset, source, next_actions) for source in _sources(dataset, paths)]
    return Loaded(_joined([part.transitions for part in loaded]), _all([part.description for part in loaded]))


def describe_files(dataset: Dataset, paths: Sequence[Path]) -> Description:
    """Describe what the files hold without their transitions. Raises as `load` does, save for a lack of transitions."""
    environment = dataset.environment
    return _all([describe(_read(dataset, source), environment) for source in _sources(dataset, paths)])


def count_rows(dataset: Dataset, paths: Sequence[Path]) -> int:
    """Count the rows that `load` will read, without reading them. Raises as `load` does for what cannot be opened."""
    if dataset.version == "minari":
        return minari_files.count_rows(dataset.source)
    return sum(d4rl_files.count_rows(path) for path in paths)


def fingerprint(paths: Sequence[Path]) -> str:
    """Return the sha256 of a file; of several, that of their hashes with blanks between them.

    Of a Minari data set it is that of its steps alone: its metadata may change without them.
    """
    hashes = [sha256(path) for path in paths]
    return hashes[0] if len(hashes) == 1 else hashlib.sha256(" ".join(hashes).encode()).hexdigest()


def is_altered(dataset: Dataset, paths: Sequence[Path]) -> bool:
    """Return whether files of D4RL's names are not D4RL's: their bytes are other than the catalogue has."""
    if not dataset.is_published:
        return False
    known = [(part.sha256, path) for part, path in zip(parts(dataset), paths, strict=True) if part.sha256]
    return any(sha256(path) != published for published, path in known)


def contents(dataset: Dataset, paths: Sequence[Path]) -> str:
    """Hash what the files hold (sha256), column by column: the same for files of the same rows. Raises as `load`."""
    digest = hashlib.sha256()
    for source in _sources(dataset, paths):
        for column in _read(dataset, source):
            digest.update(b"" if column is None else np.ascontiguousarray(column).tobytes())
    return digest.hexdigest()


def _sources(dataset: Dataset, paths: Sequence[Path]) -> list[str]:
    return [f"minari:{dataset.source}"] if dataset.version == "minari" else [str(path) for path in paths]


def _read(dataset: Dataset, source: str) -> Recording:
    if dataset.version == "minari":
        return minari_files.read(dataset.source, dataset.environment)
    return d4rl_files.read(Path(source), dataset.environment)


def _prepared(dataset: Dataset, source: str, next_actions: bool) -> Loaded:
    recording, environment = _read(dataset, source), dataset.environment
    transitions = qlearning_transitions(recording, environment.horizon, next_actions)
    if len(transitions.reward) == 0:
        raise ValueError(f"{source}: no transition is left once rows on a time limit are dropped")
    return Loaded(transitions, describe(recording, environment))


def _joined(transitions: Sequence[Transition]) -> Transition:
    if len(transitions) == 1:  # a copy would cost as much memory again
        return transitions[0]
    columns = zip(*transitions, strict=True)
    return Transition(*(None if column[0] is None else np.concatenate(column) for column in columns))


def _all(descriptions: Sequence[Description]) -> Description:
    return Description(
        sum(one.rows for one in descriptions),
        sum(one.terminals for one in descriptions),
        sum(one.timeouts for one in descriptions),
        np.concatenate([one.returns for one in descriptions]),
    )
