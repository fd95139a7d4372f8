"""Multi-layer perceptrons whose initial law is the reference's, exact under zero-padding."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from flax import linen as nn

from plas_jax.types import Array, Axis

Law = Callable[[Array, int], tuple[Array | float, Array | float, float]]


def torch_linear(fan_in: Array, fan_out: int) -> tuple[Array, Array, float]:
    """Return torch's law of `nn.Linear`, uniform within ±1/√fan_in: bounds of kernel and bias, the bias's offset."""
    bound = 1.0 / jnp.sqrt(fan_in)
    return bound, bound, 0.0


def rlkit_hidden(fan_in: Array, fan_out: int) -> tuple[float, float, float]:
    """Return rlkit's law of hidden layers: ±1/√fan_out (its "fan in" is a torch kernel's first axis), biases of 0.1."""
    return fan_out**-0.5, 0.0, 0.1


def uniform_within(bound: float) -> Law:
    """Return rlkit's law of last layers: kernel and bias uniform within ±bound."""
    return lambda fan_in, fan_out: (bound, bound, 0.0)


def padded_uniform(key: Array, leading: Axis, trailing: int) -> Array:
    """Draw uniformly in [-1, 1), float32 `[leading.padded, trailing]`, zero in the padding.

    The axis that may be padded leads: counters run along rows, so the true part is the same at every padding.
    """
    draws = jax.random.uniform(key, (leading.padded, trailing), minval=-1.0)
    return draws * leading.mask()[:, None]


class Linear(nn.Module):
    """A dense layer over the concatenation of `inputs`; bounds of its initial law use the true fan-in.

    Either its inputs or, in a last layer, its outputs may be padded, not both.
    """

    inputs: tuple[Axis, ...]
    outputs: Axis
    law: Law = torch_linear
    is_last: bool = False

    @nn.compact
    def __call__(self, features: Array) -> Array:
        """Map `[..., sum of padded inputs]` to `[..., outputs.padded]`."""
        fan_in = sum(axis.true for axis in self.inputs)
        kernel_bound, bias_bound, bias_offset = self.law(jnp.asarray(fan_in, float), self.outputs.padded)

        def draw_kernel(key: Array) -> Array:
            if self.is_last:
                return kernel_bound * padded_uniform(key, self.outputs, features.shape[-1]).T
            keys = jax.random.split(key, len(self.inputs))
            width = self.outputs.padded
            return kernel_bound * jnp.concatenate(
                [padded_uniform(k, rows, width) for k, rows in zip(keys, self.inputs, strict=True)]
            )

        def draw_bias(key: Array) -> Array:
            return bias_bound * padded_uniform(key, self.outputs, 1)[:, 0] + bias_offset * self.outputs.mask()

        return features @ self.param("kernel", draw_kernel) + self.param("bias", draw_bias)


class Perceptron(nn.Module):
    """ReLU layers of the given widths over the concatenated inputs, then a linear layer."""

    inputs: tuple[Axis, ...]
    widths: tuple[int, ...]
    outputs: Axis
    hidden_law: Law = torch_linear
    last_law: Law = torch_linear

    @nn.compact
    def __call__(self, *inputs: Array) -> Array:
        """Map one array `[..., axis.padded]` for each of `inputs` to `[..., outputs.padded]`."""
        axes, features = self.inputs, jnp.concatenate(inputs, axis=-1)
        for width in self.widths:
            features = nn.relu(Linear(axes, Axis(width, width), self.hidden_law)(features))
            axes = (Axis(width, width),)
        return Linear(axes, self.outputs, self.last_law, is_last=True)(features)
