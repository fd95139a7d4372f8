"""What holds critics down where the data are not: CQL's gap and the Lagrange multiplier of its weight.

Equations are those of Kumar et al., arXiv:2006.04779, the source is CORL's algorithms/offline/cql.py, `_q_loss`.
"""

import jax
import jax.numpy as jnp

from plas_jax.types import Array

LARGEST_MULTIPLIER = 1e6


def conservative_gap(candidate_q: Array, log_density: Array, data_q: Array) -> Array:
    """Return equation 4's log Σ exp Q(s, a) - Q(s, a of the data), by importance sampling, `[batch, critics]`.

    `[candidates, batch, critics]`, `[candidates, batch]` and `[batch, critics]`. The paper's appendix F divides the sum
    by the number of candidates; the source does not, which adds a constant and changes no gradient.
    """
    return jax.nn.logsumexp(candidate_q - log_density[..., None], axis=0) - data_q


def weight_multiplier(log_multiplier: Array) -> Array:
    """Return what α is multiplied by where the gap has a threshold."""
    return jnp.minimum(jnp.exp(log_multiplier), LARGEST_MULTIPLIER)


def multiplier_loss(
    log_multiplier: Array, gap: Array, weight: Array | float, threshold: Array | float
) -> tuple[Array, None]:
    """Return minus equation 30 of the mean gap of two critics, of which `gap` is the sum: it falls as the gap does."""
    return -weight_multiplier(log_multiplier) * weight * (0.5 * gap - threshold), None
