"""Networks, densities and slopes once more, in NumPy and float64: what updates are compared with."""

import jax
import numpy as np
from small_runs import in_float64


def affine(layer, features):
    """One linear layer of one row or of many."""
    return features @ np.asarray(layer["kernel"], np.float64) + np.asarray(layer["bias"], np.float64)


def perceptron(layers, *inputs):
    """Linear layers with ReLU between them over the concatenated inputs of one row or of many."""
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


def brac_gaussian(policy, observation):
    """Mean and log std of BRAC's policy at one observation."""
    body, mean, log_std = (policy["params"][f"Perceptron_{place}"] for place in range(3))
    features = np.maximum(perceptron(body, observation), 0)
    return perceptron(mean, features), -5 + 2.5 * (np.tanh(perceptron(log_std, features)) + 1)


def log_density(mean, log_std, before):
    """log π(tanh u) of one action."""
    normal = -0.5 * ((before - mean) / np.exp(log_std)) ** 2 - log_std - 0.5 * np.log(2 * np.pi)
    return np.sum(normal - np.log(1 - np.tanh(before) ** 2))


# Slopes


def first_gradient(network):
    """The gradient of the first step of Adam, whose first moment is a tenth of it."""
    return jax.tree.map(lambda moment: np.asarray(moment, np.float64) * 10, network.moments[0].mu)


def assert_is_gradient(gradient, loss, parameters, tolerance=2e-4, step=1e-6):
    """Along each leaf's steepest number and along a random direction of all, it is the quotient of `loss(parameters)`.

    The tolerance is a share of the norm of the leaf's gradient, and a hundredth of it one of the norm of the whole.
    """
    parameters, generator = in_float64(parameters), np.random.default_rng(0)
    size = np.sqrt(sum(np.sum(np.square(slopes)) for slopes in jax.tree.leaves(gradient)))
    pairs = zip(jax.tree.leaves_with_path(gradient), jax.tree.leaves(parameters), strict=True)
    for (path, slopes), leaf in pairs:
        steepest = np.zeros(leaf.shape)
        steepest[np.unravel_index(np.abs(slopes).argmax(), slopes.shape)] = 1.0
        for direction in (steepest, generator.normal(size=leaf.shape)):
            before, values = leaf.copy(), []
            for sign in (1, -1):
                leaf[...] = before + sign * step * direction
                values.append(loss(parameters))
            leaf[...] = before
            difference = abs(np.sum(slopes * direction) - (values[0] - values[1]) / (2 * step))
            limit = tolerance * (np.sqrt(np.sum(np.square(slopes))) + size / 100)
            assert difference <= limit, f"{jax.tree_util.keystr(path)}: {difference} > {limit}"


KERAS = 1e-7 / np.sqrt(0.001)  # the ε of its Adam's first step, as if it were added where torch adds it


def assert_first_step(before, after, loss, learning_rate, epsilon=1e-8):
    """Adam's first step: its first moment is a tenth of the loss's gradient, its step the gradient over its size."""
    gradient = first_gradient(after)
    assert_is_gradient(gradient, loss, before)
    expected = jax.tree.map(lambda p, g: p - learning_rate * g / (np.abs(g) + epsilon), in_float64(before), gradient)
    assert_trees_close(after.parameters, expected, rtol=1e-4, atol=1e-5)


def assert_trees_close(ours, theirs, **tolerances):
    """Leaf by leaf."""
    for (path, a), b in zip(jax.tree.leaves_with_path(ours), jax.tree.leaves(theirs), strict=True):
        np.testing.assert_allclose(a, b, err_msg=jax.tree_util.keystr(path), **tolerances)
