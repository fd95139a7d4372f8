"""What some methods know of a whole data set before they train on it."""

import numpy as np

from plas_jax.types import Statistics, Transition


def statistics(transitions: Transition, returns: np.ndarray) -> Statistics:
    """Return mean and standard deviation of the observations, summed in float64, and the range of `returns`.

    Over the transitions' observations, not next ones, and by N, as TD3_BC's `utils.py:52-57`. `returns` are those of
    whole episodes, `[episodes]`; without any the range is NaN.
    """
    observation = transitions.observation
    return Statistics(
        observation.mean(axis=0, dtype=np.float64).astype(np.float32),
        observation.std(axis=0, dtype=np.float64).astype(np.float32),
        np.float32(np.ptp(returns) if len(returns) else np.nan),
    )


def padded(unpadded: Statistics, observation: int) -> Statistics:
    """Pad to `observation` dimensions, those beyond the true ones of mean 0 and standard deviation 1."""
    room = (0, observation - len(unpadded.observation_mean))
    mean, std = np.pad(unpadded.observation_mean, room), np.pad(unpadded.observation_std, room, constant_values=1.0)
    return Statistics(mean, std, unpadded.return_range)
