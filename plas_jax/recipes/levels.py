"""Choosing, from a training run's snapshots, the policy of a level and the ladder that leads to it."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from plas_jax.environments.locomotion import HORIZON, LOCOMOTION
from plas_jax.evaluation.returns import Stage
from plas_jax.recipes.behaviour_policy import BehaviourPolicy

# Mean returns of D4RL's v2 medium files (their rewards, whole episodes).
MEDIUM_RETURN = {"hopper": 1422.0, "halfcheetah": 4770.0, "walker2d": 2852.0}
RUNGS = 10


class Level(NamedTuple):
    """What sampled actions of a policy earn: mean and standard deviation of the returns, mean length."""

    mean: float
    std: float
    length: float


def level(policy: BehaviourPolicy, environment: str, episodes: int, seed: int, dynamics: str = "d4rl") -> Level:
    """Play whole episodes with sampled actions."""
    robot, generator = LOCOMOTION[environment], np.random.default_rng(seed)
    seeds = [int(start) for start in generator.integers(2**32, size=episodes)]

    def act(observation: np.ndarray, step: int) -> np.ndarray:
        return policy.sample(observation[0], generator.standard_normal((episodes, robot.action_size)))[None]

    stage = Stage([environment], episodes, HORIZON, dynamics)
    played = stage.play(act, [seeds], np.ones(1, bool), robot.observation_size)
    returns = played.episode_return[0]
    return Level(float(returns.mean()), float(returns.std()), float(played.episode_length.mean()))


def nearest(levels: Sequence[float], wanted: float) -> int:
    """The place of the level nearest to the wanted one, the earliest where two are as near."""
    return int(np.argmin(np.abs(np.asarray(levels) - wanted)))


def ladder(steps: Sequence[int], last: int, rungs: int = RUNGS) -> list[int]:
    """The places of at most `rungs` snapshots spread evenly over the steps up to place `last`, which is the top."""
    wanted = steps[last] * np.arange(1, rungs + 1) / rungs
    return sorted({int(np.argmin(np.abs(np.asarray(steps[: last + 1]) - step))) for step in wanted})
