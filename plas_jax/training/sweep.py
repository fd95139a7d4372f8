"""Table 1 as two batches of runs: a CVAE for each (data set, seed), then a policy for each of its ε.

The CVAE does not depend on ε: it is trained once and handed to every ε. The ε of one (data set, seed) share their
first weights and minibatches, since both are drawn from keys that know nothing of ε: they are paired.
"""

import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from plas_jax.algorithms import behaviour, plas
from plas_jax.algorithms.presets import Preset, latent_limit
from plas_jax.datasets.minibatch import Rows
from plas_jax.training.chunk import HEALTHY, Batch, Runs, run_chunk
from plas_jax.training.layout import on_runs
from plas_jax.types import Algorithm, Array, Metrics, Sizes, Transition

BEHAVIOUR_PHASE, POLICY_PHASE, PRIOR_EVALUATION = range(3)
# Long enough that loading a run is a small part of it, short enough that progress, Ctrl-C and checkpoints stay prompt.
CHUNK_SECONDS = 9.0


class Pair(NamedTuple):
    """One CVAE: a data set, by its place in the rows and by name, and a seed."""

    dataset: int
    name: str
    seed: int


class Cell(NamedTuple):
    """One policy: the pair whose CVAE it uses, by its place among the pairs, and its ε."""

    pair: int
    perturbation_limit: float


class Chunk(NamedTuple):
    """What `train` yields: the batch after `update` updates, the last metrics, and what the chunk took."""

    update: int
    batch: Batch
    metrics: Metrics
    updates: int
    seconds: float


def pairs(names: Sequence[str], seeds: Sequence[int]) -> list[Pair]:
    """Every (data set, seed), data sets first."""
    return [Pair(place, name, seed) for place, name in enumerate(names) for seed in seeds]


def cells(of: Sequence[Pair], perturbation_limits: Sequence[float]) -> list[Cell]:
    """Every (data set, seed, ε), ε last."""
    return [Cell(place, limit) for place in range(len(of)) for limit in perturbation_limits]


def run_key(seed: int, name: str) -> Array:
    """A run's key depends on its seed and its data set's name, and on no other run: crc32 is the same everywhere."""
    return jax.random.fold_in(jax.random.key(seed), zlib.crc32(name.encode()))


def phase_keys(of: Sequence[Pair], phase: int) -> tuple[Array, Array]:
    """For each pair the key of a phase's first weights and the one of its updates, `[pairs]` each."""
    keys = jnp.stack([jax.random.fold_in(run_key(pair.seed, pair.name), phase) for pair in of])
    key_init, key_updates = jnp.moveaxis(jax.vmap(jax.random.split)(keys), 1, 0)
    return key_init, key_updates


def stacked_sizes(sizes: Sequence[Sizes]) -> Sizes:
    """Sizes with true lengths `[runs]`, all in the padding of the widest."""
    widest = sizes[0]
    for other in sizes:
        widest = widest.padded_to(other)
    return jax.tree.map(lambda *true: jnp.asarray(true, jnp.int32), *(one.padded_to(widest) for one in sizes))


def behaviour_phase(preset: Preset, mesh: Mesh, rows: Rows, sizes: Sizes, of: Sequence[Pair]) -> tuple[Batch, Runs]:
    """The CVAEs before their first update. `sizes` has true lengths `[pairs]`."""
    key_init, key_updates = phase_keys(of, BEHAVIOUR_PHASE)
    architecture = preset.behaviour_architecture()
    states = _first_states(lambda key, one: behaviour.init(key, architecture, one), key_init, sizes)
    knobs = jax.tree.map(lambda leaf: np.full(len(of), leaf, np.float32), preset.behaviour_knobs)
    place = np.array([pair.dataset for pair in of])
    runs = Runs(key_updates, rows.start[place], rows.size[place], knobs)
    return on_runs(mesh, (Batch(states, np.full(len(of), HEALTHY, np.int32)), runs))


def policy_phase(
    preset: Preset, mesh: Mesh, rows: Rows, cvaes: Batch, of: Sequence[Pair], runs_of: Sequence[Cell]
) -> tuple[Batch, Runs]:
    """The policies before their first update, around the trained CVAEs (whose padding runs are left out)."""
    pair_of = np.array([cell.pair for cell in runs_of])
    key_init, key_updates = phase_keys(of, POLICY_PHASE)
    states = _first_states(
        lambda key, cvae, one: plas.init(key, preset.policy, one, cvae),
        key_init,
        cvaes.state.cvae.parameters,
        cvaes.state.sizes,
    )
    states = jax.tree.map(lambda leaf: leaf[pair_of], states)
    # A policy in the latent space of a diverged CVAE has diverged before its first update.
    diverged = np.where(np.asarray(cvaes.diverged_at)[pair_of] == HEALTHY, HEALTHY, 0).astype(np.int32)
    knobs = jax.tree.map(lambda leaf: np.full(len(runs_of), leaf, np.float32), preset.knobs)._replace(
        perturbation_limit=np.array([cell.perturbation_limit for cell in runs_of], np.float32),
        latent_limit=np.array([latent_limit(preset, of[cell.pair].name) for cell in runs_of], np.float32),
    )
    place = np.array([of[cell.pair].dataset for cell in runs_of])
    return on_runs(
        mesh, (Batch(states, diverged), Runs(key_updates[pair_of], rows.start[place], rows.size[place], knobs))
    )


def _first_states(init: Callable[..., Any], keys: Array, *inputs: Any) -> Any:
    """`init(key, *inputs)` of each pair, stacked on the host.

    One program of one run, called for each: the batched one takes several times as long to compile. It runs for
    milliseconds, so the compiler is told not to optimise it.
    """
    one_run = jax.jit(init, compiler_options={"xla_backend_optimization_level": 0})
    inputs = jax.tree.map(np.asarray, inputs)
    states = [one_run(key, *jax.tree.map(lambda leaf, i=i: leaf[i], inputs)) for i, key in enumerate(keys)]
    return jax.tree.map(lambda *leaves: np.stack(leaves), *states)


def train(
    algorithm: Algorithm,
    mesh: Mesh,
    batch: Batch,
    runs: Runs,
    transitions: Transition,
    first: int,
    last: int,
    length: int = 8,
) -> Iterator[Chunk]:
    """Train updates `first` to `last` (excluded) in chunks of about nine seconds, the first of `length` updates.

    Yields after each; the batch passed in is donated, and so is each yielded one when the next chunk is asked for.
    """
    update = first
    while update < last:
        stop = min(update + length, last)
        started = time.perf_counter()
        batch, metrics = jax.block_until_ready(run_chunk(algorithm, mesh, batch, runs, transitions, update, stop))
        seconds = time.perf_counter() - started
        yield Chunk(stop, batch, metrics, stop - update, seconds)
        # At most eightfold, for the first chunk after compiling tells little.
        length = max(1, min(8 * length, int(CHUNK_SECONDS * (stop - update) / seconds)))
        update = stop


def compile_only(algorithm: Algorithm, mesh: Mesh, batch: Batch, runs: Runs, transitions: Transition) -> Batch:
    """Compile the chunk and run no update in it, so that compiling is timed apart from training."""
    batch, _ = jax.block_until_ready(run_chunk(algorithm, mesh, batch, runs, transitions, 0, 0))
    return batch
