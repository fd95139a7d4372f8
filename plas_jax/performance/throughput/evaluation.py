"""How fast a batch of policies is evaluated, beside the bare physics of the very same episodes on the same threads.

An untrained policy falls at once, so the episodes are those of the shipped medium policy, recorded beforehand: at each
control step the batch's own policy is called and waited for, and the recorded action is played in place of its answer.
"""

import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from statistics import median
from typing import NamedTuple

import mujoco
import numpy as np

from plas_jax.datasets.catalogue import ENVIRONMENTS
from plas_jax.environments.lockstep import Lockstep, cores
from plas_jax.environments.locomotion import LOCOMOTION
from plas_jax.evaluation.returns import Stage, episode_seeds
from plas_jax.performance.throughput.cases import OBSERVATION, Case, acting_batch
from plas_jax.performance.throughput.processes import figures_by_round, starting_cold
from plas_jax.performance.throughput.request import ThroughputRequest
from plas_jax.performance.throughput.rows import Row, case_cells, case_columns
from plas_jax.recipes.behaviour_policy import load_policies, shipped

EPISODES = 10  # of each run, as the paper evaluates
DYNAMICS = "d4rl"
STEPS_PER_SECOND = 20_000  # so many would fit into the seconds asked for; longer episodes are cut
HEADING = """
algorithm      widths  runs  environment      steps/s    lowest to highest  physics/s  /physics"""


class Recorded(NamedTuple):
    """Episodes that were played: their seeds `[runs][episodes]`, and what was done in them."""

    robot: str
    seeds: list[list[int]]
    actions: list[np.ndarray]  # of each control step, float32 `[runs, episodes, action]`
    lengths: np.ndarray  # `[runs, episodes]`


def stage(robot: str, runs: int, horizon: int) -> Stage:
    """Return where so many runs are evaluated in one robot's environment."""
    return Stage([ENVIRONMENTS[robot]] * runs, EPISODES, horizon, DYNAMICS)


def recorded(robot: str, runs: int, horizon: int) -> Recorded:
    """Play every episode of every run with sampled actions of the shipped medium policy."""
    policies, _ = load_policies(shipped(robot))
    shape, generator = (runs * EPISODES, ENVIRONMENTS[robot].action_size), np.random.default_rng(0)
    actions: list[np.ndarray] = []

    def act(observation: np.ndarray, _: int) -> np.ndarray:
        flat = observation.reshape(runs * EPISODES, -1)
        actions.append(policies[-1].sample(flat, generator.standard_normal(shape)).reshape(runs, EPISODES, -1))
        return actions[-1]

    seeds, scene = [episode_seeds(run, 0, EPISODES) for run in range(runs)], stage(robot, runs, horizon)
    played = scene.play(act, seeds, np.ones(runs, bool), ENVIRONMENTS[robot].observation_size)
    scene.close()
    return Recorded(robot, seeds, actions, played.episode_length)


class BarePhysics:
    """The recorded episodes again with nothing but `mj_step`: an `MjData` for each, as many threads as evaluation has.

    A thread takes one episode after the other, the longest first, so that no thread ever waits for another.
    """

    def __init__(self, episodes: Recorded):
        lockstep = Lockstep(episodes.robot, episodes.lengths.size, DYNAMICS)
        lockstep.reset([seed for seeds in episodes.seeds for seed in seeds])
        lockstep.close()
        self.threads = cores()
        self._model, self._frames = lockstep.model, LOCOMOTION[episodes.robot].frame_skip
        self._starts = list(zip(lockstep.position.copy(), lockstep.velocity.copy(), strict=True))
        self.data = [mujoco.MjData(self._model) for _ in self._starts]
        every = np.stack(episodes.actions).astype(np.float64).reshape(len(episodes.actions), episodes.lengths.size, -1)
        self._actions = [list(every[:length, place]) for place, length in enumerate(episodes.lengths.ravel())]
        self._longest_first = np.argsort(-episodes.lengths.ravel(), kind="stable").tolist()

    def seconds(self) -> float:
        """Step every episode from its start to its end."""
        for data, (position, velocity) in zip(self.data, self._starts, strict=True):
            mujoco.mj_resetData(self._model, data)
            data.qpos[:], data.qvel[:] = position, velocity
            mujoco.mj_forward(self._model, data)
        queue = deque(self._longest_first)
        with ThreadPoolExecutor(self.threads) as pool:
            started = time.perf_counter()
            for thread in [pool.submit(self._step, queue) for _ in range(self.threads)]:
                thread.result()
            return time.perf_counter() - started

    def _step(self, queue: "deque[int]") -> None:
        model, frames, step = self._model, self._frames, mujoco.mj_step
        while True:
            try:
                episode = queue.popleft()
            except IndexError:  # another thread took the last one
                return
            data = self.data[episode]
            control = data.ctrl
            for action in self._actions[episode]:
                control[:] = action
                step(model, data, frames)


def evaluation_rates(case: Case, robot: str, horizon: int) -> Iterator[tuple[float, float]]:
    """Yield control steps/s of evaluating the case's policies and of the bare physics, for ever; the first is void."""
    episodes = recorded(robot, case.runs, horizon)
    bare = BarePhysics(episodes)
    policy, scene = acting_batch(case), stage(robot, case.runs, horizon)

    def act(observation: np.ndarray, step: int) -> np.ndarray:
        policy(observation, step)
        return episodes.actions[step]

    active, steps = np.ones(case.runs, bool), int(episodes.lengths.sum())
    policy(np.zeros((case.runs, EPISODES, OBSERVATION), np.float32), 0)  # compiles
    yield 0.0, 0.0
    while True:
        started = time.perf_counter()
        played = scene.play(act, episodes.seeds, active, OBSERVATION)
        passed = time.perf_counter() - started
        if not np.array_equal(played.episode_length, episodes.lengths):
            raise RuntimeError("the recorded actions did not lead to the recorded episodes")
        yield steps / passed, steps / bare.seconds()


def rows(request: ThroughputRequest) -> Iterator[Row]:
    """Measure evaluating every batch, a row for each robot. Raises `OSError` when a measuring process dies."""
    for case in request.batches():
        horizon = max(1, round(request.seconds * STEPS_PER_SECOND / (case.runs * EPISODES)))
        for robot in LOCOMOTION:
            with starting_cold(partial(evaluation_rates, case, robot, horizon), case.devices) as connection:
                rates = [rate for rate, _ in figures_by_round(connection, case, request.rounds)]
            ours, physics = zip(*rates, strict=True)
            yield {
                "measure": "evaluation",
                **case_columns(case),
                "environment": robot,
                "evaluation_steps_per_second": median(ours),
                "lowest_and_highest": [min(ours), max(ours)],
                "physics_steps_per_second": median(physics),
                "share_of_physics": median(mine / bare for mine, bare in rates),
            }


def line(row: Row) -> str:
    """Return one line of the table."""
    lowest, highest = row["lowest_and_highest"]
    return (
        f"{case_cells(row)}{row['environment']:>13s}"
        f"{row['evaluation_steps_per_second']:>13.0f}{f'{lowest:.0f} to {highest:.0f}':>21s}"
        f"{row['physics_steps_per_second']:>11.0f}{row['share_of_physics']:>10.1%}"
    )
