"""Control steps per second of our environments and of Gymnasium's vector environment, same policy, same cores."""

import statistics
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise

import gymnasium
import mujoco
import numpy as np

from plas_jax.environments.d4rl_dynamics import DYNAMICS
from plas_jax.environments.lockstep import Lockstep
from plas_jax.environments.locomotion import LOCOMOTION

GYMNASIUM = {"hopper": "Hopper-v4", "walker2d": "Walker2d-v4", "halfcheetah": "HalfCheetah-v4"}
WIDTHS = (400, 300)  # the paper's policy
ROUNDS = 3
Policy = Callable[[np.ndarray], np.ndarray]


def random_policy(observation_size: int, action_size: int) -> Policy:
    """Return a policy of the paper's widths, random weights: `[n, observation_size]` to float32 `[n, action_size]`."""
    generator = np.random.default_rng(0)
    sizes = (observation_size, *WIDTHS, action_size)
    weights = [
        (generator.standard_normal((fan_in, fan_out)) / np.sqrt(fan_in)).astype(np.float32)
        for fan_in, fan_out in pairwise(sizes)
    ]

    def act(observation: np.ndarray) -> np.ndarray:
        hidden = observation.astype(np.float32)
        for weight in weights[:-1]:
            hidden = np.maximum(hidden @ weight, 0)
        return np.tanh(hidden @ weights[-1])

    return act


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence what Gymnasium's models and ids set off: deprecations that a user of this command cannot act on."""
    previous = mujoco.get_mju_user_warning()
    mujoco.set_mju_user_warning(lambda _: None)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        mujoco.set_mju_user_warning(previous)


def vector_environment(name: str, copies: int) -> gymnasium.vector.VectorEnv:
    """Return Gymnasium's `SyncVectorEnv`, as `make_vec` gives it. Raises `ValueError`, one line, when it cannot."""
    try:
        with _quiet():
            return gymnasium.make_vec(GYMNASIUM[name], num_envs=copies, vectorization_mode="sync")
    except (ImportError, gymnasium.error.DependencyNotInstalled) as error:
        advice = "pip install 'plas_jax[test]'"
        raise ValueError(f"Gymnasium's own environments are needed ({error}): {advice}") from error


def gymnasium_speed(environments: gymnasium.vector.VectorEnv, policy: Policy, seconds: float) -> float:
    """Return control steps per second; finished episodes start again, in calls that count as steps."""
    observation, _ = environments.reset(seed=0)
    steps, start = 0, time.perf_counter()
    while (passed := time.perf_counter() - start) < seconds:
        observation, *_ = environments.step(policy(observation))
        steps += environments.num_envs
    return steps / passed


def lockstep_speed(lockstep: Lockstep, policy: Policy, seconds: float) -> float:
    """Return control steps per second; finished episodes start again at once, in the time that counts."""
    index, seed = np.arange(lockstep.episodes), lockstep.episodes
    observation = lockstep.reset(range(lockstep.episodes))
    steps, start = 0, time.perf_counter()
    while (passed := time.perf_counter() - start) < seconds:
        observation, _, terminated = lockstep.step(policy(observation), index)
        steps += lockstep.episodes
        finished = np.flatnonzero(terminated)
        if len(finished):
            observation[finished] = lockstep.reset(range(seed, seed + len(finished)), finished)
            seed += len(finished)
    return steps / passed


def compare(name: str, copies: int, episodes: int, seconds: float) -> dict[str, float]:
    """Return medians of interleaved measurements, by "SyncVectorEnv" and the name of the dynamics."""
    robot = LOCOMOTION[name]
    policy = random_policy(robot.observation_size, robot.action_size)
    environments = vector_environment(name, copies)
    ours = {dynamics: Lockstep(name, episodes, dynamics) for dynamics in DYNAMICS}
    rates: dict[str, list[float]] = {key: [] for key in ("SyncVectorEnv", *ours)}
    for _ in range(ROUNDS):
        rates["SyncVectorEnv"].append(gymnasium_speed(environments, policy, seconds))
        for dynamics, lockstep in ours.items():
            rates[dynamics].append(lockstep_speed(lockstep, policy, seconds))
    environments.close()
    for lockstep in ours.values():
        lockstep.close()
    return {key: statistics.median(measured) for key, measured in rates.items()}
