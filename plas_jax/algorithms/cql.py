"""Conservative Q-Learning, CQL(H): Soft Actor-Critic whose critics are pushed down where the data are not.

Source: CORL's algorithms/offline/cql.py with its v2 locomotion configurations: importance sampling, no Lagrange
multiplier, no entropy in the backup, normalised states, raw rewards (hopper-medium's configuration alone scales them).
What its configurations of the mazes have instead is a knob each, and `domain_constants` turns them on.
Temperature, multiplier, policy and critics all step from the networks before the update (`ContinuousCQL.train`), then
the targets follow. Equations are the paper's (Kumar et al., arXiv:2006.04779).
"""

from dataclasses import replace
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from plas_jax.algorithms.bellman import bellman_targets, polyak_average, squared_error
from plas_jax.algorithms.conservatism import conservative_gap, multiplier_loss, weight_multiplier
from plas_jax.algorithms.descent import Network, descend, network
from plas_jax.algorithms.divergences import temperature_loss
from plas_jax.algorithms.draws import STD_OFFSET, normalised, normalised_batch, padded_normal
from plas_jax.models.affine_std_policy import AffineStdPolicy
from plas_jax.models.gaussian_policy import squashed_sample
from plas_jax.models.orthogonal_critics import OrthogonalCritics
from plas_jax.models.perceptron import padded_uniform
from plas_jax.types import Algorithm, Array, Metrics, Parameters, Sizes, Statistics, Transition


class Architecture(NamedTuple):
    """What changes shapes; `candidates` is how many uniform, how many current and how many next actions."""

    policy_widths: tuple[int, ...] = (256, 256, 256)
    critic_widths: tuple[int, ...] = (256, 256, 256)
    candidates: int = 10
    batch_size: int = 256
    backup_candidates: int = 1  # next actions of which a target has the largest value


class Knobs(NamedTuple):
    """What may be swept; any leaf may carry a sweep axis. The defaults are those for locomotion."""

    conservative_weight: Array | float = 10.0  # α of equation 4
    discount: Array | float = 0.99
    polyak: Array | float = 5e-3
    policy_learning_rate: Array | float = 3e-5
    critic_learning_rate: Array | float = 3e-4
    temperature_learning_rate: Array | float = 3e-5  # the policy's in the source
    gap_threshold: Array | float = -1.0  # τ of equation 30; negative for α as it is, without a multiplier
    smallest_gap: Array | float = -1e9  # what the gap of a row is cut off at from below: nothing
    normalises_observations: Array | float = 1.0  # or 0
    reward_scale: Array | float = 1.0  # which every reward is multiplied by
    reward_shift: Array | float = 0.0  # added to every reward behind that


class Noise(NamedTuple):
    """Every random array of one update, float32 and zero in the padding; candidates are `[candidates, batch, action]`.

    All are standard normal but `uniform`, which are actions within ±1.
    """

    action: Array  # [batch, action]
    next_action: Array  # [backup_candidates, batch, action]
    uniform: Array
    current: Array
    next: Array


@struct.dataclass
class State:
    """One run: policy, critics with their targets, two logarithms, and the data's mean and standard deviation.

    Of the logarithms one is of the temperature, one of what multiplies the conservative weight.
    """

    sizes: Sizes
    policy: Network
    critics: Network
    critic_targets: Parameters
    log_temperature: Network
    log_multiplier: Network
    observation_mean: Array
    observation_std: Array
    architecture: Architecture = struct.field(pytree_node=False)


def _critics(sizes: Sizes, architecture: Architecture) -> OrthogonalCritics:
    return OrthogonalCritics(sizes, architecture.critic_widths, last_gain=1e-2)


def _q_values(state: State, critics: Parameters, observation: Array, action: Array) -> Array:
    """Return values `[…, batch, 2]` of one or more actions `[…, batch, action]` at the same states."""
    observation = jnp.broadcast_to(observation, (*action.shape[:-1], observation.shape[-1]))
    return _critics(state.sizes, state.architecture).apply(critics, observation, action)


