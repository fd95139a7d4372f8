"""The actions of every run of a batch in one call."""

from collections.abc import Callable
from functools import cache, partial
from typing import NamedTuple

import chex
import jax
import numpy as np
from jax.sharding import Mesh

from plas_jax.training.chunk import ON_RUNS, Batch, Runs
from plas_jax.training.compiler_options import Options, is_cpu, many_rows_options
from plas_jax.training.layout import on_runs
from plas_jax.training.phases import Part
from plas_jax.types import Algorithm, Array, State


class Acting(NamedTuple):
    """What acting needs besides states and observations: leading axis `[runs]`."""

    key: chex.Array  # of the evaluations; a control step's is fold_in(key, moment)
    moment: chex.Array  # uint32: which control step of which evaluation
    knobs: NamedTuple


def actions_of(algorithm: Algorithm, state: State, observation: Array, key: Array, knobs: NamedTuple) -> Array:
    """Return one run's actions `[states, action]` at these observations, with what acting draws of a key."""
    noise = None
    if algorithm.acting_noise is not None:
        noise = algorithm.acting_noise(key, state.architecture, state.sizes, len(observation))
    return algorithm.act(state, observation, noise, knobs)


def _one_run(algorithm: Algorithm, state: State, observation: Array, acting: Acting) -> Array:
    key = jax.random.fold_in(acting.key, acting.moment)
    return actions_of(algorithm, state, observation, key, acting.knobs)


@cache
def _program(options: Options) -> jax.stages.Wrapped:
    @partial(jax.jit, static_argnames=("algorithm", "mesh"), compiler_options=dict(options) or None)
    def act_runs(algorithm: Algorithm, mesh: Mesh, state: State, observation: Array, acting: Acting) -> Array:
        all_runs = jax.vmap(partial(_one_run, algorithm))
        return jax.shard_map(all_runs, mesh=mesh, in_specs=ON_RUNS, out_specs=ON_RUNS, check_vma=False)(
            state, observation, acting
        )

    return act_runs


def act_runs(algorithm: Algorithm, mesh: Mesh, state: State, observation: np.ndarray, acting: Acting) -> np.ndarray:
    """Return the action of every run: float32 `[runs, episodes, observation]` to `[runs, episodes, action]`.

    State and acting may have padding runs behind those of the observation; they are given zeros and left out.
    """
    runs, slots = len(observation), len(acting.moment)
    padding = slots - runs
    if padding:
        observation = np.concatenate([observation, np.zeros((padding, *observation.shape[1:]), observation.dtype)])
    # A hundred candidates for each of 328 episodes are more rows than every jaxlib multiplies rightly.
    program_of = _program(many_rows_options(is_cpu(mesh)))
    return np.asarray(program_of(algorithm, mesh, state, observation, acting))[:runs]


@cache
def _values(options: Options) -> jax.stages.Wrapped:
    @partial(jax.jit, static_argnames=("algorithm", "mesh"), compiler_options=dict(options) or None)
    def value_runs(
        algorithm: Algorithm, mesh: Mesh, state: State, pairs: tuple[Array, Array], knobs: NamedTuple
    ) -> Array:
        def one_run(state: State, pairs: tuple[Array, Array], knobs: NamedTuple) -> Array:
            assert algorithm.value is not None
            return algorithm.value(state, *pairs, knobs)

        all_runs = jax.vmap(one_run)
        return jax.shard_map(all_runs, mesh=mesh, in_specs=ON_RUNS, out_specs=ON_RUNS, check_vma=False)(
            state, pairs, knobs
        )

    return value_runs


def values_of(part: Part, batch: Batch, runs: Runs) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """Return what tells the first critic's values of a batch as it stands, for methods that have one.

    It maps float32 `[runs, episodes, observation]` and `[runs, episodes, action]` to `[runs, episodes]`.
    """
    program = _values(many_rows_options(is_cpu(part.mesh)))
    slots = len(runs.start)

    def values(observation: np.ndarray, action: np.ndarray) -> np.ndarray:
        missing = ((0, slots - len(observation)), (0, 0), (0, 0))  # padding runs are given zeros
        pairs = np.pad(observation, missing), np.pad(action, missing)
        told = program(part.phase.algorithm, part.mesh, batch.state, pairs, runs.knobs)
        return np.asarray(told)[: len(observation)]

    return values


def policy_of(
    part: Part, batch: Batch, runs: Runs, keys: Array, first_moment: int
) -> Callable[[np.ndarray, int], np.ndarray]:
    """Return what a stage calls at each control step, `act(observation, step)`, for the runs of a batch as it stands.

    `keys` has a key for each pair; what a run draws at a step depends on its pair's and on `first_moment` + step.
    """
    slots = len(runs.start)
    # A process of several may have nothing but padding, and then it never acts.
    pair_of = np.array([cell.pair for cell in part.cells] or [0])
    key = on_runs(part.mesh, keys[np.concatenate([pair_of, np.repeat(pair_of[-1:], slots - len(pair_of))])])

    def act(observation: np.ndarray, step: int) -> np.ndarray:
        moment = np.full(slots, (first_moment + step) % 2**32, np.uint32)
        return act_runs(part.phase.algorithm, part.mesh, batch.state, observation, Acting(key, moment, runs.knobs))

    return act
