"""What a method's states look like before there are any: structure, shapes and types, of nothing but its records."""

import jax
import jax.numpy as jnp

from plas_jax.methods.method import Method
from plas_jax.types import Sizes, State, Statistics


def state_shapes(method: Method, sizes: Sizes) -> tuple[State | None, State]:
    """Return the states of one run in the first phase, None where there is none, and in the last.

    Each leaf is a `jax.ShapeDtypeStruct`. Raises whatever the method's own `init` does.
    """
    key, before = jax.random.key(0), None
    if method.first is not None:
        first = method.first
        before = jax.eval_shape(lambda: first.algorithm.init(key, first.architecture, sizes))
    of_observations = jax.ShapeDtypeStruct((sizes.observation.padded,), jnp.float32)
    known = Statistics(of_observations, of_observations, jax.ShapeDtypeStruct((), jnp.float32))
    phase, (_, *inputs) = method.phase, method.inputs(sizes, before, known)
    return before, jax.eval_shape(lambda *given: phase.algorithm.init(key, phase.architecture, sizes, *given), *inputs)
