"""The returns of one policy, as a sweep's evaluation of it would have them."""

from pathlib import Path
from typing import NamedTuple, Protocol, SupportsFloat

import numpy as np

from plas_jax.datasets.catalogue import ENVIRONMENTS, Environment, normalised_score
from plas_jax.environments import own
from plas_jax.environments.filming import film
from plas_jax.evaluation.policy import About, Policy
from plas_jax.evaluation.returns import Stage, episode_seeds
from plas_jax.files.videos import write_video


class Evaluation(NamedTuple):
    """The episodes of one policy, float64, int64 and float64 `[episodes]`."""

    episode_return: np.ndarray
    episode_length: np.ndarray
    score: np.ndarray  # D4RL's, NaN where nobody has defined one

    def __repr__(self) -> str:
        episodes = len(self.episode_return)
        return (
            f"Evaluation(mean return {self.episode_return.mean():.1f}, mean score {self.score.mean():.1f}, {episodes=})"
        )


def environment_of(about: About, identifier: str = "") -> Environment:
    """Return the environment of this name or Gymnasium id, or else the one that a policy was trained for.

    Raises `ValueError`, one line, for an id that is none and for a policy whose file names code to be called that
    nobody on this machine has asked for.
    """
    if identifier:
        return ENVIRONMENTS.get(identifier) or own.environment(identifier)
    if not about.environment.simulated:
        raise ValueError(f"{about.name} was trained on data without an environment: name one to play it in")
    if about.environment.is_own:
        own.trusted(about.environment.specification, about.dataset)
    return about.environment


class Playable(Protocol):
    """An environment as Gymnasium has it."""

    def reset(self, *, seed: int | None = None) -> tuple[np.ndarray, object]:
        """Start an episode: the observation, and whatever else."""

    def step(self, action: np.ndarray, /) -> tuple[np.ndarray, SupportsFloat, bool, bool, object]:
        """Take a step: observation, reward, has it terminated, was it truncated, and whatever else."""


def play(policy: Policy, environment: Environment, episodes: int, seed: int) -> Evaluation:
    """Return what a policy gets in an environment in so many episodes, whose start states are those of `seed`.

    With the seed that it was trained with, in its own environment, they are the episodes of its sweep's last
    evaluation. Raises `ValueError` where it does not fit the environment.
    """
    about = policy.about
    for name, needed in (("observation", environment.observation_size), ("action", environment.action_size)):
        if about.sizes[name][0] != needed:
            raise ValueError(f"{about.name} has {name}s of {about.sizes[name][0]} numbers, {environment.name} {needed}")
    if episodes < 1:
        raise ValueError(f"a policy is evaluated in at least 1 episode, not {episodes}")
    horizon = about.horizon if environment == about.environment else None
    stage = Stage([environment], episodes, horizon, about.dynamics)

    try:
        seeds = [episode_seeds(seed, about.update, episodes)]
        played = stage.play(policy.act, seeds, np.ones(1, bool), about.sizes["observation"][1])
    finally:
        stage.close()
    returns = played.episode_return[0]
    return Evaluation(returns, played.episode_length[0], normalised_score(environment, returns))


def play_in(policy: Policy, environment: Playable, episodes: int, seed: int) -> Evaluation:
    """Return what a policy gets in an environment that is there already, one episode after the other.

    Start states are those of `play`, and there is no score. Raises `ValueError` where its observations do not fit.
    """
    returns, lengths = np.zeros(episodes), np.zeros(episodes, int)
    for episode, start in enumerate(episode_seeds(seed, policy.about.update, episodes)):
        observation, ended = environment.reset(seed=start)[0], False
        while not ended:
            action = policy(observation, int(lengths[episode]))
            observation, reward, terminated, truncated, _ = environment.step(action)
            returns[episode] += float(reward)
            lengths[episode] += 1
            ended = terminated or truncated
    return Evaluation(returns, lengths, np.full(episodes, np.nan))


def film_episode(policy: Policy, environment: Environment, seed: int, path: Path) -> int:
    """Film the first of `play`'s episodes to a file; return how many pictures it has.

    Raises `ValueError`, one line, where nothing can be drawn or written.
    """
    about, width = policy.about, policy.about.sizes["observation"][1]

    def act(observation: np.ndarray, step: int) -> np.ndarray:
        states = np.zeros((1, 1, width), np.float32)
        states[0, 0, : len(observation)] = observation
        return policy.act(states, step)[0, 0, : environment.action_size]

    horizon = min(about.horizon, environment.horizon)
    (start,) = episode_seeds(seed, about.update, 1)
    rate, pictures = film(environment, about.dynamics, horizon, act, start)
    return write_video(path, pictures, rate)
