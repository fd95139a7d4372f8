"""The data of AntMaze: an Ant of this project's own, led through a maze by D4RL's waypoints.

D4RL's own generator, scripts/generation/generate_ant_maze_datasets.py and d4rl/locomotion/maze_env.py of
Farama-Foundation/D4RL@89141a6: the Ant is led to a goal that differs from episode to episode, with noise on its
actions, and goes on there until the episode's time is over. Rewards and terminals are those of one goal, the
environment's, drawn once: wherever the Ant comes by it, rows in a row are terminal, as in D4RL's files.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np

from plas_jax.environments.antmaze import ANTMAZE, CELL, AntMaze
from plas_jax.environments.lockstep import Lockstep
from plas_jax.recipes.ant import walk
from plas_jax.recipes.behaviour_policy import BehaviourPolicy
from plas_jax.recipes.rollout import Columns, named, stream
from plas_jax.recipes.waypoints import Cell, distances, nearer

ROWS = 1_001  # of an episode: D4RL's generator ends one behind the step that it counts as the thousandth
NOISE = 0.2  # of actions
WAYPOINT_NOISE = CELL / 4  # of a waypoint in its cell, maze_env.py:230-235
START_SPREAD = CELL / 4  # of a random start in its cell, maze_env.py:213-227
SLOTS = 64  # episodes side by side
# The goals that an Ant is led to in `play` data, by row and column: BIG_MAZE and HARDEST_MAZE (maze_env.py:34-51).
PLAY_GOALS = {
    "antmaze-umaze": ((3, 1),),
    "antmaze-medium": ((2, 6), (5, 1), (6, 5)),
    "antmaze-large": ((1, 6), (3, 5), (3, 10), (5, 2), (7, 4), (7, 6), (7, 9)),
}


class Plan(NamedTuple):
    """Where the episodes of a data set begin and lead to."""

    starts: tuple[Cell, ...]  # cells, row and column
    goals: tuple[Cell, ...]
    spreads: bool  # whether a start is drawn anywhere in its cell


def plan_of(environment: str, level: str) -> Plan:
    """Return the plan of a level: D4RL's file names say which have several starts and goals."""
    maze = ANTMAZE[environment]
    free = free_cells(maze)
    # D4RL's map of starts counts the cells of its goals as walls.
    anywhere = tuple(cell for cell in free if cell not in PLAY_GOALS[environment])
    if level == "umaze":
        return Plan((maze.place_of("R"),), PLAY_GOALS[environment], spreads=False)
    goals = free if level.endswith("diverse") else PLAY_GOALS[environment]
    return Plan(anywhere, goals, spreads=True)


def free_cells(maze: AntMaze) -> tuple[Cell, ...]:
    """List the cells that are no walls, row and column."""
    return tuple(
        (row, column) for row, line in enumerate(maze.cells) for column, mark in enumerate(line) if mark != "#"
    )


class Leader:
    """D4RL's navigation (maze_env.py:353-396): from wherever an Ant is, the next cell of a shortest way."""

    def __init__(self, maze: AntMaze):
        self.free = free_cells(maze)
        self.maze, self._distance = maze, {cell: distances(self.free, cell) for cell in self.free}

    def cell(self, xy: np.ndarray) -> Cell:
        """Return the cell of a place: its middle is where the next one begins (maze_env.py:207-211)."""
        x, y = np.maximum(xy, 1e-4)
        return int(1 + y / CELL), int(1 + x / CELL)

    def waypoint(self, xy: np.ndarray, goal: np.ndarray, noise: np.ndarray) -> np.ndarray:
        """Return where to go next, `[2]`, from `xy` to `goal`; `noise [2]` in [0, 1) moves it in its cell."""
        here, target = self.cell(xy), self.cell(goal)
        distance = self._distance.get(target, {})
        if here not in distance:  # pushed against a wall's middle: to the nearest cell's
            here = min(distance, key=lambda cell: float(np.hypot(*(self.maze.middle(*cell) - xy))))
        following = here if here == target else nearer(distance, here)
        if following == target:
            return goal
        return self.maze.middle(*following) + WAYPOINT_NOISE * noise


class _Episode(NamedTuple):
    """One episode: its draws are its own."""

    generator: np.random.Generator
    goal: np.ndarray


