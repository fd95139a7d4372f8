"""The actions of every run of a batch in one call."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh

from plas_jax.training.chunk import ON_RUNS
from plas_jax.types import Array


@partial(jax.jit, static_argnames=("act", "mesh"))
def _act_runs(act: Callable, mesh: Mesh, state: Any, observation: Array, *others: Any) -> Array:
    all_runs = jax.vmap(act)
    return jax.shard_map(all_runs, mesh=mesh, in_specs=ON_RUNS, out_specs=ON_RUNS, check_vma=False)(
        state, observation, *others
    )


def act_runs(act: Callable, mesh: Mesh, state: Any, observation: np.ndarray, *others: Any) -> np.ndarray:
    """`act(state, observation, *others)` for every run: `[runs, episodes, observation]` to `[runs, episodes, action]`.

    State and others may have padding runs behind those of the observation; they are given zeros and left out.
    """
    runs = len(observation)
    padding = -runs % mesh.size
    if padding:
        observation = np.concatenate([observation, np.zeros((padding, *observation.shape[1:]), observation.dtype)])
    return np.asarray(_act_runs(act, mesh, state, observation, *others))[:runs]
