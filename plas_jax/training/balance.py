"""An odd number of runs on two cores: one run changes cores in the middle of a chunk, so that neither core waits.

Nine runs are laid out as five and four and a copy. Trained like that, one core has five runs to do and the other
four: a tenth of both cores' time is lost. Here the fifth run is trained on the first core for half of its updates, then
on the second one, and the others' updates are divided so that both cores are busy in either half. What a run draws
depends on its key and the update alone, so no result changes by a bit.
"""

from collections.abc import Callable

import jax
import numpy as np
from jax.sharding import Mesh

from plas_jax.training.chunk import Batch, Runs, Span, run_chunk
from plas_jax.training.compiler_options import is_cpu
from plas_jax.types import Algorithm, Array, Metrics, Transition, Tree

# Of more runs the odd one is a smaller share than what copying its core's states would cost.
MOST_RUNS = 32


def run_balanced(
    algorithm: Algorithm, mesh: Mesh, batch: Batch, runs: Runs, transitions: Transition, span: Span[int]
) -> tuple[Batch, Metrics]:
    """Run a chunk, in two halves where two cores have an odd number of runs. Blocks until it is done."""
    slots, (first, last) = len(runs.start), span
    begin, end, updates = _each(mesh, slots, first), _each(mesh, slots, last), last - first
    if not _has_copy(mesh, runs) or updates == 0:
        return run_chunk(algorithm, mesh, batch, runs, transitions, Span(begin, end))
    others = slots // 2 - 1  # of each core, beside the odd run, which is the first core's last one
    odd, copy = others, slots - 1
    half = updates // 2
    middle = np.full(slots, first + half, np.int32)
    # The second core does in the first half what the odd run costs the first one. An update is left for the second
    # half, whose metrics are the ones that count.
    middle[odd + 1 :] = first + min(updates - 1, half + round(half / others))
    middle[copy] = first
    batch, _ = run_chunk(algorithm, mesh, batch, runs, transitions, Span(begin, middle))
    # From here on the copy's place is the odd run's.
    batch, runs = _copied(mesh, batch, odd, copy, _in_place), _copied(mesh, runs, odd, copy, _beside)
    # An array of its own: JAX may still be reading the other one where it is.
    rest = middle.copy()
    rest[copy], rest[odd] = first + half, last
    both = run_chunk(algorithm, mesh, batch, runs, transitions, Span(rest, end))
    return _copied(mesh, both, copy, odd, _in_place)


def _each(mesh: Mesh, slots: int, update: int) -> np.ndarray | int:
    """Return an update for every run, where runs may have updates of their own: on a CPU."""
    return np.full(slots, update, np.int32) if is_cpu(mesh) else update


def _has_copy(mesh: Mesh, runs: Runs) -> bool:
    """Return whether two cores have an odd number of runs: then the last one is there twice."""
    if not is_cpu(mesh) or mesh.is_multi_process or mesh.size != 2 or not 4 <= len(runs.start) <= MOST_RUNS:
        return False
    plain = runs._replace(key=jax.random.key_data(runs.key))
    return all(np.array_equal(*np.asarray(leaf)[-2:]) for leaf in jax.tree.leaves(plain))


def _copied(mesh: Mesh, tree: Tree, source: int, to: int, put: Callable[..., list[Array]]) -> Tree:
    """Return the tree with one run's leaves also in another place, on the other core; `put` in place or beside."""
    leaves, structure = jax.tree.flatten(tree)
    devices, length = list(mesh.devices.flat), len(leaves[0]) // 2
    shards = [{shard.device: shard.data for shard in leaf.addressable_shards} for leaf in leaves]
    here, there = devices[source // length], devices[to // length]
    row = jax.device_put(_row([on_device[here] for on_device in shards], source % length), there)
    changed = put([on_device[there] for on_device in shards], row, to % length)
    for on_device, leaf in zip(shards, changed, strict=True):
        on_device[there] = leaf
    whole = [
        jax.make_array_from_single_device_arrays(leaf.shape, leaf.sharding, [on_device[device] for device in devices])
        for leaf, on_device in zip(leaves, shards, strict=True)
    ]
    return jax.tree.unflatten(structure, whole)


@jax.jit
def _row(leaves: list[Array], place: Array) -> list[Array]:
    return [leaf[place] for leaf in leaves]


def _with_row(leaves: list[Array], row: list[Array], place: Array) -> list[Array]:
    return [leaf.at[place].set(value) for leaf, value in zip(leaves, row, strict=True)]


_beside = jax.jit(_with_row)
_in_place = jax.jit(_with_row, donate_argnums=0)  # of the states, which the caller has given away
