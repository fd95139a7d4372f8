"""Maze2D: D4RL's particle in a maze, `maze2d-{umaze,medium,large}-v1` on MuJoCo 2.1.0.

Sources are lines of Farama-Foundation/D4RL@89141a6, `d4rl/pointmaze/maze_model.py` unless another file is named.
"""

from typing import NamedTuple

import mujoco
import numpy as np

from plas_jax.environments.d4rl_dynamics import halve_margins, refuse_other_dynamics
from plas_jax.environments.robot import Moment, Outcome, Start

# Rows of cells along x, walls marked #, the goal G: U_MAZE, MEDIUM_MAZE and LARGE_MAZE, lines 85-132.
MAZES = {
    "umaze": ("#####", "#GOO#", "###O#", "#OOO#", "#####"),
    "medium": ("########", "#OO##OO#", "#OO#OOO#", "##OOO###", "#OO#OOO#", "#O#OO#O#", "#OOO#OG#", "########"),
    "large": (
        "############", "#OOOO#OOOOO#", "#O##O#O#O#O#", "#OOOOOO#OOO#", "#O####O###O#", "#OO#O#OOOOO#",
        "##O#O#O#O###", "#OO#OOO#OGO#", "############",
    ),
}  # fmt: skip
GOAL_RADIUS = 0.5  # step, line 191
VELOCITY_LIMIT = 5.0  # clip_velocity, line 218
START_NOISE = 0.1  # reset_model, line 222: ± in position, and the standard deviation of the velocity
# point_maze, lines 33-82. The world's walls stand one further than the maze's cells, and the particle's zero 1.2, so
# that a cell's middle is 0.2 off its name: D4RL's own.
WORLD = """
<mujoco model="point_maze">
  <compiler inertiafromgeom="true" angle="radian"/>
  <option timestep="0.01" gravity="0 0 0" iterations="20" integrator="Euler"/>
  <default>
    <joint damping="1" limited="false"/>
    <geom friction=".5 .1 .1" density="1000" margin="0.002" condim="1" contype="2" conaffinity="1"/>
  </default>
  <worldbody>
    <geom name="ground" size="40 40 0.25" pos="0 0 -0.1" type="plane" contype="1" conaffinity="0"/>
    <body name="particle" pos="1.2 1.2 0">
      <geom name="particle_geom" type="sphere" size="0.1" contype="1"/>
      <joint name="ball_x" type="slide" pos="0 0 0" axis="1 0 0"/>
      <joint name="ball_y" type="slide" pos="0 0 0" axis="0 1 0"/>
    </body>
{walls}
  </worldbody>
  <actuator>
    <motor joint="ball_x" ctrlrange="-1 1" ctrllimited="true" gear="100"/>
    <motor joint="ball_y" ctrlrange="-1 1" ctrllimited="true" gear="100"/>
  </actuator>
</mujoco>
"""
WALL = '    <geom conaffinity="1" type="box" pos="{x} {y} 0" size="0.5 0.5 0.2"/>'


class Maze2D(NamedTuple):
    """One maze. `memory` is the goal's xy, the same in every episode."""

    name: str
    cells: tuple[str, ...]
    observation_size: int = 4
    action_size: int = 2
    memory_size: int = 2
    readings_size: int = 0
    places: bool = False
    frame_skip: int = 1

    @property
    def goal(self) -> tuple[int, int]:
        """Return the goal's cell, which is also its xy."""
        return self.marked("G")[0]

    @property
    def free(self) -> list[tuple[int, int]]:
        """List the cells that are no walls in D4RL's order: the goal's last."""
        return [*self.marked("O"), self.goal]

    def marked(self, mark: str) -> list[tuple[int, int]]:
        """List the cells with this mark, row by row."""
        return [(x, y) for x, row in enumerate(self.cells) for y, cell in enumerate(row) if cell == mark]

    def model(self, dynamics: str) -> mujoco.MjModel:
        """Return the model, `KeyError` or `ValueError` for dynamics that are not D4RL's."""
        refuse_other_dynamics(self.name, dynamics)
        walls = "\n".join(WALL.format(x=x + 1.0, y=y + 1.0) for x, y in self.marked("#"))
        model = mujoco.MjModel.from_xml_string(WORLD.format(walls=walls))
        halve_margins(model)
        # MuJoCo 3 leaves the axis that the particle cannot move along out of this mean of its inverse inertias, which
        # softens contacts; before, that axis counted as 0.
        particle = model.body("particle").id
        model.body_invweight0[particle, 0] = 2 / 3 / model.body_mass[particle]
        return model

    def start(self, generator: np.random.Generator, model: mujoco.MjModel) -> Start:
        """Draw a start in any free cell, lines 221-228."""
        cell = self.free[generator.integers(len(self.free))]
        position = np.array(cell, float) + generator.uniform(-START_NOISE, START_NOISE, 2)
        return Start(position, START_NOISE * generator.standard_normal(2), np.array(self.goal, float))

    def place(self, model: mujoco.MjModel, memory: np.ndarray) -> None:
        """Leave the model as it is: the particle does not feel the goal."""

    def control(self, action: np.ndarray, before: Moment) -> np.ndarray:
        """Return the actions clipped to ±1."""
        return np.clip(action, -1.0, 1.0)

    def advance(self, model: mujoco.MjModel, data: mujoco.MjData) -> None:
        """Take one control step, which is one of the simulator's, with the velocity clipped before it."""
        np.clip(data.qvel, -VELOCITY_LIMIT, VELOCITY_LIMIT, out=data.qvel)
        mujoco.mj_step(model, data)

    def read(self, data: mujoco.MjData, readings: np.ndarray) -> None:
        """Read nothing."""

    def observed(self, moment: Moment) -> np.ndarray:
        """Return position and velocity, float64 `[episodes, 4]`."""
        return np.concatenate([moment.position, moment.velocity], axis=-1)

    def outcome(self, before: Moment, after: Moment, action: np.ndarray) -> Outcome:
        """Return 1 where the particle is now within half a cell of the goal; no episode ends before its horizon."""
        reward = self.reward(after.position, after.memory)
        return Outcome(self.observed(after), reward, np.zeros(len(reward), bool), after.memory)

    def reward(self, position: np.ndarray, goal: np.ndarray | tuple[int, int]) -> np.ndarray:
        """Return the reward of being at `position [..., 2]`, float64 `[...]`."""
        return (np.linalg.norm(position - goal, axis=-1) <= GOAL_RADIUS).astype(np.float64)


MAZE2D = {f"maze2d-{name}": Maze2D(f"maze2d-{name}", cells) for name, cells in MAZES.items()}
