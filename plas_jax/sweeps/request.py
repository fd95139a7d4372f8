"""What the sweep's flags ask for, checked before anything is done."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from plas_jax.datasets.catalogue import Dataset
from plas_jax.environments.own_data import find
from plas_jax.methods.presets import (
    PRESETS,
    TABLE_1_DATASETS,
    TABLE_1_PERTURBATION_LIMITS,
    Preset,
    plas_method,
    protocol,
)
from plas_jax.sweeps.groups import Group, groups


class Request(NamedTuple):
    """A sweep: what is trained and evaluated, and where its results go."""

    preset: Preset
    datasets: tuple[Dataset, ...]
    perturbation_limits: tuple[float, ...]
    seeds: tuple[int, ...]
    dynamics: str
    data_dir: str | None
    output: Path
    resume: bool
    holds: str = "groups"  # what the manifest of such a sweep has

    def arguments(self) -> dict[str, Any]:
        """What decides the results, as it stands in the manifest and as a resumed sweep must find it."""
        return {
            "preset": self.preset.name,
            "datasets": [dataset.name for dataset in self.datasets],
            "perturbation_limits": list(self.perturbation_limits),
            "seeds": list(self.seeds),
            "dynamics": self.dynamics,
        }


def request(
    *,
    preset: str,
    datasets: str,
    perturbation_limits: str,
    seeds: int,
    first_seed: int,
    dynamics: str,
    data_dir: str | None,
    output: Path,
    resume: bool,
) -> Request:
    """The request of these flags. Raises `ValueError`, one line that says which flag is wrong and what it takes."""
    limits = words("--perturbation_limits", perturbation_limits, ",".join(map(str, TABLE_1_PERTURBATION_LIMITS)))
    return Request(
        preset=PRESETS[preset],
        seeds=asked_seeds(seeds, first_seed),
        datasets=asked_datasets(datasets, [f"{name}-r1" for name in TABLE_1_DATASETS]),
        perturbation_limits=tuple(_limit(text) for text in limits),
        dynamics=dynamics,
        data_dir=data_dir,
        output=output,
        resume=resume,
    )


def asked_groups(asked: Request) -> list[Group]:
    """The shape groups of PLAS over the perturbation limits asked for."""
    method = plas_method(asked.preset)._replace(grid=(("perturbation_limit", asked.perturbation_limits),))
    return groups(method, protocol(asked.preset), asked.datasets, asked.seeds, asked.dynamics)


def asked_seeds(seeds: int, first_seed: int) -> tuple[int, ...]:
    """The seeds of --seeds and --first_seed. Raises `ValueError` for impossible ones."""
    if seeds < 1 or first_seed < 0:
        raise ValueError(f"--seeds must be at least 1 and --first_seed at least 0, not {seeds} and {first_seed}")
    return tuple(range(first_seed, first_seed + seeds))


def asked_datasets(text: str, default: Sequence[str]) -> tuple[Dataset, ...]:
    """The data sets of --datasets. Raises `ValueError` or `OSError`, one line, for one that is none."""
    found = tuple(find(name) for name in words("--datasets", text, ",".join(default)))
    names = [dataset.name for dataset in found]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"--datasets has two of the name {name}: rename one of the files")
    return found


def words(flag: str, text: str, default: str) -> list[str]:
    """The words of a flag, commas between them. Raises `ValueError` for empty and repeated ones."""
    found = [word.strip() for word in (text or default).split(",")]
    if "" in found or len(set(found)) < len(found):
        raise ValueError(f"{flag} takes different values with commas between them, not {text!r}")
    return found


def _limit(text: str) -> float:
    try:
        limit = float(text)
    except ValueError:
        raise ValueError(f"--perturbation_limits takes numbers of at least 0, not {text!r}") from None
    if not 0 <= limit < math.inf:
        raise ValueError(f"--perturbation_limits takes numbers of at least 0, not {text!r}")
    return limit
