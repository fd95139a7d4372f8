"""The first phase of Algorithm 1: maximum likelihood of the data under the CVAE, Eq. 4."""

from dataclasses import replace
from typing import NamedTuple

import jax.numpy as jnp
from flax import struct

from plas_jax.algorithms.descent import Network, descend, network
from plas_jax.algorithms.draws import padded_normal
from plas_jax.models.cvae import CVAE, cvae_loss
from plas_jax.types import Algorithm, Array, Metrics, Parameters, Sizes, Transition


class Architecture(NamedTuple):
    """What changes shapes: the width of the CVAE's layers and the batch."""

    cvae_width: int
    batch_size: int


class Knobs(NamedTuple):
    """What may be swept; any leaf may carry a sweep axis."""

    learning_rate: Array | float
    latent_limit: Array | float = 2.0  # σ, of the CVAE's own policy; training does not know it


@struct.dataclass
class State:
    """The CVAE of one run."""

    sizes: Sizes
    cvae: Network
    architecture: Architecture = struct.field(pytree_node=False)


def init(key: Array, architecture: Architecture, sizes: Sizes) -> State:
    """Return the state before the first update."""
    widths = (sizes.observation.padded, sizes.action.padded, sizes.latent.padded)
    parameters = CVAE(sizes, architecture.cvae_width).init(key, *(jnp.zeros((1, width)) for width in widths))
    return around(architecture, sizes, parameters)


def around(architecture: Architecture, sizes: Sizes, cvae: Parameters) -> State:
    """Return the state before the first update with these parameters."""
    return State(sizes, network(cvae), architecture)


def noise(key: Array, architecture: Architecture, sizes: Sizes) -> Array:
    """Return the posterior noise of one update, float32 `[batch, latent]`."""
    return padded_normal(key, architecture.batch_size, sizes.latent)


def update(state: State, batch: Transition, noise: Array, knobs: Knobs) -> tuple[State, Metrics]:
    """Take one Adam step on Eq. 4; the losses are those before the step."""
    module = CVAE(state.sizes, state.architecture.cvae_width)
    cvae, value, metrics = descend(
        state.cvae, lambda parameters: cvae_loss(parameters, module, batch, noise), knobs.learning_rate
    )
    return replace(state, cvae=cvae), metrics | {"cvae_loss": value}


def acting_noise(key: Array, architecture: Architecture, sizes: Sizes, states: int) -> Array:
    """Return the latents of so many states, `[states, latent]`."""
    return padded_normal(key, states, sizes.latent)


def act(state: State, observation: Array, noise: Array, knobs: Knobs) -> Array:
    """Return the CVAE's own policy, `[states, action]`: latents from N(0, 1), clipped at ±σ, decoded."""
    latent = jnp.clip(noise, -knobs.latent_limit, knobs.latent_limit)
    module = CVAE(state.sizes, state.architecture.cvae_width)
    return module.apply(state.cvae.parameters, observation, latent, method=CVAE.decode)


def act_mode(state: State, observation: Array, noise: None, knobs: Knobs) -> Array:
    """Return the action of latent 0, the prior's mode, `[states, action]`: what PLAS does before it learns anything."""
    latent = jnp.zeros((len(observation), state.sizes.latent.padded))
    module = CVAE(state.sizes, state.architecture.cvae_width)
    return module.apply(state.cvae.parameters, observation, latent, method=CVAE.decode)


BEHAVIOUR = Algorithm(init, noise, update, act, acting_noise)
MODE = Algorithm(init, noise, update, act_mode)
