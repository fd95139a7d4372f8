"""The gate's decision: maxT permutation tests against enumeration, and the rates that it states."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plas_jax.verification.gate.movement import EVERY, RESOLUTION, SPREAD, Place, movements, smallest_p


def values(columns, names=None):
    """Columns `[seeds, measures]` of one method on one data set."""
    names = names or [f"m{place}" for place in range(columns.shape[1])]
    return {Place("hopper", "plas", name): column for name, column in zip(names, columns.T, strict=True)}


def literal_t(before, after):
    """|t| with the pooled variance and the resolution, of one measure, by the textbook."""
    n, m = len(before), len(after)
    inside = sum((value - np.mean(before)) ** 2 for value in before) + sum((v - np.mean(after)) ** 2 for v in after)
    resolution = RESOLUTION * max(1.0, *np.abs([*before, *after]))
    error = np.sqrt(inside / (n + m - 2) * (1 / n + 1 / m) + resolution**2)
    return abs(np.mean(after) - np.mean(before)) / error


def test_p_is_the_share_of_divisions_that_are_as_conspicuous_in_any_measure():
    generator = np.random.default_rng(3)
    joined = generator.standard_normal((8, 2)) + np.array([[0, 0]] * 5 + [[1.5, 0.3]] * 3)
    before, after = joined[:5], joined[5:]
    # The mean over methods is a third column: of one method on one data set there is none, so the family is these two.
    found = {m.place.measure: m for m in movements(values(before), values(after)) if EVERY not in m.place}
    largest = []
    spreads = []
    for chosen in combinations(range(8), 3):
        rest = [seed for seed in range(8) if seed not in chosen]
        largest.append(max(literal_t(joined[rest, c], joined[list(chosen), c]) for c in range(2)))
        spreads.append(np.mean([np.log(joined[list(chosen), c].var() / joined[rest, c].var()) for c in range(2)]))
    spreads = np.abs(np.array(spreads) - np.mean(spreads)) / np.std(spreads)
    largest = np.maximum(largest, spreads)
    for column in range(2):
        observed = literal_t(before[:, column], after[:, column])
        exact = np.mean([value >= observed * (1 - 1e-9) for value in largest])
        assert found[f"m{column}"].p == pytest.approx(exact, abs=4 * np.sqrt(exact * (1 - exact) / 20_000) + 1e-4)


def test_a_measure_says_how_far_it_moved_in_standard_deviations():
    before, after = np.array([[1.0], [3.0], [2.0]]), np.array([[7.0], [5.0], [6.0]])
    found, _ = movements(values(before), values(after))
    assert found.deviations == pytest.approx(4.0)
    np.testing.assert_array_equal(found.now, [7, 5, 6])


def test_the_most_conspicuous_comes_first():
    generator = np.random.default_rng(0)
    before, after = generator.standard_normal((20, 3)), generator.normal([0, 9, 3], 1, (10, 3))
    assert [m.place.measure for m in movements(values(before), values(after))][:2] == ["m1", "m2"]


def test_a_little_everywhere_is_seen_in_the_mean_over_data_sets():
    generator = np.random.default_rng(1)
    before, after = {}, {}
    for dataset in ("a", "b", "c", "d", "e", "f"):
        place = Place(dataset, "bc", "score")
        before[place], after[place] = generator.normal(50, 5, 40), generator.normal(44, 5, 10)
    first, *_ = movements(before, after)
    assert first.place in {Place(EVERY, "bc", "score"), Place(EVERY, EVERY, "score")}
    assert first.p < 0.001
    assert first.deviations < 0


@pytest.mark.parametrize("now", [np.nan, np.inf])
def test_what_is_not_finite_counts_as_larger_than_all(now):
    before = np.arange(20.0)[:, None]
    found, _ = movements(values(before), values(np.full((10, 1), now)))
    assert found.p < 0.001
    assert found.deviations > 0


def test_one_run_of_ten_that_diverged_is_no_proof():
    before, after = np.zeros((40, 1)), np.zeros((10, 1))
    after[3] = 1.0
    assert all(found.p > 0.1 for found in movements(values(before), values(after)))


def test_runs_that_ignore_their_seeds_are_seen_though_their_means_are_right():
    columns = np.random.default_rng(11).standard_normal((50, 60))
    columns[40:] = columns[44]
    first, *_ = movements(values(columns[:40]), values(columns[40:]))
    assert first.place == SPREAD
    assert first.p < 0.001
    assert first.deviations < 0
    assert first.now.max() == pytest.approx(0)


def test_a_constant_that_changes_has_moved_and_rounding_has_not():
    before, after = np.full((40, 2), 0.25), np.full((10, 2), 0.25)
    after[:, 0] += 1e-4
    after[:, 1] += 1e-8
    found = {m.place.measure: m.p for m in movements(values(before), values(after))}
    assert found["m0"] < 0.001
    assert found["m1"] > 0.5


def test_rounding_of_constants_does_not_add_up_over_data_sets():
    places = [Place(dataset, "data", "mean_reward") for dataset in ("a", "b", "c")]
    before = {place: np.full(40, 3.12345679) for place in places}
    after = {place: np.full(10, 3.123456789012) for place in places}  # as a file of nine digits has it, and unrounded
    assert all(found.p > 0.5 for found in movements(before, after))


def test_measures_of_one_side_alone_are_left_out():
    before, after = np.zeros((4, 1)), np.zeros((3, 1))
    assert movements(values(before, ["kl"]), values(after, ["mean_q"])) == []


@settings(max_examples=20)  # two tests of 500 splits each
@given(st.floats(0.1, 1e3), st.floats(-1e3, 1e3), st.integers(0, 2**31))
def test_units_do_not_matter(scale, shift, seed):
    generator = np.random.default_rng(seed)
    before, after = generator.standard_normal((12, 2)), generator.standard_normal((6, 2)) + 1
    one = [m.p for m in movements(values(before), values(after), 500)]
    other = [m.p for m in movements(values(scale * before + shift), values(scale * after + shift), 500)]
    np.testing.assert_allclose(one, other, atol=0.02)  # the resolution is in the measure's units


def test_clean_checks_fail_as_often_as_stated():
    """Skewed and heavy-tailed measures that move together: what would break a t-test's rate."""
    generator, alarms, checks, level = np.random.default_rng(7), 0, 600, 0.05
    for _ in range(checks):
        shared = generator.standard_normal((50, 1))
        columns = np.exp(shared + generator.standard_normal((50, 6))) + generator.standard_t(2, (50, 6))
        found = movements(values(columns[:40]), values(columns[40:]), 400)
        alarms += found[0].p <= level
    # Three standard errors of 5 % at 600 checks.
    assert abs(alarms / checks - level) < 3 * np.sqrt(level * (1 - level) / checks)


def test_a_step_of_three_standard_deviations_is_found():
    generator, found = np.random.default_rng(5), 0
    for _ in range(40):
        columns = generator.standard_normal((50, 120))
        columns[40:, 17] += 3
        first, *_ = movements(values(columns[:40]), values(columns[40:]), 2000)
        found += first.p <= 0.005 and first.place.measure == "m17"
    assert found >= 38


@pytest.mark.parametrize(("accepted", "now", "smallest"), [(2, 1, 1 / 3), (4, 3, 1 / 35), (40, 10, 1 / 20_001)])
def test_the_smallest_p(accepted, now, smallest):
    assert smallest_p(accepted, now) == pytest.approx(smallest)
