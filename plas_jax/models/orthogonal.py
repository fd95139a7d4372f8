"""Perceptrons whose kernels start orthogonal and whose biases start at zero, exact under zero-padding."""

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from plas_jax.types import Array, Axis

HIDDEN_GAIN = float(np.sqrt(2))  # of a ReLU layer: IQL's common.py:16, CORL's cql.py:256


def orthonormal_columns(matrix: Array) -> Array:
    """Apply Gram-Schmidt to `[rows, columns]`, no more columns than rows: QR with a positive diagonal in R."""
    q, r = jnp.linalg.qr(matrix)
    return q * jnp.where(jnp.diagonal(r) < 0, -1.0, 1.0)


def padded_orthogonal(key: Array, axes: tuple[Axis, ...], trailing: int) -> Array:
    """Draw a random orthogonal matrix, float32 `[sum of padded axes, trailing]`, zero in the padding.

    Its true rows are orthonormal; where they are more than `trailing`, its columns are.
    """
    keys = jax.random.split(key, len(axes))
    drawn = jnp.concatenate([jax.random.normal(k, (axis.padded, trailing)) for k, axis in zip(keys, axes, strict=True)])
    is_true = jnp.concatenate([axis.mask() for axis in axes])
    # Gram-Schmidt does not look ahead: with the true rows in front, what is drawn for the padding changes none of them.
    order = jnp.argsort(-is_true, stable=True)
    drawn, padded = drawn[order], len(is_true)
    count = min(padded, trailing)
    matrix = jnp.pad(orthonormal_columns(drawn[:count].T).T, ((0, padded - count), (0, 0)))
    if padded > trailing:
        of_many_rows = orthonormal_columns(drawn * is_true[order][:, None])
        matrix = jnp.where(is_true.sum() > trailing, of_many_rows, matrix)
    return matrix[jnp.argsort(order)] * is_true[:, None]


class OrthogonalLinear(nn.Module):
    """A dense layer over the concatenation of `inputs`.

    Either its inputs or, in a last layer, its outputs may be padded, not both.
    """

    inputs: tuple[Axis, ...]
    outputs: Axis
    gain: float
    is_last: bool = False

    @nn.compact
    def __call__(self, features: Array) -> Array:
        """Map `[..., sum of padded inputs]` to `[..., outputs.padded]`."""

        def draw_kernel(key: Array) -> Array:
            if self.is_last:
                return self.gain * padded_orthogonal(key, (self.outputs,), features.shape[-1]).T
            return self.gain * padded_orthogonal(key, self.inputs, self.outputs.padded)

        bias = self.param("bias", nn.initializers.zeros, (self.outputs.padded,))
        return features @ self.param("kernel", draw_kernel) + bias


class OrthogonalPerceptron(nn.Module):
    """ReLU layers of the given widths over the concatenated inputs, then a linear layer of gain `last_gain`."""

    inputs: tuple[Axis, ...]
    widths: tuple[int, ...]
    outputs: Axis
    last_gain: float = HIDDEN_GAIN

    @nn.compact
    def __call__(self, *inputs: Array, masks: tuple[Array, ...] = ()) -> Array:
        """Map one array `[..., axis.padded]` for each of `inputs` to `[..., outputs.padded]`.

        `masks [..., width]`, one for each layer of the given widths, multiply what comes out of it: dropout.
        """
        axes, features = self.inputs, jnp.concatenate(inputs, axis=-1)
        for place, width in enumerate(self.widths):
            layer = OrthogonalLinear(axes, Axis(width, width), HIDDEN_GAIN, name=f"Linear_{place}")
            axes, features = (Axis(width, width),), nn.relu(layer(features))
            features = features * masks[place] if masks else features
        last = OrthogonalLinear(axes, self.outputs, self.last_gain, is_last=True, name=f"Linear_{len(self.widths)}")
        return last(features)
