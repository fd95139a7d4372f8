"""Data sets side by side in one array, and minibatches that stay within the rows of one of them."""

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plas_jax.datasets.minibatch import concatenate, minibatch
from plas_jax.training import layout
from plas_jax.training.layout import data_on, run_mesh
from plas_jax.types import Transition

LENGTHS = (5, 7, 11)


def numbered(first, rows, observation, action):
    """Transitions whose every entry is the number of its row."""
    number = np.arange(first, first + rows, dtype=np.float32)
    wide, narrow = np.tile(number[:, None], observation), np.tile(number[:, None], action)
    return Transition(wide, narrow, number, wide, number)


def three_datasets():
    return concatenate([numbered(0, 5, 3, 1), numbered(5, 7, 4, 2), numbered(12, 11, 2, 2)], 30, 4, 2)


def test_data_sets_stand_one_behind_the_other_with_zeros_to_their_right():
    transitions, start, size = three_datasets()
    assert start.tolist() == [0, 5, 12]
    assert size.tolist() == list(LENGTHS)
    assert start.dtype == size.dtype == np.int32
    number = np.arange(23)
    columns = {"observation": 4, "action": 2, "next_observation": 4}
    true = {"observation": (3, 4, 2), "action": (1, 2, 2), "next_observation": (3, 4, 2)}
    assert transitions.next_action is None
    for field, values in zip(transitions._fields, jax.tree.leaves(transitions), strict=False):
        assert values.dtype == np.float32
        if field not in columns:
            assert values.tolist() == number.tolist()
            continue
        width = np.repeat(true[field], LENGTHS)[:, None]
        np.testing.assert_array_equal(values, np.where(np.arange(columns[field]) < width, number[:, None], 0))


def test_more_rows_than_expected_are_refused():
    with pytest.raises(ValueError, match="12 transitions do not fit where 11"):
        concatenate([numbered(0, 5, 3, 1), numbered(5, 7, 3, 1)], 11, 3, 1)


def test_every_device_of_a_cpu_reads_the_one_copy():
    """At the paper's sizes the data are gigabytes: a copy for each core would not fit where one does."""
    rows = concatenate([numbered(0, 4000, 17, 6), numbered(4000, 3000, 11, 3)], 9000, 17, 6)
    placed = data_on(run_mesh(2), rows, np.array([0, 1]))
    for column, shared in zip(jax.tree.leaves(rows.transitions), jax.tree.leaves(placed), strict=True):
        assert len(shared.addressable_shards) == 2
        assert {shard.data.unsafe_buffer_pointer() for shard in shared.addressable_shards} == {column.ctypes.data}


@pytest.mark.parametrize("datasets", [[0, 0, 1, 2, 2], [2, 1, 0, 0], [0, 1, 2], [1, 1]])
def test_an_accelerator_holds_the_data_sets_of_its_own_runs_alone(monkeypatch, datasets):
    monkeypatch.setattr(layout, "is_cpu", lambda mesh: False)
    rows = concatenate([numbered(0, 5, 3, 1), numbered(5, 7, 3, 1), numbered(12, 4, 3, 1)], 16, 3, 1)
    mesh, of_runs = run_mesh(2), np.array(datasets)
    placed, starts = data_on(mesh, rows, of_runs), layout.starts_on(mesh, rows, of_runs)
    each = layout.runs_of_each(mesh, len(datasets))
    for device, shard in zip(mesh.devices.flat, placed.reward.addressable_shards, strict=True):
        assert shard.device == device
    for run, dataset in enumerate(datasets):
        held = np.asarray(placed.reward.addressable_shards[run // each].data)
        of_dataset = slice(rows.start[dataset], rows.start[dataset] + rows.size[dataset])
        np.testing.assert_array_equal(
            held[starts[run] : starts[run] + rows.size[dataset]], rows.transitions.reward[of_dataset]
        )
    needed = [sum(rows.size[list(set(datasets[place : place + each]))]) for place in (0, each)]
    assert len(placed.reward) == 2 * max(needed)
    assert len(placed.reward) < 2 * len(rows.transitions.reward)


@given(st.integers(0, 2**32 - 1), st.integers(0, 22), st.integers(1, 23))
def test_a_minibatch_stays_within_its_data_set_and_keeps_rows_whole(seed, start, size):
    size = min(size, 23 - start)
    rows = jax.jit(minibatch, static_argnums=4)(jax.random.key(seed), numbered(0, 23, 3, 2), start, size, 16)
    assert rows.reward.shape == (16,)
    assert (start <= rows.reward).all()
    assert (rows.reward < start + size).all()
    for values in jax.tree.leaves(rows):
        assert (values.reshape(16, -1) == rows.reward[:, None]).all()


def test_a_minibatch_is_uniform_with_replacement():
    transitions, start, size = three_datasets()
    drawn = np.asarray(minibatch(jax.random.key(0), transitions, start[1], size[1], 70_000).reward, int)
    counts = np.bincount(drawn, minlength=23)
    assert counts[:5].sum() == counts[12:].sum() == 0
    # Chi-square with six degrees of freedom passes 27.9 once in ten thousand times.
    assert (np.square(counts[5:12] - 10_000) / 10_000).sum() < 27.9
    # Neighbours in a batch are independent: each of the 49 pairs comes as often as any other.
    pairs = np.bincount((drawn[:-1:2] - 5) * 7 + drawn[1::2] - 5, minlength=49)
    assert (np.square(pairs - 35_000 / 49) / (35_000 / 49)).sum() < 95  # 48 degrees, once in ten thousand times


def test_a_minibatch_is_its_keys_alone_compiled_or_not():
    transitions, start, size = three_datasets()
    plain = minibatch(jax.random.key(3), transitions, start[2], size[2], 50)
    compiled = jax.jit(minibatch, static_argnums=4)(jax.random.key(3), transitions, start[2], size[2], 50)
    other = minibatch(jax.random.key(4), transitions, start[2], size[2], 50)
    assert plain.reward.tolist() == compiled.reward.tolist() != other.reward.tolist()


def test_where_a_data_set_stands_does_not_change_what_is_drawn():
    rows = three_datasets()
    alone = numbered(12, 11, 2, 2)
    here = minibatch(jax.random.key(5), rows.transitions, rows.start[2], rows.size[2], 40)
    there = minibatch(jax.random.key(5), alone, 0, 11, 40)
    assert here.reward.tolist() == there.reward.tolist()
