"""What a recorded transition does not say of its episode: goals, targets and where things stand, from what was seen.

D4RL's environments keep these in their models or beside them. The observation after a step shows them: what it lacks of
that of a guess, from the same state, is what the guess lacks. Nothing is inferred from what a step is checked by, the
state after it, but for the state in which the observation was taken.
"""

from collections.abc import Callable

import numpy as np

from plas_jax.environments.adroit_tasks import target_quaternion
from plas_jax.environments.antmaze import ANTMAZE, GOAL_SPREAD
from plas_jax.environments.lockstep import Lockstep
from plas_jax.environments.maze2d import MAZE2D

Rows = dict[str, np.ndarray]  # single steps of one environment, a column for each quantity
Correction = Callable[[np.ndarray, np.ndarray], np.ndarray]  # (wanted, seen) observations to what the memory lacks


def guess(name: str, rows: Rows) -> np.ndarray:
    """Return what is known of the episodes beside the simulator's state before any step, float64 `[n, memory_size]`."""
    count = len(rows["qpos"])
    if name in MAZE2D:
        return np.tile(np.array(MAZE2D[name].goal, float), (count, 1))
    if name in ANTMAZE:
        return _goals(name, rows)
    if name == "pen":
        return targets(rows["next_observation"][:, PEN_TARGET])
    return np.tile(MIDDLES.get(name, np.zeros(0)), (count, 1))


def targets(direction: np.ndarray) -> np.ndarray:
    """Return the quaternions `[n, 4]` of targets that point along `direction [n, 3]`, turned about x, then y."""
    about_y = np.arcsin(np.clip(direction[:, 0], -1.0, 1.0))
    about_x = np.arctan2(-direction[:, 1], direction[:, 2])
    return np.stack([target_quaternion(angles) for angles in np.stack([about_x, about_y], axis=1)])


def _goals(name: str, rows: Rows) -> np.ndarray:
    """Return a goal for each row that agrees with its reward, if any in the goal's square does.

    No observation shows it: where a reward was paid it is the nearest such place, where none was the furthest.
    """
    maze = ANTMAZE[name]
    low = maze.middle(*maze.place_of("G"))
    high = low + sum(GOAL_SPREAD)
    xy = rows["next_qpos"][:, :2]
    nearest = np.clip(xy, low, high)
    furthest = np.where(xy < (low + high) / 2, high, low)
    return np.where(rows["reward"][:, None] > 0, nearest, furthest)


def step_as_seen(name: str, rows: Rows, lockstep: Lockstep) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Take each row's step from its recorded state, in episodes that show what its observation shows.

    Returns observation, reward and termination as `Lockstep.step` does.
    """
    index, memory = np.arange(len(rows["qpos"])), guess(name, rows)
    if name in CORRECTIONS:
        # Sites are observed as the last substep found them, and Euler's method can be undone: v is the new velocity.
        last = rows["next_qpos"] - lockstep.model.opt.timestep * rows["next_qvel"]
        _put(lockstep, last, rows["next_qvel"], memory)
        memory = memory + CORRECTIONS[name](rows["next_observation"], lockstep.observed(index))
    _put(lockstep, rows["qpos"], rows["qvel"], memory)
    return lockstep.step(rows["action"].astype(float), index)


def _put(lockstep: Lockstep, position: np.ndarray, velocity: np.ndarray, memory: np.ndarray) -> None:
    for episode in range(len(memory)):
        lockstep.set_state(episode, position[episode], velocity[episode], memory[episode])


# Of observations: hammer_v0.py:86, door_v0.py:78, relocate_v0.py:73, pen_v0.py:103.
PEN_TARGET = slice(36, 39)
MIDDLES = {
    "hammer": np.array([0.175]),
    "door": np.array([-0.25, 0.3, 0.3]),
    "relocate": np.array([0.0, 0.075, 0.0, 0.0, 0.25]),
}
CORRECTIONS: dict[str, Correction] = {
    "hammer": lambda wanted, seen: (wanted - seen)[:, 44:45],  # the nail's height
    "door": lambda wanted, seen: (wanted - seen)[:, 32:35],  # the handle
    # From the palm to the ball and to the target.
    "relocate": lambda wanted, seen: (seen - wanted)[:, [30, 31, 33, 34, 35]],
}
