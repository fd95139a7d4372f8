"""Two independent action-value functions, paper section 4.3."""

import jax.numpy as jnp
from flax import linen as nn

from plas_jax.models.perceptron import Law, Perceptron, torch_linear
from plas_jax.types import Array, Axis, Sizes


class TwinCritics(nn.Module):
    """Q1(s, a) and Q2(s, a), ReLU perceptrons over [s, a] (`algos.py:65-93` of PLAS)."""

    sizes: Sizes
    widths: tuple[int, ...]
    hidden_law: Law = torch_linear
    last_law: Law = torch_linear

    def setup(self) -> None:
        """Declare both critics."""
        inputs = (self.sizes.observation, self.sizes.action)
        laws = (self.hidden_law, self.last_law)
        self.first_critic = Perceptron(inputs, self.widths, Axis(1, 1), *laws)
        self.second_critic = Perceptron(inputs, self.widths, Axis(1, 1), *laws)

    def first(self, observation: Array, action: Array) -> Array:
        """Return Q1, `[batch]`: what the policy ascends (`algos.py:238`)."""
        return self.first_critic(observation, action)[..., 0]

    def __call__(self, observation: Array, action: Array) -> Array:
        """Return both values, `[batch, 2]`."""
        return jnp.stack([self.first(observation, action), self.second_critic(observation, action)[..., 0]], axis=-1)
