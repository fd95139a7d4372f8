"""Choosing, from a training run's snapshots, the policy of a level and the ladder that leads to it."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from plas_jax.datasets.catalogue import ENVIRONMENTS
from plas_jax.evaluation.returns import Stage
from plas_jax.recipes.behaviour_policy import BehaviourPolicy

RUNGS = 10
FIRST_EPISODES, EPISODES, CANDIDATES = 10, 100, 5


class Level(NamedTuple):
    """What sampled actions of a policy earn: mean and standard deviation of the returns, mean length."""

    mean: float
    std: float
    length: float


def level(policy: BehaviourPolicy, environment: str, episodes: int, seed: int, dynamics: str = "d4rl") -> Level:
    """Play whole episodes with sampled actions."""
    robot, generator = ENVIRONMENTS[environment], np.random.default_rng(seed)
    seeds = [int(start) for start in generator.integers(2**32, size=episodes)]

    def act(observation: np.ndarray, step: int) -> np.ndarray:
        return policy.sample(observation[0], generator.standard_normal((episodes, robot.action_size)))[None]

    stage = Stage([robot], episodes, None, dynamics)
    played = stage.play(act, [seeds], np.ones(1, bool), robot.observation_size)
    stage.close()
    returns = played.episode_return[0]
    return Level(float(returns.mean()), float(returns.std()), float(played.episode_length.mean()))


def choose(places: Sequence[int], play: Callable[[int, int], float], wanted: float | None) -> int:
    """Return the place of the policy whose mean return is nearest to the wanted one, or the highest when that is None.

    `play(place, episodes)` gives a mean return. Every place plays 10 episodes and the five that come nearest play 100:
    the rule stands before any return is seen.
    """

    def distance(mean: float) -> float:
        return -mean if wanted is None else abs(mean - wanted)

    rough = {place: distance(play(place, FIRST_EPISODES)) for place in places}
    fine = {
        place: distance(play(place, EPISODES)) for place in sorted(sorted(rough, key=rough.__getitem__)[:CANDIDATES])
    }
    return min(fine, key=fine.__getitem__)


def ladder(steps: Sequence[int], last: int, rungs: int = RUNGS) -> list[int]:
    """List the places of at most `rungs` snapshots, spread evenly over the steps to place `last`, which is the top."""
    wanted = steps[last] * np.arange(1, rungs + 1) / rungs
    return sorted({int(np.argmin(np.abs(np.asarray(steps[: last + 1]) - step))) for step in wanted})
