"""Hopper, Walker2d and HalfCheetah: rewards, terminations and resets of gym's `-v2` environments.

Gymnasium's `-v4` environments have the same ones (`gymnasium/envs/mujoco/{hopper,walker2d,half_cheetah}_v4.py`);
`-v5` does not. Only the simulated model differs: `d4rl_dynamics.py`.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

HORIZON = 1000


class Locomotion(NamedTuple):
    """One planar robot. Functions take arrays with leading episode axes, float64."""

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
        """`[..., nq], [..., nv]` to `[..., observation_size]`: all but x, velocities clipped."""
        velocity = np.clip(velocity, -self.velocity_limit, self.velocity_limit)
        return np.concatenate([position[..., 1:], velocity], axis=-1)

    def reward(self, x_before: np.ndarray, x_after: np.ndarray, action: np.ndarray) -> np.ndarray:
        """Speed along x in m/s, plus the bonus for being alive, minus the cost of control.

        The bonus is also paid on the terminating step, as in gym's `-v2` and Gymnasium's `-v4` (not `-v5`).
        """
        speed = (x_after - x_before) / (self.timestep * self.frame_skip)
        return speed + self.alive_bonus - self.control_cost * np.sum(np.square(action), axis=-1)

    def reset(self, generator: np.random.Generator, rest: np.ndarray, degrees: int) -> tuple[np.ndarray, np.ndarray]:
        """A start state `(qpos, qvel)`, in the order in which Gymnasium draws it."""
        noise = self.reset_position
        position = rest + generator.uniform(low=-noise, high=noise, size=rest.shape)
        return position, self.reset_velocity(generator, degrees)


def _hopper_healthy(position: np.ndarray, velocity: np.ndarray) -> np.ndarray:
    state = np.concatenate([position[..., 2:], velocity], axis=-1)
    inside = np.all((state > -100.0) & (state < 100.0), axis=-1)
    return inside & (position[..., 1] > 0.7) & (np.abs(position[..., 2]) < 0.2) & np.isfinite(position[..., 1])


def _walker_healthy(position: np.ndarray, velocity: np.ndarray) -> np.ndarray:
    height, angle = position[..., 1], position[..., 2]
    return (height > 0.8) & (height < 2.0) & (np.abs(angle) < 1.0)


def _always_healthy(position: np.ndarray, velocity: np.ndarray) -> np.ndarray:
    return np.ones(position.shape[:-1], bool)


def _uniform_velocity(generator: np.random.Generator, degrees: int) -> np.ndarray:
    return generator.uniform(low=-5e-3, high=5e-3, size=degrees)


def _normal_velocity(generator: np.random.Generator, degrees: int) -> np.ndarray:
    return 0.1 * generator.standard_normal(degrees)


LOCOMOTION: dict[str, Locomotion] = {
    "hopper": Locomotion("hopper.xml", 11, 3, 4, 0.002, 1e-3, 1.0, 10.0, 5e-3, _hopper_healthy, _uniform_velocity),
    "walker2d": Locomotion("walker2d.xml", 17, 6, 4, 0.002, 1e-3, 1.0, 10.0, 5e-3, _walker_healthy, _uniform_velocity),
    "halfcheetah": Locomotion(
        "half_cheetah.xml", 17, 6, 5, 0.01, 0.1, 0.0, np.inf, 0.1, _always_healthy, _normal_velocity
    ),
}
