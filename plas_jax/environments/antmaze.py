"""AntMaze: an Ant that walks to a goal in a maze, D4RL's `antmaze-*` environments on MuJoCo 2.1.0.

Sources are lines of Farama-Foundation/D4RL@89141a6, folder `d4rl/locomotion`.
"""

from functools import partial
from typing import NamedTuple

import mujoco
import numpy as np

from plas_jax.environments.d4rl_dynamics import asset, refuse_other_dynamics, with_old_inertias
from plas_jax.environments.robot import Moment, Outcome, Start

# U_MAZE_TEST, BIG_MAZE_TEST and HARDEST_MAZE_TEST (maze_env.py:57-81): R where the Ant starts, which is the origin of
# coordinates, G the goal's cell. Rows go along y.
MAZES = {
    "umaze": ("#####", "#ROO#", "###O#", "#GOO#", "#####"),
    "medium": ("########", "#RO##OO#", "#OO#OOO#", "##OOO###", "#OO#OOO#", "#O#OO#O#", "#OOO#OG#", "########"),
    "large": (
        "############", "#ROOO#OOOOO#", "#O##O#O#O#O#", "#OOOOOO#OOO#", "#O####O###O#", "#OO#O#OOOOO#",
        "##O#O#O#O###", "#OO#OOO#OGO#", "############",
    ),
}  # fmt: skip
CELL = 4.0  # metres, maze_size_scaling of every registration (__init__.py)
WALL_HALF_HEIGHT = 1.0  # half of maze_height · CELL, maze_env.py:117 and :161
GOAL_RADIUS = 0.5  # goal_reaching_env.py:41-47
GOAL_SPREAD = (CELL / 4, CELL / 8)  # of the two draws that move the goal in its cell, maze_env.py:213-257
START_NOISE = 0.1  # ant.py:123-125: ± in every coordinate, and the standard deviation of velocities
FRAME_SKIP = 5  # ant.py:55
# assets/ant.xml, where it differs from Gymnasium's file of that name.
TIMESTEP = 0.02
TORQUE = 30.0
SOLVER_REFERENCE, SOLVER_IMPEDANCE = (0.02, 1.0), (0.8, 0.8, 0.01)


class AntMaze(NamedTuple):
    """One maze. `memory` is the goal's xy in metres, drawn anew for each episode.

    That is what D4RL's v2 does; v0 drew it once for each environment, which is one for each run of an evaluation.
    """

    name: str
    cells: tuple[str, ...]
    observation_size: int = 29
    action_size: int = 8
    memory_size: int = 2
    readings_size: int = 0
    places: bool = False
    frame_skip: int = FRAME_SKIP
    advance: None = None

    def place_of(self, mark: str) -> tuple[int, int]:
        """Return row and column of the cell with this mark."""
        return next((row, line.index(mark)) for row, line in enumerate(self.cells) if mark in line)

    def middle(self, row: float, column: float) -> np.ndarray:
        """Return the xy of a cell's middle in metres, the start's cell being the origin."""
        start_row, start_column = self.place_of("R")
        return CELL * np.array([column - start_column, row - start_row], float)

    def model(self, dynamics: str) -> mujoco.MjModel:
        """Return the model, `KeyError` or `ValueError` for dynamics that are not D4RL's."""
        refuse_other_dynamics(self.name, dynamics)
        model = with_old_inertias(partial(_specification, self))
        model.opt.tolerance = 1e-12  # so that the solver's start does not show
        return model

    def start(self, generator: np.random.Generator, model: mujoco.MjModel) -> Start:
        """Draw a start near the rest at the origin, and a goal (maze_env.py:237-258)."""
        return Start(*self.standing(generator, np.zeros(2)), self.draw_goal(generator, self.place_of("G")))

    def standing(self, generator: np.random.Generator, where: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Draw a state near the rest, moved to `where [2]` (ant.py:122-134)."""
        position = REST + generator.uniform(-START_NOISE, START_NOISE, len(REST))
        position[:2] += where
        return position, START_NOISE * generator.standard_normal(14)

    def draw_goal(self, generator: np.random.Generator, cell: tuple[int, int]) -> np.ndarray:
        """Draw a goal in a cell, xy in metres (maze_env.py:237-258)."""
        moved = self.middle(*cell) + sum(generator.uniform(0.0, spread, 2) for spread in GOAL_SPREAD)
        return np.maximum(moved, 0.0)

    def place(self, model: mujoco.MjModel, memory: np.ndarray) -> None:
        """Leave the model as it is: the Ant does not feel the goal."""

    def control(self, action: np.ndarray, before: Moment) -> np.ndarray:
        """Return torques: ±1 is mapped to ±30 and clipped (wrappers.py:171-176)."""
        return np.clip(-TORQUE + (np.asarray(action, np.float64) + 1.0) * 0.5 * (2 * TORQUE), -TORQUE, TORQUE)

    def read(self, data: mujoco.MjData, readings: np.ndarray) -> None:
        """Read nothing."""

    def observed(self, moment: Moment) -> np.ndarray:
        """Return position and velocity, xy included, float64 `[episodes, 29]`."""
        return np.concatenate([moment.position, moment.velocity], axis=-1)

    def outcome(self, before: Moment, after: Moment, action: np.ndarray) -> Outcome:
        """Return 1 and an end where the Ant is within half a metre of the goal; falling ends nothing."""
        reached = self.reached(after.position[:, :2], after.memory)
        return Outcome(self.observed(after), reached.astype(np.float64), reached, after.memory)

    def reached(self, xy: np.ndarray, goal: np.ndarray) -> np.ndarray:
        """Tell of places `xy [..., 2]` which are at the goal, bool `[...]`."""
        return np.linalg.norm(xy - goal, axis=-1) <= GOAL_RADIUS


# `init_qpos` is not used by gym's environments: the rest is the model's own.
REST = np.array([0.0, 0.0, 0.75, 1.0, *(0.0,) * 11])
ANTMAZE = {f"antmaze-{name}": AntMaze(f"antmaze-{name}", cells) for name, cells in MAZES.items()}


def _specification(maze: AntMaze) -> mujoco.MjSpec:
    """Return Gymnasium's Ant with what D4RL's differs in, among walls."""
    spec = mujoco.MjSpec.from_file(str(asset("ant.xml")))
    spec.option.timestep = TIMESTEP
    for actuator in spec.actuators:
        actuator.gear = [1.0, 0, 0, 0, 0, 0]
        actuator.ctrlrange = [-TORQUE, TORQUE]
    for row, line in enumerate(maze.cells):
        for column, cell in enumerate(line):
            if cell == "#":
                spec.worldbody.add_geom(
                    type=mujoco.mjtGeom.mjGEOM_BOX,
                    pos=[*maze.middle(row, column), WALL_HALF_HEIGHT],
                    size=[CELL / 2, CELL / 2, WALL_HALF_HEIGHT],
                    contype=1,
                    conaffinity=1,
                )
    for geom in spec.geoms:
        geom.solref, geom.solimp[:3] = SOLVER_REFERENCE, SOLVER_IMPEDANCE
    return spec
