"""Episodes of an environment of one's own, stepped together in the calling thread: `Lockstep`'s interface."""

from collections.abc import Sequence

import gymnasium
import numpy as np
from gymnasium.envs.registration import EnvSpec

from plas_jax.datasets.catalogue import Environment


class Episodes:
    """`episodes` copies of an environment that `own.environment` described, each with its own state.

    What an episode does does not depend on the others, as long as the environment's class shares nothing.
    """

    def __init__(self, environment: Environment, episodes: int, render_mode: str | None = None):
        self.action_size = environment.action_size
        specification = EnvSpec.from_json(environment.specification)
        if render_mode is not None:
            specification.kwargs["render_mode"] = render_mode
        self._copies = [gymnasium.make(specification, disable_env_checker=True) for _ in range(episodes)]
        self._bounds = None
        if environment.action_low is not None and environment.action_high is not None:
            self._bounds = np.array(environment.action_low), np.array(environment.action_high)

    def picture(self) -> np.ndarray:
        """Return what the first copy draws, uint8 `[height, width, 3]`. Raises `ValueError` where it draws nothing."""
        drawn = self._copies[0].render()
        if not isinstance(drawn, np.ndarray):
            raise ValueError(f"{self._copies[0]} draws no picture: it has no render mode rgb_array")
        return drawn

    def close(self) -> None:
        """Close every copy."""
        for copy in self._copies:
            copy.close()

    def reset(self, seeds: Sequence[int]) -> np.ndarray:
        """Start every episode, each from a seed of its own: the observations, float64 `[episodes, observation]`.

        Raises `ValueError` when there are not as many seeds as episodes.
        """
        pairs = zip(self._copies, seeds, strict=True)
        return np.stack([copy.reset(seed=seed)[0] for copy, seed in pairs]).astype(np.float64)

    def step(self, action: np.ndarray, episodes: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Take one step of the episodes with these indices; `action` is `[len(episodes), action_size]`, in [-1, 1].

        Returns the observation `[len(episodes), observation_size]` and the reward `[len(episodes)]`, float64, and
        `[len(episodes)]` booleans: has it terminated or been truncated? Raises `ValueError` for another shape of
        `action`.
        """
        copies = [self._copies[episode] for episode in np.asarray(episodes, int).tolist()]
        if np.shape(action) != (len(copies), self.action_size):
            raise ValueError(f"action has shape {np.shape(action)}, expected {(len(copies), self.action_size)}")
        stepped = [copy.step(row) for copy, row in zip(copies, self._native(action), strict=True)]
        observation, reward, terminated, truncated, _ = zip(*stepped, strict=True)
        ended = np.array(terminated, bool) | np.array(truncated, bool)
        return np.stack(observation).astype(np.float64), np.array(reward, np.float64), ended

    def _native(self, action: np.ndarray) -> np.ndarray:
        """Map actions from [-1, 1] to the environment's bounds and its type of float: exact at both ends."""
        if self._bounds is None:
            native = np.clip(action, -1.0, 1.0)
        else:
            low, high = self._bounds
            share = (np.asarray(action, np.float64) + 1.0) / 2.0
            native = np.clip((1.0 - share) * low + share * high, low, high)  # rounding may pass a bound, too
        return native.astype(self._copies[0].action_space.dtype)
