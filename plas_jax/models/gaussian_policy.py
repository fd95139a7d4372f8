"""A Gaussian squashed by tanh, as Soft Actor-Critic's policy; its densities are exact under zero-padding."""

import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from plas_jax.models.perceptron import Perceptron, rlkit_hidden, uniform_within
from plas_jax.types import Array, Axis, Sizes

LOG_STD_RANGE = (-5.0, 2.0)  # rlkit/torch/sac/policies.py as vendored in d4rl_evaluations' bear


class GaussianPolicy(nn.Module):
    """Mean and log standard deviation of the Gaussian before the tanh."""

    sizes: Sizes
    widths: tuple[int, ...]

    @nn.compact
    def __call__(self, observation: Array) -> tuple[Array, Array]:
        """`[batch, observation]` to mean and log std, each `[batch, action]`, zero in the padding."""
        widths = self.widths
        features = Perceptron(
            (self.sizes.observation,), widths[:-1], Axis(widths[-1], widths[-1]), rlkit_hidden, rlkit_hidden
        )(observation)
        features = nn.relu(features)
        head = (Axis(widths[-1], widths[-1]),)
        mean = Perceptron(head, (), self.sizes.action, last_law=uniform_within(1e-3))(features)
        log_std = Perceptron(head, (), self.sizes.action, last_law=uniform_within(1e-3))(features)
        return mean, jnp.clip(log_std, *LOG_STD_RANGE)


def squashed_sample(mean: Array, log_std: Array, noise: Array, axis: Axis) -> tuple[Array, Array]:
    """tanh(mean + exp(log_std)·noise) and its log density, `[batch, action]` and `[batch]`.

    log π(a) = Σ log N(u; mean, std) − log(1 − tanh²u), the last term written as 2(log 2 − u − softplus(−2u)),
    which neither overflows nor loses digits. Padded dimensions count for nothing; `noise` must be zero there.
    """
    before = mean + jnp.exp(log_std) * noise
    density = -0.5 * jnp.square(noise) - log_std - 0.5 * np.log(2 * np.pi)
    volume = 2 * (np.log(2) - before - nn.softplus(-2 * before))
    return jnp.tanh(before), jnp.sum((density - volume) * axis.mask(), axis=-1)
