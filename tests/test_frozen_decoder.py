"""The decoder that stands still: what it decodes and what flows back through it, against the plain one's."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from plas_jax.algorithms import behaviour, plas
from plas_jax.models.cvae import CVAE
from plas_jax.models.frozen_decoder import action_of, decode, decoder_of
from plas_jax.models.twin_critics import TwinCritics
from plas_jax.types import Sizes, Transition

SIZES = Sizes.of(5, 3)
WIDTH = 24
KNOBS = plas.Knobs(0.05, 2.0, 1.0, 0.99, 0.005, 1e-3, 1e-3)


@pytest.fixture(scope="module")
def cvae():
    parameters = behaviour.init(jax.random.key(0), behaviour.Architecture(WIDTH, 4), SIZES).cvae.parameters
    # Biases that are not small, so that a layer which forgets its own is seen.
    return jax.tree.map(lambda leaf: 2 * leaf, parameters)


def normal(seed, *shape):
    return jax.random.normal(jax.random.key(seed), shape)


def plain(cvae, observation, latent):
    return CVAE(SIZES, WIDTH).apply(cvae, observation, latent, method=CVAE.decode)


def test_it_decodes_what_the_cvae_decodes(cvae):
    observation, latent = normal(1, 7, 5), normal(2, 7, 6)
    decoded = decode(decoder_of(cvae), observation, latent)
    np.testing.assert_allclose(decoded.action, plain(cvae, observation, latent), rtol=1e-5, atol=1e-6)
    assert [layer.shape for layer in decoded.hidden] == [(7, WIDTH)] * 2
    for layer, whole in zip(decoded.rows(2, 5).hidden, decoded.hidden, strict=True):
        np.testing.assert_array_equal(layer, whole[2:5])
    np.testing.assert_array_equal(decoded.rows(2, 5).action, decoded.action[2:5])


def test_the_gradient_through_what_is_known_is_that_of_decoding(cvae):
    observation, latent, direction = normal(1, 7, 5), normal(2, 7, 6), normal(3, 7, 3)
    decoded = decode(decoder_of(cvae), observation, latent)
    ours = jax.grad(lambda latent: (direction * action_of(latent, decoder_of(cvae), decoded)).sum())(latent)
    theirs = jax.grad(lambda latent: (direction * plain(cvae, observation, latent)).sum())(latent)
    assert ours.shape == latent.shape
    np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6)
    assert (jnp.abs(theirs) > 1e-3).any(axis=1).all()


def test_plas_knows_no_difference(cvae):
    """Target, loss and gradient of the policy with both batches decoded at once are those through the whole CVAE."""
    state = plas.init(jax.random.key(4), plas.Architecture((16, 16), (16, 16), WIDTH, 4), SIZES, cvae)
    # A target policy of its own: as copies, both batches' latents would come from the same network.
    state = state.replace(policy_target=jax.tree.map(lambda leaf: leaf + 0.1, state.policy_target))
    batch = Transition(normal(5, 4, 5), normal(6, 4, 3), normal(7, 4), normal(8, 4, 5), jnp.ones(4))
    next_decoded, decoded = plas.decode_both(state, batch, KNOBS)

    def loss(policy):
        return plas.policy_loss(policy, state, state.critics.parameters, batch, decoded, KNOBS)[0]

    def plain_action(policy, observation):
        return plain(cvae, observation, plas.policy_latent(state, policy, observation, KNOBS))

    def plain_loss(policy):
        action = plas.policy_action(state, policy, batch.observation, plain_action(policy, batch.observation), KNOBS)
        critics = TwinCritics(SIZES, (16, 16))
        return -critics.apply(state.critics.parameters, batch.observation, action, method=TwinCritics.first).mean()

    next_action = plain_action(state.policy_target, batch.next_observation)
    for ours, theirs in (
        (plas.target(state, batch, next_decoded.action, KNOBS), plas.target(state, batch, next_action, KNOBS)),
        (jax.value_and_grad(function)(state.policy.parameters) for function in (loss, plain_loss)),
    ):
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6), ours, theirs)
