"""Soft Actor-Critic with a learned temperature, in rlkit's order: temperature, critics, policy, targets.

Source: rlkit as vendored in d4rl_evaluations (bear/rlkit/torch/sac/sac.py): log α starts at 0, target entropy
-dim(A), the backup includes -α log π, twin critics with a minimum. It is what D4RL's behaviour policies were
trained with, and on a fixed buffer it is the paper's SAC baseline.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import struct

from plas_jax.algorithms.bellman import adam_moments, adam_step, bellman_target, polyak_average, squared_error
from plas_jax.models.gaussian_policy import GaussianPolicy, squashed_sample
from plas_jax.models.perceptron import rlkit_hidden, uniform_within
from plas_jax.models.twin_critics import TwinCritics
from plas_jax.types import Algorithm, Array, Axis, Metrics, Sizes, Transition


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
    """Every random array of one update, float32 `[batch, action]`."""

    action: Array
    next_action: Array


@struct.dataclass
class State:
    """Parameters, targets and Adam moments of one run."""

    sizes: Sizes
    policy: Any
    critics: Any
    critic_targets: Any
    log_temperature: Array
    policy_moments: Any
    critic_moments: Any
    temperature_moments: Any
    architecture: Architecture = struct.field(pytree_node=False)

    def policy_module(self) -> GaussianPolicy:
        """The policy's network."""
        return GaussianPolicy(self.sizes, self.architecture.policy_widths)

    def critics_module(self) -> TwinCritics:
        """The critics' networks, with rlkit's initial law."""
        return _critics(self.sizes, self.architecture)


def _critics(sizes: Sizes, architecture: Architecture) -> TwinCritics:
    return TwinCritics(sizes, architecture.critic_widths, rlkit_hidden, uniform_within(3e-3))


def init(key: Array, architecture: Architecture, sizes: Sizes) -> State:
    """The state before the first update; critic targets start as copies."""
    key_policy, key_critics = jax.random.split(key)
    observation, action = jnp.zeros((1, sizes.observation.padded)), jnp.zeros((1, sizes.action.padded))
    policy = GaussianPolicy(sizes, architecture.policy_widths).init(key_policy, observation)
    critics = _critics(sizes, architecture).init(key_critics, observation, action)
    log_temperature = jnp.zeros(())
    return State(
        sizes=sizes,
        policy=policy,
        critics=critics,
        critic_targets=jax.tree.map(jnp.copy, critics),
        log_temperature=log_temperature,
        policy_moments=adam_moments(policy),
        critic_moments=adam_moments(critics),
        temperature_moments=adam_moments(log_temperature),
        architecture=architecture,
    )


def padded_normal(key: Array, batch_size: int, axis: Axis) -> Array:
    """Standard normal `[batch_size, axis.padded]`, zero in the padding; the true part is the same at every padding."""
    return jax.random.normal(key, (axis.padded, batch_size)).T * axis.mask()


def noise(key: Array, architecture: Architecture, sizes: Sizes) -> Noise:
    """The random arrays of one update."""
    key_action, key_next_action = jax.random.split(key)
    shape = (architecture.batch_size, sizes.action)
    return Noise(padded_normal(key_action, *shape), padded_normal(key_next_action, *shape))


def sample(state: State, policy: Any, observation: Array, draw: Array) -> tuple[Array, Array]:
    """An action of the policy and its log density, `[batch, action]` and `[batch]`."""
    mean, log_std = state.policy_module().apply(policy, observation)
    return squashed_sample(mean, log_std, draw, state.sizes.action)


def temperature_loss(log_temperature: Array, log_density: Array, action_size: Array | int) -> tuple[Array, None]:
    """-log α · mean(log π - dim(A)): raises α while the entropy is below -dim(A)."""
    return -log_temperature * jax.lax.stop_gradient(log_density - action_size).mean(), None


def update(state: State, batch: Transition, noise: Noise, knobs: Knobs) -> tuple[State, Metrics]:
    """One update of temperature, critics, policy and targets."""
    critics_module, critic_values = state.critics_module(), state.critics_module().apply
    _, log_density = sample(state, state.policy, batch.observation, noise.action)
    log_temperature, temperature_moments, *_ = adam_step(
        lambda value: temperature_loss(value, log_density, state.sizes.action.true),
        state.log_temperature,
        state.temperature_moments,
        knobs.temperature_learning_rate,
    )
    temperature = jnp.exp(log_temperature)

    next_action, next_log_density = sample(state, state.policy, batch.next_observation, noise.next_action)
    next_q = critic_values(state.critic_targets, batch.next_observation, next_action).min(axis=-1)
    next_value = next_q - temperature * next_log_density
    target = jax.vmap(bellman_target, (0, 0, 0, None))(batch.reward, batch.bootstrap, next_value, knobs.discount)

    def critic_loss(critics: Any) -> tuple[Array, Array]:
        q_values = critics_module.apply(critics, batch.observation, batch.action)
        return squared_error(q_values, target), q_values

    critics, critic_moments, critic_error, q_values = adam_step(
        critic_loss, state.critics, state.critic_moments, knobs.critic_learning_rate
    )

    def policy_loss(policy: Any) -> tuple[Array, Array]:
        action, log_density = sample(state, policy, batch.observation, noise.action)
        q = critic_values(critics, batch.observation, action).min(axis=-1)
        return (temperature * log_density - q).mean(), log_density

    policy, policy_moments, _, log_density = adam_step(
        policy_loss, state.policy, state.policy_moments, knobs.policy_learning_rate
    )
    metrics = {"critic_loss": critic_error, "mean_q": q_values.mean(), "entropy": -log_density.mean()}
    state = state.replace(
        policy=policy,
        critics=critics,
        critic_targets=polyak_average(state.critic_targets, critics, knobs.polyak),
        log_temperature=log_temperature,
        policy_moments=policy_moments,
        critic_moments=critic_moments,
        temperature_moments=temperature_moments,
    )
    return state, metrics | {"temperature": temperature}


def act(state: State, observation: Array, knobs: Knobs) -> Array:
    """The deterministic policy tanh(mean), `[batch, action]`."""
    mean, _ = state.policy_module().apply(state.policy, observation)
    return jnp.tanh(mean)


SAC = Algorithm(init, noise, update, act)
