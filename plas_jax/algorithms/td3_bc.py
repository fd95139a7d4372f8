"""TD3+BC, "A Minimalist Approach to Offline Reinforcement Learning" (Fujimoto and Gu 2021): TD3 beside cloning.

Source: `TD3_BC.py` of the official code, and `main.py` for the normalised states. Order (`TD3_BC.py:101-155`):
critics; on every d-th update, counted from 1, the policy on the critics just updated, then both targets. Targets
stand still on the other updates.
"""

from dataclasses import replace
from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import struct

from plas_jax.algorithms.bellman import bellman_targets, critic_loss, polyak_average, smoothed
from plas_jax.algorithms.descent import Network, descend, is_due, network, taken
from plas_jax.algorithms.draws import normalised, normalised_batch, padded_normal
from plas_jax.models.deterministic_policy import DeterministicPolicy
from plas_jax.models.twin_critics import TwinCritics
from plas_jax.types import Algorithm, Array, Metrics, Parameters, Sizes, Statistics, Transition


class Architecture(NamedTuple):
    """What changes shapes."""

    policy_widths: tuple[int, ...] = (256, 256)
    critic_widths: tuple[int, ...] = (256, 256)
    batch_size: int = 256


class Knobs(NamedTuple):
    """What may be swept; any leaf may carry a sweep axis. The defaults are the official code's."""

    value_weight: Array | float = 2.5  # α
    discount: Array | float = 0.99  # γ
    polyak: Array | float = 0.005  # τ
    policy_learning_rate: Array | float = 3e-4
    critic_learning_rate: Array | float = 3e-4
    target_noise: Array | float = 0.2  # σ of target policy smoothing
    target_noise_limit: Array | float = 0.5  # c of target policy smoothing
    policy_delay: Array | float = 2  # d
    reward_shift: Array | float = 0.0  # added to every reward


class Noise(NamedTuple):
    """Every random array of one update, float32 `[batch, action]`, zero in the padding."""

    next_action: Array


@struct.dataclass
class State:
    """One run: policy and critics with their targets, the data's states in short, and how many updates there were."""

    sizes: Sizes
    policy: Network
    policy_target: Parameters
    critics: Network
    critic_targets: Parameters
    observation_mean: Array
    observation_std: Array
    updates: Array
    architecture: Architecture = struct.field(pytree_node=False)


def _critics(state: State) -> TwinCritics:
    return TwinCritics(state.sizes, state.architecture.critic_widths)


def init(key: Array, architecture: Architecture, sizes: Sizes, statistics: Statistics) -> State:
    """Return the state before the first update on data of these statistics; targets start as copies."""
    key_policy, key_critics = jax.random.split(key)
    observation, action = jnp.zeros((1, sizes.observation.padded)), jnp.zeros((1, sizes.action.padded))
    policy = DeterministicPolicy(sizes, architecture.policy_widths).init(key_policy, observation)
    critics = TwinCritics(sizes, architecture.critic_widths).init(key_critics, observation, action)
    return State(
        sizes=sizes,
        policy=network(policy),
        policy_target=jax.tree.map(jnp.copy, policy),
        critics=network(critics),
        critic_targets=jax.tree.map(jnp.copy, critics),
        observation_mean=jnp.array(statistics.observation_mean),
        observation_std=jnp.array(statistics.observation_std),
        updates=jnp.zeros((), jnp.int32),
        architecture=architecture,
    )


def noise(key: Array, architecture: Architecture, sizes: Sizes) -> Noise:
    """Return the random arrays of one update."""
    return Noise(padded_normal(key, architecture.batch_size, sizes.action))


def policy_action(state: State, policy: Parameters, observation: Array) -> Array:
    """Return the action of these policy parameters at normalised observations, `[batch, action]`."""
    return DeterministicPolicy(state.sizes, state.architecture.policy_widths).apply(policy, observation)


def target(state: State, batch: Transition, draw: Array, knobs: Knobs) -> Array:
    """Return the targets r + γ·min Q'(s', ã) at the target policy's smoothed action ã, `[batch]`."""
    next_action = policy_action(state, state.policy_target, batch.next_observation)
    next_action = smoothed(next_action, draw, knobs.target_noise, knobs.target_noise_limit)
    next_q = _critics(state).apply(state.critic_targets, batch.next_observation, next_action).min(axis=-1)
    batch = batch._replace(reward=batch.reward + knobs.reward_shift)
    return bellman_targets(batch, next_q, knobs.discount)


def policy_loss(
    policy: Parameters, state: State, critics: Parameters, batch: Transition, knobs: Knobs
) -> tuple[Array, Metrics]:
    """Return equation 3's -λ·mean Q1(s, π(s)) + mean (π(s) - a)², with λ = α / mean |Q1(s, π(s))| held fixed.

    The squares are averaged over the action's true dimensions. The paper's equation 5 has |Q| at the data's actions,
    the code at the policy's (`TD3_BC.py:136-155`).
    """
    action = policy_action(state, policy, batch.observation)
    q = _critics(state).apply(critics, batch.observation, action, method=TwinCritics.first)
    weight = jax.lax.stop_gradient(knobs.value_weight / jnp.abs(q).mean())
    cloning_error = state.sizes.action.mean(jnp.square(action - batch.action)).mean()
    return -weight * q.mean() + cloning_error, {"policy_value": q.mean(), "cloning_error": cloning_error}


def update(state: State, batch: Transition, noise: Noise, knobs: Knobs) -> tuple[State, Metrics]:
    """Make one update of the critics and, on every d-th, of policy and targets."""
    batch = normalised_batch(batch, state.observation_mean, state.observation_std)
    goal = target(state, batch, noise.next_action, knobs)
    critics, error, q_values = descend(
        state.critics,
        lambda parameters: critic_loss(parameters, _critics(state), batch, goal),
        knobs.critic_learning_rate,
    )
    policy, _, metrics = descend(
        state.policy,
        lambda parameters: policy_loss(parameters, state, critics.parameters, batch, knobs),
        knobs.policy_learning_rate,
    )
    policy_target = polyak_average(state.policy_target, policy.parameters, knobs.polyak)
    critic_targets = polyak_average(state.critic_targets, critics.parameters, knobs.polyak)

    updates = state.updates + 1
    policy, policy_target, critic_targets = taken(
        is_due(updates, knobs.policy_delay),
        (policy, policy_target, critic_targets),
        (state.policy, state.policy_target, state.critic_targets),
    )
    state = replace(
        state,
        policy=policy,
        policy_target=policy_target,
        critics=critics,
        critic_targets=critic_targets,
        updates=updates,
    )
    metrics |= {"critic_loss": error, "mean_q": q_values.mean(), "mean_absolute_q": jnp.abs(q_values).mean()}
    return state, metrics


def act(state: State, observation: Array, noise: None, knobs: Knobs) -> Array:
    """Return the deterministic policy at raw observations, `[states, action]`."""
    return policy_action(
        state, state.policy.parameters, normalised(observation, state.observation_mean, state.observation_std)
    )


def value(state: State, observation: Array, action: Array, knobs: Knobs) -> Array:
    """Return Q1 at raw observations, of rewards as they were shifted, `[states]`."""
    observation = normalised(observation, state.observation_mean, state.observation_std)
    return _critics(state).apply(state.critics.parameters, observation, action)[..., 0]


TD3_BC = Algorithm(init, noise, update, act, None, value)
