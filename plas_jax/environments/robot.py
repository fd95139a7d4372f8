"""What an environment is beyond the simulator's state: one record a family, for any number of episodes at once."""

from collections.abc import Callable
from typing import NamedTuple, Protocol

import mujoco
import numpy as np


class Moment(NamedTuple):
    """Some episodes at one time, float64, a row an episode."""

    position: np.ndarray  # qpos, [episodes, nq]
    velocity: np.ndarray  # qvel, [episodes, nv]
    memory: np.ndarray  # [episodes, memory_size]: what an episode has beside the simulator's state, such as its goal
    readings: np.ndarray  # [episodes, readings_size]: what `read` took from the simulator after the last step


class Start(NamedTuple):
    """How one episode begins, float64."""

    position: np.ndarray  # [nq]
    velocity: np.ndarray  # [nv]
    memory: np.ndarray  # [memory_size]


class Outcome(NamedTuple):
    """What a control step of some episodes gave."""

    observation: np.ndarray  # float64 [episodes, observation_size]
    reward: np.ndarray  # float64 [episodes]
    terminated: np.ndarray  # bool [episodes]
    memory: np.ndarray  # float64 [episodes, memory_size], after the step


class Robot(Protocol):
    """One environment. Its methods keep no state: what an episode is stands in a `Moment`."""

    @property
    def observation_size(self) -> int:
        """Return how many numbers an observation has."""

    @property
    def action_size(self) -> int:
        """Return how many numbers an action has."""

    @property
    def frame_skip(self) -> int:
        """Return how many of the simulator's steps a control step has."""

    @property
    def memory_size(self) -> int:
        """Return how many numbers an episode has beside the simulator's state."""

    @property
    def readings_size(self) -> int:
        """Return how many numbers are read from the simulator after a step."""

    @property
    def places(self) -> bool:
        """Return whether an episode's memory changes the model, so that no two threads may share one."""

    def model(self, dynamics: str, /) -> mujoco.MjModel:
        """Return the model. Raises `KeyError` for dynamics of no such name, `ValueError` for some that do not apply."""

    def start(self, generator: np.random.Generator, model: mujoco.MjModel, /) -> Start:
        """Draw how an episode begins."""

    def place(self, model: mujoco.MjModel, memory: np.ndarray, /) -> None:
        """Put what an episode remembers, `[memory_size]`, into a thread's model."""

    def control(self, action: np.ndarray, before: Moment, /) -> np.ndarray:
        """Return the motors' inputs, float64 `[episodes, nu]`, for actions `[episodes, action_size]`."""

    @property
    def advance(self) -> Callable[[mujoco.MjModel, mujoco.MjData], None] | None:
        """Return what takes one control step of one episode; None stands for steps of `runge_kutta.py`."""

    def read(self, data: mujoco.MjData, readings: np.ndarray, /) -> None:
        """Fill `readings [readings_size]` with what rewards and observations need beside the state."""

    def observed(self, moment: Moment, /) -> np.ndarray:
        """Return the observations, float64 `[episodes, observation_size]`."""

    def outcome(self, before: Moment, after: Moment, action: np.ndarray, /) -> Outcome:
        """Return what a step gave; `after` has the memory from before."""
