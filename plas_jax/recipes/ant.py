"""An Ant that walks in whatever direction it is told: what it sees, and its exact four-fold symmetry.

Turned by a quarter about its own axis, the Ant is the same with its legs relabelled. So the direction always lies
within an eighth of its front, and what it learns of one leg it knows of four.
"""

from typing import NamedTuple

import numpy as np

from plas_jax.recipes.behaviour_policy import BehaviourPolicy

FEATURES = 28
LEGS = 4
# Of the four ankles the second and the third turn the other way round (axes and ranges in Gymnasium's ant.xml).
ANKLE_SIGNS = np.array([1.0, -1.0, -1.0, 1.0])
SIGNS = np.stack([np.ones(LEGS), ANKLE_SIGNS], axis=1)  # of each leg's hip and ankle
# The motors are listed from the fourth leg on: hip_4, ankle_4, hip_1, …
FIRST_MOTOR = 3
QUARTER = np.pi / 2


class View(NamedTuple):
    """What some Ants see, and how they are turned: quarters about their axes to the told direction."""

    features: np.ndarray  # float32 [ants, FEATURES]
    quarters: np.ndarray  # int [ants]


def view(position: np.ndarray, velocity: np.ndarray, direction: np.ndarray) -> View:
    """Return what Ants at `qpos [ants, 15]`, `qvel [ants, 14]` see that are told to go along `direction [ants, 2]`."""
    rotation = _rotations(position[:, 3:7])
    told = np.einsum("ni,nij->nj", np.pad(direction, ((0, 0), (0, 1))), rotation)[:, :2]
    told = told / np.maximum(np.linalg.norm(told, axis=1, keepdims=True), 1e-9)
    quarters = np.round(np.arctan2(told[:, 1], told[:, 0]) / QUARTER).astype(int) % LEGS
    up = rotation[:, 2]
    moving = np.einsum("ni,nij->nj", velocity[:, :3], rotation)
    turned = [_turned(vector, quarters) for vector in (up, moving, velocity[:, 3:6], told)]
    legs = [_relabelled(joints.reshape(-1, LEGS, 2), quarters) for joints in (position[:, 7:], velocity[:, 6:])]
    features = np.concatenate([position[:, 2:3], *turned, *legs], axis=1)
    return View(features.astype(np.float32), quarters)


def motors(action: np.ndarray, quarters: np.ndarray) -> np.ndarray:
    """Map actions `[ants, 8]` of the turned legs, hip and ankle each, to the Ant's motors in their order."""
    legs = action.reshape(-1, LEGS, 2)
    own = np.take_along_axis(legs, ((np.arange(LEGS) - quarters[:, None]) % LEGS)[:, :, None], axis=1)
    return np.roll(own * SIGNS, -FIRST_MOTOR, axis=1).reshape(len(action), -1)


def walk(policy: BehaviourPolicy, position: np.ndarray, velocity: np.ndarray, direction: np.ndarray) -> np.ndarray:
    """Return deterministic actions, float64 `[ants, 8]`, of Ants that are told to go along `direction [ants, 2]`."""
    seen = view(position, velocity, direction)
    return motors(policy.sample(seen.features, np.zeros((len(position), 2 * LEGS))).astype(np.float64), seen.quarters)


def upright(position: np.ndarray) -> np.ndarray:
    """Tell which Ants stand on their legs, bool `[ants]`."""
    return (_rotations(position[:, 3:7])[:, 2, 2] > 0.3) & (position[:, 2] > 0.2)


def _rotations(quaternion: np.ndarray) -> np.ndarray:
    """Return matrices `[ants, 3, 3]` that turn the body's vectors into the world's."""
    w, x, y, z = np.moveaxis(quaternion / np.linalg.norm(quaternion, axis=1, keepdims=True), 1, 0)
    rows = (
        (1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)),
        (2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)),
        (2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)),
    )
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=1)


def _turned(vector: np.ndarray, quarters: np.ndarray) -> np.ndarray:
    """Turn x and y of vectors `[ants, 2 or 3]` back by quarters, exactly."""
    sine, cosine = np.array([0.0, 1.0, 0.0, -1.0])[quarters], np.array([1.0, 0.0, -1.0, 0.0])[quarters]
    x, y = vector[:, 0], vector[:, 1]
    return np.column_stack([cosine * x + sine * y, cosine * y - sine * x, *vector[:, 2:].T])


def _relabelled(legs: np.ndarray, quarters: np.ndarray) -> np.ndarray:
    """Return hips and ankles `[ants, 8]` of legs `[ants, 4, 2]` from the one that is now first on, all alike."""
    order = (np.arange(LEGS) + quarters[:, None]) % LEGS
    return np.take_along_axis(legs * SIGNS, order[:, :, None], axis=1).reshape(len(legs), -1)
