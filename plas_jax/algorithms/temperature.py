"""The learned temperature of maximum-entropy methods."""

from plas_jax.types import Array


def temperature_loss(log_temperature: Array, log_density: Array, action_size: Array | int) -> tuple[Array, None]:
    """-log α · mean(log π - dim(A)): raises α while the entropy is below -dim(A)."""
    return -log_temperature * (log_density - action_size).mean(), None
