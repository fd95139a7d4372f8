"""Training behaviour policies: Soft Actor-Critic in D4RL's dynamics, one update for each control step.

D4RL's medium data come from a SAC policy stopped early, its medium-replay data from that run's replay buffer
(paper section 5, D4RL appendix). `train` yields after each chunk, so that its caller can log, snapshot and save.
"""

from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from plas_jax.algorithms import sac
from plas_jax.environments.lockstep import Lockstep
from plas_jax.environments.locomotion import HORIZON
from plas_jax.recipes.behaviour_policy import from_parameters
from plas_jax.types import Array, Sizes, Transition

# The shipped actors have 128 units so that a ladder of ten fits the repository; the critics keep rlkit's 256.
ARCHITECTURE = sac.Architecture(policy_widths=(128, 128), critic_widths=(256, 256), batch_size=128)
RANDOM_STEPS = 5_000  # uniform actions before the first update
CHUNK = 50  # control steps, then as many updates


class Replay(NamedTuple):
    """Every transition so far, in arrays of the run's final length, and how many there are."""

    rows: Transition
    size: Array


class Progress(NamedTuple):
    """What `train` yields after a chunk."""

    step: int
    state: sac.State
    replay: Replay
    returns: list[float]  # of the episodes that ended in this chunk, sampled actions


def empty_replay(capacity: int, sizes: Sizes) -> Replay:
    """No transitions, room for `capacity`."""
    observation, action = sizes.observation.padded, sizes.action.padded
    widths = Transition((observation,), (action,), (), (observation,), ())
    return Replay(Transition(*(jnp.zeros((capacity, *width)) for width in widths)), jnp.zeros((), jnp.int32))


@partial(jax.jit, donate_argnums=(0, 1))
def learn(state: sac.State, replay: Replay, fresh: Transition, key: Array) -> tuple[sac.State, Replay]:
    """Append the fresh transitions and do one update for each of them."""
    rows = jax.tree.map(
        lambda all_rows, some: jax.lax.dynamic_update_slice_in_dim(all_rows, some, replay.size, 0), replay.rows, fresh
    )
    size = replay.size + len(fresh.reward)

    def one(state: sac.State, update: Array) -> tuple[sac.State, None]:
        key_batch, key_noise = jax.random.split(jax.random.fold_in(key, update))
        index = jax.random.randint(key_batch, (state.architecture.batch_size,), 0, size)
        batch = jax.tree.map(lambda row: row[index], rows)
        noise = sac.noise(key_noise, state.architecture, state.sizes)
        return sac.update(state, batch, noise, sac.Knobs())[0], None

    state, _ = jax.lax.scan(one, state, jnp.arange(len(fresh.reward)))
    return state, Replay(rows, size)


class _Episode:
    """One environment that is acted in for ever, restarted at each end."""

    def __init__(self, environment: str, seed: int):
        self.lockstep, self.seed = Lockstep(environment, 1), seed
        self.count, self.length, self.episode_return = 0, HORIZON, 0.0
        self.observation = np.zeros(0)

    def restart(self, step: int) -> None:
        self.observation = self.lockstep.reset([hash_seed(self.seed, step)])[0]
        self.length, self.episode_return = 0, 0.0

    def collect(self, step: int, policy: object, uniform: bool) -> tuple[Transition, list[float]]:
        generator = np.random.default_rng([self.seed, step])
        columns: list[tuple] = []
        returns: list[float] = []
        size = self.lockstep.locomotion.action_size
        for offset in range(CHUNK):
            if self.length >= HORIZON:
                self.restart(step + offset)
            if uniform:
                action = generator.uniform(-1.0, 1.0, (1, size)).astype(np.float32)
            else:
                action = policy.sample(self.observation[None], generator.standard_normal((1, size)))  # type: ignore[attr-defined]
            following, reward, terminated = self.lockstep.step(action, np.zeros(1, int))
            columns.append((self.observation, action[0], reward[0], following[0], 1.0 - terminated[0]))
            self.observation = following[0]
            self.episode_return += float(reward[0])
            self.length += 1
            if terminated[0] or self.length >= HORIZON:
                returns.append(self.episode_return)
                self.length = HORIZON
        return Transition(*(np.asarray(column, np.float32) for column in zip(*columns, strict=True))), returns


def hash_seed(*entropy: int) -> int:
    """A 32-bit seed from several numbers."""
    return int(np.random.SeedSequence(entropy).generate_state(1)[0])


def train(
    environment: str, seed: int, steps: int, resume: tuple[int, sac.State, Replay] | None = None
) -> Iterator[Progress]:
    """Train from scratch, or from `resume`, up to `steps` control steps; yields after each chunk of 50."""
    episode = _Episode(environment, seed)
    sizes = Sizes.of(episode.lockstep.locomotion.observation_size, episode.lockstep.locomotion.action_size)
    key_init, key_learn = jax.random.split(jax.random.key(seed))
    if resume is None:
        resume = (0, sac.init(key_init, ARCHITECTURE, sizes), empty_replay(steps, sizes))
    start, state, replay = resume
    for step in range(start, steps, CHUNK):
        policy = from_parameters(state.policy.parameters)
        uniform = int(replay.size) < RANDOM_STEPS
        fresh, returns = episode.collect(step, policy, uniform)
        if uniform:
            replay = append(replay, fresh)
        else:
            state, replay = learn(state, replay, fresh, jax.random.fold_in(key_learn, step))
        yield Progress(step + CHUNK, state, replay, returns)


@partial(jax.jit, donate_argnums=0)
def append(replay: Replay, fresh: Transition) -> Replay:
    """Append transitions without learning."""
    rows = jax.tree.map(
        lambda all_rows, some: jax.lax.dynamic_update_slice_in_dim(all_rows, some, replay.size, 0), replay.rows, fresh
    )
    return Replay(rows, replay.size + len(fresh.reward))
