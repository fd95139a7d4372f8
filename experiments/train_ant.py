"""Train the Ant behind AntMaze's recipes: Soft Actor-Critic on open floor, told a new direction every few seconds.

usage: train_ant.py [--steps=100000] [--seed=0] [--output=results/ant]

The reward of a control step is the speed along the direction, at most 3 m/s, and 0.2, less 0.025 of the squared
action; falling costs 2 and ends an episode. It writes
`ant.npz`, a policy in the form of the other behaviours, with its provenance.
"""

import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from absl import flags
from flax import struct

from plas_jax.algorithms.bellman import bellman_targets, critic_loss, polyak_average
from plas_jax.algorithms.descent import Network, descend, network
from plas_jax.algorithms.divergences import temperature_loss
from plas_jax.commands.invocation import invoke
from plas_jax.environments.antmaze import REST, AntMaze
from plas_jax.environments.lockstep import Lockstep
from plas_jax.models.gaussian_policy import GaussianPolicy, squashed_sample
from plas_jax.models.layer_normalised_critics import LayerNormalisedCritics
from plas_jax.recipes.ant import FEATURES, motors, upright, view
from plas_jax.recipes.behaviour_policy import BehaviourPolicy, from_parameters, save_policies
from plas_jax.training.soundness import refuse_unsound_machine
from plas_jax.types import Array, Parameters, Sizes, Transition

FLAGS = flags.FlagValues()
flags.DEFINE_integer("steps", 100_000, "Control steps of all Ants together.", lower_bound=64, flag_values=FLAGS)
flags.DEFINE_integer("seed", 0, "Seed of the run.", lower_bound=0, flag_values=FLAGS)
flags.DEFINE_string("output", "results/ant", "Folder of the policy.", flag_values=FLAGS)

OPEN_FLOOR = AntMaze("antmaze-open", ("RG",))
ANTS, UPDATES = 32, 8  # side by side, and updates for each of their steps
WIDTHS, BATCH = (128, 128), 256
RATE, DISCOUNT, POLYAK, ENTROPY = 7e-4, 0.98, 0.01, 4  # the target entropy is -4
RANDOM_STEPS = 3_200  # uniform actions before the first update
EPISODE = 500  # steps at most
TURN_AFTER = (40, 120)  # steps in one direction, at least and below
FASTEST, ALIVE, EFFORT, FALL = 3.0, 0.2, 0.025, 2.0
SIZES = Sizes.of(FEATURES, 8)
POLICY = GaussianPolicy(SIZES, WIDTHS)
CRITICS = LayerNormalisedCritics(SIZES, WIDTHS)


@struct.dataclass
class State:
    """Policy, critics with their targets, and log α."""

    policy: Network
    critics: Network
    targets: Parameters
    log_temperature: Network


def first_state(key: Array) -> State:
    """Return the networks before the first update."""
    key_policy, key_critics = jax.random.split(key)
    seen, action = jnp.zeros((1, FEATURES)), jnp.zeros((1, 8))
    critics = CRITICS.init(key_critics, seen, action)
    return State(
        network(POLICY.init(key_policy, seen)),
        network(critics),
        jax.tree.map(jnp.copy, critics),
        network(jnp.zeros(())),
    )


def sample(policy: Parameters, seen: Array, key: Array) -> tuple[Array, Array]:
    """Return an action and its log density, `[batch, 8]` and `[batch]`."""
    mean, log_std = POLICY.apply(policy, seen)
    return squashed_sample(mean, log_std, jax.random.normal(key, mean.shape), SIZES.action)


def update(state: State, batch: Transition, key: Array) -> State:
    """Make one update of critics, policy, temperature and targets."""
    key_next, key_now = jax.random.split(key)
    temperature = jnp.exp(state.log_temperature.parameters)
    next_action, next_density = sample(state.policy.parameters, batch.next_observation, key_next)
    next_q = CRITICS.apply(state.targets, batch.next_observation, next_action).min(axis=-1)
    goal = bellman_targets(batch, next_q - temperature * next_density, DISCOUNT)
    critics, _, _ = descend(state.critics, lambda now: critic_loss(now, CRITICS, batch, goal), RATE)

    def policy_loss(policy: Parameters) -> tuple[Array, Array]:
        action, density = sample(policy, batch.observation, key_now)
        q = CRITICS.apply(critics.parameters, batch.observation, action).min(axis=-1)
        return (temperature * density - q).mean(), density

    policy, _, density = descend(state.policy, policy_loss, RATE)
    log_temperature, _, _ = descend(
        state.log_temperature, lambda value: temperature_loss(value, density, ENTROPY), RATE
    )
    targets = polyak_average(state.targets, critics.parameters, POLYAK)
    return replace(state, policy=policy, critics=critics, targets=targets, log_temperature=log_temperature)


