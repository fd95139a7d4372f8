"""Target policy smoothing of TD3 (Fujimoto et al. 2018, section 5.3): values of similar actions should be similar."""

import jax.numpy as jnp

from plas_jax.models.cvae import MAX_ACTION
from plas_jax.types import Array


def smoothed(action: Array, draw: Array, noise_std: Array | float, noise_limit: Array | float) -> Array:
    """clip(a + clip(σ·ε, -c, c), ±1) of the target policy's action, for ε ~ N(0, 1) (`TD3_BC.py:109-115`).

    `[..., action]`. σ and c are in units of the largest action, which is 1 here. The padding stays zero with `draw`'s.
    """
    noise = jnp.clip(noise_std * draw, -noise_limit, noise_limit)
    return jnp.clip(action + noise, -MAX_ACTION, MAX_ACTION)
