"""Conservative Q-Learning, CQL(H): Soft Actor-Critic whose critics are pushed down where the data are not.

Source: CORL's algorithms/offline/cql.py with its v2 locomotion configurations: importance sampling, no Lagrange
multiplier, no entropy in the backup, normalised states, raw rewards (hopper-medium's configuration alone scales them).
Temperature, policy and critics all step from the networks before the update (`ContinuousCQL.train`), then the targets
follow. Equations are the paper's (Kumar et al., arXiv:2006.04779).
"""

from dataclasses import replace
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from plas_jax.algorithms.bellman import bellman_targets, polyak_average, squared_error
from plas_jax.algorithms.descent import Network, descend, network
from plas_jax.algorithms.divergences import temperature_loss
from plas_jax.algorithms.draws import normalised, normalised_batch, padded_normal
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


class Knobs(NamedTuple):
    """What may be swept; any leaf may carry a sweep axis. The defaults are those for locomotion."""

    conservative_weight: Array | float = 10.0  # α of equation 4
    discount: Array | float = 0.99
    polyak: Array | float = 5e-3
    policy_learning_rate: Array | float = 3e-5
    critic_learning_rate: Array | float = 3e-4
    temperature_learning_rate: Array | float = 3e-5  # the policy's in the source


class Noise(NamedTuple):
    """Every random array of one update, float32 and zero in the padding; candidates are `[candidates, batch, action]`.

    All are standard normal but `uniform`, which are actions within ±1.
    """

    action: Array  # [batch, action]
    next_action: Array  # [batch, action]
    uniform: Array
    current: Array
    next: Array


@struct.dataclass
class State:
    """One run: policy, critics with their targets, log α, and the data's mean and standard deviation."""

    sizes: Sizes
    policy: Network
    critics: Network
    critic_targets: Parameters
    log_temperature: Network
    observation_mean: Array
    observation_std: Array
    architecture: Architecture = struct.field(pytree_node=False)


def _critics(sizes: Sizes, architecture: Architecture) -> OrthogonalCritics:
    return OrthogonalCritics(sizes, architecture.critic_widths, last_gain=1e-2)


def _q_values(state: State, critics: Parameters, observation: Array, action: Array) -> Array:
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
        observation_mean=jnp.array(statistics.observation_mean, jnp.float32),
        observation_std=jnp.array(statistics.observation_std, jnp.float32),
        architecture=architecture,
    )


def noise(key: Array, architecture: Architecture, sizes: Sizes) -> Noise:
    """Return the random arrays of one update."""
    key_action, key_next_action, key_uniform, key_current, key_next = jax.random.split(key, 5)
    batch_size, axis = architecture.batch_size, sizes.action
    count, shape = architecture.candidates * batch_size, (architecture.candidates, batch_size, axis.padded)
    return Noise(
        action=padded_normal(key_action, batch_size, axis),
        next_action=padded_normal(key_next_action, batch_size, axis),
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
    """Return equation 1's target r + γ min Q'(s', a') with a' ~ π(s') and no entropy, `[batch]`."""
    next_action, _ = sample(state, state.policy.parameters, batch.next_observation, draw)
    next_q = _q_values(state, state.critic_targets, batch.next_observation, next_action).min(axis=-1)
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


def conservative_gap(candidate_q: Array, log_density: Array, data_q: Array) -> Array:
    """Return equation 4's log Σ exp Q(s, a) - Q(s, a of the data), by importance sampling, `[batch, critics]`.

    `[candidates, batch, critics]`, `[candidates, batch]` and `[batch, critics]`. The paper's appendix F divides the sum
    by the number of candidates; the source does not, which adds a constant and changes no gradient.
    """
    return jax.nn.logsumexp(candidate_q - log_density[..., None], axis=0) - data_q


def critic_loss(
    critics: Parameters,
    state: State,
    batch: Transition,
    target: Array,
    proposed: tuple[Array, Array],
    weight: Array | float,
) -> tuple[Array, tuple[Array, Array]]:
    """Return equation 4 summed over critics, without its half of the squared error; values `[batch, 2]` and the gap."""
    actions, log_density = proposed
    actions = jnp.concatenate([batch.action[None], actions])
    observations = jnp.broadcast_to(batch.observation, (*actions.shape[:-1], batch.observation.shape[-1]))
    q_values = _q_values(state, critics, observations, actions)
    gap = conservative_gap(q_values[1:], log_density, q_values[0]).mean(axis=0).sum()
    return squared_error(q_values[0], target) + weight * gap, (q_values[0], gap)


def update(state: State, batch: Transition, noise: Noise, knobs: Knobs) -> tuple[State, Metrics]:
    """Make one update of temperature, policy, critics and targets."""
    batch = normalised_batch(batch, state.observation_mean, state.observation_std)
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
    critics, error, (q_values, gap) = descend(
        state.critics,
        lambda parameters: critic_loss(parameters, state, batch, goal, proposed, knobs.conservative_weight),
        knobs.critic_learning_rate,
    )
    state = replace(
        state,
        policy=policy,
        critics=critics,
        critic_targets=polyak_average(state.critic_targets, critics.parameters, knobs.polyak),
        log_temperature=log_temperature,
    )
    metrics = {"critic_loss": error, "mean_q": q_values.mean(), "mean_absolute_q": jnp.abs(q_values).mean()}
    return state, metrics | {"conservative_gap": gap, "entropy": -log_density.mean(), "temperature": temperature}


def act(state: State, observation: Array, noise: None, knobs: Knobs) -> Array:
    """Return the deterministic policy tanh(mean), `[batch, action]`."""
    module = AffineStdPolicy(state.sizes, state.architecture.policy_widths)
    return jnp.tanh(
        module.apply(state.policy.parameters, normalised(observation, state.observation_mean, state.observation_std))[0]
    )


def value(state: State, observation: Array, action: Array, knobs: Knobs) -> Array:
    """Return Q1 at raw observations, `[states]`."""
    observation = normalised(observation, state.observation_mean, state.observation_std)
    return _critics(state.sizes, state.architecture).apply(state.critics.parameters, observation, action)[..., 0]


CQL = Algorithm(init, noise, update, act, None, value)
