"""The networks and their slopes once more, in NumPy and float64: what updates are compared with."""

import jax
import jax.numpy as jnp
import numpy as np

from plas_jax.types import Transition


def transitions(seed, batch, observation=4, action=2):
    """Random transitions, of which the first ends its episode."""
    generator = np.random.default_rng(seed)
    return Transition(
        generator.normal(size=(batch, observation)).astype(np.float32),
        generator.uniform(-1, 1, (batch, action)).astype(np.float32),
        generator.normal(size=batch).astype(np.float32),
        generator.normal(size=(batch, observation)).astype(np.float32),
        np.arange(batch).astype(np.float32).clip(0, 1),
    )


def filled(init, seed):
    """What `init` returns with every floating number drawn anew: drawing by the initial laws takes seconds."""
    generator = np.random.default_rng(seed)

    def fill(leaf):
        drawn = generator.uniform(-0.5, 0.5, leaf.shape).astype(leaf.dtype)
        return jnp.asarray(drawn if leaf.dtype == np.float32 else np.zeros_like(drawn))

    return jax.tree.map(fill, jax.eval_shape(init))


def in_float64(tree):
    """A copy that may be written to."""
    return jax.tree.map(lambda leaf: np.array(leaf, np.float64), tree)


def affine(layer, features):
    return features @ np.asarray(layer["kernel"], np.float64) + np.asarray(layer["bias"], np.float64)


def perceptron(layers, *inputs):
    """ReLU layers over the concatenated inputs of one sample or of many."""
    features = np.concatenate([np.asarray(values, np.float64) for values in inputs], axis=-1)
    for place in range(len(layers) - 1):
        features = np.maximum(affine(layers[f"Linear_{place}"], features), 0)
    return affine(layers[f"Linear_{len(layers) - 1}"], features)


def critic_values(critics, observation, action):
    """Q1 and Q2, `[…, 2]`."""
    heads = (critics["params"][name] for name in ("first_critic", "second_critic"))
    return np.concatenate([perceptron(head, observation, action) for head in heads], axis=-1)


def critic_error(critics, batch, goal):
    """The mean squared error of each critic, summed."""
    values = critic_values(critics, batch.observation, batch.action)
    return sum(np.mean((values[:, critic] - goal) ** 2) for critic in (0, 1))


def cvae_losses(cvae, batch, noise):
    """Reconstruction error, KL divergence and Eq. 4."""
    layers = cvae["params"]
    features = np.maximum(perceptron(layers["encoder"], batch.observation, batch.action), 0)
    mean, log_std = affine(layers["latent_mean"], features), affine(layers["latent_log_std"], features).clip(-4, 15)
    reconstruction = np.tanh(perceptron(layers["decoder"], batch.observation, mean + np.exp(log_std) * noise))
    error = np.mean((reconstruction - batch.action) ** 2)
    divergence = np.mean(-0.5 * (1 + 2 * log_std - mean**2 - np.exp(2 * log_std)))
    return error, divergence, error + divergence / 2


def first_gradient(network):
    """The gradient of the first step of Adam, whose first moment is a tenth of it."""
    return jax.tree.map(lambda moment: np.asarray(moment, np.float64) * 10, network.moments[0].mu)


def assert_is_gradient(gradient, loss, parameters, step=1e-6):
    """Each leaf's largest slope, and one elsewhere, is the difference quotient of `loss(parameters)` in float64."""
    parameters = in_float64(parameters)
    generator = np.random.default_rng(0)
    pairs = zip(jax.tree.leaves_with_path(gradient), jax.tree.leaves(parameters), strict=True)
    for (path, slopes), leaf in pairs:
        anywhere = tuple(generator.integers(length) for length in leaf.shape)
        for place in {np.unravel_index(np.abs(slopes).argmax(), slopes.shape), anywhere}:
            before = leaf[place]
            values = []
            for sign in (1, -1):
                leaf[place] = before + sign * step
                values.append(loss(parameters))
            leaf[place] = before
            quotient = (values[0] - values[1]) / (2 * step)
            scale = np.abs(slopes).max()
            name = f"{jax.tree_util.keystr(path)}{place}"
            np.testing.assert_allclose(slopes[place], quotient, rtol=1e-3, atol=1e-3 * scale + 1e-7, err_msg=name)
