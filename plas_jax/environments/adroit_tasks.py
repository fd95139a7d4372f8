"""The four tasks of Adroit's hand: what is drawn, what is seen and what is paid.

Sources are lines of Farama-Foundation/D4RL@89141a6, folder `d4rl/hand_manipulation_suite`. gymnasium-robotics' own
environments pay for the distance to the handle, hammer or ball with the wrong sign; D4RL's do not.
"""

import mujoco
import numpy as np

from plas_jax.environments.adroit import Adroit, Seen

PEN_LENGTH = 0.13  # between the sites at its ends, pen_v0.py:45-46
FALLEN = 0.075  # metres: a pen below has been dropped, pen_v0.py:86
Array = np.ndarray


def _norm(vectors: Array) -> Array:
    return np.linalg.norm(vectors, axis=-1)


def _endless(seen: Seen) -> Array:
    return np.zeros(len(seen.position), bool)


def _no_extra(data: mujoco.MjData) -> Array:
    return np.zeros(0)


# pen_v0.py:52-127


def target_quaternion(angles: Array) -> Array:
    """Return the target's quaternion `[4]` for turns about x and y, `euler2quat` of d4rl/utils/quatmath.py:52-68."""
    (sin_x, sin_y), (cos_x, cos_y) = np.sin(angles / 2), np.cos(angles / 2)
    return np.array([cos_y * cos_x, cos_y * sin_x, sin_y * cos_x, sin_y * sin_x])


def _pen_draw(generator: np.random.Generator) -> Array:
    return target_quaternion(generator.uniform(-1.0, 1.0, 2))


def _pen_put(model: mujoco.MjModel, memory: Array) -> None:
    model.body("target").quat[:] = memory


def _pen_axes(seen: Seen) -> tuple[Array, Array, Array, Array]:
    """Return the pen's place, where it should be, and both directions."""
    pen, wanted, top, bottom, target_top, target_bottom = np.moveaxis(seen.points, 1, 0)
    return pen, wanted, (top - bottom) / PEN_LENGTH, (target_top - target_bottom) / PEN_LENGTH


def _pen_observe(seen: Seen) -> Array:
    pen, wanted, direction, wanted_direction = _pen_axes(seen)
    hand, turning = seen.position[:, :-6], seen.velocity[:, -6:]
    aims = (direction, wanted_direction, pen - wanted, direction - wanted_direction)
    return np.concatenate([hand, pen, turning, *aims], axis=-1)


def _pen_pay(seen: Seen) -> Array:
    pen, wanted, direction, wanted_direction = _pen_axes(seen)
    distance, likeness = _norm(pen - wanted), np.sum(direction * wanted_direction, axis=-1)
    near = distance < 0.075
    reward = likeness - distance
    reward += 10.0 * (near & (likeness > 0.9)) + 50.0 * (near & (likeness > 0.95))
    return reward - 5.0 * _pen_dropped(seen)


def _pen_dropped(seen: Seen) -> Array:
    return seen.points[:, 0, 2] < FALLEN


# door_v0.py:39-97

DOOR_HINGE = 28  # of qpos


def _door_draw(generator: np.random.Generator) -> Array:
    return generator.uniform((-0.3, 0.25, 0.252), (-0.2, 0.35, 0.35))


def _door_put(model: mujoco.MjModel, memory: Array) -> None:
    model.body("frame").pos[:] = memory


def _door_observe(seen: Seen) -> Array:
    palm, handle = np.moveaxis(seen.points, 1, 0)
    angle, latch = seen.position[:, DOOR_HINGE, None], seen.position[:, -1:]
    is_open = np.where(angle > 1.0, 1.0, -1.0)
    return np.concatenate([seen.position[:, 1:-2], latch, angle, palm, handle, palm - handle, is_open], axis=-1)


def _door_pay(seen: Seen) -> Array:
    palm, handle = np.moveaxis(seen.points, 1, 0)
    angle = seen.position[:, DOOR_HINGE]
    reward = -0.1 * _norm(palm - handle) - 0.1 * (angle - 1.57) ** 2 - 1e-5 * np.sum(seen.velocity**2, axis=-1)
    return reward + 2.0 * (angle > 0.2) + 8.0 * (angle > 1.0) + 10.0 * (angle > 1.35)


# hammer_v0.py:44-110


def _hammer_draw(generator: np.random.Generator) -> Array:
    return generator.uniform(0.1, 0.25, 1)


def _hammer_put(model: mujoco.MjModel, memory: Array) -> None:
    model.body("nail_board").pos[2] = memory[0]


def _hammer_read(data: mujoco.MjData) -> Array:
    return np.concatenate([data.body("Object").xquat, data.sensor("S_nail").data])


