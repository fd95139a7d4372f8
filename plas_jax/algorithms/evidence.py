"""Equation 4 of one batch: PLAS trains its CVAE on it first, BCQ and BEAR beside everything else."""

from typing import Any

from plas_jax.models.cvae import CVAE, evidence_loss, kl_from_standard_normal, reconstruction_error
from plas_jax.types import Array, Metrics, Transition


def cvae_loss(cvae: Any, module: CVAE, batch: Transition, noise: Array) -> tuple[Array, Metrics]:
    """Reconstruction error + KL/2 with the posterior noise `[batch, latent]`: the loss of PLAS's first phase.

    BCQ's and BEAR's code have the same, letter by letter (`BCQ.py`, `bear.py` of d4rl_evaluations).
    """
    reconstruction, posterior = module.apply(cvae, batch.observation, batch.action, noise)
    error = reconstruction_error(reconstruction, batch.action, module.sizes.action).mean()
    divergence = kl_from_standard_normal(posterior, module.sizes.latent).mean()
    return evidence_loss(error, divergence), {"reconstruction_error": error, "kl": divergence}