def init(key: Array, architecture: Architecture, sizes: Sizes, statistics: Statistics) -> State:
    """Return the state before the first update; critic targets start as copies."""
    key_policy, key_critics = jax.random.split(key)
    observation, action = jnp.zeros((1, sizes.observation.padded)), jnp.zeros((1, sizes.action.padded))
    critics = _critics(sizes, architecture).init(key_critics, observation, action)
    return State(
        sizes=sizes,
        policy=network(AffineStdPolicy(sizes, architecture.policy_widths).init(key_policy, observation)),
        critics=network(critics),
        critic_targets=jax.tree.map(jnp.copy, critics),
        log_temperature=network(jnp.zeros(())),
        log_multiplier=network(jnp.ones(())),
        observation_mean=jnp.array(statistics.observation_mean, jnp.float32),
        observation_std=jnp.array(statistics.observation_std, jnp.float32),
        architecture=architecture,
    )


def noise(key: Array, architecture: Architecture, sizes: Sizes) -> Noise:
    """Return the random arrays of one update."""
    key_action, key_next_action, key_uniform, key_current, key_next = jax.random.split(key, 5)
    batch_size, axis = architecture.batch_size, sizes.action
    count, shape = architecture.candidates * batch_size, (architecture.candidates, batch_size, axis.padded)
    backups = architecture.backup_candidates
    return Noise(
        action=padded_normal(key_action, batch_size, axis),
        next_action=padded_normal(key_next_action, backups * batch_size, axis).reshape(backups, *shape[1:]),
        uniform=padded_uniform(key_uniform, axis, count).T.reshape(shape),
        current=padded_normal(key_current, count, axis).reshape(shape),
        next=padded_normal(key_next, count, axis).reshape(shape),
    )


def sample(state: State, policy: Parameters, observation: Array, draw: Array) -> tuple[Array, Array]:
    """Sample actions `[…, batch, action]`, with log densities `[…, batch]`, at normalised observations `[batch]`."""
    mean, log_std = AffineStdPolicy(state.sizes, state.architecture.policy_widths).apply(policy, observation)
    return squashed_sample(mean, log_std, draw, state.sizes.action)


def policy_loss(
    policy: Parameters, state: State, batch: Transition, draw: Array, temperature: Array
) -> tuple[Array, Array]:
    """Return mean α log π - min Q at the policy's own action, on the critics before the update; and log π `[batch]`."""
    action, log_density = sample(state, policy, batch.observation, draw)
    q = _q_values(state, state.critics.parameters, batch.observation, action).min(axis=-1)
    return (temperature * log_density - q).mean(), log_density


def target(state: State, batch: Transition, draw: Array, discount: Array | float) -> Array:
    """Return equation 1's target r + γ max min Q'(s', a') over one or more a' ~ π(s'), without entropy, `[batch]`."""
    next_action, _ = sample(state, state.policy.parameters, batch.next_observation, draw)
    next_q = _q_values(state, state.critic_targets, batch.next_observation, next_action).min(axis=-1).max(axis=0)
    return bellman_targets(batch, next_q, discount)


def candidates(state: State, batch: Transition, noise: Noise) -> tuple[Array, Array]:
    """Return uniform, next and current actions `[3·candidates, batch, action]` and the log densities they came with.

    Next actions are π's at s', weighed by π(a | s') though Q will see them at s, as in the source.
    """
    policy = state.policy.parameters
    following, following_density = sample(state, policy, batch.next_observation, noise.next)
    current, current_density = sample(state, policy, batch.observation, noise.current)
    # 1/2 for each true dimension: the padded ones are no part of the box.
    uniform_density = jnp.full(noise.uniform.shape[:-1], state.sizes.action.true * np.log(0.5), jnp.float32)
    actions = jnp.concatenate([noise.uniform, following, current])
    return actions, jnp.concatenate([uniform_density, following_density, current_density])


