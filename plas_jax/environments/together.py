"""Many episodes of one environment, stepped together, whoever simulates it."""

from collections.abc import Iterable, Sequence
from typing import Protocol

import numpy as np

from plas_jax.datasets.catalogue import Environment
from plas_jax.environments.episodes import Episodes
from plas_jax.environments.lockstep import Lockstep
from plas_jax.environments.robots import ROBOTS


class Simulation(Protocol):
    """Episodes side by side, each with its own state: what one does depends on no other."""

    @property
    def action_size(self) -> int:
        """Return how many numbers an action has."""

    def reset(self, seeds: Sequence[int], /) -> np.ndarray:
        """Start every episode, each from a seed of its own: the observations, float64 `[episodes, observation]`.

        Raises `ValueError` when there are not as many seeds as episodes.
        """

    def step(self, action: np.ndarray, episodes: np.ndarray, /) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Take one control step of the episodes with these indices; `action` is `[len(episodes), action_size]`.

        Returns the observation `[len(episodes), observation]` and the reward `[len(episodes)]`, float64, and
        `[len(episodes)]` booleans: has it ended? Raises `ValueError` for another shape of `action`.
        """

    def close(self) -> None:
        """Let go of threads and environments."""


def refuse_impossible(environments: Iterable[Environment], dynamics: str) -> None:
    """Raise `ValueError`, one line, where one of these cannot be simulated in these dynamics, or for lack of files."""
    for environment in dict.fromkeys(environments):
        if not environment.is_own and environment.simulated:
            ROBOTS[environment.name].model(dynamics)


def together(environment: Environment, episodes: int, dynamics: str) -> Simulation:
    """Return the simulation of so many episodes: a robot's in lock-step, those of one's own as Gymnasium makes them.

    `dynamics` is the robots', as in `Lockstep`. Raises as `Lockstep` and Gymnasium do.
    """
    if environment.is_own:
        return Episodes(environment, episodes)
    return Lockstep(environment.name, episodes, dynamics)
