"""The first update of a method against slopes in NumPy and float64."""

import jax
import jax.numpy as jnp
import numpy as np

from plas_jax.types import Sizes, Transition

KEY = jax.random.key(0)
TRUE = Sizes.of(3, 2)


def transitions(seed, batch):
    """Random transitions of the true sizes, of which the first ends its episode."""
    generator = np.random.default_rng(seed)
    return Transition(
        generator.normal(size=(batch, 3)).astype(np.float32),
        generator.uniform(-1, 1, (batch, 2)).astype(np.float32),
        generator.normal(size=batch).astype(np.float32),
        generator.normal(size=(batch, 3)).astype(np.float32),
        (np.arange(batch) > 0).astype(np.float32),
    )


def redrawn(tree, seed):
    """The same tree with every number away from its initial law and from its neighbours'."""
    generator = np.random.default_rng(seed)
    return jax.tree.map(lambda leaf: jnp.asarray(generator.uniform(-0.7, 0.7, leaf.shape), jnp.float32), tree)


def in_float64(tree):
    """A copy that may be written to."""
    return jax.tree.map(lambda leaf: np.array(leaf, np.float64), tree)


def perceptron(layers, features):
    """ReLU layers over one row or many."""
    for place in range(len(layers)):
        layer = layers[f"Linear_{place}"]
        features = features @ layer["kernel"] + layer["bias"]
        features = np.maximum(features, 0) if place + 1 < len(layers) else features
    return features


def central_differences(loss, parameters, step=1e-6):
    """Every slope of a loss that reads these very arrays."""
    slopes = jax.tree.map(np.zeros_like, parameters)
    for leaf, slope in zip(jax.tree.leaves(parameters), jax.tree.leaves(slopes), strict=True):
        for place in np.ndindex(leaf.shape):
            middle = leaf[place].copy()
            leaf[place] = middle + step
            above = loss(parameters)
            leaf[place] = middle - step
            slope[place] = (above - loss(parameters)) / (2 * step)
            leaf[place] = middle
    return slopes


def assert_trees_close(ours, theirs, **tolerances):
    """Leaf by leaf."""
    for (path, a), b in zip(jax.tree.leaves_with_path(ours), jax.tree.leaves(theirs), strict=True):
        np.testing.assert_allclose(a, b, err_msg=jax.tree_util.keystr(path), **tolerances)


def assert_first_step(before, after, slopes, learning_rate):
    """Adam's: the first moment is a tenth of the gradient, and the step is the gradient over its size."""
    assert_trees_close(after.moments[0].mu, jax.tree.map(lambda g: 0.1 * g, slopes), rtol=2e-4, atol=2e-6)
    expected = jax.tree.map(lambda p, g: p - learning_rate * g / (np.abs(g) + 1e-8), before, slopes)
    assert_trees_close(after.parameters, expected, rtol=1e-4, atol=1e-5)
