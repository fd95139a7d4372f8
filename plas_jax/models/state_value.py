"""A state-value function, as IQL's."""

from flax import linen as nn

from plas_jax.models.orthogonal import OrthogonalPerceptron
from plas_jax.types import Array, Axis, Sizes


class StateValue(nn.Module):
    """V(s), a ReLU perceptron that starts orthogonal (`value_net.py` of IQL)."""

    sizes: Sizes
    widths: tuple[int, ...]

    @nn.compact
    def __call__(self, observation: Array) -> Array:
        """Map `[batch, observation]` to `[batch]`."""
        return OrthogonalPerceptron((self.sizes.observation,), self.widths, Axis(1, 1))(observation)[..., 0]
