"""Random arrays whose true part does not depend on the padding around it."""

import jax

from plas_jax.types import Array, Axis


def padded_normal(key: Array, batch_size: int, axis: Axis) -> Array:
    """Standard normal `[batch_size, axis.padded]`, float32, zero in the padding.

    The dimension leads while drawing: counters run along rows, so a shorter array is a prefix of a longer one.
    """
    return jax.random.normal(key, (axis.padded, batch_size)).T * axis.mask()
