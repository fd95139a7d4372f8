"""The data of Maze2D: a particle that a controller steers to one random target after the other, without an end.

D4RL's own generator, scripts/generation/generate_maze2d_datasets.py and d4rl/pointmaze/waypoint_controller.py of
Farama-Foundation/D4RL@89141a6, with what its published files have: a flag `timeouts` where a target is given up or
reached, and rewards of the observation beside them (D4RL#85, #194). It is no end: the next row goes on from there.
"""

from collections.abc import Callable

import numpy as np

from plas_jax.datasets.catalogue import ENVIRONMENTS
from plas_jax.environments.lockstep import Lockstep
from plas_jax.environments.maze2d import MAZE2D, Maze2D
from plas_jax.recipes.rollout import Columns, named, stream
from plas_jax.recipes.waypoints import Cell, shortest_way

# waypoint_controller.py:11-17
PULL, BRAKE = 10.0, -1.0  # of the way that is left, and of the velocity
ARRIVED = 0.1  # from a waypoint, and the largest way of one step
JITTER = 0.2  # of waypoints in each coordinate, downwards
TARGET_NOISE = 0.1  # maze_model.py:207-212
REPORT_EVERY = 1_000  # rows


class _Controller:
    """Where the particle is being steered: a target's cell, and the waypoints to it."""

    def __init__(self, maze: Maze2D, generator: np.random.Generator):
        self.maze, self.generator = maze, generator
        self.free = frozenset(maze.free)
        self.cell: Cell | None = None
        self.waypoints: list[np.ndarray] = []
        self.place = 0
        self.before = np.zeros(2)

    def act(self, position: np.ndarray, velocity: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, bool]:
        """Return the action, float32 `[2]`, and whether the target's cell is reached (lines 27-60)."""
        cell = _cell(target)
        if cell != self.cell:
            self._plan(_cell(position), cell)
        slow = np.hypot(*(self.before - position)) < ARRIVED
        reached = bool(slow and np.hypot(*(position - cell)) < ARRIVED)
        aim = np.array(cell, float) if reached else self.waypoints[self.place]
        away = aim - position
        if slow and not reached and np.hypot(*away) < ARRIVED:
            self.place += 1
        self.before = position
        return np.clip(PULL * away + BRAKE * velocity, -1.0, 1.0).astype(np.float32), reached

    def _plan(self, start: Cell, cell: Cell) -> None:
        *way, last = shortest_way(self.free, start, cell)
        jitter = JITTER * self.generator.uniform(size=(len(way), 2))
        self.waypoints = [*(np.array(way, float).reshape(-1, 2) - jitter), np.array(last, float)]
        self.cell, self.place, self.before = cell, 0, np.array(start, float)


def _cell(xy: np.ndarray) -> Cell:
    return round(float(xy[0])), round(float(xy[1]))


def steered(environment: str, rows: int, seed: int, progress: Callable[[int], None]) -> Columns:
    """Return `rows` rows of one trajectory, as columns of D4RL's v2 layout and `infos/goal`, the target `[rows, 2]`.

    The result for fewer rows is the beginning of the result for more. `progress` is called with the rows so far.
    """
    maze = MAZE2D[environment]
    generator = np.random.default_rng([seed, stream(environment)])
    with Lockstep(environment, 1, threads=1) as lockstep:
        states, actions, targets, flags = _trajectory(lockstep, maze, generator, rows, progress)
    now, after = states[:-1], states[1:]
    reward = maze.reward(now[:, :2], np.array(maze.goal, float))
    columns = named((now, actions, reward, np.zeros(rows, bool), flags, after, now[:, :2], now[:, 2:]))
    return columns | {"infos/goal": targets}


def _trajectory(
    lockstep: Lockstep, maze: Maze2D, generator: np.random.Generator, rows: int, progress: Callable[[int], None]
) -> tuple[np.ndarray, ...]:
    """Return states `[rows + 1, 4]`, float64, actions `[rows, 2]`, float32, targets `[rows, 2]` and flags `[rows]`."""
    controller, horizon, index = _Controller(maze, generator), ENVIRONMENTS[maze.name].horizon, np.zeros(1, int)
    states, actions = np.zeros((rows + 1, 4)), np.zeros((rows, 2), np.float32)
    targets, flags = np.zeros((rows, 2)), np.zeros(rows, bool)
    states[0] = lockstep.reset([int(generator.integers(2**63))])[0]
    target, steps = _draw_target(maze, generator), 0
    for row in range(rows):
        actions[row], reached = controller.act(states[row, :2], states[row, 2:], target)
        targets[row], flags[row] = target, reached or steps >= horizon
        states[row + 1] = lockstep.step(actions[row : row + 1], index)[0][0]
        steps += 1
        if flags[row]:
            target, steps = _draw_target(maze, generator), 0
        if (row + 1) % REPORT_EVERY == 0:
            progress(row + 1)
    return states, actions, targets, flags


def _draw_target(maze: Maze2D, generator: np.random.Generator) -> np.ndarray:
    cell = maze.free[int(generator.integers(len(maze.free)))]
    return np.array(cell, float) + generator.uniform(-TARGET_NOISE, TARGET_NOISE, 2)
