"""A Gaussian over actions whose mean is bounded and whose samples are not, as IQL's policy."""

import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from plas_jax.models.orthogonal import OrthogonalPerceptron
from plas_jax.types import Array, Axis, Sizes

LOG_STD_RANGE = (-5.0, 2.0)  # IQL's learner.py for the lower, policy.py for the upper


class UnsquashedPolicy(nn.Module):
    """tanh of a perceptron's mean, and log standard deviations that do not depend on the state (`policy.py` of IQL)."""

    sizes: Sizes
    widths: tuple[int, ...]

    @nn.compact
    def __call__(self, observation: Array, masks: tuple[Array, ...] = ()) -> tuple[Array, Array]:
        """Map `[batch, observation]` to the mean `[batch, action]` and log std `[action]`, zero in the padding.

        `masks [batch, width]` are of dropout, one for each hidden layer.
        """
        sizes = self.sizes
        perceptron = OrthogonalPerceptron((sizes.observation,), self.widths, sizes.action, name="mean")
        mean = perceptron(observation, masks=masks)
        log_std = self.param("log_std", nn.initializers.zeros, (sizes.action.padded,))
        return nn.tanh(mean), jnp.clip(log_std, *LOG_STD_RANGE)


def gaussian_log_density(action: Array, mean: Array, log_std: Array, axis: Axis) -> Array:
    """Return log N(a; mean, std²) over the true dimensions, `[batch, action]` to `[batch]`."""
    deviation = (action - mean) * jnp.exp(-log_std)
    density = -0.5 * jnp.square(deviation) - log_std - 0.5 * np.log(2 * np.pi)
    return jnp.sum(density * axis.mask(), axis=-1)
