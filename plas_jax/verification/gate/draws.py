"""What training draws, recorded from the very loop that trains: which rows, and whether noise has keys of its own."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import chex
import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from plas_jax.datasets.minibatch import Rows
from plas_jax.training.chunk import HEALTHY, Batch, Runs, Span, run_chunk
from plas_jax.training.layout import data_on, on_runs
from plas_jax.training.phases import Pair, Part, datasets_of
from plas_jax.types import Algorithm, Architecture, Array, Metrics, Sizes, Transition

UPDATES, TENTHS = 100, 10


@struct.dataclass
class Recorded:
    """What was drawn for one run so far, in the place of a method's state."""

    sizes: Sizes
    tenths: chex.Array  # float32 [10]: how many rows came from each tenth of the data set
    shared: chex.Array  # float32: updates whose noise had the key of their rows, or that of the update before
    key: chex.Array  # uint32: the data of the last noise's key
    architecture: Architecture = struct.field(pytree_node=False)


def draw_measures(part: Part, batch: Batch, runs: Runs, rows: Rows, pairs: Sequence[Pair]) -> dict[str, np.ndarray]:
    """Return the measures of the first hundred minibatches of every run of a phase, `[runs]` each.

    `drawn_unevenly`, χ² over its degrees of freedom of the rows drawn from each tenth of the data set: around 1, and
    large where a part is never drawn or rows are drawn again and again. `shared_keys`, the share of updates whose noise
    was drawn with the key of their rows, or of the update before: 0.
    """
    slots, architecture = len(runs.start), batch.state.architecture
    counts = np.zeros((slots, TENTHS), np.float32), np.zeros(slots, np.float32)
    last_key = np.zeros((slots, *jax.random.key_data(jax.random.key(0)).shape), np.uint32)
    tenths, shared, key = on_runs(part.mesh, (*counts, last_key))
    sizes = jax.tree.map(jnp.copy, batch.state.sizes)  # what is trained is given away
    empty = Recorded(sizes=sizes, tenths=tenths, shared=shared, key=key, architecture=architecture)
    healthy = on_runs(part.mesh, np.full(slots, HEALTHY, np.int32))
    numbered = data_on(part.mesh, _numbered(rows), datasets_of(part, pairs))
    recorder = Algorithm(part.phase.algorithm.init, _key, _record, part.phase.algorithm.act)
    recorded: Any = run_chunk(recorder, part.mesh, Batch(empty, healthy), runs, numbered, Span(0, UPDATES))[0].state
    runs_of_cells = slice(len(part.cells))  # behind them the last one is repeated
    tenths, shared = np.asarray(recorded.tenths)[runs_of_cells], np.asarray(recorded.shared)[runs_of_cells]
    expected = UPDATES * architecture.batch_size / TENTHS
    return {
        "drawn_unevenly": np.square(tenths - expected).sum(axis=1) / expected / (TENTHS - 1),
        "shared_keys": shared / UPDATES,
    }


def _numbered(rows: Rows) -> Rows:
    """Return rows that know their place: the reward is a row's number in its data set, the bootstrap their number."""
    number = np.concatenate([np.arange(size, dtype=np.float32) for size in rows.size])
    sizes, others = np.repeat(rows.size, rows.size).astype(np.float32), number[:, None]
    return rows._replace(transitions=Transition(others, others, number, others, sizes))


def _key(key: Array, architecture: Architecture, sizes: Sizes) -> Array:
    return key


def _record(state: Recorded, batch: Transition, key: Array, knobs: NamedTuple) -> tuple[Recorded, Metrics]:
    size = batch.bootstrap[0]
    with_one_key = jax.random.randint(key, batch.reward.shape, 0, size.astype(jnp.int32)) == batch.reward
    data = jax.random.key_data(key)
    is_shared = with_one_key.all() | (data == state.key).all()
    tenths = state.tenths.at[(TENTHS * batch.reward / size).astype(jnp.int32)].add(1.0)
    return replace(state, tenths=tenths, shared=state.shared + is_shared, key=data), {"shared": state.shared}
