"""Undiscounted returns of many policies: all runs × episodes in lock-step, one policy call for each control step."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from plas_jax.environments.lockstep import Lockstep

Act = Callable[[np.ndarray, int], np.ndarray]


class Returns(NamedTuple):
    """What the episodes of an evaluation gave, `[runs, episodes]`: NaN and 0 for a run that was not played."""

    episode_return: np.ndarray  # float64
    episode_length: np.ndarray  # int64, control steps


def episode_seeds(seed: int, update: int, episodes: int) -> list[int]:
    """The seeds of one evaluation's start states: the same for every ε, data set and method."""
    return [int(np.random.SeedSequence((seed, update, episode)).generate_state(1)[0]) for episode in range(episodes)]


class _Scene:
    """The episodes of all runs of one environment."""

    def __init__(self, name: str, runs: np.ndarray, episodes: int, dynamics: str):
        self.run = np.repeat(runs, episodes)
        self.episode = np.tile(np.arange(episodes), len(runs))
        self.lockstep = Lockstep(name, len(self.run), dynamics)


class Stage:
    """The environments in which a batch of runs is evaluated, kept between evaluations.

    `environments` names the environment of each run, `dynamics` is as in `Lockstep`.
    """

    def __init__(self, environments: Sequence[str], episodes: int, horizon: int, dynamics: str):
        self.shape, self.horizon = (len(environments), episodes), horizon
        names = np.array(environments)
        self._scenes = [
            _Scene(name, np.flatnonzero(names == name), episodes, dynamics) for name in dict.fromkeys(environments)
        ]

    def play(self, act: Act, seeds: Sequence[Sequence[int]], active: np.ndarray, width: int) -> Returns:
        """Play every episode of the active runs to its end or to the horizon.

        `act(observation, step)` maps float32 `[runs, episodes, width]` to actions `[runs, episodes, action]`; narrower
        observations are padded with zeros, and of each action a robot takes as many columns as it has motors.
        `seeds` is `[runs][episodes]`, `active` bool `[runs]`.
        """
        observation = np.zeros((*self.shape, width), np.float32)
        alive = np.repeat(active[:, None], self.shape[1], axis=1)
        returns, lengths = np.where(alive, 0.0, np.nan), np.zeros(self.shape, int)
        for scene in self._scenes:
            start = scene.lockstep.reset([seeds[r][e] for r, e in zip(scene.run, scene.episode, strict=True)])
            observation[scene.run, scene.episode, : start.shape[1]] = start
        for step in range(self.horizon):
            if not alive.any():
                break
            action = act(observation, step)
            for scene in self._scenes:
                index = np.flatnonzero(alive[scene.run, scene.episode])
                if len(index) == 0:
                    continue
                where = scene.run[index], scene.episode[index]
                motors = scene.lockstep.locomotion.action_size
                following, reward, terminated = scene.lockstep.step(action[where][:, :motors], index)
                observation[(*where, slice(following.shape[1]))] = following
                returns[where] += reward
                lengths[where] += 1
                alive[where] = ~terminated
        return Returns(returns, lengths)
