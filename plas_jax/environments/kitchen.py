"""The kitchen: a Franka arm that moves four things, D4RL's `kitchen-*-v0`.

Sources are lines of Farama-Foundation/D4RL@89141a6, folder `d4rl/kitchen`; the model files are gymnasium-robotics'.
There are no recordings of D4RL's own to compare with.
"""

from typing import NamedTuple

import mujoco
import numpy as np

from plas_jax.environments.d4rl_dynamics import (
    MARGINS_ARE_SUMMED_SINCE,
    mujoco_version,
    refuse_other_dynamics,
    robotics_asset,
)
from plas_jax.environments.robot import Moment, Outcome, Start

FRAME_SKIP = 40  # kitchen_multitask_v0.py:43
STEP = FRAME_SKIP * 0.002  # seconds
ARM = 9  # joints; the other 21 numbers of a position are the kitchen's
SPEED = 2.0  # act_amp, kitchen_multitask_v0.py:77: joint velocity of an action of 1, below every limit
# adept_envs/franka/robot/franka_config.xml: bounds of the arm's joints, and how much each of the 30 is misread.
LOW = np.array([-2.9, -1.8, -2.9, -3.1, -2.9, 0.0, -2.9, 0.0, 0.0])
HIGH = np.array([2.9, 1.8, 2.9, 0.0, 2.9, 3.8, 2.9, 0.04, 0.04])
MISREAD = np.array([0.1] * 9 + [0.005] * 2 + [0.0005] * 6 + [0.005] * 3 + [0.1] * 3 + [0.005] * 3 + [0.1] * 3 + [0.005])
NOISE = 0.1  # robot_noise_ratio, kitchen_multitask_v0.py:46
NEAR = 0.3  # BONUS_THRESH, kitchen_envs.py:27
# Where in a position an element stands, and where it is done: kitchen_envs.py:9-26.
ELEMENTS = {
    "bottom burner": ((11, 12), (-0.88, -0.01)),
    "light switch": ((17, 18), (-0.69, -0.05)),
    "slide cabinet": ((19,), (0.37,)),
    "microwave": ((22,), (-0.75,)),
    "kettle": ((23, 24, 25, 26, 27, 28, 29), (-0.23, 0.75, 1.62, 0.99, 0.0, 0.0, -0.06)),
}
# init_qpos, kitchen_multitask_v0.py:63-72.
REST = np.array([
    1.48388023e-01, -1.76848573e00, 1.84390296e00, -2.47685760e00, 2.60252026e-01, 7.12533105e-01, 1.59515394e00,
    4.79267505e-02, 3.71350919e-02, -2.66279850e-04, -5.18043486e-05, 3.12877220e-05, -4.51199853e-05, -3.90842156e-06,
    -4.22629655e-05, 6.28065475e-05, 4.04984708e-05, 4.62730939e-04, -2.26906415e-04, -4.65501369e-04, -6.44129196e-03,
    -1.77048263e-03, 1.08009684e-03, -2.69397440e-01, 3.50383255e-01, 1.61944683e00, 1.00618764e00, 4.06395120e-03,
    -6.62095997e-03, -2.68278933e-04,
])  # fmt: skip
READ = slice(2, 2 + len(REST))  # of a memory: what was last read; before it the seed and the count of readings
DONE = slice(READ.stop, READ.stop + 4)


