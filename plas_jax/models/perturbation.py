"""The perturbation layer of paper section 4.2: a residual within ±ε on the decoded action."""

import jax.numpy as jnp
from flax import linen as nn

from plas_jax.models.cvae import MAX_ACTION
from plas_jax.models.perceptron import Perceptron
from plas_jax.types import Array, Sizes


class Perturbation(nn.Module):
    """a = clip(a' + ε·tanh(g(s, a')), ±1) for the decoded action a' (`algos.py:33-62` of the official code)."""

    sizes: Sizes
    widths: tuple[int, ...]

    @nn.compact
    def __call__(self, observation: Array, decoded: Array, perturbation_limit: Array | float) -> Array:
        """Return the perturbed action, `[batch, action]`; for ε = 0 the decoded one.

        ε is in units of the largest action, which is 1 here: BCQ multiplies by it, PLAS's code does not.
        """
        residual = Perceptron((self.sizes.observation, self.sizes.action), self.widths, self.sizes.action)
        step = perturbation_limit * MAX_ACTION * nn.tanh(residual(observation, decoded))
        return jnp.clip(decoded + step, -MAX_ACTION, MAX_ACTION)
