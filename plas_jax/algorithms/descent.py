"""One step of Adam on a loss: what every update in every algorithm here is made of."""

from collections.abc import Callable
from typing import Any

import jax
import optax
from flax import struct

from plas_jax.types import Array


@struct.dataclass
class Network:
    """Parameters and their Adam moments."""

    parameters: Any
    moments: Any


def network(parameters: Any) -> Network:
    """A network before its first step. Adam's first moments do not depend on the learning rate."""
    return Network(parameters, optax.adam(0.0).init(parameters))


def descend(
    trained: Network, loss: Callable[[Any], tuple[Array, Any]], learning_rate: Array | float
) -> tuple[Network, Array, Any]:
    """One Adam step with torch's constants on `loss(parameters) -> (scalar, auxiliary)`.

    Returns the network after the step, and the loss and the auxiliary value before it.
    """
    (value, auxiliary), gradient = jax.value_and_grad(loss, has_aux=True)(trained.parameters)
    step, moments = optax.adam(learning_rate).update(gradient, trained.moments)
    return Network(optax.apply_updates(trained.parameters, step), moments), value, auxiliary
