"""The latent policy of paper section 4.1: a deterministic map from observations to latents within ±σ."""

from flax import linen as nn

from plas_jax.models.perceptron import Perceptron
from plas_jax.types import Array, Sizes


class LatentPolicy(nn.Module):
    """z = σ·tanh(f(s)) (`algos.py:15-30` of the official code)."""

    sizes: Sizes
    widths: tuple[int, ...]

    @nn.compact
    def __call__(self, observation: Array, latent_limit: Array | float) -> Array:
        """Map `[batch, observation]` to `[batch, latent]` within ±`latent_limit` (σ)."""
        latent = Perceptron((self.sizes.observation,), self.widths, self.sizes.latent)(observation)
        return latent_limit * nn.tanh(latent)
