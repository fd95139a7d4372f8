"""Offline-TD3, the baseline of the paper's section 5: TD3 as it is, on a fixed data set (Fujimoto et al. 2018).

The paper gives no hyper-parameters. These are of TD3_BC's official code without its term of behaviour cloning and
without normalised states, as in d3rlpy's reproduction (`reproductions/offline/td3.py:21-28`). Order, as in
`TD3_BC.py:101-155`: critics; on every d-th update, counted from 1, the policy on the critics just updated, then both
targets. Targets stand still on the other updates.
"""

from dataclasses import replace
from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import struct

from plas_jax.algorithms.bellman import bellman_targets, critic_loss, polyak_average, smoothed
from plas_jax.algorithms.descent import Network, descend, is_due, network, taken
from plas_jax.algorithms.draws import padded_normal
from plas_jax.models.deterministic_policy import DeterministicPolicy
from plas_jax.models.twin_critics import TwinCritics
from plas_jax.types import Algorithm, Array, Metrics, Parameters, Sizes, Transition


class Architecture(NamedTuple):
    """What changes shapes. The paper's robot has widths of 64."""

    policy_widths: tuple[int, ...] = (256, 256)
    critic_widths: tuple[int, ...] = (256, 256)
    batch_size: int = 256


class Knobs(NamedTuple):
    """What may be swept; any leaf may carry a sweep axis."""

    discount: Array | float = 0.99  # γ
    polyak: Array | float = 0.005  # τ
    policy_learning_rate: Array | float = 3e-4
    critic_learning_rate: Array | float = 3e-4
    target_noise: Array | float = 0.2  # σ of target policy smoothing
    target_noise_limit: Array | float = 0.5  # c of target policy smoothing
    policy_delay: Array | float = 2  # d


class Noise(NamedTuple):
    """Every random array of one update, float32 `[batch, action]`, zero in the padding."""

    next_action: Array


@struct.dataclass
class State:
    """One run: policy and critics with their targets, and how many updates there were."""

    sizes: Sizes
    policy: Network
    policy_target: Parameters
    critics: Network
    critic_targets: Parameters
    updates: Array
    architecture: Architecture = struct.field(pytree_node=False)


def _critics(state: State) -> TwinCritics:
    return TwinCritics(state.sizes, state.architecture.critic_widths)


def init(key: Array, architecture: Architecture, sizes: Sizes) -> State:
    """Return the state before the first update; targets start as copies."""
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
        updates=jnp.zeros((), jnp.int32),
        architecture=architecture,
    )


def noise(key: Array, architecture: Architecture, sizes: Sizes) -> Noise:
    """Return the random arrays of one update."""
    return Noise(padded_normal(key, architecture.batch_size, sizes.action))


def policy_action(state: State, policy: Parameters, observation: Array) -> Array:
    """Return the action of these policy parameters, `[batch, action]`."""
    return DeterministicPolicy(state.sizes, state.architecture.policy_widths).apply(policy, observation)


def target(state: State, batch: Transition, draw: Array, knobs: Knobs) -> Array:
    """Return the targets r + γ·min Q'(s', ã) at the target policy's smoothed action ã, `[batch]`."""
    next_action = policy_action(state, state.policy_target, batch.next_observation)
    next_action = smoothed(next_action, draw, knobs.target_noise, knobs.target_noise_limit)
    next_q = _critics(state).apply(state.critic_targets, batch.next_observation, next_action).min(axis=-1)
    return bellman_targets(batch, next_q, knobs.discount)


def policy_loss(policy: Parameters, state: State, critics: Parameters, batch: Transition) -> tuple[Array, None]:
    """Return -Q1 of the policy's action: the first critic, not the smaller one."""
    action = policy_action(state, policy, batch.observation)
    return -_critics(state).apply(critics, batch.observation, action, method=TwinCritics.first).mean(), None


def update(state: State, batch: Transition, noise: Noise, knobs: Knobs) -> tuple[State, Metrics]:
    """Make one update of the critics and, on every d-th, of policy and targets."""
    goal = target(state, batch, noise.next_action, knobs)
    critics, error, q_values = descend(
        state.critics,
        lambda parameters: critic_loss(parameters, _critics(state), batch, goal),
        knobs.critic_learning_rate,
    )
    policy, loss, _ = descend(
        state.policy,
        lambda parameters: policy_loss(parameters, state, critics.parameters, batch),
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
    metrics = {"critic_loss": error, "policy_value": -loss, "mean_q": q_values.mean()}
    return state, metrics | {"mean_absolute_q": jnp.abs(q_values).mean()}


def act(state: State, observation: Array, noise: None, knobs: Knobs) -> Array:
    """Return the deterministic policy, `[states, action]`."""
    return policy_action(state, state.policy.parameters, observation)


def value(state: State, observation: Array, action: Array, knobs: Knobs) -> Array:
    """Return Q1, `[states]`."""
    return _critics(state).apply(state.critics.parameters, observation, action)[..., 0]


OFFLINE_TD3 = Algorithm(init, noise, update, act, None, value)
