"""Episodes with everything that was seen and done in them, and the checks that a plain return does not allow."""

from collections.abc import Sequence
from contextlib import closing
from typing import NamedTuple

import numpy as np

from plas_jax.datasets.catalogue import Environment
from plas_jax.environments.together import together
from plas_jax.evaluation.returns import Act, Returns, Stage


class Visit(NamedTuple):
    """What `visit` recorded: leading axes `[steps, runs, episodes]`, and the returns as evaluations count them."""

    observation: np.ndarray  # [..., observation], float32, padded
    action: np.ndarray  # [..., action], as the policy gave it
    returns: Returns


class Earnings(NamedTuple):
    """What the recorded actions earn from the same starts, `[runs, episodes]`; NaN where nothing can be replayed."""

    episode_return: np.ndarray
    discounted_return: np.ndarray


def visit(stage: Stage, act: Act, seeds: Sequence[Sequence[int]], active: np.ndarray, width: int) -> Visit:
    """Play one evaluation as `Stage.play` does and keep what the policy saw and answered."""
    seen: list[np.ndarray] = []
    done: list[np.ndarray] = []

    def recorded(observation: np.ndarray, step: int) -> np.ndarray:
        action = act(observation, step)
        seen.append(observation.copy())
        done.append(action)
        return action

    returns = stage.play(recorded, seeds, active, width)
    return Visit(np.stack(seen), np.stack(done), returns)


def replay_visit(
    visited: Visit, environments: Sequence[Environment], seeds: Sequence[Sequence[int]], dynamics: str, discount: float
) -> Earnings:
    """Play the recorded actions again, without a stage or a policy: what an evaluation counts must be what they earn.

    An environment of one's own is left out, since nothing says that it would repeat itself.
    """
    rewards = np.full((*visited.action.shape[:3],), np.nan)
    for environment in dict.fromkeys(environments):
        if not environment.is_own:
            runs = [run for run, other in enumerate(environments) if other == environment]
            rewards[:, runs] = _rewards(visited.action[:, runs], environment, [seeds[run] for run in runs], dynamics)
    discounts = discount ** np.arange(len(rewards))
    return Earnings(rewards.sum(axis=0), np.tensordot(discounts, rewards, axes=1))


def _rewards(action: np.ndarray, environment: Environment, seeds: Sequence[Sequence[int]], dynamics: str) -> np.ndarray:
    """Return the rewards of every step, run and episode of one environment, 0 after an episode's end."""
    steps, runs, episodes = action.shape[:3]
    action, rewards = action.reshape(steps, runs * episodes, -1), np.zeros((steps, runs * episodes))
    alive = np.arange(runs * episodes)
    with closing(together(environment, runs * episodes, dynamics)) as robots:
        robots.reset([seed for run_seeds in seeds for seed in run_seeds])
        for step in range(min(steps, environment.horizon)):
            if len(alive) == 0:
                break
            _, rewards[step, alive], ended = robots.step(action[step, alive, : robots.action_size], alive)
            alive = alive[~ended]
    return rewards.reshape(steps, runs, episodes)
