"""Runs on two cores: in place, and of an odd number the same bits, whatever the chunk's length, in one executable."""

import math

import jax
import numpy as np
import pytest
from test_padding import CASES, ROWS, batch_and_runs

from plas_jax.performance.planning.compiled_text import parse
from plas_jax.training import balance
from plas_jax.training.balance import run_balanced
from plas_jax.training.chunk import Span, chunk_program, run_chunk
from plas_jax.training.kept_programs import Executables
from plas_jax.training.layout import data_on, on_runs, run_mesh

NAME = "plas"


def started(runs, name=NAME):
    mesh = run_mesh(runs)
    assert mesh.size == 2
    places = np.arange(runs) % len(CASES[name].runs)
    batch, of_runs = batch_and_runs(name, places)
    # Runs of the same key and knobs are the same run: give each its own draws.
    of_runs = of_runs._replace(key=jax.random.split(jax.random.key(5), runs))
    return mesh, *on_runs(mesh, (batch, of_runs)), data_on(mesh, ROWS, np.zeros(runs, int))


def leaves(tree, runs):
    return [np.asarray(leaf)[:runs] for leaf in jax.tree.leaves(tree)]


@pytest.mark.parametrize("runs", [3, 9, 4])
@pytest.mark.parametrize("ends", [(1, 2, 7), (3, 20)])
def test_balancing_changes_no_bit(runs, ends):
    mesh, plain, of_runs, data = started(runs, "behaviour")
    _, balanced, _, _ = started(runs, "behaviour")
    algorithm, first = CASES["behaviour"].algorithm, 0
    for last in ends:
        plain, metrics = run_chunk(algorithm, mesh, plain, of_runs, data, Span(first, last))
        balanced, others = run_balanced(algorithm, mesh, balanced, of_runs, data, Span(first, last))
        first = last
        for ours, theirs in zip(leaves((balanced, others), runs), leaves((plain, metrics), runs), strict=True):
            np.testing.assert_array_equal(ours, theirs)


@pytest.mark.slow
def test_both_cores_do_as_many_updates(monkeypatch):
    done, passed = [], []

    def counted(algorithm, mesh, batch, runs, data, span):
        done.append((span.last - span.first).reshape(2, -1).sum(axis=1))
        passed.extend((end, end.copy()) for end in span)
        return run_chunk(algorithm, mesh, batch, runs, data, span)

    monkeypatch.setattr(balance, "run_chunk", counted)
    mesh, batch, of_runs, data = started(9)
    run_balanced(CASES[NAME].algorithm, mesh, batch, of_runs, data, Span(0, 80))
    np.testing.assert_array_equal(done, [[200, 200], [160, 160]])
    # JAX may read an array of NumPy's where it is, and later than the call: none is changed afterwards.
    for array, as_passed in passed:
        np.testing.assert_array_equal(array, as_passed)


def test_chunks_of_every_length_share_an_executable():
    mesh, batch, of_runs, data = started(11)  # a number that nothing else has compiled for
    executables = Executables("run_chunk")
    for first, last in ((0, 0), (0, 1), (1, 9), (9, 30)):
        batch, _ = run_balanced(CASES[NAME].algorithm, mesh, batch, of_runs, data, Span(first, last))
    assert executables.count == 1


def compiled(runs):
    mesh, batch, of_runs, data = started(runs)
    ends = np.zeros(runs, np.int32)
    program = chunk_program(mesh, batch.state)
    return batch, program.lower(CASES[NAME].algorithm, mesh, batch, of_runs, data, Span(ends, ends)).compile()


@pytest.mark.slow
def test_more_runs_take_no_more_temporary_memory():
    """A chunk trains each run where its state lies: at the paper's widths ninety states are 1.2 GB."""
    batch, few = compiled(4)
    _, many = compiled(16)
    of_a_run = sum(leaf.nbytes for leaf in jax.tree.leaves(batch)) // 4
    grown = many.memory_analysis().temp_size_in_bytes - few.memory_analysis().temp_size_in_bytes
    assert grown < of_a_run  # of the six runs more that each core has


def test_no_update_copies_weights():
    """Adam writes the new ones where the old ones lie."""
    batch, program = compiled(4)
    text = parse(program.as_text())
    loops = [one for one in text.instructions() if one.opcode == "while"]
    bodies = {name: text.computations[name] for name in (loop.called("body") for loop in loops)}
    # Of the large ones, which are over runs and over updates, the one inside the other.
    update = min((body for body in bodies.values() if len(body) > 100), key=lambda body: nested(body, bodies))
    assert max(nested(body, bodies) for body in bodies.values()) == 1
    kernels = {leaf.shape[1:] for leaf in jax.tree.leaves(batch.state.critics.parameters) if leaf.ndim == 3}
    widest = max(kernels, key=math.prod)
    assert [one for one in update.values() if one.opcode == "copy" and one.shapes[0].dimensions == widest] == []


def nested(body, bodies):
    """How many of the large loops are in a loop's body."""
    return sum(one.opcode == "while" and len(bodies[one.called("body")]) > 100 for one in body.values())
