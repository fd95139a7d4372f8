"""Which networks the gradient of a network depends on: mistakes that scores do not see for as long as copies agree.

A target that follows within fifty updates is nearly what it follows, and a policy that ascends the wrong one climbs the
same slope. So the parameters of one part of the state are scrambled, one update is made, and the gradients of the
networks are compared with those of the state as it is.
"""

from dataclasses import fields, replace
from typing import Any

import jax
import jax.numpy as jnp

from plas_jax.algorithms.descent import Network
from plas_jax.evaluation.probe_rows import ProbeRows
from plas_jax.types import Algorithm, Array, Parameters
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

    def gradients(state: Any) -> dict[str, Array]:
        after, _ = algorithm.update(state, batch, noise, run.knobs)
        return {name: _moment(getattr(after, name)) - DECAY * _moment(getattr(state, name)) for name in trained}

    parts = [name for name in (field.name for field in fields(state)) if _has_parameters(getattr(state, name))]
    trained = [name for name in parts if isinstance(getattr(state, name), Network)]
    expected, measures = gradients(state), {}
    for place, other in enumerate(parts):
        scrambled = _scrambled(getattr(state, other), jax.random.fold_in(run.key, place))
        found = gradients(replace(state, **{other: scrambled}))
        for name in (name for name in trained if name != other):
            size_of_both = jnp.linalg.norm(expected[name]) + jnp.linalg.norm(found[name])
            apart = jnp.linalg.norm(found[name] - expected[name])
            measures[f"gradient_of_{name}_on_{other}"] = apart / jnp.where(size_of_both > 0, size_of_both, 1.0)
    return measures


def _parameters(part: object) -> Parameters:
    return part.parameters if isinstance(part, Network) else part


def _has_parameters(part: object) -> bool:
    """Return whether a part of a state is a network, or a tree of parameters alone."""
    leaves = jax.tree.leaves(_parameters(part))
    return isinstance(part, (Network, dict)) and all(jnp.issubdtype(leaf.dtype, jnp.floating) for leaf in leaves)


def _moment(trained: Network) -> Array:
    """Return Adam's first moment, flat."""
    adam: Any = trained.moments[0]
    return jnp.concatenate([leaf.ravel() for leaf in jax.tree.leaves(adam.mu)])


def _scrambled(part: object, key: Array) -> object:
    """Return a part whose parameters are multiplied by factors around 1: what is zero in the padding stays zero."""
    leaves, tree = jax.tree.flatten(_parameters(part))
    keys = jax.random.split(key, len(leaves))
    factors = [1 + SCRAMBLING * jax.random.normal(key, leaf.shape) for key, leaf in zip(keys, leaves, strict=True)]
    scrambled = jax.tree.unflatten(tree, [leaf * factor for leaf, factor in zip(leaves, factors, strict=True)])
    return replace(part, parameters=scrambled) if isinstance(part, Network) else scrambled
