"""Behaviour cloning as D4RL has it: maximum likelihood of a squashed Gaussian, with a learned weight on its entropy.

Source: the BC agent of BRAC (`bc_agent.py:69-96`, as vendored in d4rl_evaluations), which is the BC column of the
paper's tables and trains the behaviour policy that BRAC regularises towards. The order of the steps is its own:
policy, then the weight α_e against the new policy; steps are of Keras' Adam, whose ε comes before the correction of
bias, as BRAC's.
"""

from dataclasses import replace
from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import struct

from plas_jax.algorithms.descent import Network, descend, keras_adam, network
from plas_jax.algorithms.draws import padded_normal
from plas_jax.models.gaussian_policy import brac_policy, squashed_log_density, squashed_sample, within_density
from plas_jax.types import Algorithm, Array, Metrics, Parameters, Sizes, Transition


class Architecture(NamedTuple):
    """What changes shapes. The defaults are the source's (`run_bc.sh`)."""

    policy_widths: tuple[int, ...] = (200, 200)
    batch_size: int = 256


class Knobs(NamedTuple):
    """What may be swept; any leaf may carry a sweep axis. The default is the source's (`run_bc.sh`)."""

    learning_rate: Array | float = 5e-4  # of the policy and of α_e


class Noise(NamedTuple):
    """Every random array of one update, float32 `[batch, action]`, zero in the padding."""

    action: Array
    action_after: Array  # of the policy after its step, which α_e is trained on


@struct.dataclass
class State:
    """One run: the policy, and the variable behind α_e."""

    sizes: Sizes
    policy: Network
    entropy_weight: Network
    architecture: Architecture = struct.field(pytree_node=False)


def init(key: Array, architecture: Architecture, sizes: Sizes) -> State:
    """Return the state before the first update; α_e starts at 1."""
    observation = jnp.zeros((1, sizes.observation.padded))
    policy = brac_policy(sizes, architecture.policy_widths).init(key, observation)
    return State(sizes, network(policy), network(jnp.ones(())), architecture)


def noise(key: Array, architecture: Architecture, sizes: Sizes) -> Noise:
    """Return the random arrays of one update."""
    key_action, key_action_after = jax.random.split(key)
    batch_size = architecture.batch_size
    return Noise(
        padded_normal(key_action, batch_size, sizes.action), padded_normal(key_action_after, batch_size, sizes.action)
    )


def policy_loss(
    policy: Parameters, state: State, batch: Transition, draw: Array, entropy_weight: Array
) -> tuple[Array, Metrics]:
    """Return the mean of α_e·log π(a_π | s) - log π(a | s), for a of the data and a_π of the policy."""
    sizes = state.sizes
    mean, log_std = brac_policy(sizes, state.architecture.policy_widths).apply(policy, batch.observation)
    _, log_density = squashed_sample(mean, log_std, draw, sizes.action)
    likelihood = squashed_log_density(mean, log_std, within_density(batch.action), sizes.action)
    loss = (entropy_weight * log_density - likelihood).mean()
    return loss, {"log_likelihood": likelihood.mean(), "entropy": -log_density.mean()}


def entropy_weight_loss(variable: Array, log_density: Array, action_size: Array | int) -> tuple[Array, None]:
    """Return α_e·mean(-log π + dim(A)) for α_e = max(variable, 0), which falls while the entropy is above -dim(A).

    The source's rectifier holds the variable at 0 but lets it rise from there (`utils.py`, `relu_v2`).
    """
    surplus = (-log_density + action_size).mean()
    return jnp.where(surplus > 0, jax.nn.relu(variable), variable) * surplus, None


def update(state: State, batch: Transition, noise: Noise, knobs: Knobs) -> tuple[State, Metrics]:
    """Make one update of the policy, then of α_e."""
    entropy_weight = jax.nn.relu(state.entropy_weight.parameters)
    policy, loss, metrics = descend(
        state.policy,
        lambda parameters: policy_loss(parameters, state, batch, noise.action, entropy_weight),
        knobs.learning_rate,
        keras_adam,
    )
    module = brac_policy(state.sizes, state.architecture.policy_widths)
    mean, log_std = module.apply(policy.parameters, batch.observation)
    _, log_density = squashed_sample(mean, log_std, noise.action_after, state.sizes.action)
    variable, _, _ = descend(
        state.entropy_weight,
        lambda value: entropy_weight_loss(value, log_density, state.sizes.action.true),
        knobs.learning_rate,
        keras_adam,
    )
    metrics |= {"policy_loss": loss, "entropy_weight": entropy_weight}
    return replace(state, policy=policy, entropy_weight=variable), metrics


def act(state: State, observation: Array, noise: None, knobs: Knobs) -> Array:
    """Return the deterministic policy tanh(mean), `[batch, action]`."""
    module = brac_policy(state.sizes, state.architecture.policy_widths)
    return jnp.tanh(module.apply(state.policy.parameters, observation)[0])


CLONING = Algorithm(init, noise, update, act)
