"""The squashed Gaussian policy of CORL's CQL: log standard deviations pass through a learnable affine map."""

import jax.numpy as jnp
from flax import linen as nn

from plas_jax.models.perceptron import Law, Perceptron
from plas_jax.types import Array, Axis, Sizes

LOG_STD_RANGE = (-20.0, 2.0)  # CORL's cql.py, ReparameterizedTanhGaussian


def xavier_uniform(gain: float, fan_out: Array | int) -> Law:
    """Draw kernels within ±gain·√(6 / (fan in + fan out)), uniform, and biases of zero; the fan-out is the true one."""
    return lambda fan_in, padded: (gain * jnp.sqrt(6 / (fan_in + fan_out)), 0.0, 0.0)


class AffineStdPolicy(nn.Module):
    """Mean and m·x + b, the log standard deviation, of the Gaussian before the tanh; m starts at 1 and b at -1."""

    sizes: Sizes
    widths: tuple[int, ...]

    @nn.compact
    def __call__(self, observation: Array) -> tuple[Array, Array]:
        """Map `[batch, observation]` to mean and log std, each `[batch, action]`, zero in the padding."""
        action, last = self.sizes.action, Axis(self.widths[-1], self.widths[-1])
        features = nn.relu(Perceptron((self.sizes.observation,), self.widths[:-1], last)(observation))
        # One layer of 2·dim(A) outputs in the source: two heads of its law.
        law = xavier_uniform(1e-2, 2 * action.true)
        mean = Perceptron((last,), (), action, last_law=law)(features)
        scale = Perceptron((last,), (), action, last_law=law)(features)
        multiplier = self.param("log_std_multiplier", nn.initializers.ones, ())
        offset = self.param("log_std_offset", nn.initializers.constant(-1.0), ())
        return mean, jnp.clip(multiplier * scale + offset, *LOG_STD_RANGE) * action.mask()
