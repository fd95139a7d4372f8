"""Implicit Q-Learning: an upper expectile of Q over the data's own actions, and advantage-weighted regression.

Source: the official ikostrikov/implicit_q_learning (`_update_jit` in learner.py): V, the policy on the new V and the
target critics, the critics on the new V, the targets. Constants are those of configs/mujoco_config.py, for the mazes,
the hand and the kitchen those of `domain_constants`; policies of the last two are trained with dropout.
Equations are the paper's (Kostrikov et al., arXiv:2110.06169).
"""

from dataclasses import replace
from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import struct

from plas_jax.algorithms.bellman import bellman_targets, critic_loss, polyak_average
from plas_jax.algorithms.descent import Network, descend, network
from plas_jax.models.orthogonal_critics import OrthogonalCritics
from plas_jax.models.state_value import StateValue
from plas_jax.models.unsquashed_policy import UnsquashedPolicy, gaussian_log_density
from plas_jax.types import Algorithm, Array, Metrics, Parameters, Sizes, Statistics, Transition

LARGEST_WEIGHT = 100.0  # actor.py
LARGEST_ACTION = 1 - 1e-5  # dataset_utils.py
SCALED_RETURN_RANGE = 1000.0  # train_offline.py, `normalize`


class Architecture(NamedTuple):
    """What changes shapes, and whether anything is drawn."""

    policy_widths: tuple[int, ...] = (256, 256)
    value_widths: tuple[int, ...] = (256, 256)
    critic_widths: tuple[int, ...] = (256, 256)
    batch_size: int = 256
    policy_dropout: float = 0.0  # the share of a hidden layer's units that an update of the policy leaves out


class Knobs(NamedTuple):
    """What may be swept; any leaf may carry a sweep axis. The defaults are those for locomotion."""

    expectile: Array | float = 0.7  # τ
    inverse_temperature: Array | float = 3.0  # β
    discount: Array | float = 0.99
    polyak: Array | float = 5e-3
    value_learning_rate: Array | float = 3e-4
    policy_learning_rate: Array | float = 3e-4  # at the start of its decay
    critic_learning_rate: Array | float = 3e-4
    policy_updates: Array | float = 1e6  # over which the policy's rate decays to zero
    scales_returns: Array | float = 1.0  # 1 for returns that range over 1000, 0 for rewards as they are
    reward_shift: Array | float = 0.0  # added to every reward behind that


@struct.dataclass
class State:
    """One run: V, policy, critics with their targets, what rewards are multiplied by, and the number of updates."""

    sizes: Sizes
    value: Network
    policy: Network
    critics: Network
    critic_targets: Parameters
    reward_scale: Array
    updates: Array
    architecture: Architecture = struct.field(pytree_node=False)


def _value(state: State, value: Parameters, observation: Array) -> Array:
    return StateValue(state.sizes, state.architecture.value_widths).apply(value, observation)


def _critics(state: State) -> OrthogonalCritics:
    return OrthogonalCritics(state.sizes, state.architecture.critic_widths)


def init(key: Array, architecture: Architecture, sizes: Sizes, statistics: Statistics) -> State:
    """Return the state before the first update; critic targets start as copies."""
    key_value, key_policy, key_critics = jax.random.split(key, 3)
    observation, action = jnp.zeros((1, sizes.observation.padded)), jnp.zeros((1, sizes.action.padded))
    critics = OrthogonalCritics(sizes, architecture.critic_widths).init(key_critics, observation, action)
    return State(
        sizes=sizes,
        value=network(StateValue(sizes, architecture.value_widths).init(key_value, observation)),
        policy=network(UnsquashedPolicy(sizes, architecture.policy_widths).init(key_policy, observation)),
        critics=network(critics),
        critic_targets=jax.tree.map(jnp.copy, critics),
        reward_scale=reward_scale(jnp.asarray(statistics.return_range, jnp.float32)),
        updates=jnp.zeros((), jnp.int32),
        architecture=architecture,
    )


def reward_scale(return_range: Array) -> Array:
    """Return what makes the data's returns range over 1000; 1 for data without two episodes of different returns."""
    return jnp.where(return_range > 0, SCALED_RETURN_RANGE / return_range, 1.0)


def noise(key: Array, architecture: Architecture, sizes: Sizes) -> tuple[Array, ...]:
    """Return dropout's mask of each hidden layer of the policy, float32 `[batch, width]`; none without dropout.

    A unit that is kept is multiplied by 1 / (1 - dropout). No action is ever sampled.
    """
    widths, kept = architecture.policy_widths, 1 - architecture.policy_dropout
    if architecture.policy_dropout == 0:
        return ()
    keys = jax.random.split(key, len(widths))
    return tuple(
        jnp.where(jax.random.bernoulli(key, kept, (architecture.batch_size, width)), 1 / kept, 0.0)
        for key, width in zip(keys, widths, strict=True)
    )


