"""Undiscounted returns of many policies: all runs × episodes in lock-step, one policy call for each control step."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from plas_jax.datasets.catalogue import Environment
from plas_jax.environments.together import together

Act = Callable[[np.ndarray, int], np.ndarray]


class Returns(NamedTuple):
    """What the episodes of an evaluation gave, `[runs, episodes]`: NaN and 0 for a run that was not played."""

    episode_return: np.ndarray  # float64
    episode_length: np.ndarray  # int64, control steps


def episode_seeds(seed: int, update: int, episodes: int) -> list[int]:
    """List the seeds of one evaluation's start states: the same for every ε, data set and method."""
    return [int(np.random.SeedSequence((seed, update, episode)).generate_state(1)[0]) for episode in range(episodes)]


class _Scene:
    """The episodes of all runs of one environment."""

    def __init__(self, environment: Environment, runs: np.ndarray, episodes: int, horizon: int | None, dynamics: str):
        self.run = np.repeat(runs, episodes)
        self.episode = np.tile(np.arange(episodes), len(runs))
        self.horizon = environment.horizon if horizon is None else min(environment.horizon, horizon)
        self.simulation = together(environment, len(self.run), dynamics)


class Stage:
    """The environments in which a batch of runs is evaluated, kept between evaluations.

    `environments` has the environment of each run; an episode lasts as long as its environment's horizon, or
    `horizon` where that is shorter. `dynamics` is the robots', as in `Lockstep`.
    """

    def __init__(self, environments: Sequence[Environment], episodes: int, horizon: int | None, dynamics: str):
        self.shape = len(environments), episodes
        runs: dict[Environment, list[int]] = {}
        for run, environment in enumerate(environments):
            runs.setdefault(environment, []).append(run)
        self._scenes = [_Scene(each, np.array(runs[each]), episodes, horizon, dynamics) for each in runs]
        self.horizon = max((scene.horizon for scene in self._scenes), default=0)

    def close(self) -> None:
        """Let go of threads and environments."""
        for scene in self._scenes:
            scene.simulation.close()

    def play(
        self,
        act: Act,
        seeds: Sequence[Sequence[int]],
        active: np.ndarray,
        width: int,
        rewards: np.ndarray | None = None,
    ) -> Returns:
        """Play every episode of the active runs to its end or to its horizon.

        `act(observation, step)` maps float32 `[runs, episodes, width]` to actions `[runs, episodes, action]`; narrower
        observations are padded with zeros, and of each action an environment takes as many columns as it has motors.
        `seeds` is `[runs][episodes]`, `active` bool `[runs]`. Where `rewards` is given, `[runs, episodes, horizon]`,
        the reward of every step that is taken is written into it.
        """
        observation = np.zeros((*self.shape, width), np.float32)
        alive = np.repeat(active[:, None], self.shape[1], axis=1)
        returns, lengths = np.where(alive, 0.0, np.nan), np.zeros(self.shape, int)
        for scene in self._scenes:
            start = scene.simulation.reset([seeds[r][e] for r, e in zip(scene.run, scene.episode, strict=True)])
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
                motors = scene.simulation.action_size
                following, reward, ended = scene.simulation.step(action[where][:, :motors], index)
                observation[(*where, slice(following.shape[1]))] = following
                returns[where] += reward
                if rewards is not None:
                    rewards[(*where, step)] = reward
                lengths[where] += 1
                alive[where] = ~ended & (step + 1 < scene.horizon)
        return Returns(returns, lengths)
