"""Behaviour cloning by regression: a deterministic policy, the mean squared error to the data's actions.

Source: CORL's BC on all of the data (`any_percent_bc.py:26-37` and 228-280), the BC of later benchmarks. Its "%BC"
is left out: it ranks trajectories that time limits have already cut.
"""

from dataclasses import replace
from typing import NamedTuple

import jax.numpy as jnp
from flax import struct

from plas_jax.algorithms.descent import Network, descend, network
from plas_jax.algorithms.draws import normalised
from plas_jax.models.deterministic_policy import DeterministicPolicy
from plas_jax.types import Algorithm, Array, Metrics, Parameters, Sizes, Statistics, Transition


class Architecture(NamedTuple):
    """What changes shapes. The defaults are CORL's."""

    policy_widths: tuple[int, ...] = (256, 256)
    batch_size: int = 256


class Knobs(NamedTuple):
    """What may be swept; any leaf may carry a sweep axis. The default is CORL's."""

    learning_rate: Array | float = 3e-4


@struct.dataclass
class State:
    """One run: the policy, and the mean and std of its data set's observations."""

    sizes: Sizes
    policy: Network
    observation_mean: Array
    observation_std: Array
    architecture: Architecture = struct.field(pytree_node=False)


def init(key: Array, architecture: Architecture, sizes: Sizes, statistics: Statistics) -> State:
    """Return the state before the first update on a data set of these statistics."""
    observation = jnp.zeros((1, sizes.observation.padded))
    policy = DeterministicPolicy(sizes, architecture.policy_widths).init(key, observation)
    return State(
        sizes=sizes,
        policy=network(policy),
        observation_mean=jnp.asarray(statistics.observation_mean),
        observation_std=jnp.asarray(statistics.observation_std),
        architecture=architecture,
    )


def noise(key: Array, architecture: Architecture, sizes: Sizes) -> None:
    """Draw nothing: policy and loss are deterministic."""


def policy_action(state: State, policy: Parameters, observation: Array) -> Array:
    """Return the action of these policy parameters, which see (s - mean) / (std + 1e-3); `[batch, action]`."""
    seen = normalised(observation, state.observation_mean, state.observation_std)
    return DeterministicPolicy(state.sizes, state.architecture.policy_widths).apply(policy, seen)


def policy_loss(policy: Parameters, state: State, batch: Transition) -> tuple[Array, None]:
    """Return the squared error to the data's action, mean over the batch and over the action's dimensions."""
    error = jnp.square(policy_action(state, policy, batch.observation) - batch.action)
    return state.sizes.action.mean(error).mean(), None


def update(state: State, batch: Transition, noise: None, knobs: Knobs) -> tuple[State, Metrics]:
    """Take one Adam step on the squared error; the metric is the loss before it."""
    policy, loss, _ = descend(
        state.policy, lambda parameters: policy_loss(parameters, state, batch), knobs.learning_rate
    )
    return replace(state, policy=policy), {"policy_loss": loss}


def act(state: State, observation: Array, noise: None, knobs: Knobs) -> Array:
    """Return the deterministic policy, `[batch, action]`."""
    return policy_action(state, state.policy.parameters, observation)


DETERMINISTIC_CLONING = Algorithm(init, noise, update, act)
