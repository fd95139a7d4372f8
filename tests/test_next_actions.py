"""The data's next actions: those of the recording's next row, in data sets side by side and in minibatches."""

import h5py
import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plas_jax.datasets.catalogue import parse
from plas_jax.datasets.d4rl_files import Recording
from plas_jax.datasets.loading import load
from plas_jax.datasets.minibatch import concatenate, minibatch
from plas_jax.datasets.transitions import qlearning_transitions
from plas_jax.training.layout import data_on, run_mesh


def recording(terminals, timeouts, first=0, observation=3, action=2):
    """Rows whose every entry is the number of the row; actions are that over 1000."""
    number = np.arange(first, first + len(terminals), dtype=np.float32)
    return Recording(
        np.tile(number[:, None], observation),
        np.tile(number[:, None] / 1000, action),
        number,
        np.array(terminals, bool),
        None if timeouts is None else np.array(timeouts, bool),
    )


def made(length, first=0, **widths):
    """Transitions of one episode that goes on."""
    return qlearning_transitions(recording([0] * (length + 1), [0] * (length + 1), first, **widths), 1000, True)


def test_nothing_is_made_unless_asked_for():
    rows = recording([0, 0, 1, 0], [0, 1, 0, 0])
    assert qlearning_transitions(rows, 1000).next_action is None
    with_them, without = qlearning_transitions(rows, 1000, next_actions=True), qlearning_transitions(rows, 1000)
    for ours, theirs in zip(with_them[:5], without[:5], strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_the_row_before_a_dropped_time_limit_is_followed_by_that_rows_action():
    # Episodes in rows 0-2 (time limit), 3-4 (terminal) and 5-6; rows 2 and 6 are dropped.
    rows = recording([0, 0, 0, 0, 1, 0, 0], [0, 0, 1, 0, 0, 0, 0])
    kept = qlearning_transitions(rows, 1000, next_actions=True)
    assert kept.reward.tolist() == [0, 1, 3, 4, 5]
    assert kept.next_action.dtype == np.float32
    assert (kept.next_action * 1000).round().tolist() == [[n, n] for n in (1, 2, 4, 5, 6)]


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=30), st.integers(1, 9), st.booleans())
def test_next_actions_belong_to_next_observations(flags, horizon, has_timeouts):
    terminals, timeouts = np.array(flags).T
    rows = recording(terminals, timeouts if has_timeouts else None)
    kept = qlearning_transitions(rows, horizon, next_actions=True)
    np.testing.assert_allclose(kept.next_action[:, 0] * 1000, kept.next_observation[:, 0], rtol=1e-6)
    np.testing.assert_allclose(kept.next_observation[:, 0], kept.reward + 1)


@pytest.mark.parametrize("parts", [1, 2])
def test_files_and_their_mixtures_give_them_on_request(tmp_path, parts):
    paths = [tmp_path / f"{place}.hdf5" for place in range(parts)]
    for place, path in enumerate(paths):
        columns = recording([0, 0, 0, 0], [0, 1, 0, 0], 10 * place, observation=11, action=3)._asdict()
        with h5py.File(path, "w") as file:
            for key, values in columns.items():
                file[key] = values
    hopper = parse("hopper-medium-v2")
    # Row 1 of a part is on the time limit and row 3 its last.
    found = load(hopper, paths, next_actions=True).transitions
    expected = [10 * place + row for place in range(parts) for row in (1, 3)]
    assert (found.next_action * 1000).round().tolist() == [[row] * 3 for row in expected]
    assert load(hopper, paths).transitions.next_action is None


def test_data_sets_stand_side_by_side_with_zeros_to_their_right():
    rows = concatenate([made(4, action=1), made(3, first=10, action=3)], 9, 4, 3)
    assert rows.transitions.next_action.shape == (7, 3)
    expected = np.array([1, 2, 3, 4, 11, 12, 13])[:, None] * [[1, 0, 0]] * np.ones((7, 1))
    expected[4:] = expected[4:, :1]
    np.testing.assert_allclose(rows.transitions.next_action * 1000, expected, rtol=1e-6)
    assert rows.transitions.next_action.ctypes.data % 64 == 0  # JAX reads it where it is
    placed = data_on(run_mesh(2), rows, np.array([0, 1])).next_action
    assert {shard.data.unsafe_buffer_pointer() for shard in placed.addressable_shards} == {
        rows.transitions.next_action.ctypes.data
    }


def test_without_them_there_is_no_column():
    rows = concatenate([made(4)._replace(next_action=None), made(3)._replace(next_action=None)], 9, 4, 3)
    assert rows.transitions.next_action is None
    assert len(jax.tree.leaves(rows.transitions)) == 5
    assert minibatch(jax.random.key(0), rows.transitions, 0, 7, 5).next_action is None


@pytest.mark.parametrize("lacking", [0, 1])
def test_data_sets_of_which_some_alone_have_them_are_refused(lacking):
    datasets = [made(4), made(3)]
    datasets[lacking] = datasets[lacking]._replace(next_action=None)
    with pytest.raises(ValueError, match="every data set has next actions or none"):
        concatenate(datasets, 9, 4, 3)


def test_a_minibatch_keeps_rows_whole():
    rows = concatenate([made(20)], 20, 3, 2).transitions
    drawn = jax.jit(minibatch, static_argnums=4)(jax.random.key(0), rows, 5, 10, 64)
    np.testing.assert_allclose(drawn.next_action[:, 1] * 1000, drawn.next_observation[:, 0], rtol=1e-6)
    assert len(np.unique(drawn.reward)) > 5
