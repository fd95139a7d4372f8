"""Contacts of Adroit's whose depth MuJoCo 2.1.0 had wrong, and later versions have right.

A capsule's depth in a box was cut off at its radius (mujoco#2206), and that of a box in a box was halved. Nothing here
brings those faults back: a step in which such a contact appears is another one than D4RL recorded.
"""

import mujoco
import numpy as np

from plas_jax.environments.adroit import FRAME_SKIP, Adroit, targets
from plas_jax.environments.robot import Start

CAPSULE, BOX = int(mujoco.mjtGeom.mjGEOM_CAPSULE), int(mujoco.mjtGeom.mjGEOM_BOX)
DEEP_CAPSULE = "a capsule deeper in a box than its radius"
BOXES = "a box in a box"


def mended_contacts(robot: Adroit, model: mujoco.MjModel, start: Start, action: np.ndarray) -> str:
    """Say which such contacts one control step from `start` has; nothing where it has none."""
    robot.place(model, start.memory)
    data = mujoco.MjData(model)
    data.qpos[:], data.qvel[:] = start.position, start.velocity
    data.ctrl[:] = targets(model, np.clip(action, -1.0, 1.0))
    kinds: set[str] = set()
    for _ in range(FRAME_SKIP):
        mujoco.mj_step(model, data)
        kinds.update(_kind(model, contact) for contact in data.contact)
    named = [kind for kind in (DEEP_CAPSULE, BOXES) if kind in kinds]
    return f"{' and '.join(named)}, of whose depth MuJoCo has mended its reckoning since 2.1.0" if named else ""


def _kind(model: mujoco.MjModel, contact: mujoco.MjContact) -> str:
    geoms = sorted(contact.geom.tolist(), key=lambda geom: model.geom_type[geom])
    kinds = tuple(int(model.geom_type[geom]) for geom in geoms)
    if kinds == (CAPSULE, BOX) and contact.dist < -model.geom_size[geoms[0], 0]:
        return DEEP_CAPSULE
    return BOXES if kinds == (BOX, BOX) else ""
