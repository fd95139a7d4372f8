"""What an update is given, exact under zero-padding: random arrays, and states without the data's mean and scale."""

import jax

from plas_jax.types import Array, Axis, Transition

STD_OFFSET = 1e-3  # TD3+BC, section 5 and `utils.py:52-57`: no dimension that never moves is divided by zero


def padded_normal(key: Array, batch_size: int, axis: Axis) -> Array:
    """Return standard normal draws `[batch_size, axis.padded]`, float32, zero in the padding.

    The dimension leads while drawing: counters run along rows, so a shorter array is a prefix of a longer one.
    """
    return jax.random.normal(key, (axis.padded, batch_size)).T * axis.mask()


def normalised(observation: Array, mean: Array, std: Array) -> Array:
    """Return (s − mean) / (std + 1e-3), `[…, observation]`; zero in the padding, where the mean is 0 and the std 1.

    TD3+BC introduced it for offline data.
    """
    return (observation - mean) / (std + STD_OFFSET)


def normalised_batch(batch: Transition, mean: Array, std: Array) -> Transition:
    """Return the transitions with both of their observations normalised."""
    return batch._replace(
        observation=normalised(batch.observation, mean, std),
        next_observation=normalised(batch.next_observation, mean, std),
    )
