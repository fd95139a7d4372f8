"""MuJoCo's Runge–Kutta method as it was before 4.0, of many episodes at once.

MuJoCo 4.0's own treats a free joint's quaternion otherwise. The sums of a step are NumPy's over all episodes; the
accelerations between them come from `mujoco.rollout`, whose threads never wait for Python's lock. One episode after the
other, in threads of Python's, two threads were slower than one: a step has twenty short calls.
"""

from copy import copy

import mujoco
import numpy as np
from mujoco.rollout import Rollout

CONTROL = int(mujoco.mjtState.mjSTATE_CTRL)
CHUNKS = 4  # of each thread, so that one slow core does not hold up the rest
# (share of the timestep, weight in the mean) of the stages after the first
STAGES = ((0.5, 1 / 3), (0.5, 1 / 3), (1.0, 1 / 6))


class RungeKutta:
    """Steps of one model, whose first joint may be free; no other joint is one or a ball.

    What an episode does depends neither on `threads` nor on the others. Threads end with `close()`.
    """

    def __init__(self, model: mujoco.MjModel, threads: int):
        self._model = copy(model)
        # The rise of the velocity in such a step is the acceleration of `mj_forward` times the timestep.
        self._model.opt.integrator = mujoco.mjtIntegrator.mjINT_EULER
        self._model.opt.disableflags |= mujoco.mjtDisableBit.mjDSBL_EULERDAMP
        self._timestep: float = model.opt.timestep
        self._free = model.nq > model.nv
        self._data = [mujoco.MjData(self._model) for _ in range(threads)]
        self._rollout = Rollout(nthread=threads if threads > 1 else 0)

    def close(self) -> None:
        """End the threads; afterwards `advance` works on in the calling thread alone."""
        self._rollout.close()
        self._data, self._rollout = self._data[:1], Rollout(nthread=0)

    def advance(self, states: np.ndarray, timesteps: int) -> None:
        """Advance `states [episodes, 1 + nq + nv + nv + nu]` in place, float64.

        A row holds time, qpos, qvel, the solver's warm start and ctrl, as MuJoCo lays them out.
        """
        ends = np.cumsum([1, self._model.nq, self._model.nv, self._model.nv])
        time, position, velocity, warm_start, control = np.split(states, ends, axis=1)
        for _ in range(timesteps):
            position[:], velocity[:], warm_start[:] = self._step(position, velocity, warm_start, control)
        time += timesteps * self._timestep

    def _step(
        self, position: np.ndarray, velocity: np.ndarray, warm_start: np.ndarray, control: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return position, velocity and the last acceleration after one timestep.

        Positions are integrated from the step's first with the velocities' weighted sum.
        """
        h = self._timestep
        acceleration = self._acceleration(position, velocity, warm_start, control)
        mean_velocity, mean_acceleration = velocity / 6, acceleration / 6
        stage_velocity = velocity
        for share, weight in STAGES:
            stage_position = self._moved(position, share * h * stage_velocity)
            stage_velocity = velocity + share * h * acceleration
            acceleration = self._acceleration(stage_position, stage_velocity, acceleration, control)
            mean_velocity += weight * stage_velocity
            mean_acceleration += weight * acceleration
        return self._moved(position, h * mean_velocity), velocity + h * mean_acceleration, acceleration

    def _acceleration(
        self, position: np.ndarray, velocity: np.ndarray, warm_start: np.ndarray, control: np.ndarray
    ) -> np.ndarray:
        """Return qacc `[episodes, nv]` by one explicit Euler step of each episode."""
        episodes, sensors = len(position), self._model.nsensordata
        before = np.concatenate([np.zeros((episodes, 1)), position, velocity], axis=1)
        states, _ = self._rollout.rollout(
            [self._model] * episodes,
            self._data,
            before,
            np.ascontiguousarray(control[:, None]),
            control_spec=CONTROL,
            initial_warmstart=np.ascontiguousarray(warm_start),
            nstep=1,
            state=np.empty_like(before)[:, None],
            sensordata=np.empty((episodes, 1, sensors)),
            chunk_size=max(1, episodes // (CHUNKS * len(self._data))),
            skip_checks=True,  # which take as long as two episodes
        )
        return (states[:, 0, 1 + self._model.nq :] - velocity) / self._timestep

    def _moved(self, position: np.ndarray, by: np.ndarray) -> np.ndarray:
        """Return the positions after a small move `[episodes, nv]`, as `mj_integratePos`."""
        if not self._free:
            return position + by
        moved = position[:, :3] + by[:, :3]
        return np.concatenate([moved, turned(position[:, 3:7], by[:, 3:6]), position[:, 7:] + by[:, 6:]], axis=1)


def turned(quaternion: np.ndarray, rotation: np.ndarray) -> np.ndarray:
    """Turn unit quaternions `[episodes, 4]` by vectors of rotation in the body's frame `[episodes, 3]`, in radians."""
    angle = np.sqrt((rotation * rotation).sum(axis=1))
    scale = np.sin(angle / 2) / np.where(angle > 0, angle, 1.0)
    w, (x, y, z) = np.cos(angle / 2), scale * rotation.T
    a, b, c, d = quaternion.T
    product = np.stack(
        [
            a * w - b * x - c * y - d * z,
            a * x + b * w + c * z - d * y,
            a * y - b * z + c * w + d * x,
            a * z + b * y - c * x + d * w,
        ],
        axis=1,
    )
    return product / np.sqrt((product * product).sum(axis=1, keepdims=True))
