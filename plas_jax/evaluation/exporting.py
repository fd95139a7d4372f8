"""A policy as StableHLO: one function of observations that runs wherever XLA does, without this package."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import export

from plas_jax.evaluation.policy import Policy
from plas_jax.types import Array

PLATFORMS = ("cpu", "cuda", "tpu")


def exported(policy: Policy) -> export.Exported:
    """Return float32 `[states, observation]` to float32 `[states, action]` within ±1, for any number of states.

    A method that draws when it acts has a second argument, a uint32 seed. Parameters are constants of the function.
    """
    about, algorithm = policy.about, policy.method.phase.algorithm
    (size, padded), motors = about.sizes["observation"], about.sizes["action"][0]
    state = jax.tree.map(jnp.asarray, policy.state)
    knobs = policy.method.phase.knobs._replace(**about.knobs)

    def act(observation: Array, seed: Array | None = None) -> Array:
        seen = jnp.pad(observation, ((0, 0), (0, padded - size)))
        noise = None
        if algorithm.acting_noise is not None and seed is not None:
            noise = algorithm.acting_noise(jax.random.key(seed), state.architecture, state.sizes, seen.shape[0])
        with jax.default_matmul_precision("float32"):
            return algorithm.act(state, seen, noise, knobs)[:, :motors]

    (states,) = export.symbolic_shape("states")
    seeds = () if algorithm.acting_noise is None else (jax.ShapeDtypeStruct((), np.uint32),)
    observations = jax.ShapeDtypeStruct((states, size), np.float32)
    return export.export(jax.jit(act), platforms=PLATFORMS)(observations, *seeds)
