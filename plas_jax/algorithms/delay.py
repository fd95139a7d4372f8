"""Delayed policy updates of TD3 (Fujimoto et al. 2018, section 5.2), without a branch.

The delayed half of an update is computed every time and then taken or left, leaf by leaf: under `vmap` a branch would
compute both sides too, and cost a copy besides.
"""

from typing import Any

import jax
import jax.numpy as jnp

from plas_jax.types import Array


def is_due(count: Array, delay: Array | float) -> Array:
    """Whether `count` is a multiple of the delay d."""
    return jnp.mod(count, delay) == 0


def taken(due: Array, after: Any, before: Any) -> Any:
    """`after` where the delayed half is due, `before` where it is not; both hold the same leaves."""
    return jax.tree.map(lambda new, old: jnp.where(due, new, old), after, before)
