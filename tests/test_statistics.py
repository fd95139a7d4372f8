"""What some methods know of a whole data set."""

import numpy as np
import pytest

from plas_jax.datasets.statistics import padded, statistics
from plas_jax.types import Transition


def transitions(observation):
    observation = np.asarray(observation, np.float32)
    rows = len(observation)
    ones = np.ones(rows, np.float32)
    return Transition(observation, np.ones((rows, 1), np.float32), ones, 100 + observation, ones)


def test_mean_and_deviation_by_hand():
    found = statistics(transitions([[1.0, 5.0], [3.0, 5.0], [5.0, 5.0]]), np.array([-2.0, 7.0, 3.5]))
    assert found.observation_mean.tolist() == [3.0, 5.0]
    np.testing.assert_allclose(found.observation_std, [np.sqrt(8 / 3), 0.0], rtol=1e-6)
    assert found.return_range == 9.0
    assert {np.asarray(array).dtype for array in found} == {np.dtype(np.float32)}


def test_many_rows_far_from_zero_lose_no_digits():
    """In float32 the sum of a million such numbers stops growing as it should."""
    rows = np.tile(np.array([[1000.0, -1001.0], [1001.0, -1000.0]], np.float32), (500_000, 1))
    found = statistics(transitions(rows), np.array([1.0]))
    np.testing.assert_allclose(found.observation_mean, [1000.5, -1000.5], rtol=1e-7)
    np.testing.assert_allclose(found.observation_std, [0.5, 0.5], rtol=1e-6)


@pytest.mark.parametrize(("returns", "wanted"), [([4.0], 0.0), ([], np.nan)])
def test_the_range_of_one_return_is_zero_and_of_none_no_number(returns, wanted):
    np.testing.assert_equal(float(statistics(transitions([[1.0]]), np.array(returns)).return_range), wanted)


def test_padding_has_mean_0_and_deviation_1():
    found = padded(statistics(transitions([[1.0, 5.0], [3.0, 5.0]]), np.array([1.0, 3.0])), 4)
    assert found.observation_mean.tolist() == [2.0, 5.0, 0.0, 0.0]
    assert found.observation_std.tolist() == [1.0, 0.0, 1.0, 1.0]
    assert found.return_range == 2.0
    same = padded(found, 4)
    for ours, theirs in zip(same, found, strict=True):
        np.testing.assert_array_equal(ours, theirs)