@partial(jax.jit, donate_argnums=(0, 1))
def learn(state: State, rows: Transition, fresh: Transition, place: Array, key: Array) -> tuple[State, Transition]:
    """Append the fresh transitions at `place` and make the updates that belong to them."""
    rows = jax.tree.map(lambda all_, some: jax.lax.dynamic_update_slice_in_dim(all_, some, place, 0), rows, fresh)

    def one(state: State, number: Array) -> tuple[State, None]:
        key_batch, key_noise = jax.random.split(jax.random.fold_in(key, number))
        index = jax.random.randint(key_batch, (BATCH,), 0, place + ANTS)
        return update(state, jax.tree.map(lambda column: column[index], rows), key_noise), None

    updates = jnp.where(place < RANDOM_STEPS, 0, UPDATES)
    state = jax.lax.fori_loop(0, updates, lambda number, now: one(now, number)[0], state)
    return state, rows


class _Floor:
    """Ants on open floor, each with the direction that it is told."""

    def __init__(self, seed: int):
        self.generator = np.random.default_rng(seed)
        self.lockstep = Lockstep(OPEN_FLOOR, ANTS)
        self.direction = np.zeros((ANTS, 2))
        self.left, self.age = np.zeros(ANTS, int), np.full(ANTS, EPISODE)
        self.speeds: list[float] = []

    def renew(self) -> None:
        """Put those that fell, or had their time, on their legs again, and tell others a new direction."""
        for ant in np.flatnonzero(self.age >= EPISODE).tolist():
            position = REST + self.generator.uniform(-0.1, 0.1, 15)
            turn = self.generator.uniform(0, 2 * np.pi)
            position[3:7] = np.cos(turn / 2), 0, 0, np.sin(turn / 2)
            self.lockstep.set_state(ant, position, 0.1 * self.generator.standard_normal(14), np.full(2, 1e9))
            self.age[ant] = self.left[ant] = 0
        turning = np.flatnonzero(self.left == 0)
        angle = self.generator.uniform(0, 2 * np.pi, len(turning))
        self.direction[turning] = np.column_stack([np.cos(angle), np.sin(angle)])
        self.left[turning] = self.generator.integers(*TURN_AFTER, len(turning))

    def step(self, policy: BehaviourPolicy | None) -> Transition:
        """Take one control step of every Ant."""
        self.renew()
        lockstep, every = self.lockstep, np.arange(ANTS)
        before = lockstep.position.copy()
        seen = view(before, lockstep.velocity, self.direction)
        noise = self.generator.standard_normal((ANTS, 8))
        uniform = self.generator.uniform(-1, 1, (ANTS, 8)).astype(np.float32)
        action = uniform if policy is None else policy.sample(seen.features, noise)
        lockstep.step(motors(action.astype(float), seen.quarters), every)
        speed = ((lockstep.position[:, :2] - before[:, :2]) * self.direction).sum(axis=1) / 0.1
        fell = ~upright(lockstep.position)
        reward = np.clip(speed, -FASTEST, FASTEST) + ALIVE - EFFORT * np.square(action).sum(axis=1) - FALL * fell
        following = view(lockstep.position, lockstep.velocity, self.direction).features
        self.speeds.append(float(speed.mean()))
        self.left -= 1
        self.age = np.where(fell, EPISODE, self.age + 1)
        return Transition(seen.features, action, reward.astype(np.float32), following, 1 - fell.astype(np.float32))


class Progress(NamedTuple):
    """Where training is."""

    step: int
    speed: float  # m/s along the directions, over the last 100 steps of every Ant
    policy: BehaviourPolicy


def train(seed: int, steps: int) -> Iterator[Progress]:
    """Train; yields every 100 steps of every Ant."""
    rounds = -(-steps // ANTS)
    floor, state, key = _Floor(seed), first_state(jax.random.key(seed)), jax.random.key(seed + 1)
    shapes = ((FEATURES,), (8,), (), (FEATURES,), ())
    rows = Transition(*(jnp.zeros((rounds * ANTS, *shape)) for shape in shapes))
    policy = None
    for number in range(rounds):
        fresh = floor.step(policy)
        state, rows = learn(state, rows, fresh, jnp.int32(number * ANTS), jax.random.fold_in(key, number))
        if number * ANTS >= RANDOM_STEPS:
            policy = from_parameters(state.policy.parameters)
        if (number + 1) % 100 == 0 or number + 1 == rounds:
            yield Progress((number + 1) * ANTS, float(np.mean(floor.speeds[-100:])), policy or _of(state))


def _of(state: State) -> BehaviourPolicy:
    return from_parameters(state.policy.parameters)


def run() -> int:
    """Train and write the policy; return 0."""
    refuse_unsound_machine()
    folder, started = Path(FLAGS.output), time.monotonic()
    folder.mkdir(parents=True, exist_ok=True)
    for at in train(FLAGS.seed, FLAGS.steps):
        print(f"step {at.step:,}: {at.speed:.2f} m/s, {time.monotonic() - started:.0f} s", flush=True)
        provenance = {
            "trained_by": "experiments/train_ant.py",
            "seed": FLAGS.seed,
            "steps": [at.step],
            "updates": max(0, at.step - RANDOM_STEPS) // ANTS * UPDATES,
            "speed": round(at.speed, 3),
            "versions": {name: version(name) for name in ("jax", "jaxlib", "flax", "optax", "mujoco", "numpy")},
        }
        save_policies(folder / "ant.npz", [at.policy], provenance)
    return 0


def main() -> int:
    """Run the command; return its exit status."""
    return invoke(run, FLAGS, __doc__ or "")


if __name__ == "__main__":
    sys.exit(main())
