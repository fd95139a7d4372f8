"""Filtered cloning: imitate those of the data's actions that Q prefers to the policy's own (CRR's binary filter)."""

from collections import namedtuple

import jax.numpy as jnp
from flax import struct

from plas_jax.algorithms import bellman, descent
from plas_jax.methods.method import Method, Phase
from plas_jax.models.deterministic_policy import DeterministicPolicy
from plas_jax.models.twin_critics import TwinCritics
from plas_jax.types import Algorithm, Sizes

Architecture = namedtuple("Architecture", ["policy_widths", "critic_widths", "batch_size"])
Knobs = namedtuple("Knobs", ["discount", "learning_rate"])


@struct.dataclass
class _State:  # of one run: data sets, seeds and knobs are batched outside of it
    sizes: Sizes
    both: descent.Network  # policy and critics, which share no parameter and so can share an optimiser
    architecture: Architecture = struct.field(pytree_node=False)


def _modules(sizes, architecture):
    return DeterministicPolicy(sizes, architecture.policy_widths), TwinCritics(sizes, architecture.critic_widths)


def init(key, architecture, sizes):
    """Return the state before the first update."""
    inputs = jnp.zeros((1, sizes.observation.padded)), jnp.zeros((1, sizes.action.padded))
    both = tuple(module.init(key, *inputs[:count]) for count, module in enumerate(_modules(sizes, architecture), 1))
    return _State(sizes, descent.network(both), architecture)


def update(state, batch, noise, knobs):
    """Take one step of Q on the data's own next actions, and of the policy on the better of the data's actions."""
    policy, critics = _modules(state.sizes, state.architecture)
    next_q = critics.apply(state.both.parameters[1], batch.next_observation, batch.next_action).min(axis=-1)
    target = batch.reward + batch.bootstrap * knobs.discount * next_q

    def loss(both):
        q, action = critics.apply(both[1], batch.observation, batch.action), policy.apply(both[0], batch.observation)
        is_better = q.min(axis=-1) > critics.apply(both[1], batch.observation, action).min(axis=-1)
        error = is_better * state.sizes.action.mean(jnp.square(action - batch.action))
        return bellman.squared_error(q, target) + error.mean(), q

    both, value, q = descent.descend(state.both, loss, knobs.learning_rate)
    return state.replace(both=both), {"loss": value, "mean_q": q.mean(), "mean_absolute_q": jnp.abs(q).mean()}


def act(state, observation, noise, knobs):
    """Return the policy's actions, `[states, action]`."""
    return _modules(state.sizes, state.architecture)[0].apply(state.both.parameters[0], observation)


ALGORITHM = Algorithm(init, lambda *_: None, update, act)
PHASE = Phase(ALGORITHM, Architecture((256, 256), (256, 256), 256), Knobs(0.99, 3e-4), updates=500_000)
METHOD = Method("filtered_cloning", PHASE, uses_next_actions=True)
