"""The least arithmetic that one update needs: floating-point operations of its matrix products, two a multiply-add.

Only products are counted: biases, activations, Adam and Polyak averages are a few operations per number and cost
memory traffic instead, so that a share of the machine's matrix-product rate charges them to the implementation.
"""

from itertools import pairwise

from plas_jax.algorithms import behaviour, plas

Layers = tuple[int, ...]  # the inputs of a perceptron, then the outputs of each of its layers


def forward(layers: Layers) -> int:
    """Count the multiply-adds of one row's outputs.

    One row's part in the gradient of every kernel, given the gradients of the layers' outputs, takes as many.
    """
    return sum(inputs * outputs for inputs, outputs in pairwise(layers))


def to_inputs(layers: Layers, wanted: int) -> int:
    """Count the multiply-adds of one row's gradients of the layers' outputs, and of `wanted` of the inputs."""
    return forward((wanted, *layers[1:]))


def behaviour_operations(architecture: behaviour.Architecture, observation: int, action: int, latent: int) -> int:
    """Count the floating-point operations of one update of the CVAE (Eq. 4), with true sizes.

    - forward: encoder, its two heads (mean and log std), decoder;
    - weights: the same four;
    - inputs: the decoder's down to the latent (its observation needs no gradient), both heads', and the encoder's
      down to its first layer (its observation and action need none).
    """
    width = architecture.cvae_width
    encoder, head = (observation + action, width, width), (width, latent)
    decoder = (observation + latent, width, width, action)
    ahead = weights = forward(encoder) + 2 * forward(head) + forward(decoder)
    inputs = to_inputs(decoder, latent) + 2 * to_inputs(head, width) + to_inputs(encoder, 0)
    return 2 * architecture.batch_size * (ahead + weights + inputs)


def plas_operations(architecture: plas.Architecture, observation: int, action: int, latent: int) -> int:
    """Count the floating-point operations of one pass through Algorithm 1's loop with ε > 0 (PLAS+P), with true sizes.

    - target, forward only: latent policy, decoder, perturbation and both critics, at the next observation;
    - critics: forward, weights and inner inputs of both (observation and action need no gradient);
    - policy, forward: latent policy, decoder, perturbation and the first critic;
    - policy, weights: latent policy and perturbation (the critic and the decoder stand still);
    - policy, inputs: the first critic's down to the action, the perturbation's down to the decoded action, the
      decoder's down to the latent, and the latent policy's down to its first layer.
    """
    latent_policy = (observation, *architecture.policy_widths, latent)
    perturbation = (observation + action, *architecture.policy_widths, action)
    decoder = (observation + latent, architecture.cvae_width, architecture.cvae_width, action)
    critic = (observation + action, *architecture.critic_widths, 1)
    acting = forward(latent_policy) + forward(decoder) + forward(perturbation)

    target = acting + 2 * forward(critic)
    critics = 2 * (forward(critic) + forward(critic) + to_inputs(critic, 0))
    policy = acting + forward(critic) + forward(latent_policy) + forward(perturbation)
    policy += to_inputs(critic, action) + to_inputs(perturbation, action)
    policy += to_inputs(decoder, latent) + to_inputs(latent_policy, 0)
    return 2 * architecture.batch_size * (target + critics + policy)
