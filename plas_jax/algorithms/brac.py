"""BRAC: an actor-critic kept near a cloned behaviour policy b by KL(π ‖ b), estimated from samples.

BRAC-v subtracts the divergence from the policy's objective and from the targets' values, BRAC-p from the objective
alone: one implementation, and which is a knob. Source: the "primal" agent of google-research
(`brac_primal_agent.py`, as vendored in d4rl_evaluations; α and rate are those of BRAC-v in D4RL's run_primal_vp.sh,
since no repository has a table per data set). The order of the steps is its own (232-250): targets, critics, policy.
D4RL's loader for it drops terminal rows, ends bootstrapping one row early and cuts files; none of that is here.
Steps are of Keras' Adam, whose ε comes before the correction of bias: with torch's, single rows of weights whose
gradients are small end 1e-4 to 5e-3 elsewhere after twenty updates.
"""

from dataclasses import replace
from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import struct

from plas_jax.algorithms.bellman import bellman_targets, critic_loss, polyak_average
from plas_jax.algorithms.descent import Network, descend, keras_adam, network
from plas_jax.algorithms.draws import padded_normal
from plas_jax.models.gaussian_policy import (
    brac_policy,
    keras_dense,
    squashed_log_density,
    squashed_sample,
    within_density,
)
from plas_jax.models.twin_critics import TwinCritics
from plas_jax.types import Algorithm, Array, Metrics, Parameters, Sizes, Transition


class Architecture(NamedTuple):
    """What changes shapes. `policy_widths` are those of the behaviour policy too. The defaults are the source's."""

    policy_widths: tuple[int, ...] = (200, 200)
    critic_widths: tuple[int, ...] = (300, 300)
    batch_size: int = 256
    divergence_samples: int = 4


class Knobs(NamedTuple):
    """What may be swept; any leaf may carry a sweep axis."""

    value_penalty: Array | float = 1.0  # 1 is BRAC-v, 0 is BRAC-p
    divergence_weight: Array | float = 0.3  # α, fixed; the source's bounds [0, 500] are for a learned one
    warm_start: Array | float = 20_000  # the last update, counted from 0, whose policy step leaves Q out
    discount: Array | float = 0.99
    polyak: Array | float = 0.005
    policy_learning_rate: Array | float = 3e-5
    critic_learning_rate: Array | float = 1e-3


class Noise(NamedTuple):
    """Every random array of one update, standard normal, float32, zero in the padding."""

    next_action: Array  # [batch, action]
    next_divergence: Array  # [batch, samples, action]
    action: Array  # [batch, action]
    divergence: Array  # [batch, samples, action]


@struct.dataclass
class State:
    """One run: the frozen behaviour policy, policy, critics with their targets, and how many updates there were."""

    sizes: Sizes
    behaviour: Parameters
    policy: Network
    critics: Network
    critic_targets: Parameters
    updates: Array
    architecture: Architecture = struct.field(pytree_node=False)


def _critics(state: State) -> TwinCritics:
    return TwinCritics(state.sizes, state.architecture.critic_widths, keras_dense, keras_dense)


def init(key: Array, architecture: Architecture, sizes: Sizes, behaviour: Parameters) -> State:
    """Return the state before the first update, around the policy parameters of a finished cloning.

    Targets start as copies. In the source they are networks of their own initial weights, which a τ of 0.005 needs
    hundreds of updates to forget: an accident of how they are built, and nothing in the paper asks for it.
    """
    key_policy, key_critics = jax.random.split(key)
    observation, action = jnp.zeros((1, sizes.observation.padded)), jnp.zeros((1, sizes.action.padded))
    policy = brac_policy(sizes, architecture.policy_widths).init(key_policy, observation)
    critics = TwinCritics(sizes, architecture.critic_widths, keras_dense, keras_dense)
    critic_parameters = critics.init(key_critics, observation, action)
    return State(
        sizes=sizes,
        behaviour=behaviour,
        policy=network(policy),
        critics=network(critic_parameters),
        critic_targets=jax.tree.map(jnp.copy, critic_parameters),
        updates=jnp.zeros((), jnp.int32),
        architecture=architecture,
    )


def noise(key: Array, architecture: Architecture, sizes: Sizes) -> Noise:
    """Return the random arrays of one update."""
    keys, batch_size = jax.random.split(key, 4), architecture.batch_size
    return Noise(
        next_action=padded_normal(keys[0], batch_size, sizes.action),
        next_divergence=_samples(keys[1], batch_size, architecture.divergence_samples, sizes),
        action=padded_normal(keys[2], batch_size, sizes.action),
        divergence=_samples(keys[3], batch_size, architecture.divergence_samples, sizes),
    )


def _samples(key: Array, states: int, samples: int, sizes: Sizes) -> Array:
    return padded_normal(key, states * samples, sizes.action).reshape(states, samples, -1)


