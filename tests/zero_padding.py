"""Fifty updates of a run at its true sizes and of the same run inside wider ones."""

import re
from functools import partial

import jax
import numpy as np

from plas_jax.types import Sizes, Transition

UPDATES, BATCH, TOLERANCE = 50, 32, 1e-5
TRUE, WIDE = Sizes.of(11, 3), Sizes.of(17, 6)
quickly_compiled = partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})

# Which rows of a leaf are padding, and which of its last axis: the first rule that matches says.
INPUTS = (
    (r"(encoder|critic)/Linear_0/kernel", ("observation", "action")),
    (r"^perturbation.*/Linear_0/kernel", ("observation", "action")),
    (r"decoder/Linear_0/kernel", ("observation", "latent")),
    (r"^policy.*/Perceptron_0/Linear_0/kernel", ("observation",)),
)
OUTPUTS = (
    (r"(latent_mean|latent_log_std)/", "latent"),
    (r"(decoder|^perturbation.*)/Linear_2/", "action"),
    (r"^policy.*/Perceptron_[12]/Linear_0/", "action"),
)


def batches(sizes):
    """The batch of each update, zero in the padding."""
    generator = np.random.default_rng(0)
    shape = (UPDATES, BATCH)
    drawn = Transition(
        generator.normal(size=(*shape, 11)),
        np.tanh(generator.normal(size=(*shape, 3))),
        generator.normal(size=shape),
        generator.normal(size=(*shape, 11)),
        generator.random(shape) > 0.1,
    )
    widths = (sizes.observation.padded, sizes.action.padded, None, sizes.observation.padded, None)
    padded = [
        column if width is None else np.pad(column, ((0, 0), (0, 0), (0, width - column.shape[-1])))
        for column, width in zip(drawn[:5], widths, strict=True)
    ]
    return Transition(*(column.astype(np.float32) for column in padded))


def train(algorithm, architecture, knobs, sizes):
    """The states before the first and after the last update, and the last metrics."""
    state = algorithm.init(jax.random.key(1), architecture, sizes)

    def step(state, update):
        key, batch = update
        return algorithm.update(state, batch, algorithm.noise(key, architecture, sizes), knobs)

    keys = jax.random.split(jax.random.key(2), UPDATES)
    after, metrics = jax.lax.scan(step, state, (keys, batches(sizes)))
    return state, after, jax.tree.map(lambda values: values[-1], metrics)


def true_part(path, shape, sizes):
    """Where a leaf is not padding, bool `[shape]`."""
    inside = np.ones(shape, bool)
    for axes in [axes for pattern, axes in INPUTS if re.search(pattern, path)][:1]:
        inside &= np.concatenate([np.asarray(getattr(sizes, axis).mask()) for axis in axes])[:, None] > 0
    for axis in [axis for pattern, axis in OUTPUTS if re.search(pattern, path)][:1]:
        inside &= np.asarray(getattr(sizes, axis).mask()) > 0
    return inside


def named_leaves(tree):
    leaves = jax.tree.leaves_with_path(tree)
    return {jax.tree_util.keystr(path, simple=True, separator="/"): np.asarray(leaf) for path, leaf in leaves}


def assert_same(padded, alone, sizes, tolerance):
    """Every leaf is the same in its true part, and holds zeros and nothing else in its padding."""
    alone, with_padding = named_leaves(alone), 0
    padded = named_leaves(padded)
    assert padded.keys() == alone.keys()
    for path, leaf in padded.items():
        inside, theirs = true_part(path, leaf.shape, sizes), np.float64(alone[path])
        with_padding += not inside.all()
        assert (leaf[~inside] == 0).all(), path
        error = np.abs(leaf[inside].reshape(theirs.shape) - theirs).max()
        # Mean gradients cancel, so theirs is measured by the gradients' size.
        scale = np.sqrt(alone[path.replace("/mu/", "/nu/")].max()) if "/mu/" in path else np.abs(theirs).max()
        assert error <= tolerance * scale, (path, error / scale)
    assert with_padding > 10  # the rules found the padding


def assert_exact_under_padding(algorithm, architecture, knobs):
    """First weights, fifty updates, their metrics, noise and actions; returns the trained states."""
    sizes = TRUE.padded_to(WIDE)
    padded = quickly_compiled(lambda sizes: train(algorithm, architecture, knobs, sizes))(sizes)
    alone = quickly_compiled(lambda: train(algorithm, architecture, knobs, TRUE))()
    assert_same(padded[0], alone[0], sizes, 1e-6)
    assert_same(padded[1], alone[1], sizes, TOLERANCE)
    for name, value in alone[2].items():
        np.testing.assert_allclose(padded[2][name], value, rtol=1e-4, atol=1e-5, err_msg=name)

    still = [path for path, leaf in named_leaves(alone[1]).items() if (leaf == named_leaves(alone[0])[path]).all()]
    assert {path.split("/")[0] for path in still} == {"sizes"}  # training moves every leaf

    def acted(state, sizes):
        observation = batches(sizes).observation[0]
        noise = algorithm.acting_noise(jax.random.key(3), architecture, sizes, len(observation))
        return noise, algorithm.act(state, observation, noise, knobs)

    noise, action = quickly_compiled(acted)(padded[1], sizes)
    _, action_alone = quickly_compiled(lambda state: acted(state, TRUE))(alone[1])
    np.testing.assert_allclose(action[:, :3], action_alone, atol=1e-4)
    assert (action[:, 3:] == 0).all()
    assert (action[:, :3] != 0).all()
    for array in (noise, *algorithm.noise(jax.random.key(4), architecture, sizes)):
        axis = next(axis for axis in (sizes.action, sizes.latent) if axis.padded == array.shape[-1])
        assert (array[..., axis.true :] == 0).all()
        assert (array[..., : axis.true] != 0).all()
