"""The behaviour model: a conditional variational autoencoder of actions given observations, paper Eq. 3-4.

Widths, ranges and the order of concatenation are those of `VAEModule` (`algos.py:96-167` of the official code).
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import linen as nn

from plas_jax.models.perceptron import Linear, Perceptron
from plas_jax.types import Array, Axis, Metrics, Parameters, Sizes, Transition

LOG_STD_RANGE = (-4.0, 15.0)  # algos.py:116
ACTIVE = 0.05  # nats
MAX_ACTION = 1.0  # every environment here has actions in [-1, 1]


class Posterior(NamedTuple):
    """A diagonal Gaussian over latents, `[batch, latent]` each, mean 0 and std 1 in the padding."""

    mean: Array
    std: Array


class CVAE(nn.Module):
    """Encoder q(z | s, a) and decoder p(a | s, z), ReLU layers of one width."""

    sizes: Sizes
    width: int

    def setup(self) -> None:
        """Declare the layers."""
        sizes, hidden = self.sizes, Axis(self.width, self.width)
        self.encoder = Perceptron((sizes.observation, sizes.action), (self.width,), hidden)
        self.latent_mean = Linear((hidden,), sizes.latent, is_last=True)
        self.latent_log_std = Linear((hidden,), sizes.latent, is_last=True)
        self.decoder = Perceptron((sizes.observation, sizes.latent), (self.width, self.width), sizes.action)

    def encode(self, observation: Array, action: Array) -> Posterior:
        """Return q(z | s, a); log std is clipped to [-4, 15]."""
        features = nn.relu(self.encoder(observation, action))
        log_std = jnp.clip(self.latent_log_std(features), *LOG_STD_RANGE)
        return Posterior(self.latent_mean(features), jnp.exp(log_std))

    def decode(self, observation: Array, latent: Array) -> Array:
        """Return the action of a latent, `[batch, action]` within ±1."""
        return MAX_ACTION * nn.tanh(self.decoder(observation, latent))

    def __call__(self, observation: Array, action: Array, noise: Array) -> tuple[Array, Posterior]:
        """Return the reconstruction of one reparameterised sample, and the posterior it came from."""
        posterior = self.encode(observation, action)
        return self.decode(observation, posterior.mean + posterior.std * noise), posterior


def reconstruction_error(reconstruction: Array, action: Array, axis: Axis) -> Array:
    """Return the mean squared error over the true dimensions of one action, Eq. 4's first term."""
    return axis.mean(jnp.square(reconstruction - action))


def kl_by_latent(posterior: Posterior) -> Array:
    """Return KL(q || N(0, 1)) of each latent dimension, as the posterior's shape is; zero in the padding."""
    mean, std = posterior
    return -0.5 * (1 + jnp.log(jnp.square(std)) - jnp.square(mean) - jnp.square(std))


def kl_from_standard_normal(posterior: Posterior, axis: Axis) -> Array:
    """Return KL(q || N(0, I)) of one latent, averaged (not summed) over its true dimensions as in `algos.py:165`."""
    return axis.mean(kl_by_latent(posterior))


def active_latents(posterior: Posterior) -> Array:
    """Return how many latent dimensions tell anything of the action: more than 0.05 nats, averaged over the batch.

    Eq. 4 as it is weighed is an evidence bound whose decoder has a variance of 1/8: a latent is used only where the
    actions' variance at a state exceeds that, by half the logarithm of their ratio (Lucas et al., "Don't Blame the
    ELBO!", arXiv:1911.02469, for linear decoders). Without any, the decoder is a deterministic clone.
    """
    return (kl_by_latent(posterior).mean(axis=0) > ACTIVE).sum()


def latent_reach(module: CVAE, cvae: Parameters, rows: Transition, latent_limit: Array | float) -> Metrics:
    """Return what shows whether these latents can choose an action; scalars.

    `active_latents`; `corner_reach`, how far the corners ±`latent_limit` of the box move an action from that of latent
    0; `data_spread`, how far the data's own actions are from the latter. Both are root mean squares over rows and true
    dimensions; each row is given one corner, the same at every call.
    """
    sizes = module.sizes
    draws = jax.random.normal(jax.random.key(0), (sizes.latent.padded, len(rows.reward))).T
    corner = latent_limit * jnp.sign(draws) * sizes.latent.mask()
    middle, moved = (
        module.apply(cvae, rows.observation, latent, method=CVAE.decode) for latent in (jnp.zeros_like(corner), corner)
    )

    def apart(action: Array) -> Array:
        return jnp.sqrt(sizes.action.mean(jnp.square(action - middle)).mean())

    posterior = module.apply(cvae, rows.observation, rows.action, method=CVAE.encode)
    return {
        "active_latents": active_latents(posterior),
        "corner_reach": apart(moved),
        "data_spread": apart(rows.action),
    }


def evidence_loss(reconstruction_error: Array, divergence: Array) -> Array:
    """Return Eq. 4 as the official code weighs it: reconstruction + KL/2 (`algos.py:166`)."""
    return reconstruction_error + 0.5 * divergence


def cvae_loss(cvae: Parameters, module: CVAE, batch: Transition, noise: Array) -> tuple[Array, Metrics]:
    """Return reconstruction error + KL/2 with the posterior noise `[batch, latent]`: the loss of PLAS's first phase.

    BCQ's and BEAR's code have the same, letter by letter (`BCQ.py`, `bear.py` of d4rl_evaluations).
    """
    reconstruction, posterior = module.apply(cvae, batch.observation, batch.action, noise)
    error = reconstruction_error(reconstruction, batch.action, module.sizes.action).mean()
    divergence = kl_from_standard_normal(posterior, module.sizes.latent).mean()
    return evidence_loss(error, divergence), {"reconstruction_error": error, "kl": divergence}
