"""One step of Adam on a loss, on every update or on every d-th: what every update here is made of."""

from collections.abc import Callable
from typing import TypeVar

import jax
import jax.numpy as jnp
import optax
from flax import struct

from plas_jax.types import Array, Parameters, Tree

Auxiliary = TypeVar("Auxiliary")


@struct.dataclass
class Network:
    """Parameters and their Adam moments."""

    parameters: Parameters
    moments: optax.OptState


def network(parameters: Parameters) -> Network:
    """Return a network before its first step. Adam's first moments do not depend on the learning rate."""
    return Network(parameters, optax.adam(0.0).init(parameters))


def descend(
    trained: Network, loss: Callable[[Parameters], tuple[Array, Auxiliary]], learning_rate: Array | float
) -> tuple[Network, Array, Auxiliary]:
    """Take one Adam step with torch's constants on `loss(parameters) -> (scalar, auxiliary)`.

    Returns the network after the step, and the loss and the auxiliary value before it.
    """
    (value, auxiliary), gradient = jax.value_and_grad(loss, has_aux=True)(trained.parameters)
    step, moments = optax.adam(learning_rate).update(gradient, trained.moments)
    return Network(optax.apply_updates(trained.parameters, step), moments), value, auxiliary


def is_due(count: Array, delay: Array | float) -> Array:
    """Return whether `count` is a multiple of the delay d."""
    return jnp.mod(count, delay) == 0


def taken(due: Array, after: Tree, before: Tree) -> Tree:
    """Return `after` where the delayed half is due, `before` where it is not; both hold the same leaves."""
    return jax.tree.map(lambda new, old: jnp.where(due, new, old), after, before)