def conditioned(state: State, batch: Transition, knobs: Knobs) -> Transition:
    """Return the batch as IQL sees it: rewards scaled, actions inside the unit box."""
    action = jnp.clip(batch.action, -LARGEST_ACTION, LARGEST_ACTION)
    return batch._replace(action=action, reward=batch.reward * _scale(state, knobs))


def _scale(state: State, knobs: Knobs) -> Array:
    return jnp.where(knobs.scales_returns > 0, state.reward_scale, 1.0)


def expectile_loss(difference: Array, expectile: Array | float) -> Array:
    """Return section 4.1's |τ - 1(u < 0)|·u², element by element."""
    return jnp.where(difference > 0, expectile, 1 - expectile) * jnp.square(difference)


def advantage_weight(advantage: Array, inverse_temperature: Array | float) -> Array:
    """Return equation 7's exp(β·A), at most 100."""
    return jnp.minimum(jnp.exp(inverse_temperature * advantage), LARGEST_WEIGHT)


def cosine_decayed(learning_rate: Array | float, updates: Array, policy_updates: Array | float) -> Array:
    """Return the rate of the update after `updates` others, from `learning_rate` down to 0 along half a cosine."""
    return learning_rate * 0.5 * (1 + jnp.cos(jnp.pi * jnp.minimum(updates / policy_updates, 1.0)))


def value_loss(
    value: Parameters, state: State, batch: Transition, q: Array, expectile: Array | float
) -> tuple[Array, None]:
    """Return the loss of equation 5: V regresses to the τ-expectile of Q over the data's actions."""
    return expectile_loss(q - _value(state, value, batch.observation), expectile).mean(), None


def policy_loss(
    policy: Parameters, state: State, batch: Transition, weight: Array, masks: tuple[Array, ...] = ()
) -> tuple[Array, None]:
    """Return minus equation 7: the weighted log-likelihood of the data's actions, under dropout's masks."""
    module = UnsquashedPolicy(state.sizes, state.architecture.policy_widths)
    mean, log_std = module.apply(policy, batch.observation, masks)
    return -(weight * gaussian_log_density(batch.action, mean, log_std, state.sizes.action)).mean(), None


def update(state: State, batch: Transition, noise: tuple[Array, ...], knobs: Knobs) -> tuple[State, Metrics]:
    """Make one update of V, policy, critics and targets."""
    batch = conditioned(state, batch, knobs)
    q = _critics(state).apply(state.critic_targets, batch.observation, batch.action).min(axis=-1)
    value, value_error, _ = descend(
        state.value,
        lambda parameters: value_loss(parameters, state, batch, q, knobs.expectile),
        knobs.value_learning_rate,
    )
    weight = advantage_weight(q - _value(state, value.parameters, batch.observation), knobs.inverse_temperature)
    policy, _, _ = descend(
        state.policy,
        lambda parameters: policy_loss(parameters, state, batch, weight, noise),
        cosine_decayed(knobs.policy_learning_rate, state.updates, knobs.policy_updates),
    )
    next_value = _value(state, value.parameters, batch.next_observation)
    goal = bellman_targets(batch, next_value, knobs.discount) + knobs.reward_shift
    # equation 6, summed over both critics
    critics, error, q_values = descend(
        state.critics,
        lambda parameters: critic_loss(parameters, _critics(state), batch, goal),
        knobs.critic_learning_rate,
    )
    state = replace(
        state,
        value=value,
        policy=policy,
        critics=critics,
        critic_targets=polyak_average(state.critic_targets, critics.parameters, knobs.polyak),
        updates=state.updates + 1,
    )
    metrics = {"critic_loss": error, "mean_q": q_values.mean(), "mean_absolute_q": jnp.abs(q_values).mean()}
    return state, metrics | {"value_loss": value_error, "mean_weight": weight.mean()}


def act(state: State, observation: Array, noise: None, knobs: Knobs) -> Array:
    """Return the policy's mean, `[batch, action]`: temperature 0 in the official evaluation.py."""
    return UnsquashedPolicy(state.sizes, state.architecture.policy_widths).apply(state.policy.parameters, observation)[
        0
    ]


def value(state: State, observation: Array, action: Array, knobs: Knobs) -> Array:
    """Return Q1, `[states]`, of rewards that are no longer scaled as they were in training, but still shifted."""
    scaled = _critics(state).apply(state.critics.parameters, observation, action)[..., 0]
    return scaled / _scale(state, knobs)


def diagnose(state: State, rows: Transition, knobs: Knobs) -> Metrics:
    """Return `effective_sample_share` of equation 7's weights: (Σ w)² / (n Σ w²), 1 where all rows weigh the same.

    Kish's effective sample size over the number of rows. Cloning has 1; near 0 a policy imitates a few rows.
    """
    rows = conditioned(state, rows, knobs)
    q = _critics(state).apply(state.critic_targets, rows.observation, rows.action).min(axis=-1)
    weight = advantage_weight(q - _value(state, state.value.parameters, rows.observation), knobs.inverse_temperature)
    return {"effective_sample_share": jnp.square(weight.mean()) / jnp.square(weight).mean()}


IQL = Algorithm(init, noise, update, act, None, value, diagnose)
