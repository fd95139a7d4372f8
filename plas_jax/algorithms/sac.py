"""Soft Actor-Critic with a learned temperature, in rlkit's order: temperature, critics, policy, targets.

Source: rlkit as vendored in d4rl_evaluations (bear/rlkit/torch/sac/sac.py): log α starts at 0, target entropy
-dim(A), the backup includes -α log π, twin critics with a minimum. It is what D4RL's behaviour policies were
trained with, and on a fixed buffer it is the paper's SAC baseline.

Critic targets start as copies, where rlkit draws them anew, and the policy ascends the critics just updated. The source
computes its loss on the critics before their step and differentiates it after: torch before 1.5 then multiplies new
weights with old activations, an accident that later versions refuse to run. That moves the policy by up to 4e-3 of a
tensor's largest weight within twenty updates.
"""

from dataclasses import replace
from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import struct

from plas_jax.algorithms.bellman import bellman_targets, critic_loss, polyak_average
from plas_jax.algorithms.descent import Network, descend, network
from plas_jax.algorithms.divergences import temperature_loss
from plas_jax.algorithms.draws import padded_normal
from plas_jax.models.gaussian_policy import GaussianPolicy, bounded_log_slope, squashed_sample
from plas_jax.models.perceptron import rlkit_hidden, uniform_within
from plas_jax.models.twin_critics import TwinCritics
from plas_jax.types import Algorithm, Array, Metrics, Parameters, Sizes, Transition


class Architecture(NamedTuple):
    """What changes shapes. The defaults are rlkit's."""

    policy_widths: tuple[int, ...] = (256, 256)
    critic_widths: tuple[int, ...] = (256, 256)
    batch_size: int = 256


class Knobs(NamedTuple):
    """What may be swept; any leaf may carry a sweep axis. The defaults are rlkit's."""

    discount: Array | float = 0.99
    polyak: Array | float = 5e-3
    policy_learning_rate: Array | float = 3e-4
    critic_learning_rate: Array | float = 3e-4
    temperature_learning_rate: Array | float = 3e-4


class Noise(NamedTuple):
    """Every random array of one update, float32 `[batch, action]`, zero in the padding."""

    action: Array
    next_action: Array


@struct.dataclass
class State:
    """One run: policy, critics with their targets, and log α."""

    sizes: Sizes
    policy: Network
    critics: Network
    critic_targets: Parameters
    log_temperature: Network
    architecture: Architecture = struct.field(pytree_node=False)


def _critics(sizes: Sizes, architecture: Architecture) -> TwinCritics:
    return TwinCritics(sizes, architecture.critic_widths, rlkit_hidden, uniform_within(3e-3))


def init(key: Array, architecture: Architecture, sizes: Sizes) -> State:
    """Return the state before the first update; critic targets start as copies."""
    key_policy, key_critics = jax.random.split(key)
    observation, action = jnp.zeros((1, sizes.observation.padded)), jnp.zeros((1, sizes.action.padded))
    policy = GaussianPolicy(sizes, architecture.policy_widths).init(key_policy, observation)
    critics = _critics(sizes, architecture).init(key_critics, observation, action)
    return State(
        sizes=sizes,
        policy=network(policy),
        critics=network(critics),
        critic_targets=jax.tree.map(jnp.copy, critics),
        log_temperature=network(jnp.zeros(())),
        architecture=architecture,
    )


def noise(key: Array, architecture: Architecture, sizes: Sizes) -> Noise:
    """Return the random arrays of one update."""
    key_action, key_next_action = jax.random.split(key)
    batch_size = architecture.batch_size
    return Noise(
        padded_normal(key_action, batch_size, sizes.action), padded_normal(key_next_action, batch_size, sizes.action)
    )


def sample(state: State, policy: Parameters, observation: Array, draw: Array) -> tuple[Array, Array]:
    """Return an action of the policy and its log density, `[batch, action]` and `[batch]`."""
    mean, log_std = GaussianPolicy(state.sizes, state.architecture.policy_widths).apply(policy, observation)
    return squashed_sample(mean, log_std, draw, state.sizes.action, bounded_log_slope)


def target(state: State, batch: Transition, draw: Array, temperature: Array, discount: Array | float) -> Array:
    """Return the soft target r + γ·(min Q'(s', a') - α log π(a' | s')), `[batch]`."""
    next_action, log_density = sample(state, state.policy.parameters, batch.next_observation, draw)
    critics = _critics(state.sizes, state.architecture)
    next_q = critics.apply(state.critic_targets, batch.next_observation, next_action).min(axis=-1)
    next_value = next_q - temperature * log_density
    return bellman_targets(batch, next_value, discount)


def policy_loss(
    policy: Parameters, state: State, critics: Parameters, batch: Transition, draw: Array, temperature: Array
) -> tuple[Array, Array]:
    """Return the mean of α log π - min Q at the policy's own action, and log π `[batch]`."""
    action, log_density = sample(state, policy, batch.observation, draw)
    q = _critics(state.sizes, state.architecture).apply(critics, batch.observation, action).min(axis=-1)
    return (temperature * log_density - q).mean(), log_density


def update(state: State, batch: Transition, noise: Noise, knobs: Knobs) -> tuple[State, Metrics]:
    """Make one update of temperature, critics, policy and targets."""
    _, log_density = sample(state, state.policy.parameters, batch.observation, noise.action)
    log_temperature, _, _ = descend(
        state.log_temperature,
        lambda value: temperature_loss(value, log_density, state.sizes.action.true),
        knobs.temperature_learning_rate,
    )
    temperature = jnp.exp(log_temperature.parameters)
    goal = target(state, batch, noise.next_action, temperature, knobs.discount)
    critics, error, q_values = descend(
        state.critics,
        lambda parameters: critic_loss(parameters, _critics(state.sizes, state.architecture), batch, goal),
        knobs.critic_learning_rate,
    )
    policy, _, log_density = descend(
        state.policy,
        lambda parameters: policy_loss(parameters, state, critics.parameters, batch, noise.action, temperature),
        knobs.policy_learning_rate,
    )
    state = replace(
        state,
        policy=policy,
        critics=critics,
        critic_targets=polyak_average(state.critic_targets, critics.parameters, knobs.polyak),
        log_temperature=log_temperature,
    )
    metrics = {"critic_loss": error, "mean_q": q_values.mean(), "mean_absolute_q": jnp.abs(q_values).mean()}
    return state, metrics | {"entropy": -log_density.mean(), "temperature": temperature}


def act(state: State, observation: Array, noise: None, knobs: Knobs) -> Array:
    """Return the deterministic policy tanh(mean), `[batch, action]`."""
    module = GaussianPolicy(state.sizes, state.architecture.policy_widths)
    return jnp.tanh(module.apply(state.policy.parameters, observation)[0])


def value(state: State, observation: Array, action: Array, knobs: Knobs) -> Array:
    """Return Q1, `[states]`."""
    return _critics(state.sizes, state.architecture).apply(state.critics.parameters, observation, action)[..., 0]


SAC = Algorithm(init, noise, update, act, None, value)
