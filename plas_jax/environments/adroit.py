"""Adroit's hand: D4RL's pen, hammer, door and relocate on MuJoCo 2.1.0.

What the four share: the model, its motors, and how things are read. Sources are lines of D4RL@89141a6,
folder `d4rl/hand_manipulation_suite`; the model files are gymnasium-robotics', which differ from D4RL's in paths and in
an attribute of rendering. What each task is stands in `adroit_tasks.py`.
"""

from collections.abc import Callable
from typing import NamedTuple

import mujoco
import numpy as np

from plas_jax.environments.d4rl_dynamics import (
    MARGINS_ARE_SUMMED_SINCE,
    halve_margins,
    mujoco_version,
    refuse_other_dynamics,
    robotics_asset,
)
from plas_jax.environments.robot import Moment, Outcome, Start

FRAME_SKIP = 5  # pen_v0.py:27 and the like
WRIST, FINGERS = ("A_WRJ1", "A_WRJ0"), ("A_FFJ3", "A_THJ0")  # first and last motor, pen_v0.py:33-36
WRIST_GAIN, FINGER_GAIN = 10.0, 1.0
TOLERANCE_FOLLOWS_INERTIA_SINCE = (4, 0)
MULTICCD_IS_DEFAULT_SINCE = (4, 0)
# Of the contact solver, so that where it starts does not show: the model files have 1e-8. That of the solver against
# slip, which they have too, shows itself: its 20 iterations stop by it.
TOLERANCE, NOSLIP_TOLERANCE = 1e-12, 1e-6
TOUCHING = 0.0005  # geom_margin of every geom but the hammer's board, which has 0


class Seen(NamedTuple):
    """Some episodes as a task sees them, float64, a row an episode."""

    position: np.ndarray  # qpos, [episodes, nq]
    velocity: np.ndarray  # qvel, [episodes, nv]
    points: np.ndarray  # [episodes, points, 3]: the task's, in its order
    extra: np.ndarray  # [episodes, …]: what else it reads


