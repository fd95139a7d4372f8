"""Several actions for each state, and the best of them: what BCQ does and BEAR took from it."""

import chex
import jax
import jax.numpy as jnp

from plas_jax.algorithms.bellman import soft_clipped
from plas_jax.algorithms.draws import padded_normal
from plas_jax.types import Array, Axis


def candidate_normal(key: Array, states: int, candidates: int, axis: Axis) -> Array:
    """Return standard normal draws `[states, candidates, axis.padded]`, float32, zero in the padding."""
    return padded_normal(key, states * candidates, axis).reshape(states, candidates, axis.padded)


def repeated(observation: Array, candidates: int) -> Array:
    """Repeat each state for each of its candidates, `[states, observation]` to `[states, candidates, observation]`."""
    return jnp.repeat(observation[:, None], candidates, axis=1)


def best_value(q_values: Array, clip_weight: Array | float) -> Array:
    """Return max over candidates of (λ min Q' + (1 - λ) max Q') at one state, `[candidates, critics]` to a scalar.

    The critics are mixed first, for each candidate by itself (BCQ.py:159-161).
    """
    chex.assert_rank(q_values, 2)
    return jax.vmap(soft_clipped, (0, None))(q_values, clip_weight).max()


def best_action(actions: Array, values: Array) -> Array:
    """Return the action of the greatest value at one state, `[candidates, action]` and `[candidates]` to `[action]`."""
    chex.assert_rank([actions, values], [2, 1])
    return actions[values.argmax()]
