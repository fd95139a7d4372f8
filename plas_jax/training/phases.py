"""A method as batches of runs: its first phase for each (data set, seed), then a run for each of its swept knobs.

PLAS's CVAE does not depend on ε: it is trained once and handed to every ε. The ε of one (data set, seed) share their
first weights and minibatches, since both are drawn from keys that know nothing of ε: they are paired.
"""

import itertools
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from plas_jax.datasets.minibatch import Rows
from plas_jax.methods.method import Method, Phase
from plas_jax.training.balance import run_balanced
from plas_jax.training.chunk import HEALTHY, Batch, Runs, Span
from plas_jax.training.hosts import agreed, own_mesh, own_part, own_runs
from plas_jax.training.layout import on_runs, run_mesh, starts_on
from plas_jax.types import Algorithm, Array, Metrics, Sizes, State, Transition

# What a run draws for: each has keys of its own.
FIRST_PHASE, LAST_PHASE, FIRST_EVALUATION, LAST_EVALUATION = range(4)
# Long enough that loading a run is a small part of it, short enough that progress, Ctrl-C and checkpoints stay prompt.
CHUNK_SECONDS = 9.0
FIRST_CHUNK = 8  # updates


class Pair(NamedTuple):
    """What a first phase is trained for: a data set, by its place in the rows and by name, and a seed."""

    dataset: int
    name: str
    seed: int


class Cell(NamedTuple):
    """One run: the pair that it belongs to, by its place among the pairs, and the knobs that are swept."""

    pair: int
    swept: tuple[tuple[str, float], ...] = ()


class Chunk(NamedTuple):
    """What `train` yields: the batch after `update` updates, the last metrics, and what the chunk took."""

    update: int
    batch: Batch
    metrics: Metrics
    updates: int
    seconds: float


def pairs_of(names: Sequence[str], seeds: Sequence[int]) -> list[Pair]:
    """Return every (data set, seed), data sets first."""
    return [Pair(place, name, seed) for place, name in enumerate(names) for seed in seeds]


def cells_of(pairs: Sequence[Pair], grid: Sequence[tuple[str, Sequence[float]]]) -> list[Cell]:
    """Return every (data set, seed) with every combination of the grid's values, the last knob running fastest."""
    settings = itertools.product(*([(name, value) for value in values] for name, values in grid))
    return [Cell(place, setting) for place, setting in itertools.product(range(len(pairs)), list(settings))]


def run_key(seed: int, name: str) -> Array:
    """Return a run's key. It depends on seed and data set's name, and on no other run: crc32 is the same everywhere."""
    return jax.random.fold_in(jax.random.key(seed), zlib.crc32(name.encode()))


def phase_keys(pairs: Sequence[Pair], phase: int) -> tuple[Array, Array]:
    """Return for each pair the key of a phase's first weights and the one of its updates, `[pairs]` each."""
    keys = jnp.stack([jax.random.fold_in(run_key(pair.seed, pair.name), phase) for pair in pairs])
    key_init, key_updates = jnp.moveaxis(jax.vmap(jax.random.split)(keys), 1, 0)
    return key_init, key_updates


def stacked_sizes(sizes: Sequence[Sizes]) -> Sizes:
    """Return sizes with true lengths `[runs]`, all in the padding of the widest."""
    widest = sizes[0]
    for other in sizes:
        widest = widest.padded_to(other)
    return jax.tree.map(lambda *true: jnp.asarray(true, jnp.int32), *(one.padded_to(widest) for one in sizes))


class Part(NamedTuple):
    """One phase of a sweep: what it trains for which cells, with which knobs, on which devices."""

    draws: int  # FIRST_PHASE or LAST_PHASE: whose keys it draws with
    phase: Phase
    cells: list[Cell]
    knobs: list[NamedTuple]  # of each cell
    mesh: Mesh


def part_of(method: Method, draws: int, pairs: Sequence[Pair]) -> Part:
    """Return a method's first phase, a run for each pair, or its last one, a run for each pair and swept knobs."""
    phase, grid = (method.first, ()) if draws == FIRST_PHASE and method.first else (method.phase, method.grid)
    cells = cells_of(pairs, grid)
    knobs = [method.run_knobs(phase, pairs[cell.pair].name, cell.swept) for cell in cells]
    return Part(draws, phase, cells, knobs, run_mesh(len(cells)))


