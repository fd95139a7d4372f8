"""Networks and densities once more, by loops and in float64, and gradients by differences."""

import jax
import jax.numpy as jnp
import numpy as np


def float64(tree):
    """A tree as NumPy arrays of float64."""
    return jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), tree)


def filled(shapes, seed):
    """Normal numbers in the shapes of `jax.eval_shape`: drawing by the initial laws takes seconds."""
    generator = np.random.default_rng(seed)
    return jax.tree.map(lambda leaf: jnp.float32(0.4 * generator.normal(size=leaf.shape)), shapes)


def filled_gaussian(shapes, seed):
    """The same for a policy of BRAC's: stds of about a half, or a few actions would outweigh all others."""
    policy = filled(shapes, seed)
    policy["params"]["Perceptron_2"]["Linear_0"]["bias"] += 1.0
    return policy


def dense(layer, row):
    """One linear layer of one row."""
    kernel, bias = np.float64(layer["kernel"]), np.float64(layer["bias"])
    return [bias[j] + sum(row[i] * kernel[i, j] for i in range(kernel.shape[0])) for j in range(kernel.shape[1])]


def rectified(row):
    """ReLU."""
    return [max(value, 0.0) for value in row]


def perceptron(layers, row):
    """Linear layers with ReLU between them."""
    for place in range(len(layers)):
        row = dense(layers[f"Linear_{place}"], row if place == 0 else rectified(row))
    return row


def brac_gaussian(policy, observation):
    """Mean and log std of one observation, lists."""
    body, mean, log_std = (policy["params"][f"Perceptron_{place}"] for place in range(3))
    features = rectified(perceptron(body, observation))
    raw = perceptron(log_std, features)
    return perceptron(mean, features), [-5 + 2.5 * (np.tanh(value) + 1) for value in raw]


def q_values(critics, observation, action):
    """Q1 and Q2 of one pair."""
    row = [*observation, *action]
    return [perceptron(critics["params"][name], row)[0] for name in ("first_critic", "second_critic")]


def log_density(mean, log_std, before):
    """log π(tanh u) of one action, by its dimensions."""
    total = 0.0
    for m, s, u in zip(mean, log_std, before, strict=True):
        total += -0.5 * ((u - m) / np.exp(s)) ** 2 - s - 0.5 * np.log(2 * np.pi) - np.log(1 - np.tanh(u) ** 2)
    return total


def before_tanh(mean, log_std, noise):
    """The Gaussian's sample, before the tanh."""
    return [m + np.exp(s) * e for m, s, e in zip(mean, log_std, noise, strict=True)]


def first_gradient(trained):
    """The gradient of a network's first step, which is ten times Adam's first moments after it."""
    return jax.tree.map(lambda moment: 10 * np.float64(moment), trained.moments[0].mu)


def assert_is_the_gradient(gradient, loss, parameters, seed=0, tolerance=1e-4, step=1e-6):
    """Along a few random directions a gradient agrees with the differences of `loss(parameters)`."""
    generator = np.random.default_rng(seed)
    parameters = float64(parameters)
    for _ in range(3):
        way = jax.tree.map(lambda leaf: generator.normal(size=leaf.shape), parameters)
        ahead, behind = (
            loss(jax.tree.map(lambda p, d, sign=sign: p + sign * step * d, parameters, way)) for sign in (1, -1)
        )
        along = sum((g * d).sum() for g, d in zip(jax.tree.leaves(gradient), jax.tree.leaves(way), strict=True))
        size = np.sqrt(sum((np.float64(g) ** 2).sum() for g in jax.tree.leaves(gradient)))
        assert abs(along - (ahead - behind) / (2 * step)) <= tolerance * size
