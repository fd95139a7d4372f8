"""ReBRAC's critics: what bounds their values away from the data is a LayerNorm behind each ReLU."""

import jax.numpy as jnp
from flax import linen as nn

from plas_jax.models.perceptron import Linear, uniform_within
from plas_jax.types import Array, Axis, Sizes


def edac_hidden(fan_in: Array, fan_out: int) -> tuple[Array, float, float]:
    """Return EDAC's law of hidden layers: torch's kernels, ±1/√fan_in, biases of 0.1 (`rebrac.py:111-123` of CORL)."""
    return 1.0 / jnp.sqrt(fan_in), 0.0, 0.1


class LayerNormalisedCritic(nn.Module):
    """Q(s, a): linear, ReLU, LayerNorm for each width, then a narrow linear layer (`rebrac.py:139-178` of CORL).

    A LayerNorm sees hidden features alone, which are never padded.
    """

    sizes: Sizes
    widths: tuple[int, ...]

    @nn.compact
    def __call__(self, observation: Array, action: Array) -> Array:
        """Return the value of `[batch, observation]`, `[batch, action]`: `[batch]`."""
        axes: tuple[Axis, ...] = (self.sizes.observation, self.sizes.action)
        features = jnp.concatenate([observation, action], axis=-1)
        for width in self.widths:
            features = nn.LayerNorm()(nn.relu(Linear(axes, Axis(width, width), edac_hidden)(features)))
            axes = (Axis(width, width),)
        return Linear(axes, Axis(1, 1), uniform_within(3e-3), is_last=True)(features)[..., 0]


class LayerNormalisedCritics(nn.Module):
    """Two of them, independent."""

    sizes: Sizes
    widths: tuple[int, ...]

    def setup(self) -> None:
        """Declare both critics."""
        self.first_critic = LayerNormalisedCritic(self.sizes, self.widths)
        self.second_critic = LayerNormalisedCritic(self.sizes, self.widths)

    def __call__(self, observation: Array, action: Array) -> Array:
        """Return both values, `[batch, 2]`."""
        return jnp.stack([self.first_critic(observation, action), self.second_critic(observation, action)], axis=-1)