class Kitchen(NamedTuple):
    """A task of four elements.

    `memory` is a seed, how often the joints were read, what was read last, and which elements have been done. Readings
    are noisy; the controller aims from them, and the reward is of them.
    """

    name: str
    elements: tuple[str, ...]
    observation_size: int = 2 * len(REST)
    action_size: int = ARM
    memory_size: int = DONE.stop
    readings_size: int = 0
    places: bool = False
    frame_skip: int = FRAME_SKIP

    @property
    def goal(self) -> np.ndarray:
        """Return the goal as an observation shows it, `[30]`: 0 where nothing is wanted."""
        goal = np.zeros(len(REST))
        for element in self.elements:
            where, wanted = ELEMENTS[element]
            goal[list(where)] = wanted
        return goal

    def model(self, dynamics: str) -> mujoco.MjModel:
        """Return the model, `KeyError` or `ValueError` for dynamics that are not D4RL's.

        Raises `ValueError`, one line, where gymnasium-robotics is not installed.
        """
        refuse_other_dynamics(self.name, dynamics)
        path = robotics_asset("kitchen_franka/kitchen_assets/kitchen_env_model.xml")
        model = mujoco.MjModel.from_xml_path(str(path))
        # In D4RL's file the arm's pedestal, which stands in the floor, touches nothing.
        pedestal = 1
        model.geom_contype[pedestal] = model.geom_conaffinity[pedestal] = 0
        if mujoco_version() >= MARGINS_ARE_SUMMED_SINCE:
            # The kitchen's margins are 0.001 and the arm's mostly 0: sums are the old maxima of pairs of the two, but
            # not of the arm and the kettle.
            model.geom_margin[model.geom_contype == 1] = 0.0
        return model

    def start(self, generator: np.random.Generator, model: mujoco.MjModel) -> Start:
        """Return D4RL's one start, with a seed for the noise of its readings."""
        memory = np.zeros(self.memory_size)
        memory[0] = generator.integers(2**32)
        return Start(REST.copy(), np.zeros(model.nv), self._reread(memory[None], REST[None])[0])

    def place(self, model: mujoco.MjModel, memory: np.ndarray) -> None:
        """Leave the model as it is."""

    def control(self, action: np.ndarray, before: Moment) -> np.ndarray:
        """Return joint positions to aim at: the last reading and a step's way at the wanted speed, in the bounds."""
        aim = before.memory[:, READ][:, :ARM] + SPEED * np.clip(action, -1.0, 1.0) * STEP
        return np.clip(aim, LOW, HIGH)

    def advance(self, model: mujoco.MjModel, data: mujoco.MjData) -> None:
        """Take one control step of one episode."""
        mujoco.mj_step(model, data, FRAME_SKIP)

    def read(self, data: mujoco.MjData, readings: np.ndarray) -> None:
        """Read nothing."""

    def observed(self, moment: Moment) -> np.ndarray:
        """Return the last readings and the goal, float64 `[episodes, 60]`."""
        read = moment.memory[:, READ]
        return np.concatenate([read, np.broadcast_to(self.goal, read.shape)], axis=-1)

    def outcome(self, before: Moment, after: Moment, action: np.ndarray) -> Outcome:
        """Return 1 for each element that is done for the first time, and an end where all are."""
        memory = self._reread(after.memory, after.position)
        done = (before.memory[:, DONE] > 0) | self.completed(memory[:, READ])
        reward = (done & ~(before.memory[:, DONE] > 0)).sum(axis=-1).astype(np.float64)
        memory[:, DONE] = done
        return Outcome(self.observed(after._replace(memory=memory)), reward, done.all(axis=-1), memory)

    def completed(self, read: np.ndarray) -> np.ndarray:
        """Tell of positions `[n, 30]` which elements are near their goals, bool `[n, 4]` (kitchen_envs.py:61-77)."""
        columns = []
        for element in self.elements:
            where, wanted = ELEMENTS[element]
            columns.append(np.linalg.norm(read[:, list(where)] - wanted, axis=-1) < NEAR)
        return np.stack(columns, axis=-1)

    def _reread(self, memory: np.ndarray, position: np.ndarray) -> np.ndarray:
        """Return memories with the next reading of each position, drawn from the seed and its number."""
        memory = memory.copy()
        for row, now in zip(memory, position, strict=True):
            noise = np.random.default_rng([int(row[0]), int(row[1])]).uniform(-1.0, 1.0, len(REST))
            row[READ] = now + NOISE * MISREAD * noise
            row[1] += 1
        return memory


SLIDER = ("microwave", "kettle", "light switch", "slide cabinet")  # kitchen_envs.py:83: -complete and -partial
BURNER = ("microwave", "kettle", "bottom burner", "light switch")  # kitchen_envs.py:86: -mixed
_TASKS = {"kitchen-complete": SLIDER, "kitchen-mixed": BURNER}
KITCHEN = {name: Kitchen(name, elements) for name, elements in _TASKS.items()}
