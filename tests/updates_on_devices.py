"""A process of its own: fifty updates of fifteen PLAS runs on the devices it is given, and what became of them.

usage: updates_on_devices.py WIDTHS FILE.npz

The first process of a run writes parameters, draws and the compiled chunk's text to the file.
"""

import os
import sys

import jax
import numpy as np
from flax import struct

from plas_jax.algorithms import plas
from plas_jax.performance.throughput.cases import method_of, random_rows
from plas_jax.training import phases
from plas_jax.training.chunk import HEALTHY, Batch, Span, chunk_program, run_chunk
from plas_jax.training.hosts import connect, is_first, on_host
from plas_jax.training.layout import data_on, on_runs, use_every_core
from plas_jax.types import Algorithm, Sizes

UPDATES, SEEDS, LIMITS = 50, range(5), (0.0, 0.05, 0.2)


def main(widths, file):
    connect()
    use_every_core(1)
    method = method_of("plas", widths)._replace(grid=(("perturbation_limit", LIMITS),))
    # Two data sets of unequal length: those of the first one's runs start elsewhere than those of the second's.
    rows = random_rows(next_actions=False)._replace(start=np.array([0, 30_000]), size=np.array([30_000, 70_000]))
    pairs = [phases.Pair(seed % 2, f"data-{seed % 2}", seed) for seed in SEEDS]
    sizes = phases.stacked_sizes([Sizes.of(17, 6)] * len(pairs))
    untrained, _ = phases.first_batch(phases.part_of(method, phases.FIRST_PHASE, pairs), rows, pairs, (sizes,))
    part = phases.part_of(method, phases.LAST_PHASE, pairs)
    inputs = on_host(method.inputs(sizes, untrained.state, None))
    batch, runs = phases.first_batch(part, rows, pairs, inputs)
    data = data_on(part.mesh, rows, phases.datasets_of(part, pairs))
    arguments = (part.phase.algorithm, part.mesh, batch, runs, data)
    text = chunk_program(part.mesh, batch.state).lower(*arguments, Span(0, UPDATES)).compile().as_text()
    batch, metrics = run_chunk(*arguments, Span(0, UPDATES))
    found = {
        f"state{jax.tree_util.keystr(path)}": leaf for path, leaf in jax.tree.leaves_with_path(on_host(batch.state))
    }
    found |= {f"metric {name}": value for name, value in on_host(metrics).items()}
    found = {name: value[: len(part.cells)] for name, value in found.items()}
    found |= draws(part, runs, data)
    if is_first():
        np.savez(file, text=np.array(text), devices=np.array(part.mesh.size), **found)


@struct.dataclass
class Drawn:
    """What a run was given in its last update."""

    sizes: Sizes
    reward: jax.Array
    noise: jax.Array
    architecture: plas.Architecture = struct.field(pytree_node=False)


RECORDER = Algorithm(
    init=lambda *_: None,
    noise=lambda key, architecture, sizes: jax.random.normal(key, (3,)),
    update=lambda state, batch, noise, knobs: (state.replace(reward=batch.reward, noise=noise), {"mean_q": noise[0]}),
    act=lambda *_: None,
)


def draws(part, runs, data):
    """The rewards of each run's last minibatch and its noise, as the chunk drew them."""
    architecture, count = part.phase.architecture, len(part.cells)
    sizes = phases.stacked_sizes([Sizes.of(17, 6)] * count)
    state = Drawn(
        sizes, np.zeros((count, architecture.batch_size), np.float32), np.zeros((count, 3), np.float32), architecture
    )
    batch = on_runs(part.mesh, Batch(jax.tree.map(np.asarray, state), np.full(count, HEALTHY, np.int32)))
    after, _ = run_chunk(RECORDER, part.mesh, batch, runs, data, Span(0, UPDATES))
    return {"drawn rewards": on_host(after.state.reward)[:count], "drawn noise": on_host(after.state.noise)[:count]}


if __name__ == "__main__":
    os.environ.setdefault("JAX_NUM_CPU_DEVICES", "1")
    main(*sys.argv[1:])
