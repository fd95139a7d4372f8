"""Two independent action-value functions that start orthogonal, as those of IQL and of CORL's CQL."""

import jax.numpy as jnp
from flax import linen as nn

from plas_jax.models.orthogonal import HIDDEN_GAIN, OrthogonalPerceptron
from plas_jax.types import Array, Axis, Sizes


class OrthogonalCritics(nn.Module):
    """Q1(s, a) and Q2(s, a), ReLU perceptrons over [s, a]."""

    sizes: Sizes
    widths: tuple[int, ...]
    last_gain: float = HIDDEN_GAIN

    def setup(self) -> None:
        """Declare both critics."""
        inputs = (self.sizes.observation, self.sizes.action)
        self.first_critic = OrthogonalPerceptron(inputs, self.widths, Axis(1, 1), self.last_gain)
        self.second_critic = OrthogonalPerceptron(inputs, self.widths, Axis(1, 1), self.last_gain)

    def __call__(self, observation: Array, action: Array) -> Array:
        """Return both values, `[..., 2]`."""
        critics = (self.first_critic, self.second_critic)
        return jnp.concatenate([critic(observation, action) for critic in critics], axis=-1)
