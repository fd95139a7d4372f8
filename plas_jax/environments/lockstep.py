"""Many episodes of one environment, stepped together: one `MjData` per thread, threads over episodes.

`mj_step` releases Python's lock, so threads step episodes side by side. An `MjData` has half a megabyte, of which a
step reads and writes much: one for each of many episodes would not fit into a core's cache, and a step of HalfCheetah
would take a quarter longer. So a thread has one, and puts into it what an episode's next step depends on, the solver's
warm start included, and takes it out again. `mujoco.rollout` is not used for it: in a closed loop it loses the warm
start between calls and drifts from Gymnasium.
"""

import copy
import os
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Self

import mujoco
import numpy as np

from plas_jax.environments.robot import Moment, Robot
from plas_jax.environments.robots import ROBOTS
from plas_jax.environments.runge_kutta import RungeKutta

# What a step of these models depends on, in the order in which MuJoCo lays it out: time, qpos, qvel, warm start, ctrl.
STATE = int(
    mujoco.mjtState.mjSTATE_TIME
    | mujoco.mjtState.mjSTATE_QPOS
    | mujoco.mjtState.mjSTATE_QVEL
    | mujoco.mjtState.mjSTATE_WARMSTART
    | mujoco.mjtState.mjSTATE_CTRL
)