def critic_loss(
    critics: Parameters, state: State, batch: Transition, target: Array, proposed: tuple[Array, Array], knobs: Knobs
) -> tuple[Array, tuple[Array, Array]]:
    """Return equation 4 summed over critics, without its half of the squared error; values `[batch, 2]` and the gap."""
    actions, log_density = proposed
    actions = jnp.concatenate([batch.action[None], actions])
    q_values = _q_values(state, critics, batch.observation, actions)
    gap = conservative_gap(q_values[1:], log_density, q_values[0])
    gap = jnp.maximum(gap, knobs.smallest_gap).mean(axis=0).sum()
    return squared_error(q_values[0], target) + knobs.conservative_weight * gap, (q_values[0], gap)


def conditioned(state: State, batch: Transition, knobs: Knobs) -> Transition:
    """Return the batch as CQL sees it: rewards scaled and shifted, observations normalised."""
    reward = batch.reward * knobs.reward_scale + knobs.reward_shift
    return normalised_batch(batch._replace(reward=reward), *_moments(state, knobs))


def _moments(state: State, knobs: Knobs) -> tuple[Array, Array]:
    """Return the mean and the standard deviation by which observations are normalised, or those that change nothing."""
    normalises = knobs.normalises_observations > 0
    mean = jnp.where(normalises, state.observation_mean, 0.0)
    return mean, jnp.where(normalises, state.observation_std, 1.0 - STD_OFFSET)


def update(state: State, batch: Transition, noise: Noise, knobs: Knobs) -> tuple[State, Metrics]:
    """Make one update of temperature, policy, multiplier, critics and targets."""
    batch = conditioned(state, batch, knobs)
    temperature = jnp.exp(state.log_temperature.parameters)
    policy, _, log_density = descend(
        state.policy,
        lambda parameters: policy_loss(parameters, state, batch, noise.action, temperature),
        knobs.policy_learning_rate,
    )
    log_temperature, _, _ = descend(
        state.log_temperature,
        lambda value: temperature_loss(value, log_density, state.sizes.action.true),
        knobs.temperature_learning_rate,
    )
    goal, proposed = target(state, batch, noise.next_action, knobs.discount), candidates(state, batch, noise)
    multiplies = jnp.asarray(knobs.gap_threshold) >= 0
    weight = knobs.conservative_weight * jnp.where(multiplies, weight_multiplier(state.log_multiplier.parameters), 1.0)
    weighted = knobs._replace(conservative_weight=weight)
    critics, error, (q_values, gap) = descend(
        state.critics,
        lambda parameters: critic_loss(parameters, state, batch, goal, proposed, weighted),
        knobs.critic_learning_rate,
    )
    log_multiplier, _, _ = descend(
        state.log_multiplier,
        lambda value: multiplier_loss(value, gap, knobs.conservative_weight, knobs.gap_threshold),
        jnp.where(multiplies, knobs.critic_learning_rate, 0.0),  # the critics' in the source
    )
    state = replace(
        state,
        policy=policy,
        critics=critics,
        critic_targets=polyak_average(state.critic_targets, critics.parameters, knobs.polyak),
        log_temperature=log_temperature,
        log_multiplier=log_multiplier,
    )
    metrics = {"critic_loss": error, "mean_q": q_values.mean(), "mean_absolute_q": jnp.abs(q_values).mean()}
    metrics |= {"conservative_gap": gap, "conservative_weight": weight}
    return state, metrics | {"entropy": -log_density.mean(), "temperature": temperature}


def act(state: State, observation: Array, noise: None, knobs: Knobs) -> Array:
    """Return the deterministic policy tanh(mean), `[batch, action]`."""
    module = AffineStdPolicy(state.sizes, state.architecture.policy_widths)
    return jnp.tanh(module.apply(state.policy.parameters, normalised(observation, *_moments(state, knobs)))[0])


def value(state: State, observation: Array, action: Array, knobs: Knobs) -> Array:
    """Return Q1 at raw observations, `[states]`, of rewards that are no longer scaled, but still shifted."""
    observation = normalised(observation, *_moments(state, knobs))
    return _q_values(state, state.critics.parameters, observation, action)[..., 0] / knobs.reward_scale


CQL = Algorithm(init, noise, update, act, None, value)
