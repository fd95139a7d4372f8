"""Choosing, from a training run's snapshots, the policy of a level and the ladder that leads to it."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from plas_jax.environments.lockstep import Lockstep
from plas_jax.environments.locomotion import HORIZON
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
    lockstep = Lockstep(environment, episodes, dynamics)
    generator = np.random.default_rng(seed)
    observation = lockstep.reset([int(s) for s in generator.integers(2**32, size=episodes)])
    alive, returns, lengths = np.ones(episodes, bool), np.zeros(episodes), np.zeros(episodes)
    for _ in range(HORIZON):
        noise = generator.standard_normal((episodes, lockstep.locomotion.action_size))
        index = np.flatnonzero(alive)
        if len(index) == 0:
            break
        action = policy.sample(observation, noise)[index]
        observation[index], reward, terminated = lockstep.step(action, index)
        returns[index] += reward
        lengths[index] += 1
        alive[index] = ~terminated
    return Level(float(returns.mean()), float(returns.std()), float(lengths.mean()))


def nearest(levels: Sequence[float], wanted: float) -> int:
    """The place of the level nearest to the wanted one, the earliest where two are as near."""
    return int(np.argmin(np.abs(np.asarray(levels) - wanted)))


def ladder(steps: Sequence[int], last: int, rungs: int = RUNGS) -> list[int]:
    """The places of at most `rungs` snapshots spread evenly over the steps up to place `last`, which is the top."""
    wanted = steps[last] * np.arange(1, rungs + 1) / rungs
    return sorted({int(np.argmin(np.abs(np.asarray(steps[: last + 1]) - step))) for step in wanted})
