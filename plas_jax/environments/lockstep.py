"""Many episodes of one environment, stepped together: one `MjData` per episode, threads over episodes.

`mj_step` releases Python's lock, so threads step episodes side by side. `mujoco.rollout` is not used: in a closed
loop it loses the solver's warm start between calls and drifts from Gymnasium.
"""

import os
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Self

import mujoco
import numpy as np

from plas_jax.environments.d4rl_dynamics import d4rl_model, gymnasium_model
from plas_jax.environments.locomotion import LOCOMOTION

DYNAMICS = {"d4rl": d4rl_model, "gymnasium": gymnasium_model}


class Lockstep:
    """`episodes` copies of the environment `name`, each with its own state.

    `dynamics` is "d4rl" (gym's `-v2` on MuJoCo 2.1.0) or "gymnasium" (`-v4` as shipped). Raises `KeyError` for
    any other and for an unknown `name`. `position` and `velocity` are float64 arrays `[episodes, nq]` and
    `[episodes, nv]`. What an episode does depends neither on `threads` (default: one per core) nor on the others.
    Threads end with `close()`, at the end of a `with` block, or when the object is collected.
    """

    def __init__(self, name: str, episodes: int, dynamics: str = "d4rl", threads: int | None = None):
        self.locomotion = LOCOMOTION[name]
        self.model = DYNAMICS[dynamics](self.locomotion.xml)
        # A robot alone is one constraint island: looking for islands costs 5 to 9 % and changes no bit.
        self.model.opt.disableflags |= mujoco.mjtDisableBit.mjDSBL_ISLAND
        self.episodes = episodes
        self.position = np.zeros((episodes, self.model.nq))
        self.velocity = np.zeros((episodes, self.model.nv))
        self._data = [mujoco.MjData(self.model) for _ in range(episodes)]
        # Attribute look-ups on `MjData` build an array each time; these views stay valid as long as the data.
        self._views = [
            (data, data.ctrl, data.qpos, data.qvel, position, velocity)
            for data, position, velocity in zip(self._data, self.position, self.velocity, strict=True)
        ]
        self._threads = min(threads or _cores(), max(1, episodes // 2))
        # The calling thread steps episodes too.
        self._pool = ThreadPoolExecutor(self._threads - 1, "lockstep") if self._threads > 1 else None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def action_size(self) -> int:
        """How many numbers an action has."""
        return self.locomotion.action_size

    def close(self) -> None:
        """End the threads; afterwards `step` works on in the calling thread alone."""
        if self._pool is not None:
            self._pool.shutdown()
            self._pool = None

    def reset(self, seeds: Sequence[int], episodes: Sequence[int] | np.ndarray | None = None) -> np.ndarray:
        """Start the given episodes (default: all), each from a seed of its own, as `Env.reset(seed=…)` would.

        Returns the observation, float64 `[len(seeds), observation_size]`. Raises `ValueError` when there are not as
        many seeds as episodes.
        """
        index = np.arange(self.episodes) if episodes is None else np.asarray(episodes, int)
        for episode, seed in zip(index.tolist(), seeds, strict=True):
            generator = np.random.default_rng(seed)
            self.set_state(episode, *self.locomotion.reset(generator, self.model.qpos0, self.model.nv))
        return self.locomotion.observation(self.position[index], self.velocity[index])

    def set_state(self, episode: int, position: np.ndarray, velocity: np.ndarray) -> None:
        """Put one episode into the state `qpos [nq]`, `qvel [nv]`, with the solver's warm start cleared."""
        data = self._data[episode]
        mujoco.mj_resetData(self.model, data)
        data.qpos[:], data.qvel[:] = position, velocity
        mujoco.mj_forward(self.model, data)
        self.position[episode], self.velocity[episode] = data.qpos, data.qvel

    def step(self, action: np.ndarray, episodes: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """One control step of the episodes with these indices; `action` is `[len(episodes), action_size]`.

        Returns the observation `[len(episodes), observation_size]` and the reward `[len(episodes)]`, float64, and
        `[len(episodes)]` booleans: has it terminated? Actions are clipped to ±1 by the simulator, not in the cost of
        control. Raises `ValueError` for another shape of `action` and for an index given twice.
        """
        indices = np.asarray(episodes, int).tolist()
        if np.shape(action) != (len(indices), self.model.nu):
            raise ValueError(f"action has shape {np.shape(action)}, expected {(len(indices), self.model.nu)}")
        if len(set(indices)) != len(indices):  # two threads in one `MjData` would crash the process
            raise ValueError("an episode can take only one step at a time: an index is given twice")
        x_before = self.position[episodes, 0]
        self._advance_all(deque(zip(indices, action, strict=True)))
        position, velocity = self.position[episodes], self.velocity[episodes]
        reward = self.locomotion.reward(x_before, position[:, 0], action)
        terminated = ~self.locomotion.healthy(position, velocity)
        return self.locomotion.observation(position, velocity), reward, terminated

    def _advance_all(self, queue: deque[tuple[int, np.ndarray]]) -> None:
        """Empty the queue. Threads take one episode at a time, so that one slow core does not hold up the rest."""
        if self._pool is None:
            self._advance(queue)
            return
        others = min(self._threads, len(queue) // 2) - 1
        futures = [self._pool.submit(self._advance, queue) for _ in range(others)]
        self._advance(queue)
        for future in futures:
            if not future.cancel():  # a thread that has not even started found nothing to do
                future.result()

    def _advance(self, queue: deque[tuple[int, np.ndarray]]) -> None:
        model, frames, step, take = self.model, self.locomotion.frame_skip, mujoco.mj_step, queue.popleft
        while queue:
            try:
                episode, action = take()
            except IndexError:  # another thread took the last one
                return
            data, control, qpos, qvel, position, velocity = self._views[episode]
            control[:] = action
            step(model, data, frames)
            position[:] = qpos
            velocity[:] = qvel


def _cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
