"""Equation 1 and what every actor-critic here shares: targets, the critics' loss, Polyak averages, smoothed actions."""

import chex
import jax
import jax.numpy as jnp
from flax import linen as nn

from plas_jax.models.cvae import MAX_ACTION
from plas_jax.types import Array, Parameters, Transition


def soft_clipped(q_values: Array, clip_weight: Array | float) -> Array:
    """Return Algorithm 1's λ min Q' + (1 - λ) max Q' over the critics of one transition, `[critics]` to a scalar."""
    chex.assert_rank(q_values, 1)
    return clip_weight * q_values.min() + (1 - clip_weight) * q_values.max()


def bellman_target(reward: Array, bootstrap: Array, next_value: Array, discount: Array | float) -> Array:
    """Return equation 1's r + γ V(s') of one transition; `bootstrap` is 0 where the episode truly ended."""
    chex.assert_rank([reward, bootstrap, next_value], 0)
    return reward + bootstrap * discount * next_value


def bellman_targets(batch: Transition, next_value: Array, discount: Array | float) -> Array:
    """Return equation 1's right-hand side of every transition, `[batch]`, for the values V(s') `[batch]`."""
    return jax.vmap(bellman_target, (0, 0, 0, None))(batch.reward, batch.bootstrap, next_value, discount)


def squared_error(q_values: Array, target: Array) -> Array:
    """Return Σ over critics of the mean squared error, for `[batch, critics]` and `[batch]`."""
    chex.assert_rank([q_values, target], [2, 1])
    return jnp.square(q_values - target[:, None]).mean(axis=0).sum()


def critic_loss(critics: Parameters, module: nn.Module, batch: Transition, target: Array) -> tuple[Array, Array]:
    """Return both critics' squared error to the target `[batch]`, and their values `[batch, 2]`."""
    q_values = module.apply(critics, batch.observation, batch.action)
    return squared_error(q_values, target), q_values


def polyak_average(target: Parameters, online: Parameters, polyak: Array | float) -> Parameters:
    """Return τ·online + (1 - τ)·target, leaf by leaf."""
    return jax.tree.map(lambda t, o: polyak * o + (1 - polyak) * t, target, online)


def smoothed(action: Array, draw: Array, noise_std: Array | float, noise_limit: Array | float) -> Array:
    """Return clip(a + clip(σ·ε, -c, c), ±1) of the target policy's action, for ε ~ N(0, 1) (`TD3_BC.py:109-115`).

    `[..., action]`. σ and c are in units of the largest action, which is 1 here. The padding stays zero with `draw`'s.
    """
    noise = jnp.clip(noise_std * draw, -noise_limit, noise_limit)
    return jnp.clip(action + noise, -MAX_ACTION, MAX_ACTION)
