"""From the files of a data set to its transitions: one recording for each part of a mixture, in the mixture's order."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from plas_jax.datasets import d4rl_files
from plas_jax.datasets.catalogue import Dataset
from plas_jax.datasets.folders import sha256
from plas_jax.datasets.transitions import Description, describe, qlearning_transitions
from plas_jax.types import Transition


class Loaded(NamedTuple):
    """A data set in memory, and what its files hold."""

    transitions: Transition
    description: Description


def load(dataset: Dataset, paths: Sequence[Path]) -> Loaded:
    """The transitions of a data set whose parts lie in `paths`.

    No transition leads from one part to the next: each part loses its last row, as a file does.

    Raises `BadDatasetError` and `OSError` as `d4rl_files.read` does, `ValueError` when no transition is left.
    """
    horizon = dataset.environment.horizon
    transitions, descriptions = [], []
    for path in paths:
        recording = d4rl_files.read(path, dataset.environment)
        transitions.append(qlearning_transitions(recording, horizon))
        descriptions.append(describe(recording, horizon))
        if len(transitions[-1].reward) == 0:
            raise ValueError(f"{path}: no transition is left once rows on a time limit are dropped")
    return Loaded(_joined(transitions), _all(descriptions))


def fingerprint(paths: Sequence[Path]) -> str:
    """The sha256 of a file; of several, that of their hashes with blanks between them."""
    hashes = [sha256(path) for path in paths]
    return hashes[0] if len(hashes) == 1 else hashlib.sha256(" ".join(hashes).encode()).hexdigest()


def _joined(transitions: Sequence[Transition]) -> Transition:
    if len(transitions) == 1:  # a copy would cost as much memory again
        return transitions[0]
    return Transition(*(np.concatenate(columns) for columns in zip(*transitions, strict=True)))


def _all(descriptions: Sequence[Description]) -> Description:
    return Description(
        sum(one.rows for one in descriptions),
        sum(one.terminals for one in descriptions),
        sum(one.timeouts for one in descriptions),
        np.concatenate([one.returns for one in descriptions]),
    )
