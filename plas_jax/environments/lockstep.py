"""Many episodes of one environment, stepped together: one `MjData` per episode, threads over episodes.

`mj_step` releases Python's lock, so threads step episodes side by side. `mujoco.rollout` is not used: in a closed
loop it loses the solver's warm start between calls and drifts from Gymnasium.
"""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import mujoco
import numpy as np

from plas_jax.environments.d4rl_dynamics import d4rl_model, gymnasium_model
from plas_jax.environments.locomotion import LOCOMOTION

DYNAMICS = {"d4rl": d4rl_model, "gymnasium": gymnasium_model}


class Lockstep:
    """`episodes` copies of the environment `name`, each with its own state.

    `dynamics` is "d4rl" (gym's `-v2` on MuJoCo 2.1.0) or "gymnasium" (`-v4` as shipped). Raises `KeyError` for
    any other. Position and velocity are float64 arrays `[episodes, nq]` and `[episodes, nv]`.
    """

    def __init__(self, name: str, episodes: int, dynamics: str = "d4rl", threads: int | None = None):
        self.locomotion = LOCOMOTION[name]
        self.model = DYNAMICS[dynamics](self.locomotion.xml)
        self.episodes = episodes
        self._data = [mujoco.MjData(self.model) for _ in range(episodes)]
        self._views = [(data, data.ctrl, data.qpos, data.qvel) for data in self._data]
        self.position = np.zeros((episodes, self.model.nq))
        self.velocity = np.zeros((episodes, self.model.nv))
        self._threads = min(threads or os.cpu_count() or 1, max(1, episodes // 2))
        self._pool = ThreadPoolExecutor(self._threads) if self._threads > 1 else None

    def reset(self, seeds: Sequence[int], episodes: Sequence[int] | None = None) -> np.ndarray:
        """Start the given episodes (default: all), each from a seed of its own, as `Env.reset(seed=…)` would.

        Returns the observation `[len(seeds), observation_size]`.
        """
        episodes = range(self.episodes) if episodes is None else episodes
        for episode, seed in zip(episodes, seeds, strict=True):
            generator = np.random.default_rng(seed)
            self.set_state(episode, *self.locomotion.reset(generator, self.model.qpos0, self.model.nv))
        index = np.asarray(list(episodes), int)
        return self.locomotion.observation(self.position[index], self.velocity[index])

    def set_state(self, episode: int, position: np.ndarray, velocity: np.ndarray) -> None:
        """Put one episode into a state, with the solver's warm start cleared."""
        data = self._data[episode]
        mujoco.mj_resetData(self.model, data)
        data.qpos[:], data.qvel[:] = position, velocity
        mujoco.mj_forward(self.model, data)
        self.position[episode], self.velocity[episode] = data.qpos, data.qvel

    def step(self, action: np.ndarray, episodes: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """One control step of the episodes with these indices; `action` is `[len(episodes), action_size]`.

        Returns the observation `[len(episodes), observation_size]`, reward and termination `[len(episodes)]`.
        """
        x_before = self.position[episodes, 0]
        if self._pool is None:
            self._advance(action, episodes)
        else:
            parts = np.array_split(np.arange(len(episodes)), self._threads)
            list(self._pool.map(lambda part: self._advance(action[part], episodes[part]), parts))
        position, velocity = self.position[episodes], self.velocity[episodes]
        reward = self.locomotion.reward(x_before, position[:, 0], action)
        terminated = ~self.locomotion.healthy(position, velocity)
        return self.locomotion.observation(position, velocity), reward, terminated

    def _advance(self, action: np.ndarray, episodes: np.ndarray) -> None:
        model, frames, step = self.model, self.locomotion.frame_skip, mujoco.mj_step
        for control, episode in zip(action, episodes.tolist(), strict=True):
            data, ctrl, qpos, qvel = self._views[episode]
            ctrl[:] = control
            step(model, data, frames)
            self.position[episode] = qpos
            self.velocity[episode] = qvel