def led(
    environment: str, level: str, policy: BehaviourPolicy, size: tuple[int, int], progress: Callable[[int], None]
) -> Columns:
    """Return the rows of a data set, as columns of D4RL's v2 layout and `infos/goal`, where each row led.

    `size` is rows and seed. The result for fewer rows is the beginning of the result for more, whatever the number of
    threads. `progress` is called with the rows so far.
    """
    rows, seed = size
    maze, plan = ANTMAZE[environment], plan_of(environment, level)
    leader = Leader(maze)
    entropy = [seed, stream(f"antmaze-{level}")]
    rewarded = maze.draw_goal(np.random.default_rng([*entropy, 0]), maze.place_of("G"))
    episodes = -(-rows // ROWS)
    blocks = []
    with Lockstep(environment, min(SLOTS, episodes)) as lockstep:
        for first in range(0, episodes, SLOTS):
            numbers = range(first, min(first + SLOTS, episodes))
            seeds = [[*entropy, 1 + number] for number in numbers]
            told = partial(_report, progress, rows, first * ROWS, len(numbers))
            blocks.append(_block(lockstep, leader, plan, seeds, policy, told))
    columns = {key: np.concatenate([block[key] for block in blocks])[:rows] for key in blocks[0]}
    reached = maze.reached(columns["next_observations"][:, :2], rewarded)
    return columns | {"rewards": reached.astype(np.float32), "terminals": reached & ~columns["timeouts"]}


def _report(progress: Callable[[int], None], rows: int, before: int, episodes: int, step: int) -> None:
    progress(min(rows, before + step * episodes))


def _block(
    lockstep: Lockstep,
    leader: Leader,
    plan: Plan,
    seeds: list[list[int]],
    policy: BehaviourPolicy,
    progress: Callable[[int], None],
) -> Columns:
    """Play some episodes side by side; return their rows one after the other."""
    maze, every, count = leader.maze, np.arange(len(seeds)), len(seeds)
    episodes = [_begun(lockstep, slot, maze, plan, seed) for slot, seed in enumerate(seeds)]
    states = np.zeros((count, ROWS + 1, maze.observation_size))
    actions = np.zeros((count, ROWS, maze.action_size), np.float32)
    states[:, 0] = lockstep.observed(every)
    for step in range(ROWS):
        position, velocity = lockstep.position[every], lockstep.velocity[every]
        direction, noise = np.zeros((count, 2)), np.zeros((count, maze.action_size))
        for slot, (generator, goal) in enumerate(episodes):
            xy = position[slot, :2]
            direction[slot] = leader.waypoint(xy, goal, generator.uniform(size=2)) - xy
            noise[slot] = generator.standard_normal(maze.action_size)
        actions[:, step] = np.clip(walk(policy, position, velocity, direction) + NOISE * noise, -1.0, 1.0)
        states[:, step + 1] = lockstep.step(actions[:, step], every)[0]
        if step % 50 == 49:
            progress(step + 1)
    return _columns(states, actions, np.stack([episode.goal for episode in episodes]))


def _begun(lockstep: Lockstep, slot: int, maze: AntMaze, plan: Plan, seed: list[int]) -> _Episode:
    """Put an episode's Ant into a slot."""
    generator = np.random.default_rng(seed)
    cell = plan.starts[int(generator.integers(len(plan.starts)))]
    where = maze.middle(*cell)
    if plan.spreads:
        where = np.maximum(where + START_SPREAD * generator.uniform(size=2), 0.0)
    goal = maze.draw_goal(generator, plan.goals[int(generator.integers(len(plan.goals)))])
    lockstep.set_state(slot, *maze.standing(generator, where), goal)
    return _Episode(generator, goal)


def _columns(states: np.ndarray, actions: np.ndarray, goals: np.ndarray) -> Columns:
    """Return rows of states `[episodes, ROWS + 1, 29]` and actions, without rewards and terminals."""
    count, positions = len(states), 15
    now, after = states[:, :-1], states[:, 1:]
    timeouts = np.zeros((count, ROWS), bool)
    timeouts[:, -1] = True
    empty = np.zeros((count, ROWS))
    values = (now, actions, empty, empty, timeouts, after, now[..., :positions], now[..., positions:])
    columns = named(column.reshape(count * ROWS, *column.shape[2:]) for column in values)
    return columns | {"infos/goal": np.repeat(goals, ROWS, axis=0)}