def gaussian(state: State, policy: Parameters, observation: Array) -> tuple[Array, Array]:
    """Return mean and log std before the tanh under these parameters, of π or of b; each `[batch, action]`."""
    return brac_policy(state.sizes, state.architecture.policy_widths).apply(policy, observation)


def sampled_divergence(state: State, policy: Parameters, observation: Array, draws: Array) -> Array:
    """Return KL(π ‖ b) at each state `[batch]`, the mean of log π(a) - log b(a) over samples of π.

    Source: `divergences.py:69-94`. `draws` is `[batch, samples, action]`. Actions are clipped to ±(1 - 1e-3) for b
    alone.
    """
    axis = state.sizes.action
    mean, log_std = gaussian(state, policy, observation)
    action, log_density = squashed_sample(mean[:, None], log_std[:, None], draws, axis)
    mean, log_std = gaussian(state, state.behaviour, observation)
    behaviour_density = squashed_log_density(mean[:, None], log_std[:, None], within_density(action), axis)
    return (log_density - behaviour_density).mean(axis=-1)


def target(state: State, batch: Transition, noise: Noise, knobs: Knobs) -> Array:
    """Return the targets r + γ·(min Q'(s', a') - α·KL(s')), the divergence in BRAC-v alone; `[batch]`."""
    policy, observation = state.policy.parameters, batch.next_observation
    next_action, _ = squashed_sample(*gaussian(state, policy, observation), noise.next_action, state.sizes.action)
    next_q = _critics(state).apply(state.critic_targets, observation, next_action).min(axis=-1)
    divergence = sampled_divergence(state, policy, observation, noise.next_divergence)
    next_value = next_q - knobs.value_penalty * knobs.divergence_weight * divergence
    return bellman_targets(batch, next_value, knobs.discount)


def policy_loss(
    policy: Parameters, state: State, critics: Parameters, batch: Transition, noise: Noise, knobs: Knobs
) -> tuple[Array, Metrics]:
    """Return the mean of α·KL(s) - min Q(s, a), without Q until the warm start is over.

    Source: `brac_primal_agent.py:164-180`.
    """
    observation = batch.observation
    action, _ = squashed_sample(*gaussian(state, policy, observation), noise.action, state.sizes.action)
    q = _critics(state).apply(critics, observation, action).min(axis=-1)
    divergence = sampled_divergence(state, policy, observation, noise.divergence)
    is_warm = (state.updates > knobs.warm_start).astype(q.dtype)
    loss = (knobs.divergence_weight * divergence - is_warm * q).mean()
    return loss, {"policy_value": q.mean(), "divergence": divergence.mean()}


def update(state: State, batch: Transition, noise: Noise, knobs: Knobs) -> tuple[State, Metrics]:
    """Make one update of targets, critics and policy."""
    targets = polyak_average(state.critic_targets, state.critics.parameters, knobs.polyak)
    state = replace(state, critic_targets=targets)
    goal = target(state, batch, noise, knobs)
    critics, error, q_values = descend(
        state.critics,
        lambda parameters: critic_loss(parameters, _critics(state), batch, goal),
        knobs.critic_learning_rate,
        keras_adam,
    )
    policy, _, metrics = descend(
        state.policy,
        lambda parameters: policy_loss(parameters, state, critics.parameters, batch, noise, knobs),
        knobs.policy_learning_rate,
        keras_adam,
    )
    state = replace(state, policy=policy, critics=critics, updates=state.updates + 1)
    metrics |= {"critic_loss": error, "mean_q": q_values.mean(), "mean_absolute_q": jnp.abs(q_values).mean()}
    return state, metrics


def act(state: State, observation: Array, noise: None, knobs: Knobs) -> Array:
    """Return the deterministic policy tanh(mean), `[states, action]`: the source's test policy "main".

    Its other one, "max_q", takes the best of ten samples by Q1. Which of the two D4RL reports is nowhere said.
    """
    return jnp.tanh(gaussian(state, state.policy.parameters, observation)[0])


def value(state: State, observation: Array, action: Array, knobs: Knobs) -> Array:
    """Return Q1, `[states]`. BRAC-v's is of rewards less the divergence, so it lies below the policy's returns."""
    return _critics(state).apply(state.critics.parameters, observation, action)[..., 0]


def diagnose(state: State, rows: Transition, knobs: Knobs) -> Metrics:
    """Return `divergence`, the policy's KL from the behaviour in nats: what α weighs."""
    draws = noise(jax.random.key(0), state.architecture._replace(batch_size=len(rows.reward)), state.sizes)
    return {"divergence": sampled_divergence(state, state.policy.parameters, rows.observation, draws.divergence).mean()}


BRAC = Algorithm(init, noise, update, act, None, value, diagnose)
