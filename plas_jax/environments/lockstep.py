"""Many episodes of one environment, stepped together: one `MjData` per thread, threads over episodes.

`mj_step` releases Python's lock, so threads step episodes side by side. An `MjData` has half a megabyte, of which a
step reads and writes much: one for each of many episodes would not fit into a core's cache, and a step of HalfCheetah
would take a quarter longer. So a thread has one, and puts into it what an episode's next step depends on, the solver's
warm start included, and takes it out again. `mujoco.rollout` is not used: in a closed loop it loses the warm start
between calls and drifts from Gymnasium.
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
# What a step of these models depends on, in the order in which MuJoCo lays it out: time, qpos, qvel, warm start, ctrl.
STATE = int(
    mujoco.mjtState.mjSTATE_TIME
    | mujoco.mjtState.mjSTATE_QPOS
    | mujoco.mjtState.mjSTATE_QVEL
    | mujoco.mjtState.mjSTATE_WARMSTART
    | mujoco.mjtState.mjSTATE_CTRL
)


class Lockstep:
    """`episodes` copies of the environment `name`, each with its own state.

    `dynamics` is "d4rl" (gym's `-v2` on MuJoCo 2.1.0) or "gymnasium" (`-v4` as shipped). Raises `KeyError` for
    any other and for an unknown `name`. `position` and `velocity` are float64 arrays `[episodes, nq]` and
    `[episodes, nv]`, not to be written to. What an episode does depends neither on `threads` (default: one per core)
    nor on the others. Threads end with `close()`, at the end of a `with` block, or when the object is collected.
    """

    def __init__(self, name: str, episodes: int, dynamics: str = "d4rl", threads: int | None = None):
        self.locomotion = LOCOMOTION[name]
        self.model = DYNAMICS[dynamics](self.locomotion.xml)
        # A robot alone is one constraint island: looking for islands costs 5 to 9 % and changes no bit.
        self.model.opt.disableflags |= mujoco.mjtDisableBit.mjDSBL_ISLAND
        self.episodes = episodes
        self._states = np.zeros((episodes, mujoco.mj_stateSize(self.model, STATE)))
        positions, velocities = self.model.nq, self.model.nv
        self.position = self._states[:, 1 : 1 + positions]
        self.velocity = self._states[:, 1 + positions : 1 + positions + velocities]
        self._control = self._states[:, -self.model.nu :]
        self._rows = list(self._states)  # an index into an array makes a view each time
        self._threads = min(threads or cores(), max(1, episodes // 2))
        self._idle = [mujoco.MjData(self.model) for _ in range(self._threads)]
        # The calling thread steps episodes too.
        self._pool = ThreadPoolExecutor(self._threads - 1, "lockstep") if self._threads > 1 else None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def action_size(self) -> int:
        """Return how many numbers an action has."""
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
        data = self._idle[0]  # no thread is at work between two calls
        mujoco.mj_resetData(self.model, data)
        data.qpos[:], data.qvel[:] = position, velocity
        mujoco.mj_forward(self.model, data)
        mujoco.mj_getState(self.model, data, self._rows[episode], STATE)

    def step(self, action: np.ndarray, episodes: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Take one control step of the episodes with these indices; `action` is `[len(episodes), action_size]`.

        Returns the observation `[len(episodes), observation_size]` and the reward `[len(episodes)]`, float64, and
        `[len(episodes)]` booleans: has it terminated? Actions are clipped to ±1 by the simulator, not in the cost of
        control. Raises `ValueError` for another shape of `action` and for an index given twice.
        """
        indices = np.asarray(episodes, int).tolist()
        if np.shape(action) != (len(indices), self.model.nu):
            raise ValueError(f"action has shape {np.shape(action)}, expected {(len(indices), self.model.nu)}")
        if len(set(indices)) != len(indices):  # two threads would write into one row
            raise ValueError("an episode can take only one step at a time: an index is given twice")
        x_before = self.position[episodes, 0]
        self._control[episodes] = action
        self._advance_all(deque(indices))
        position, velocity = self.position[episodes], self.velocity[episodes]
        reward = self.locomotion.reward(x_before, position[:, 0], action)
        terminated = ~self.locomotion.healthy(position, velocity)
        return self.locomotion.observation(position, velocity), reward, terminated

    def _advance_all(self, queue: deque[int]) -> None:
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

    def _advance(self, queue: deque[int]) -> None:
        model, frames, rows, take = self.model, self.locomotion.frame_skip, self._rows, queue.popleft
        put, step, get = mujoco.mj_setState, mujoco.mj_step, mujoco.mj_getState
        data = self._idle.pop()
        try:
            while queue:
                row = rows[take()]
                put(model, data, row, STATE)
                step(model, data, frames)
                get(model, data, row, STATE)
        except IndexError:  # another thread took the last one
            pass
        finally:
            self._idle.append(data)


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
