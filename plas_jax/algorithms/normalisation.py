"""States with the data's mean and standard deviation taken out, as TD3+BC introduced it for offline data."""

from plas_jax.types import Array

STD_OFFSET = 1e-3  # TD3+BC, section 5 and `utils.py:52-57`: no dimension that never moves is divided by zero


def normalised(observation: Array, mean: Array, std: Array) -> Array:
    """(s − mean) / (std + 1e-3), `[…, observation]`; zero in the padding, where the mean is 0 and the std 1."""
    return (observation - mean) / (std + STD_OFFSET)