class Adroit(NamedTuple):
    """One task of the hand. `memory` is what its episodes differ in beside the state: where things stand."""

    name: str
    observation_size: int
    action_size: int
    memory_size: int
    points: tuple[tuple[str, str], ...]  # what is read: a kind and a name each
    extra_size: int
    draw: Callable[[np.random.Generator], np.ndarray]  # a memory, [memory_size]
    put: Callable[[mujoco.MjModel, np.ndarray], None]  # a memory into a model
    read_extra: Callable[[mujoco.MjData], np.ndarray]
    observe: Callable[[Seen], np.ndarray]
    pay: Callable[[Seen], np.ndarray]
    dropped: Callable[[Seen], np.ndarray]  # bool: what ends an episode
    places: bool = True
    frame_skip: int = FRAME_SKIP

    @property
    def readings_size(self) -> int:
        """Return how many numbers are read after a step: three a point, and the extra ones."""
        return 3 * len(self.points) + self.extra_size

    def model(self, dynamics: str) -> mujoco.MjModel:
        """Return the model, `KeyError` or `ValueError` for dynamics that are not D4RL's.

        Raises `ValueError`, one line, where gymnasium-robotics is not installed.
        """
        refuse_other_dynamics(self.name, dynamics)
        model = mujoco.MjModel.from_xml_path(str(robotics_asset(f"adroit_hand/adroit_{self.name}.xml")))
        _set_gains(model)
        halve_margins(model)
        if self.name == "hammer" and mujoco_version() >= MARGINS_ARE_SUMMED_SINCE:
            # Its board has no margin of its own: the larger one of a pair was the other's.
            model.geom_margin[model.geom("board").id] = TOUCHING / 2
        # Collisions of convex shapes as MuJoCo 2.1 found them: by libccd, one point a pair.
        model.opt.disableflags |= mujoco.mjtDisableBit.mjDSBL_NATIVECCD
        if mujoco_version() >= MULTICCD_IS_DEFAULT_SINCE:
            model.opt.disableflags |= mujoco.mjtDisableBit.mjDSBL_MULTICCD
        model.opt.tolerance = TOLERANCE
        return model

    def start(self, generator: np.random.Generator, model: mujoco.MjModel) -> Start:
        """Return the hand at rest among things that stand where they are drawn."""
        return Start(model.qpos0.copy(), np.zeros(model.nv), self.draw(generator))

    def place(self, model: mujoco.MjModel, memory: np.ndarray) -> None:
        """Put things where an episode has them."""
        self.put(model, memory)

    def control(self, action: np.ndarray, before: Moment) -> np.ndarray:
        """Return actions clipped to ±1; `advance` maps them to the motors' ranges, which only the model knows."""
        return np.clip(action, -1.0, 1.0)

    def advance(self, model: mujoco.MjModel, data: mujoco.MjData) -> None:
        """Take one control step of one episode."""
        data.ctrl[:] = targets(model, data.ctrl)
        if mujoco_version() >= TOLERANCE_FOLLOWS_INERTIA_SINCE:
            _step_with_old_tolerance(model, data)
        else:
            mujoco.mj_step(model, data, FRAME_SKIP)

    def read(self, data: mujoco.MjData, readings: np.ndarray) -> None:
        """Read points as they stand after `mj_step`: those of its last substep's beginning, as D4RL's do."""
        for place, (kind, name) in enumerate(self.points):
            readings[3 * place : 3 * place + 3] = getattr(data, kind)(name).xpos
        if self.extra_size:
            readings[-self.extra_size :] = self.read_extra(data)

    def observed(self, moment: Moment) -> np.ndarray:
        """Return the observations, float64 `[episodes, observation_size]`."""
        return self.observe(self.seen(moment))

    def outcome(self, before: Moment, after: Moment, action: np.ndarray) -> Outcome:
        """Return observations, rewards and ends of a step."""
        seen = self.seen(after)
        return Outcome(self.observe(seen), self.pay(seen), self.dropped(seen), after.memory)

    def seen(self, moment: Moment) -> Seen:
        """Return a moment as the task sees it."""
        points = 3 * len(self.points)
        readings = moment.readings
        shaped = readings[:, :points].reshape(len(readings), -1, 3)
        return Seen(moment.position, moment.velocity, shaped, readings[:, points:])


def targets(model: mujoco.MjModel, action: np.ndarray) -> np.ndarray:
    """Map actions in [-1, 1] to the motors' ranges, `[nu]` (pen_v0.py:54-58)."""
    low, high = model.actuator_ctrlrange.T
    return 0.5 * (low + high) + action * (0.5 * (high - low))


def _set_gains(model: mujoco.MjModel) -> None:
    """Change the motors' sensitivity (pen_v0.py:33-36): position servos of these stiffnesses."""
    for (first, last), gain in ((WRIST, WRIST_GAIN), (FINGERS, FINGER_GAIN)):
        motors = slice(model.actuator(first).id, model.actuator(last).id + 1)
        model.actuator_gainprm[motors, :3] = (gain, 0, 0)
        model.actuator_biasprm[motors, :3] = (0, -gain, 0)


def _step_with_old_tolerance(model: mujoco.MjModel, data: mujoco.MjData) -> None:
    """Step with the tolerance of the solver against slip as it was scaled before MuJoCo 4.0.

    It was relative to a constant, the mean inertia at rest times the number of degrees of freedom; in 4.0 it is
    relative to the trace of the inertia matrix where the hand is.
    """
    diagonal = model.M_rowadr + model.M_rownnz - 1
    rest = model.stat.meaninertia * model.nv
    for _ in range(FRAME_SKIP):
        mujoco.mj_step1(model, data)  # up to the inertia matrix and the contacts, which know of no tolerance
        model.opt.noslip_tolerance = NOSLIP_TOLERANCE * rest / data.M[diagonal].sum()
        mujoco.mj_step2(model, data)
