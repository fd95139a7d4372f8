"""Which networks the gradient of a network depends on: mistakes that scores do not see for as long as copies agree.

A target that follows within fifty updates is nearly what it follows, and a policy that ascends the wrong one climbs the
same slope. So the parameters of one part of the state are scrambled, one update is made, and the gradients of the
networks are compared with those of the state as it is.
"""

from dataclasses import fields, replace
from typing import Any

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree

from plas_jax.algorithms.descent import Network, parameters_of
from plas_jax.evaluation.probe_rows import ProbeRows
from plas_jax.types import Algorithm, Array
from plas_jax.verification.gate.run_measures import Measures, Trained

SCRAMBLING = 0.3  # the standard deviation of what parameters are multiplied by
DECAY = 0.9  # of Adam's first moment, in every method here


def gradient_measures(algorithm: Algorithm, run: Trained, probe: ProbeRows) -> Measures:
    """Return `gradient_of_a_on_b` for every trained network a and every other part b of the state with parameters.

    It is ‖a's gradient - a's gradient with b scrambled‖ over the sum of both sizes: 0 where a does not learn from b,
    near 1 where it learns from nothing else. A gradient is what one update adds to Adam's first moment. Pure, as
    `run_measures`.
    """
    state: Any = run.state  # a dataclass
    size = state.architecture.batch_size
    batch = jax.tree.map(lambda column: jnp.resize(column, (size, *column.shape[1:])), probe.rows)
    noise = algorithm.noise(run.key, state.architecture, state.sizes)

    parts = [field.name for field in fields(state) if _has_parameters(getattr(state, field.name))]
    trained = [name for name in parts if isinstance(getattr(state, name), Network)]

    def gradients(scrambled: Array) -> dict[str, Array]:
        """Return the gradient of every network, flat, with the part of this number scrambled; none for -1."""
        changed = {
            name: _scrambled(getattr(state, name), jax.random.fold_in(run.key, place), scrambled == place)
            for place, name in enumerate(parts)
        }
        before = replace(state, **changed)
        after, _ = algorithm.update(before, batch, noise, run.knobs)
        return {name: _moment(getattr(after, name)) - DECAY * _moment(getattr(before, name)) for name in trained}

    measures: Measures = {}
    for name, (expected, *others) in jax.lax.map(gradients, jnp.arange(-1, len(parts))).items():
        for other, gradient in zip(parts, others, strict=True):
            if other != name:
                measures[f"gradient_of_{name}_on_{other}"] = _apart(expected, gradient)
    return measures


def _apart(expected: Array, gradient: Array) -> Array:
    """Return how far two vectors are apart, over the sum of their sizes; 0 where both are 0."""
    sizes = jnp.linalg.norm(expected) + jnp.linalg.norm(gradient)
    return jnp.linalg.norm(gradient - expected) / jnp.where(sizes > 0, sizes, 1.0)


def _has_parameters(part: object) -> bool:
    """Return whether a part of a state is a network, or a tree of parameters alone."""
    leaves = jax.tree.leaves(parameters_of(part))
    return isinstance(part, (Network, dict)) and all(jnp.issubdtype(leaf.dtype, jnp.floating) for leaf in leaves)


def _moment(trained: Network) -> Array:
    """Return Adam's first moment, flat."""
    adam: Any = trained.moments[0]
    return ravel_pytree(adam.mu)[0]


def _scrambled(part: object, key: Array, is_chosen: Array) -> object:
    """Return a part whose parameters, if it is chosen, are multiplied by factors around 1.

    What is zero in the padding stays zero.
    """
    leaves, tree = jax.tree.flatten(parameters_of(part))
    keys = jax.random.split(key, len(leaves))
    spread = SCRAMBLING * is_chosen
    scrambled = [
        leaf * (1 + spread * jax.random.normal(key, leaf.shape)) for key, leaf in zip(keys, leaves, strict=True)
    ]
    parameters = jax.tree.unflatten(tree, scrambled)
    return replace(part, parameters=parameters) if isinstance(part, Network) else parameters
