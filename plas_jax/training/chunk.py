"""Many updates of many runs in one call: the only place where training is compiled."""

from collections.abc import Callable
from functools import cache, partial
from typing import Generic, NamedTuple, TypeVar

import chex
import jax
import jax.numpy as jnp
from jax.sharding import Mesh, PartitionSpec

from plas_jax.datasets.minibatch import minibatch
from plas_jax.training.compiler_options import PLAIN, Variant, compiler_options, is_cpu
from plas_jax.types import Algorithm, Array, Metrics, State, Transition

DIVERGED_Q = 1e6  # the official code's guard on the mean |Q| (algos.py:259, 347)
HEALTHY = -1
AXIS = "runs"
End = TypeVar("End")  # an update, of all runs or, on a CPU, int32 `[runs]`
ON_RUNS, ON_ALL = PartitionSpec(AXIS), PartitionSpec()


class Runs(NamedTuple):
    """What tells runs apart besides their states: leading axis `[runs]`."""

    key: chex.Array  # of the phase; an update's key is fold_in(key, update)
    start: chex.Array  # int32: where the run's rows start in its device's data
    size: chex.Array  # int32: how many they are
    knobs: NamedTuple  # every leaf `[runs]`


class Batch(NamedTuple):
    """The states of a batch of runs, and when they diverged: leading axis `[runs]`."""

    state: State
    diverged_at: chex.Array  # int32: the update after which a run was found diverged, HEALTHY before


class Span(NamedTuple, Generic[End]):
    """The updates of a chunk, from the `first` to the `last`, which is no part of it."""

    first: End
    last: End


def is_divergent(metrics: Metrics) -> Array:
    """Return whether any metric of one run is not finite, or its mean |Q| has passed 1e6."""
    finite = jnp.all(jnp.stack([jnp.isfinite(value) for value in metrics.values()]))
    return ~finite | (metrics.get("mean_absolute_q", jnp.zeros(())) > DIVERGED_Q)


def run_chunk(
    algorithm: Algorithm, mesh: Mesh, batch: Batch, runs: Runs, transitions: Transition, span: Span
) -> tuple[Batch, Metrics]:
    """Make the updates of `span` of every run, runs laid out over the mesh's devices.

    Both ends are traced, so chunks of any length share one executable and results do not depend on the length.
    Returns the batch and the metrics of the last update, `[runs]` each. `batch` is donated, the data never.
    """
    return chunk_program(mesh, batch.state)(algorithm, mesh, batch, runs, transitions, span)


def chunk_program(mesh: Mesh, state: State, variant: Variant = PLAIN) -> jax.stages.Wrapped:
    """Return the jitted `run_chunk` for states like this one on these devices."""
    return _program(variant._replace(options=(*compiler_options(mesh, state), *variant.options)))


@cache
def _program(variant: Variant) -> jax.stages.Wrapped:
    options = dict(variant.options) or None

    @partial(jax.jit, static_argnames=("algorithm", "mesh"), donate_argnames="batch", compiler_options=options)
    def run_chunk(
        algorithm: Algorithm, mesh: Mesh, batch: Batch, runs: Runs, transitions: Transition, span: Span
    ) -> tuple[Batch, Metrics]:
        one_run = partial(_updates_of_one_run, algorithm, variant)
        if is_cpu(mesh):
            all_runs, ends = _one_after_another(one_run), ON_RUNS
            span = Span(*(jnp.broadcast_to(end, runs.start.shape) for end in span))
        else:
            all_runs, ends = jax.vmap(one_run, in_axes=(0, 0, None, None, None)), ON_ALL
        in_specs = (ON_RUNS, ON_RUNS, ON_RUNS, ends, ends)
        return jax.shard_map(all_runs, mesh=mesh, in_specs=in_specs, out_specs=ON_RUNS, check_vma=False)(
            batch, runs, transitions, *span
        )

    return run_chunk


def _one_after_another(one_run: Callable) -> Callable:
    """Let a core do the whole chunk of one run before the next one's.

    Its state then stays in the cache; side by side, 90 runs at the paper's widths pull 1.2 GB through it in every
    update and are a quarter slower (docs/performance.md). An accelerator is the other way round: it wants them side by
    side.
    """

    def all_runs(batch: Batch, runs: Runs, transitions: Transition, first: Array, last: Array) -> tuple[Batch, Metrics]:
        def of_slot(slot: Array, carry: tuple[Batch, Metrics]) -> tuple[Batch, Metrics]:
            one, run, begin, end = jax.tree.map(lambda leaf: leaf[slot], (carry[0], runs, first, last))
            trained = one_run(one, run, transitions, begin, end)
            return jax.tree.map(lambda leaf, new: leaf.at[slot].set(new), carry, trained)

        slots = len(first)
        one, run = jax.tree.map(lambda leaf: leaf[0], (batch, runs))
        shapes = jax.eval_shape(one_run, one, run, transitions, first[0], last[0])[1]
        # In place, where `lax.map` would copy every state; and those behind the last that has updates to do stay.
        visited = jnp.max(jnp.where(first < last, jnp.arange(1, slots + 1), 0))
        return jax.lax.fori_loop(0, visited, of_slot, (batch, _zeros(shapes, slots)))

    return all_runs


def _updates_of_one_run(
    algorithm: Algorithm, variant: Variant, batch: Batch, run: Runs, transitions: Transition, *ends: Array
) -> tuple[Batch, Metrics]:
    def step(update: Array, carry: tuple[Batch, Metrics]) -> tuple[Batch, Metrics]:
        state, diverged_at = carry[0]
        architecture = state.architecture
        key_rows, key_noise = jax.random.split(jax.random.fold_in(run.key, update))
        rows = minibatch(key_rows, transitions, run.start, run.size, architecture.batch_size)
        noise = algorithm.noise(key_noise, architecture, state.sizes)
        state, metrics = algorithm.update(state, rows, noise, run.knobs)
        # A diverged run is marked, not stopped: a branch would cost every healthy run of the batch, and runs
        # share no arithmetic.
        newly = (diverged_at == HEALTHY) & is_divergent(metrics)
        return Batch(state, jnp.where(newly, update + 1, diverged_at)), metrics

    def one_pass(place: Array, carry: tuple[Batch, Metrics]) -> tuple[Batch, Metrics]:
        begin = first + place * each
        return jax.lax.fori_loop(0, each, lambda inner, so_far: step(begin + inner, so_far), carry, unroll=unroll)

    (first, last), each, unroll = ends, variant.updates_in_a_pass, variant.unrolled
    carry = batch, _zeros(jax.eval_shape(step, first, (batch, None))[1])
    if each > 1:
        passes = (last - first) // each
        carry = jax.lax.fori_loop(0, passes, one_pass, carry)
        first += passes * each
    return jax.lax.fori_loop(first, last, step, carry)


def _zeros(shapes: Metrics, *leading: int) -> Metrics:
    """Return the metrics before there are any: loops must know their shapes."""
    return jax.tree.map(lambda leaf: jnp.zeros((*leading, *leaf.shape), leaf.dtype), shapes)
