"""Training behaviour policies: Soft Actor-Critic in D4RL's dynamics, one update for each control step.

D4RL's medium data come from a SAC policy stopped early, its medium-replay data from that run's replay buffer
(D4RL, section 5). `train` yields after each chunk, so that its caller can log, snapshot and save.
"""

from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from plas_jax.algorithms import sac
from plas_jax.environments.lockstep import Lockstep
from plas_jax.environments.locomotion import HORIZON, LOCOMOTION
from plas_jax.recipes.behaviour_policy import BehaviourPolicy, from_parameters
from plas_jax.recipes.rollout import Columns, named
from plas_jax.types import Array, Sizes, Transition

# The shipped actors have 128 units so that a ladder of ten fits the repository; the critics keep rlkit's 256.
ARCHITECTURE = sac.Architecture(policy_widths=(128, 128), critic_widths=(256, 256), batch_size=128)
RANDOM_STEPS = 5_000  # uniform actions before the first update
LEARNING_RATE = 3e-4  # rlkit's, of every network; 1e-3 gets to an expert in a third of the steps
REFILL_STEPS = 25_000  # of the policy's own before a run without its old transitions learns on
CHUNK = 50  # control steps, then as many updates


class Replay(NamedTuple):
    """Every transition so far, in arrays of the run's final length, and how many there are."""

    rows: Transition
    size: Array


class Checkpoint(NamedTuple):
    """What a run needs to go on: how many control steps it has done, its networks, its transitions."""

    step: int
    state: sac.State
    replay: Replay


class Progress(NamedTuple):
    """What `train` yields after a chunk: where it is, its rows, and the returns of the episodes that ended in it."""

    checkpoint: Checkpoint
    columns: Columns  # 50 rows in the layout of D4RL's v2 files
    returns: list[float]  # of sampled actions


def robot_sizes(environment: str) -> Sizes:
    """Return the dimensions of an environment's data."""
    robot = LOCOMOTION[environment]
    return Sizes.of(robot.observation_size, robot.action_size)


def first_checkpoint(environment: str, seed: int, steps: int) -> Checkpoint:
    """Return the run before its first step, with room for `steps` transitions."""
    sizes = robot_sizes(environment)
    state = sac.init(jax.random.fold_in(jax.random.key(seed), 0), ARCHITECTURE, sizes)
    observation, action = sizes.observation.padded, sizes.action.padded
    shapes = ((observation,), (action,), (), (observation,), ())
    rows = Transition(*(jnp.zeros((steps, *shape)) for shape in shapes))
    return Checkpoint(0, state, Replay(rows, jnp.zeros((), jnp.int32)))


def _appended(replay: Replay, fresh: Transition) -> Replay:
    rows = jax.tree.map(
        lambda column, some: jax.lax.dynamic_update_slice_in_dim(column, some, replay.size, 0), replay.rows, fresh
    )
    return Replay(rows, replay.size + len(fresh.reward))


append = jax.jit(_appended, donate_argnums=0)


@partial(jax.jit, donate_argnums=(0, 1))
def learn(
    state: sac.State, replay: Replay, fresh: Transition, key: Array, knobs: sac.Knobs
) -> tuple[sac.State, Replay]:
    """Append the fresh transitions and do one update for each of them."""
    replay = _appended(replay, fresh)

    def one(state: sac.State, update: Array) -> tuple[sac.State, None]:
        key_batch, key_noise = jax.random.split(jax.random.fold_in(key, update))
        index = jax.random.randint(key_batch, (state.architecture.batch_size,), 0, replay.size)
        batch = jax.tree.map(lambda column: column[index], replay.rows)
        noise = sac.noise(key_noise, state.architecture, state.sizes)
        return sac.update(state, batch, noise, knobs)[0], None

    state, _ = jax.lax.scan(one, state, jnp.arange(len(fresh.reward)))
    return state, replay


class _Actor:
    """One environment that is acted in for ever, restarted at each end."""

    def __init__(self, environment: str, seed: int):
        self.lockstep, self.seed = Lockstep(environment, 1), seed
        self.length, self.episode_return = HORIZON, 0.0
        self.observation = np.zeros(0)

    def collect(self, step: int, policy: BehaviourPolicy | None) -> tuple[Columns, list[float]]:
        """Collect a chunk of rows, uniform actions without a policy, and the returns of the episodes it ended."""
        # Drawn from the step alone, so that a resumed run needs no saved generator.
        generator = np.random.default_rng([self.seed, step])
        rows, returns = [], []
        shape = (1, self.lockstep.robot.action_size)
        for _ in range(CHUNK):
            if self.length >= HORIZON:
                self.observation = self.lockstep.reset([int(generator.integers(2**32))])[0]
                self.length, self.episode_return = 0, 0.0
            if policy is None:
                action = generator.uniform(-1.0, 1.0, shape).astype(np.float32)
            else:
                action = policy.sample(self.observation[None], generator.standard_normal(shape))
            state = self.lockstep.position[0].copy(), self.lockstep.velocity[0].copy()
            following, reward, terminated = self.lockstep.step(action, np.zeros(1, int))
            self.episode_return += float(reward[0])
            self.length += 1
            # Never both on one row. The terminal counts here, for it is what the critics learn from.
            timeout = self.length >= HORIZON and not terminated[0]
            rows.append((self.observation, action[0], reward[0], terminated[0], timeout, following[0], *state))
            self.observation = following[0]
            if terminated[0] or timeout:
                returns.append(self.episode_return)
                self.length = HORIZON
        return named(zip(*rows, strict=True)), returns


def transitions(columns: Columns) -> Transition:
    """Return the rows as the critics see them: next observations as they were, also where the time limit cut."""
    bootstrap = 1.0 - columns["terminals"].astype(np.float32)
    return Transition(
        columns["observations"], columns["actions"], columns["rewards"], columns["next_observations"], bootstrap
    )


def train(
    environment: str, seed: int, steps: int, start: Checkpoint | None = None, learning_rate: float = LEARNING_RATE
) -> Iterator[Progress]:
    """Train to `steps` control steps from scratch or from `start`, which is donated; yields after each chunk of 50.

    A resumed run starts a new episode, so it is not bit for bit the unbroken one: its provenance names the seam.
    """
    actor = _Actor(environment, seed)
    key = jax.random.fold_in(jax.random.key(seed), 1)
    knobs = sac.Knobs(
        policy_learning_rate=learning_rate,
        critic_learning_rate=learning_rate,
        temperature_learning_rate=learning_rate,
    )
    step, state, replay = start or first_checkpoint(environment, seed, steps)
    wanted = RANDOM_STEPS if int(replay.size) == step else REFILL_STEPS
    while step < steps:
        uniform = step < RANDOM_STEPS
        columns, returns = actor.collect(step, None if uniform else from_parameters(state.policy.parameters))
        fresh = transitions(columns)
        if int(replay.size) < wanted:
            replay = append(replay, fresh)
        else:
            state, replay = learn(state, replay, fresh, jax.random.fold_in(key, step), knobs)
        step += CHUNK
        yield Progress(Checkpoint(step, state, replay), columns, returns)
