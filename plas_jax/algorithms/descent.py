"""One step of Adam on a loss, on every update or on every d-th: what every update here is made of."""

from collections.abc import Callable
from typing import TypeVar

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import struct

from plas_jax.types import Array, Parameters, Tree

Auxiliary = TypeVar("Auxiliary")
KERAS_EPSILON = 1e-7  # `tf.keras.optimizers.Adam` of TensorFlow 1.15


@struct.dataclass
class Network:
    """Parameters and their Adam moments."""

    parameters: Parameters
    moments: optax.OptState


def parameters_of(part: Network | Parameters) -> Parameters:
    """Return the parameters of a network, and those that are given alone as they are."""
    return part.parameters if isinstance(part, Network) else part


def network(parameters: Parameters) -> Network:
    """Return a network before its first step. Adam's first moments do not depend on the learning rate."""
    return Network(parameters, optax.adam(0.0).init(parameters))


def keras_adam(learning_rate: Array | float) -> optax.GradientTransformation:
    """Return Adam as Keras has it: ε = 1e-7 is added to √v before the correction of bias, not after.

    At the first step that is as 3e-6 after it, where torch has 1e-8: weights of smaller gradients move less than the
    learning rate.
    """
    adam = optax.adam(learning_rate)

    def step(gradient: Parameters, state: optax.OptState, parameters: None = None) -> tuple[Parameters, optax.OptState]:
        _, state = adam.update(gradient, state)
        count, mean, square = state[0]
        # 1 - β^t; the subtraction itself would lose five of seven digits, as optax does
        fading, square_fading = (-jnp.expm1(count * np.log(decay)) for decay in (0.9, 0.999))
        rate = -learning_rate * jnp.sqrt(square_fading) / fading
        return jax.tree.map(lambda m, v: rate * m / (jnp.sqrt(v) + KERAS_EPSILON), mean, square), state

    return optax.GradientTransformation(adam.init, step)


def descend(
    trained: Network,
    loss: Callable[[Parameters], tuple[Array, Auxiliary]],
    learning_rate: Array | float,
    adam: Callable[[Array | float], optax.GradientTransformation] = optax.adam,
) -> tuple[Network, Array, Auxiliary]:
    """Take one step of Adam, torch's unless told, on `loss(parameters) -> (scalar, auxiliary)`.

    Returns the network after the step, and the loss and the auxiliary value before it.
    """
    (value, auxiliary), gradient = jax.value_and_grad(loss, has_aux=True)(trained.parameters)
    step, moments = adam(learning_rate).update(gradient, trained.moments)
    return Network(optax.apply_updates(trained.parameters, step), moments), value, auxiliary


def is_due(count: Array, delay: Array | float) -> Array:
    """Return whether `count` is a multiple of the delay d."""
    return jnp.mod(count, delay) == 0


def taken(due: Array, after: Tree, before: Tree) -> Tree:
    """Return `after` where the delayed half is due, `before` where it is not; both hold the same leaves."""
    return jax.tree.map(lambda new, old: jnp.where(due, new, old), after, before)