def euler_angles(quaternion: Array) -> Array:
    """Return `quat2euler` of d4rl/utils/quatmath.py:71-92, 144-171: `[..., 4]` to `[..., 3]`."""
    w, x, y, z = np.moveaxis(quaternion, -1, 0)
    s = 2.0 / np.sum(quaternion * quaternion, axis=-1)
    # Entries of the rotation matrix, row by column.
    xx, xy, xz = 1.0 - s * (y * y + z * z), s * (x * y - w * z), s * (x * z + w * y)
    yx, yy, yz = s * (x * y + w * z), 1.0 - s * (x * x + z * z), s * (y * z - w * x)
    zz = 1.0 - s * (x * x + y * y)
    level = np.sqrt(zz * zz + yz * yz)
    regular = level > 4 * np.finfo(float).eps
    return np.stack(
        [
            np.where(regular, -np.arctan2(yz, zz), 0.0),
            -np.arctan2(-xz, level),
            np.where(regular, -np.arctan2(xy, xx), -np.arctan2(-yx, yy)),
        ],
        axis=-1,
    )


def _hammer_observe(seen: Seen) -> Array:
    palm, hammer, _, nail, _ = np.moveaxis(seen.points, 1, 0)
    turning = np.clip(seen.velocity[:, -6:], -1.0, 1.0)
    turned, impact = euler_angles(seen.extra[:, :4]), np.clip(seen.extra[:, 4:], -1.0, 1.0)
    return np.concatenate([seen.position[:, :-6], turning, palm, hammer, turned, nail, impact], axis=-1)


def _hammer_pay(seen: Seen) -> Array:
    palm, hammer, head, nail, goal = np.moveaxis(seen.points, 1, 0)
    out = _norm(nail - goal)
    reward = -0.1 * _norm(palm - hammer) - _norm(head - nail) - 10.0 * out - 1e-2 * _norm(seen.velocity)
    lifted = (hammer[:, 2] > 0.04) & (head[:, 2] > 0.04)
    return reward + 2.0 * lifted + 25.0 * (out < 0.020) + 75.0 * (out < 0.010)


# relocate_v0.py:39-92


def _relocate_draw(generator: np.random.Generator) -> Array:
    return generator.uniform((-0.15, -0.15, -0.2, -0.2, 0.15), (0.15, 0.3, 0.2, 0.2, 0.35))


def _relocate_put(model: mujoco.MjModel, memory: Array) -> None:
    model.body("Object").pos[:2] = memory[:2]
    model.site("target").pos[:] = memory[2:]


def _relocate_observe(seen: Seen) -> Array:
    ball, palm, target = np.moveaxis(seen.points, 1, 0)
    return np.concatenate([seen.position[:, :-6], palm - ball, palm - target, ball - target], axis=-1)


def _relocate_pay(seen: Seen) -> Array:
    ball, palm, target = np.moveaxis(seen.points, 1, 0)
    away, lifted = _norm(ball - target), ball[:, 2] > 0.04
    reward = -0.1 * _norm(palm - ball) + lifted * (1.0 - 0.5 * _norm(palm - target) - 0.5 * away)
    return reward + 10.0 * (away < 0.1) + 20.0 * (away < 0.05)


ADROIT = {
    "pen": Adroit(
        name="pen",
        observation_size=45,
        action_size=24,
        memory_size=4,  # the target's quaternion
        points=(
            ("body", "Object"), ("site", "eps_ball"), ("site", "object_top"), ("site", "object_bottom"),
            ("site", "target_top"), ("site", "target_bottom"),
        ),
        extra_size=0,
        draw=_pen_draw, put=_pen_put, read_extra=_no_extra, observe=_pen_observe, pay=_pen_pay, dropped=_pen_dropped,
    ),
    "hammer": Adroit(
        name="hammer",
        observation_size=46,
        action_size=26,
        memory_size=1,  # the board's height
        points=(("site", "S_grasp"), ("body", "Object"), ("site", "tool"), ("site", "S_target"), ("site", "nail_goal")),
        extra_size=5,  # the hammer's quaternion, and how hard the nail is hit
        draw=_hammer_draw, put=_hammer_put, read_extra=_hammer_read, observe=_hammer_observe, pay=_hammer_pay,
        dropped=_endless,
    ),
    "door": Adroit(
        name="door",
        observation_size=39,
        action_size=28,
        memory_size=3,  # the frame's place
        points=(("site", "S_grasp"), ("site", "S_handle")),
        extra_size=0,
        draw=_door_draw, put=_door_put, read_extra=_no_extra, observe=_door_observe, pay=_door_pay, dropped=_endless,
    ),
    "relocate": Adroit(
        name="relocate",
        observation_size=39,
        action_size=30,
        memory_size=5,  # the ball's xy and the target's place
        points=(("body", "Object"), ("site", "S_grasp"), ("site", "target")),
        extra_size=0,
        draw=_relocate_draw, put=_relocate_put, read_extra=_no_extra, observe=_relocate_observe, pay=_relocate_pay,
        dropped=_endless,
    ),
}  # fmt: skip