def first_batch(
    part: Part, rows: Rows, pairs: Sequence[Pair], inputs: tuple[object, ...], diverged: np.ndarray | None = None
) -> tuple[Batch, Runs]:
    """Return the runs of a phase before their first update.

    `inputs` is what the phase's `init` takes behind the architecture, each leaf `[pairs, …]`: sizes with traced true
    lengths, then what the method inherits and knows. `diverged`, `[pairs]`, is when the first phase did.
    """
    algorithm, architecture = part.phase.algorithm, part.phase.architecture
    key_init, key_updates = phase_keys(pairs, part.draws)
    states = _first_states(lambda key, *given: algorithm.init(key, architecture, *given), key_init, inputs)
    pair_of = np.array([cell.pair for cell in part.cells])
    states = jax.tree.map(lambda leaf: leaf[pair_of], states)
    # A run around a network that diverged has diverged before its first update.
    before = np.full(len(pairs), HEALTHY) if diverged is None else np.where(diverged == HEALTHY, HEALTHY, 0)
    knobs = jax.tree.map(lambda *values: np.array(values, np.float32), *part.knobs)
    place = datasets_of(part, pairs)
    runs = Runs(key_updates[pair_of], starts_on(part.mesh, rows, place), rows.size[place], knobs)
    return on_runs(part.mesh, (Batch(states, before[pair_of].astype(np.int32)), runs))


def datasets_of(part: Part, pairs: Sequence[Pair]) -> np.ndarray:
    """Return the data set of each run, by its place in the rows, `[runs]`."""
    return np.array([pairs[cell.pair].dataset for cell in part.cells])


def own(part: Part, batch: Batch, runs: Runs) -> tuple[Part, Batch, Runs]:
    """Return what this process trains of a phase: its cells, their states and what tells them apart, on its devices."""
    mesh, mine = part.mesh, own_runs(part.mesh, len(part.cells))
    ours = part._replace(cells=part.cells[mine], knobs=part.knobs[mine], mesh=own_mesh(mesh))
    return ours, own_part(mesh, batch), own_part(mesh, runs)


def _first_states(init: Callable[..., State], keys: Array, inputs: tuple[object, ...]) -> State:
    """Return `init(key, *inputs)` of each pair, stacked on the host.

    One program of one run, called for each: the batched one takes several times as long to compile. It runs for
    milliseconds, so the compiler is told not to optimise it.
    """
    one_run = jax.jit(init, compiler_options={"xla_backend_optimization_level": 0})
    inputs = jax.tree.map(np.asarray, inputs)
    states = [one_run(key, *jax.tree.map(lambda leaf, i=i: leaf[i], inputs)) for i, key in enumerate(keys)]
    return jax.tree.map(lambda *leaves: np.stack(leaves), *states)


def train(
    part: Part, batch: Batch, runs: Runs, transitions: Transition, first: int, stops: Sequence[int]
) -> Iterator[Chunk]:
    """Train updates `first` to the last of `stops` (excluded) in chunks of about nine seconds, the first of eight.

    A chunk ends at each of the stops, which are in order: what is done there does not depend on the machine's speed.
    Yields after each; the batch passed in is donated, and so is each yielded one when the next chunk is asked for.
    """
    update, length = first, FIRST_CHUNK
    while update < stops[-1]:
        stop = min(update + length, next(each for each in stops if each > update))
        started = time.perf_counter()
        batch, metrics = run_balanced(part.phase.algorithm, part.mesh, batch, runs, transitions, Span(update, stop))
        batch, metrics = jax.block_until_ready((batch, metrics))
        seconds = time.perf_counter() - started
        yield Chunk(stop, batch, metrics, stop - update, seconds)
        # At most eightfold, for the first chunk after compiling tells little.
        longest = max(1, min(8 * length, int(CHUNK_SECONDS * (stop - update) / seconds)))
        length = agreed(lambda longest=longest: longest)
        update = stop


def compile_only(algorithm: Algorithm, mesh: Mesh, batch: Batch, runs: Runs, transitions: Transition) -> Batch:
    """Compile the chunk and run no update in it, so that compiling is timed apart from training."""
    batch, _ = jax.block_until_ready(run_balanced(algorithm, mesh, batch, runs, transitions, Span(0, 0)))
    return batch
