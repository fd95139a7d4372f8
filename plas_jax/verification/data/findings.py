"""Every check of one data set's file, one after the other."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from plas_jax.datasets import d4rl_files, minari_files
from plas_jax.datasets.catalogue import Dataset
from plas_jax.datasets.recordings import BadDatasetError, Recording
from plas_jax.datasets.transitions import describe
from plas_jax.verification.data import (
    alignment,
    domain_checks,
    duplicates,
    episode_checks,
    score_checks,
    stored_states,
    validation,
)
from plas_jax.verification.data.episode_checks import Episodes
from plas_jax.verification.data.validation import Finding

MINARI = "minari"  # a version


def findings(dataset: Dataset, path: Path, manifest_sha256: str | None = None, dynamics: str = "d4rl") -> list[Finding]:
    """Return what every check says of one file; one that cannot be read ends the list with "readable: wrong"."""
    results: list[Finding] = []
    try:
        results.append(validation.contents(path, dataset, manifest_sha256))
        recording = _read(dataset, path)
        results.append(Finding("readable", "ok", f"{len(recording.rewards):,} rows, every number finite"))
        episodes = episode_checks.episodes(recording, dataset.environment.horizon)
        results += _row_checks(dataset, recording, episodes)
        results += _extra_checks(dataset, recording, episodes, path, dynamics)
    except BadDatasetError as error:
        results.append(Finding("readable", "wrong", str(error).removeprefix(f"{path}: ")))
    except OSError as error:
        results.append(Finding("readable", "wrong", error.strerror or str(error)))
    return results


def _read(dataset: Dataset, path: Path) -> Recording:
    if dataset.version == MINARI:
        return minari_files.read(dataset.source, dataset.environment)
    return d4rl_files.read(path, dataset.environment)


def _extras(dataset: Dataset, path: Path, keys: Sequence[str]) -> dict[str, np.ndarray]:
    """Return what the file has of these keys; Minari's data have none."""
    return {} if dataset.version == MINARI else d4rl_files.read_extras(path, keys)


def _row_checks(dataset: Dataset, recording: Recording, episodes: Episodes) -> Iterable[Finding]:
    """Check what every file has."""
    environment, ending = dataset.environment, episode_checks.ending(dataset)
    returns = describe(recording, environment).returns
    # What a demonstration of any length may earn has no bound.
    highest = score_checks.HIGHEST if ending.longest else np.inf
    hashes = duplicates.row_hashes(recording)
    return (
        episode_checks.lengths(episodes, ending.longest),
        episode_checks.time_limits(recording, episodes, environment.horizon, ending),
        episode_checks.terminals(recording, episodes, environment, ending.longest),
        episode_checks.both_flags(recording),
        validation.observations(recording),
        validation.actions(recording),
        score_checks.score(returns, environment, highest),
        score_checks.level(returns, dataset),
        duplicates.repeated_rows(hashes),
        duplicates.repeated_episodes(hashes, episodes),
    )


def _extra_checks(
    dataset: Dataset, recording: Recording, episodes: Episodes, path: Path, dynamics: str
) -> Iterable[Finding]:
    """Check what only some files have; one after the other, for these arrays are the largest."""
    yield validation.following(recording, _extras(dataset, path, ["next_observations"]), episodes.ends)
    states = _extras(dataset, path, stored_states.STATE)
    if domain_checks.knows(dataset.environment):
        yield from domain_checks.findings(dataset.environment, recording, states, episodes)
    else:
        yield from alignment.findings(dataset.environment.name, recording, states, episodes, dynamics)