class Lockstep:
    """`episodes` copies of an environment, each with its own state.

    `dynamics` is "d4rl" (D4RL's environments on MuJoCo 2.1.0) or, of locomotion, "gymnasium" (`-v4` as shipped). Raises
    `KeyError` for any other and for an unknown name, `ValueError`, one line, for dynamics that do not apply and for
    model files that are not installed. `position`, `velocity` and `memory` are float64 arrays `[episodes, nq]`,
    `[episodes, nv]` and `[episodes, memory_size]`, not to be written to. What an episode does depends neither on
    `threads` (default: one per core) nor on the others. Threads end with `close()`, at the end of a `with` block, or
    when the object is collected.
    """

    def __init__(self, environment: str | Robot, episodes: int, dynamics: str = "d4rl", threads: int | None = None):
        self.robot = ROBOTS[environment] if isinstance(environment, str) else environment
        self.model = self.robot.model(dynamics)
        # A robot alone is one constraint island: looking for islands costs 5 to 9 % and changes no bit.
        self.model.opt.disableflags |= mujoco.mjtDisableBit.mjDSBL_ISLAND
        self.episodes = episodes
        self._states = np.zeros((episodes, mujoco.mj_stateSize(self.model, STATE)))
        positions, velocities = self.model.nq, self.model.nv
        self.position = self._states[:, 1 : 1 + positions]
        self.velocity = self._states[:, 1 + positions : 1 + positions + velocities]
        self.memory = np.zeros((episodes, self.robot.memory_size))
        self._readings = np.zeros((episodes, self.robot.readings_size))
        self._control = self._states[:, -self.model.nu :]
        # An index into an array makes a view each time.
        self._rows = list(zip(self._states, self.memory, self._readings, strict=True))
        self._threads = min(threads or cores(), max(1, episodes // 2))
        self._idle = [self._workplace(thread) for thread in range(self._threads)]
        self._runge_kutta = RungeKutta(self.model, self._threads) if self.robot.advance is None else None
        # The calling thread steps episodes too.
        pooled = self._threads > 1 and self._runge_kutta is None
        self._pool = ThreadPoolExecutor(self._threads - 1, "lockstep") if pooled else None

    def _workplace(self, thread: int) -> tuple[mujoco.MjModel, mujoco.MjData]:
        """Return a thread's model and data; the model is its own where an episode's memory changes it."""
        model = copy.copy(self.model) if self.robot.places and thread else self.model
        return model, mujoco.MjData(model)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def action_size(self) -> int:
        """Return how many numbers an action has."""
        return self.robot.action_size

    def close(self) -> None:
        """End the threads; afterwards `step` works on in the calling thread alone."""
        if self._pool is not None:
            self._pool.shutdown()
            self._pool = None
        if self._runge_kutta is not None:
            self._runge_kutta.close()

    def reset(self, seeds: Sequence[int], episodes: Sequence[int] | np.ndarray | None = None) -> np.ndarray:
        """Start the given episodes (default: all), each from a seed of its own, as `Env.reset(seed=…)` would.

        Returns the observation, float64 `[len(seeds), observation_size]`. Raises `ValueError` when there are not as
        many seeds as episodes.
        """
        index = np.arange(self.episodes) if episodes is None else np.asarray(episodes, int)
        for episode, seed in zip(index.tolist(), seeds, strict=True):
            generator = np.random.default_rng(seed)
            self.set_state(episode, *self.robot.start(generator, self.model))
        return self.observed(index)

    def observed(self, episodes: np.ndarray) -> np.ndarray:
        """Return the observations of the episodes with these indices, float64 `[len(episodes), observation_size]`."""
        return self.robot.observed(self.moment(episodes))

    def moment(self, episodes: np.ndarray) -> Moment:
        """Return a copy of what the episodes with these indices are."""
        return Moment(self.position[episodes], self.velocity[episodes], self.memory[episodes], self._readings[episodes])

    def set_state(
        self, episode: int, position: np.ndarray, velocity: np.ndarray, memory: np.ndarray | None = None
    ) -> None:
        """Put one episode into the state `qpos [nq]`, `qvel [nv]`, with the solver's warm start cleared.

        `memory` is the robot's `[memory_size]`; None leaves it as it is.
        """
        model, data = self._idle[0]  # no thread is at work between two calls
        state, remembered, readings = self._rows[episode]
        if memory is not None:
            remembered[:] = memory
        self.robot.place(model, remembered)
        mujoco.mj_resetData(model, data)
        data.qpos[:], data.qvel[:] = position, velocity
        mujoco.mj_forward(model, data)
        mujoco.mj_getState(model, data, state, STATE)
        self.robot.read(data, readings)

    def step(self, action: np.ndarray, episodes: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Take one control step of the episodes with these indices; `action` is `[len(episodes), action_size]`.

        Returns the observation `[len(episodes), observation_size]` and the reward `[len(episodes)]`, float64, and
        `[len(episodes)]` booleans: has it terminated? Actions are clipped to ±1, of locomotion by the simulator and not
        in the cost of control. Raises `ValueError` for another shape of `action` and for an index given twice.
        """
        indices = np.asarray(episodes, int).tolist()
        if np.shape(action) != (len(indices), self.action_size):
            raise ValueError(f"action has shape {np.shape(action)}, expected {(len(indices), self.action_size)}")
        if len(set(indices)) != len(indices):  # two threads would write into one row
            raise ValueError("an episode can take only one step at a time: an index is given twice")
        before = self.moment(episodes)
        self._control[episodes] = self.robot.control(action, before)
        if self._runge_kutta is not None:
            states = self._states[episodes]
            self._runge_kutta.advance(states, self.robot.frame_skip)
            self._states[episodes] = states
        else:
            self._advance_all(deque(indices))
        observation, reward, terminated, memory = self.robot.outcome(before, self.moment(episodes), action)
        self.memory[episodes] = memory
        return observation, reward, terminated

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
        rows, robot, take = self._rows, self.robot, queue.popleft
        put, step, get = mujoco.mj_setState, robot.advance, mujoco.mj_getState
        places, reads = robot.places, robot.readings_size > 0
        model, data = workplace = self._idle.pop()
        try:
            while queue:
                state, memory, readings = rows[take()]
                if places:
                    robot.place(model, memory)
                put(model, data, state, STATE)
                step(model, data)
                get(model, data, state, STATE)
                if reads:
                    robot.read(data, readings)
        except IndexError:  # another thread took the last one
            pass
        finally:
            self._idle.append(workplace)


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
