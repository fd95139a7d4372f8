"""The decoder of a CVAE that stands still: decoded once for several batches, followed back from what is known.

PLAS decodes twice in an update, for the target at the next observations and for the policy at the observations, with
the same weights: one product of twice the rows costs less than two. The policy's loss comes after the critics' step,
so what it needs of that product is kept: the outputs of each layer.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from plas_jax.models.cvae import MAX_ACTION
from plas_jax.types import Array, Parameters


class Decoder(NamedTuple):
    """Its layers, first to last: kernels `[inputs, outputs]` and biases `[outputs]`."""

    kernels: tuple[Array, ...]
    biases: tuple[Array, ...]


class Decoded(NamedTuple):
    """What each layer gave for a batch: hidden ones `[batch, width]` after their ReLU, and the action."""

    hidden: tuple[Array, ...]
    action: Array  # [batch, action], within ±1

    def rows(self, first: int, last: int) -> "Decoded":
        """Return those of a part of the batch."""
        return jax.tree.map(lambda output: output[first:last], self)


def decoder_of(cvae: Parameters) -> Decoder:
    """Return the decoder among the parameters of a `CVAE`."""
    decoder = cvae["params"]["decoder"]
    layers = [decoder[f"Linear_{place}"] for place in range(len(decoder))]
    return Decoder(tuple(layer["kernel"] for layer in layers), tuple(layer["bias"] for layer in layers))


def decode(decoder: Decoder, observation: Array, latent: Array) -> Decoded:
    """Compute what `CVAE.decode` does, with every layer's output."""
    output, hidden = jnp.concatenate([observation, latent], axis=-1), []
    for kernel, bias in zip(decoder.kernels[:-1], decoder.biases[:-1], strict=True):
        output = jax.nn.relu(output @ kernel + bias)
        hidden.append(output)
    return Decoded(tuple(hidden), MAX_ACTION * jnp.tanh(output @ decoder.kernels[-1] + decoder.biases[-1]))


@jax.custom_vjp
def action_of(latent: Array, decoder: Decoder, decoded: Decoded) -> Array:
    """Return the action that was decoded from `latent` `[batch, latent]`, differentiable in the latent alone."""
    return decoded.action


def _transposed(kernel: Array) -> Array:
    """Transpose the kernel; on a CPU in memory, once, since it stands still.

    A CPU multiplies by that a quarter faster; the barrier keeps the compiler from folding the transposition back into
    the product. An accelerator would read two kernels where it reads one.
    """
    return jax.lax.platform_dependent(
        kernel, cpu=lambda kernel: jax.lax.optimization_barrier(kernel.T), default=lambda kernel: kernel.T
    )


def _forward(latent: Array, decoder: Decoder, decoded: Decoded) -> tuple[Array, tuple[Decoder, Decoded, int]]:
    return decoded.action, (decoder, decoded, latent.shape[-1])


def _backward(known: tuple[Decoder, Decoded, int], gradient: Array) -> tuple[Array, None, None]:
    """Apply the chain rule from the last layer to the first one, of which the rows of the latent alone are needed."""
    decoder, (hidden, action), latent = known
    first, *inner, last = decoder.kernels
    gradient = gradient * (MAX_ACTION - jnp.square(action) / MAX_ACTION)
    gradient = jnp.where(hidden[-1] > 0, gradient @ last.T, 0)
    for kernel, below in zip(inner[::-1], hidden[-2::-1], strict=True):
        gradient = jnp.where(below > 0, gradient @ _transposed(kernel), 0)
    return gradient @ first[-latent:].T, None, None


action_of.defvjp(_forward, _backward)
