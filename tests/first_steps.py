"""The first updates of a method: one against slopes in NumPy and float64, fifty against those inside wider sizes."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from plas_jax.types import Axis, Sizes, Transition

# What runs for milliseconds is not worth optimising.
quickly_compiled = partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})
KEY = jax.random.key(0)
TRUE, PADDED = Sizes.of(3, 2), Sizes(Axis(3, 7), Axis(2, 5), Axis(4, 10))


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


# One update


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


# Fifty updates


def widened(rows):
    """The same transitions in the padding of `PADDED`."""

    def wider(column, axis):
        return np.pad(column, ((0, 0), (0, axis.padded - axis.true)))

    return rows._replace(
        observation=wider(rows.observation, PADDED.observation),
        next_observation=wider(rows.next_observation, PADDED.observation),
        action=wider(rows.action, PADDED.action),
    )


def after_fifty(algorithm, init, rows, knobs, sizes):
    """The state after fifty updates and the last metrics; `init` takes sizes."""

    @quickly_compiled
    def train(sizes):
        def step(update, carry):
            key_rows, key_noise = jax.random.split(jax.random.fold_in(KEY, update))
            state = carry[0]
            index = jax.random.randint(key_rows, (state.architecture.batch_size,), 0, len(rows.reward))
            noise = algorithm.noise(key_noise, state.architecture, sizes)
            return algorithm.update(state, jax.tree.map(lambda column: jnp.asarray(column)[index], rows), noise, knobs)

        state = init(sizes)
        shapes = jax.eval_shape(step, 0, (state,))[1]
        metrics = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)
        return jax.lax.fori_loop(0, 50, step, (state, metrics))

    return train(sizes)


def named_leaves(tree):
    leaves = jax.tree.leaves_with_path(tree)
    return {jax.tree_util.keystr(path, simple=True, separator="/"): np.asarray(leaf) for path, leaf in leaves}


def assert_same_inside(wide, alone, true_part):
    """Every leaf within 1e-5 in its true part and zero outside; returns how many leaves have padding.

    `true_part(path, observation, action)` is where a leaf is not padding, from the masks of both; None is everywhere.
    """
    observation, action = (np.asarray(axis.mask()) > 0 for axis in (PADDED.observation, PADDED.action))
    wide, alone, with_padding = named_leaves(wide), named_leaves(alone), 0
    assert wide.keys() == alone.keys()
    for path, leaf in wide.items():
        where, theirs = true_part(path, observation, action), np.float64(alone[path])
        inside = np.broadcast_to(True if where is None else where, leaf.shape)
        assert (leaf[~inside] == 0).all(), path
        with_padding += not inside.all()
        # Mean gradients cancel, so theirs are measured by the gradients' size.
        scale = np.sqrt(alone[path.replace("/mu/", "/nu/")].max()) if "/mu/" in path else np.abs(theirs).max()
        assert np.abs(leaf[inside].reshape(theirs.shape) - theirs).max() <= 1e-5 * scale, path
    return with_padding
