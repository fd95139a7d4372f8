"""A deterministic policy over actions, as TD3's actor and the simplest behaviour cloning."""

from flax import linen as nn

from plas_jax.models.cvae import MAX_ACTION
from plas_jax.models.perceptron import Perceptron
from plas_jax.types import Array, Sizes


class DeterministicPolicy(nn.Module):
    """a = tanh(f(s)), ReLU layers with torch's initial law (`TD3_BC.py:14-27` of TD3_BC)."""

    sizes: Sizes
    widths: tuple[int, ...]

    @nn.compact
    def __call__(self, observation: Array) -> Array:
        """Map `[batch, observation]` to `[batch, action]` within ±1, zero in the padding."""
        action = Perceptron((self.sizes.observation,), self.widths, self.sizes.action)(observation)
        return MAX_ACTION * nn.tanh(action)
