"""Hopper, Walker2d and HalfCheetah: rewards, terminations and resets of gym's `-v2` environments.

Gymnasium's `-v4` environments have the same ones (`gymnasium/envs/mujoco/{hopper,walker2d,half_cheetah}_v4.py`);
`-v5` does not. Only the simulated model differs: `d4rl_dynamics.py`.
"""

from collections.abc import Callable
from typing import NamedTuple

import mujoco
import numpy as np

from plas_jax.environments.d4rl_dynamics import DYNAMICS
from plas_jax.environments.robot import Moment, Outcome, Start

HORIZON = 1000


class Locomotion(NamedTuple):
    """One planar robot. Functions take float64 arrays `qpos [..., nq]`, `qvel [..., nv]` with any leading axes."""

    xml: str
    observation_size: int
    action_size: int
    frame_skip: int
    timestep: float
    control_cost: float
    alive_bonus: float
    velocity_limit: float
    reset_position: float
    healthy: Callable[[np.ndarray, np.ndarray], np.ndarray]
    reset_velocity: Callable[[np.random.Generator, int], np.ndarray]

    def observation(self, position: np.ndarray, velocity: np.ndarray) -> np.ndarray:
        """Map `[..., nq], [..., nv]` to float64 `[..., observation_size]`: all but x, velocities clipped."""
        velocity = np.clip(velocity, -self.velocity_limit, self.velocity_limit)
        return np.concatenate([position[..., 1:], velocity], axis=-1)

    def reward(self, x_before: np.ndarray, x_after: np.ndarray, action: np.ndarray) -> np.ndarray:
        """Return the speed along x in m/s, plus the bonus for being alive, minus the cost of control: float64 `[...]`.

        The bonus is also paid on the terminating step, as in gym's `-v2` and Gymnasium's `-v4` (not `-v5`). The
        cost has the precision of `action` `[..., action_size]`, as there.
        """
        speed = (x_after - x_before) / (self.timestep * self.frame_skip)
        return speed + self.alive_bonus - self.control_cost * np.sum(np.square(action), axis=-1)

    @property
    def memory_size(self) -> int:
        """Return 0: an episode is the simulator's state."""
        return 0

    @property
    def readings_size(self) -> int:
        """Return 0: observations and rewards are of that state alone."""
        return 0

    @property
    def places(self) -> bool:
        """Return False: every episode has the same model."""
        return False

    def model(self, dynamics: str) -> mujoco.MjModel:
        """Return the model. Raises `KeyError` for dynamics of no such name."""
        return DYNAMICS[dynamics](self.xml)

    def start(self, generator: np.random.Generator, model: mujoco.MjModel) -> Start:
        """Draw a start state as `reset` does."""
        return Start(*self.reset(generator, model.qpos0, model.nv), np.zeros(0))

    def place(self, model: mujoco.MjModel, memory: np.ndarray) -> None:
        """Leave the model as it is."""

    def control(self, action: np.ndarray, before: Moment) -> np.ndarray:
        """Return the actions; the simulator clips them."""
        return action

    def advance(self, model: mujoco.MjModel, data: mujoco.MjData) -> None:
        """Take one control step of one episode."""
        mujoco.mj_step(model, data, self.frame_skip)

    def read(self, data: mujoco.MjData, readings: np.ndarray) -> None:
        """Read nothing."""

    def observed(self, moment: Moment) -> np.ndarray:
        """Return the observations, float64 `[episodes, observation_size]`."""
        return self.observation(moment.position, moment.velocity)

    def outcome(self, before: Moment, after: Moment, action: np.ndarray) -> Outcome:
        """Return observations, rewards and terminations of a step."""
        reward = self.reward(before.position[:, 0], after.position[:, 0], action)
        terminated = ~self.healthy(after.position, after.velocity)
        return Outcome(self.observed(after), reward, terminated, after.memory)

    def reset(self, generator: np.random.Generator, rest: np.ndarray, degrees: int) -> tuple[np.ndarray, np.ndarray]:
        """Draw a start state `(qpos, qvel)` round `rest`, in the order in which Gymnasium draws it."""
        noise = self.reset_position
        position = rest + generator.uniform(low=-noise, high=noise, size=rest.shape)
        return position, self.reset_velocity(generator, degrees)


def _hopper_healthy(position: np.ndarray, velocity: np.ndarray) -> np.ndarray:
    """Tell as `hopper_v4.py: is_healthy` does. Its height has no limit but infinity above; x is not looked at."""
    height, angle = position[..., 1], position[..., 2]
    state = np.concatenate([position[..., 2:], velocity], axis=-1)
    return np.all(np.abs(state) < 100.0, axis=-1) & (height > 0.7) & (height < np.inf) & (np.abs(angle) < 0.2)


def _walker_healthy(position: np.ndarray, velocity: np.ndarray) -> np.ndarray:
    """Tell as `walker2d_v4.py: is_healthy` does. Velocities are not looked at."""
    height, angle = position[..., 1], position[..., 2]
    return (height > 0.8) & (height < 2.0) & (np.abs(angle) < 1.0)


def _always_healthy(position: np.ndarray, velocity: np.ndarray) -> np.ndarray:
    return np.ones(position.shape[:-1], bool)


def _uniform_velocity(generator: np.random.Generator, degrees: int) -> np.ndarray:
    return generator.uniform(low=-5e-3, high=5e-3, size=degrees)


def _normal_velocity(generator: np.random.Generator, degrees: int) -> np.ndarray:
    return 0.1 * generator.standard_normal(degrees)


_HOPPER = Locomotion(
    xml="hopper.xml",
    observation_size=11,
    action_size=3,
    frame_skip=4,
    timestep=0.002,
    control_cost=1e-3,
    alive_bonus=1.0,
    velocity_limit=10.0,
    reset_position=5e-3,
    healthy=_hopper_healthy,
    reset_velocity=_uniform_velocity,
)

LOCOMOTION: dict[str, Locomotion] = {
    "hopper": _HOPPER,
    "walker2d": _HOPPER._replace(xml="walker2d.xml", observation_size=17, action_size=6, healthy=_walker_healthy),
    "halfcheetah": Locomotion(
        xml="half_cheetah.xml",
        observation_size=17,
        action_size=6,
        frame_skip=5,
        timestep=0.01,
        control_cost=0.1,
        alive_bonus=0.0,
        velocity_limit=np.inf,
        reset_position=0.1,
        healthy=_always_healthy,
        reset_velocity=_normal_velocity,
    ),
}
