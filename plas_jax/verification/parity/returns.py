"""Published policies played in this project's evaluation, whose returns should be those that their authors had."""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from plas_jax.evaluation.returns import Stage, episode_seeds
from plas_jax.recipes.published_policies import PublishedPolicies, PublishedPolicy

PUBLISHED_EPISODES = 100  # nobody says how many there were
WITHIN = 2.0  # standard errors of the difference
SHARE = 0.9  # of the policies that must be within: by chance one in twenty is not
HEADING = f"{'environment':16s}{'policy':>8s}{'published':>12s}{'here':>12s}{'± both':>10s}{'z':>8s}"


class Compared(NamedTuple):
    """One policy's mean return, published and here, and the standard error of their difference."""

    environment: str
    snapshot: str
    published: float
    here: float
    error: float

    @property
    def z(self) -> float:
        """Return the difference in standard errors: 0 where there is none, infinite where neither ever varied."""
        difference = self.here - self.published
        return difference / self.error if self.error > 0 else math.copysign(math.inf, difference) if difference else 0.0

    @property
    def is_within(self) -> bool:
        """Return whether it is within two standard errors."""
        return abs(self.z) <= WITHIN

    def line(self) -> str:
        """Return its line of the table."""
        numbers = f"{self.published:12.2f}{self.here:12.2f}{self.error:10.2f}{self.z:+8.2f}"
        return f"{self.environment:16s}{self.snapshot:>8s}{numbers}{'' if self.is_within else '   <-- beyond'}"


def files_in(words: Sequence[str]) -> list[Path]:
    """List the files that are named, and those in the folders that are. Raises `ValueError` for an empty folder."""
    files: list[Path] = []
    for path in map(Path, words):
        inside = sorted(path.glob("*.npz")) if path.is_dir() else [path]
        if not inside:
            raise ValueError(f"{path}: holds no .npz file")
        files += inside
    return files


def compare(published: PublishedPolicies, episodes: int, seed: int, dynamics: str) -> Iterator[Compared]:
    """Play every policy of a file for so many episodes from the same start states, all side by side."""
    environment, policies = published.environment, published.policies
    seeds = episode_seeds(seed, 0, episodes)
    stage = Stage([environment] * len(policies), episodes, None, dynamics)
    generator = np.random.default_rng(seed)

    def act(observation: np.ndarray, step: int) -> np.ndarray:
        noise = generator.standard_normal((len(policies), episodes, environment.action_size), np.float32)
        return np.stack([policy.act(*rows) for policy, *rows in zip(policies, observation, noise, strict=True)])

    try:
        active = np.ones(len(policies), bool)
        played = stage.play(act, [seeds] * len(policies), active, environment.observation_size).episode_return
    finally:
        stage.close()
    for policy, returns in zip(policies, played, strict=True):
        yield _compared(environment.name, policy, returns)


def _compared(environment: str, policy: PublishedPolicy, returns: np.ndarray) -> Compared:
    variance = returns.var(ddof=1) / len(returns) + policy.return_std**2 / PUBLISHED_EPISODES
    return Compared(environment, policy.snapshot, policy.return_mean, float(returns.mean()), math.sqrt(variance))
