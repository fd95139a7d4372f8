"""Statistics over tasks and seeds against literal loops, the bootstrap against every resample, and what it covers."""

import itertools
import math
import subprocess
import sys
from math import isnan, nan
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from interval_coverage import CELL, NINE, POPULATIONS, THREE, Case, coverage
from scipy import stats

from plas_jax.results.aggregates import (
    interquartile_mean,
    mean,
    median,
    optimality_gap,
    performance_profile,
    probability_of_improvement,
)
from plas_jax.results.intervals import RESAMPLES, bootstrap, expanded, interval, stratified_interval, student_t

AGGREGATES = (mean, median, interquartile_mean, optimality_gap)
UNEVEN = [[1.0, 2.0, 6.0], [150.0, 50.0], [-7.0, 3.0, 8.0, 10.0]]  # means 3, 100 and 3.5

score = st.floats(-50, 150).map(lambda value: round(value, 3))
task = st.lists(score, min_size=1, max_size=6)
method = st.lists(task, min_size=1, max_size=4)


def shuffled(scores, random):
    """The same scores with tasks, and seeds within each, in another order."""
    return random.sample([random.sample(of, len(of)) for of in scores], len(scores))


def test_statistics_by_hand():
    assert mean(UNEVEN) == pytest.approx((3 + 100 + 3.5) / 3)
    assert median(UNEVEN) == 3.5
    # nine scores, two off either end: 2, 3, 6, 8, 10 are left
    assert interquartile_mean(UNEVEN) == pytest.approx(29 / 5)
    # 150 is worth 100
    assert optimality_gap(UNEVEN) == pytest.approx(100 - (3 + 75 + 3.5) / 3)
    assert optimality_gap(UNEVEN, 5.0) == pytest.approx(5 - ((1 + 2 + 5) / 3 + 5 + (-7 + 3 + 5 + 5) / 4) / 3)
    assert median([[1.0], [3.0], [4.0], [20.0]]) == 3.5
    # 5 > 1, 5 = 5, 7 > 1, 7 > 5: three and a half of four pairs; the second task's only pair is lost
    assert probability_of_improvement([[5.0, 7.0], [0.0]], [[1.0, 5.0], [2.0]]) == pytest.approx((3.5 / 4 + 0) / 2)
    assert performance_profile(UNEVEN, [-8.0, 2.0, 100.0, 150.0]) == pytest.approx(
        [1, (1 / 3 + 1 + 3 / 4) / 3, 1 / 6, 0]
    )


@pytest.mark.parametrize(("scores", "expected"), [
    ([[7.0]], 7.0), ([[1.0, 2.0], [9.0]], 4.0), ([[1.0, 2.0], [3.0, 10.0]], 2.5), ([[0, 1, 2], [3, 99]], 2.0),
])  # fmt: skip
def test_the_middle_half_leaves_out_whole_scores(scores, expected):
    assert interquartile_mean(scores) == pytest.approx(expected)


@given(method, method)
def test_statistics_are_their_loops(ours, theirs):
    pooled = sorted(value for of in ours for value in of)
    cut = len(pooled) // 4
    middle = pooled[cut : len(pooled) - cut]
    means = sorted(sum(of) / len(of) for of in ours)
    half = len(means) // 2
    assert mean(ours) == pytest.approx(sum(means) / len(means))
    assert median(ours) == pytest.approx(means[half] if len(means) % 2 else (means[half - 1] + means[half]) / 2)
    assert interquartile_mean(ours) == pytest.approx(sum(middle) / len(middle))
    short = [sum(value if value < 100 else 100 for value in of) / len(of) for of in ours]
    assert optimality_gap(ours) == pytest.approx(100 - sum(short) / len(short))
    tasks = min(len(ours), len(theirs))
    won = [
        sum(1.0 if x > y else 0.5 if x == y else 0.0 for x in a for y in b) / (len(a) * len(b))
        for a, b in zip(ours, theirs, strict=False)
    ]
    assert probability_of_improvement(ours[:tasks], theirs[:tasks]) == pytest.approx(sum(won) / tasks)
    by_scipy = [stats.mannwhitneyu(a, b).statistic / (len(a) * len(b)) for a, b in zip(ours, theirs, strict=False)]
    assert won == pytest.approx(by_scipy)
    for threshold in (-10.0, pooled[0], pooled[-1]):
        shares = [sum(value > threshold for value in of) / len(of) for of in ours]
        assert performance_profile(ours, [threshold])[0] == pytest.approx(sum(shares) / len(shares))


@given(method, st.randoms(use_true_random=False))
def test_the_order_of_tasks_and_seeds_means_nothing(scores, random):
    other = shuffled(scores, random)
    for statistic in AGGREGATES:
        assert statistic(other) == pytest.approx(float(statistic(scores)))
    assert performance_profile(other, [0.0, 50.0]) == pytest.approx(performance_profile(scores, [0.0, 50.0]))


@given(method)
def test_statistics_lie_among_their_scores(scores):
    flat = [value for of in scores for value in of]
    for statistic in (mean, median, interquartile_mean):
        assert min(flat) - 1e-9 <= statistic(scores) <= max(flat) + 1e-9
        assert statistic([[value + 10 for value in of] for of in scores]) == pytest.approx(statistic(scores) + 10)
    assert optimality_gap(scores, max(flat)) == pytest.approx(max(flat) - mean(scores), abs=1e-9)
    assert optimality_gap(scores) >= -1e-9


@given(st.integers(1, 4).flatmap(lambda tasks: st.tuples(*[st.lists(task, min_size=tasks, max_size=tasks)] * 2)))
def test_what_one_method_does_not_win_the_other_does(pair):
    ours, theirs = pair
    assert probability_of_improvement(ours, theirs) + probability_of_improvement(theirs, ours) == pytest.approx(1)
    assert probability_of_improvement(ours, ours) == pytest.approx(0.5)
    assert probability_of_improvement([[value + 300 for value in of] for of in ours], theirs) == 1


@given(method)
def test_a_profile_falls_from_1_to_0_and_the_area_below_it_is_the_mean(scores):
    thresholds = np.linspace(-51, 151, 2021)
    profile = performance_profile(scores, thresholds)
    assert (profile[0], profile[-1]) == (1, 0)
    assert (np.diff(profile) <= 1e-12).all()
    assert -51 + 0.1 * profile[:-1].sum() == pytest.approx(mean(scores), abs=0.11)


@pytest.mark.parametrize("bad", [nan, math.inf, -math.inf])
@pytest.mark.parametrize("place", range(5))
def test_a_score_that_is_not_finite_leaves_no_number(bad, place):
    flat = [1.0, 2.0, 3.0, 4.0, 5.0]
    flat[place] = bad
    scores, whole = [flat[:3], flat[3:]], [[1.0, 2.0], [3.0]]
    for statistic in AGGREGATES:
        assert isnan(statistic(scores))
        assert all(map(isnan, stratified_interval(statistic, scores)))
    assert isnan(probability_of_improvement(scores, whole))
    assert isnan(probability_of_improvement(whole, scores))
    assert all(map(isnan, performance_profile(scores, [0.0, 9.0])))
    assert all(map(isnan, interval(flat)))
    assert all(map(isnan, interval(flat * 3)))


def test_leading_axes_are_statistics_of_their_own():
    rng = np.random.default_rng(0)
    scores, others = ([rng.normal(50, 30, (4, seeds)) for seeds in (3, 5)] for _ in range(2))
    for statistic in AGGREGATES:
        assert statistic(scores) == pytest.approx([float(statistic([of[i] for of in scores])) for i in range(4)])
    assert probability_of_improvement(scores, others) == pytest.approx(
        [float(probability_of_improvement([of[i] for of in scores], [of[i] for of in others])) for i in range(4)]
    )
    broken = [scores[0].copy(), scores[1]]
    broken[0][2, 0] = nan
    for statistic in AGGREGATES:
        assert np.isnan(statistic(broken)).tolist() == [False, False, True, False]


@pytest.mark.parametrize("statistic", AGGREGATES)
@pytest.mark.parametrize("scores", [[], [[]], [[1.0], []], [1.0, 2.0], [["a"]]])
def test_what_are_no_scores_are_refused_in_one_line(statistic, scores):
    for refused in (statistic, lambda of: stratified_interval(statistic, of)):
        with pytest.raises(ValueError, match=r"task|list of scores|convert string") as caught:
            refused(scores)
        assert "\n" not in str(caught.value)


def test_other_bad_input_is_refused_in_one_line():
    for refused, complaint in (
        (lambda: probability_of_improvement([[1.0]], [[1.0], [2.0]]), "same tasks, not on 1 and 2"),
        (lambda: optimality_gap([[1.0]], nan), "finite γ, not nan"),
        (lambda: performance_profile([[1.0]], [0.0, nan]), "list of finite numbers"),
        (lambda: performance_profile([[1.0]], [[0.0], [1.0]]), "list of finite numbers"),
        (lambda: interval([[1.0, 2.0]]), "not an array of 2 dimensions"),
        (lambda: expanded(1), "from 1 seeds a task: two are needed"),
        (lambda: interval(3.0), "not an array of 0 dimensions"),
    ):
        with pytest.raises(ValueError, match=complaint) as caught:
            refused()
        assert "\n" not in str(caught.value)


# --- intervals -------------------------------------------------------------------------------------------------------

TINY = [[0.0, 1.0], [10.0, 30.0]]  # two tasks of two seeds


def every_resample(scores):
    """Every way to draw seeds with replacement within each task."""
    return list(itertools.product(*(itertools.product(of, repeat=len(of)) for of in scores)))


@pytest.mark.parametrize("statistic", AGGREGATES)
def test_the_bootstrap_draws_every_resample_within_its_task_equally_often(statistic):
    resamples = every_resample(TINY)
    assert len(resamples) == 16
    expected = sorted(float(statistic(of)) for of in resamples)
    found = bootstrap(statistic, TINY, confidence=0.95).bootstrap_distribution
    assert len(found) == RESAMPLES
    for value in set(expected):
        share = expected.count(value) / 16
        assert np.isclose(found, value).mean() == pytest.approx(share, abs=4 * (share * (1 - share) / RESAMPLES) ** 0.5)
    # two seeds allow no less than the whole range
    assert stratified_interval(statistic, TINY) == pytest.approx((expected[0], expected[-1]))


def test_resamples_keep_tasks_of_different_sizes_apart():
    expected = {round(float(mean(of)), 9) for of in every_resample(UNEVEN)}
    found = set(bootstrap(mean, UNEVEN, confidence=0.95).bootstrap_distribution.round(9))
    assert found <= expected
    assert len(found) > 0.7 * len(expected)  # the others are too rare for 2,000


def test_both_methods_of_a_comparison_are_resampled_each_for_itself():
    ours, theirs = [[0.0, 2.0]], [[1.0, 3.0]]
    found = bootstrap(probability_of_improvement, ours, theirs, confidence=0.95).bootstrap_distribution
    pairs = itertools.product(every_resample(ours), every_resample(theirs))
    expected = [float(probability_of_improvement(*pair)) for pair in pairs]
    assert sorted(set(expected)) == [0, 0.25, 0.5, 1]
    for value in set(expected):
        assert (found == value).mean() == pytest.approx(expected.count(value) / 16, abs=0.045)
    low, high = stratified_interval(probability_of_improvement, [[1.0] * 3, [5.0] * 3], [[0.0] * 3, [9.0] * 3])
    assert (low, high) == (0.5, 0.5)


def test_experiments_on_leading_axes_share_their_resamples_and_nothing_else():
    scores = [np.random.default_rng(0).normal(50, 30, (4, seeds)) for seeds in (3, 5)]
    found = bootstrap(interquartile_mean, scores, confidence=0.95).confidence_interval
    alone = [bootstrap(interquartile_mean, [of[i] for of in scores], confidence=0.95) for i in range(4)]
    assert np.transpose(found) == pytest.approx(np.array([of.confidence_interval for of in alone]))


def test_percentiles_are_expanded_as_hesterberg_does():
    for seeds, quantile in ((3, 4.302653), (5, 2.776445), (10, 2.262157), (1000, 1.962341)):
        wanted = math.erf(quantile * math.sqrt(seeds / (seeds - 1)) / math.sqrt(2))
        assert expanded(seeds) == pytest.approx(wanted, abs=1e-7)
    assert expanded(2) == 1
    scores = [np.random.default_rng(0).normal(50, 10, 10), np.random.default_rng(1).normal(30, 5, 12)]
    found = bootstrap(mean, scores, confidence=0.95).bootstrap_distribution
    tail = (1 - expanded(10)) / 2
    assert stratified_interval(mean, scores) == pytest.approx(np.quantile(found, [tail, 1 - tail]), abs=1e-9)


def test_a_cell_has_students_interval_below_ten_seeds_and_the_bootstraps_from_ten():
    # 10, 12, 14: mean 12, standard deviation 2, and t of 2 degrees of freedom in closed form
    half = 0.95 * (2 / (1 - 0.95**2)) ** 0.5 * 2 / 3**0.5
    assert interval([10.0, 12.0, 14.0]) == pytest.approx((12 - half, 12 + half), rel=1e-12)
    assert all(map(isnan, interval([5.0])))
    assert all(map(isnan, interval([])))
    values = np.array([3.0, 8.0, 1.0, 4.0, 40.0, 6.0, 2.0, 7.0, 5.0, 9.0])
    by_scipy = stats.ttest_1samp(values[:9], 0.0).confidence_interval(0.95)
    assert interval(values[:9]) == pytest.approx((by_scipy.low, by_scipy.high))
    assert interval(values) == stratified_interval(mean, [values])
    by_t = student_t(values.mean(), values.std(ddof=1), 10)
    assert interval(values).low > by_t.low  # skewed as the scores are
    assert interval(values) == interval(values)
    assert interval(values) != stratified_interval(mean, [values], seed=1)
    assert all(map(isnan, stratified_interval(mean, [values, [1.0]])))
    assert not interval([5.0]).excludes_zero()
    assert interval(values).excludes_zero()
    assert stratified_interval(mean, [[-3.0, -2.0]]).excludes_zero()


@settings(max_examples=20)  # four bootstraps each
@given(st.lists(st.lists(score, min_size=2, max_size=4), min_size=1, max_size=3))
def test_intervals_hold_their_statistic_and_lie_among_the_scores(scores):
    flat = [value for of in scores for value in of]
    for statistic in (mean, interquartile_mean):
        low, high = stratified_interval(statistic, scores)
        assert min(flat) - 1e-9 <= low <= high + 1e-9 <= max(flat) + 2e-9
    low, high = stratified_interval(mean, scores)
    assert low - 1e-9 <= mean(scores) <= high + 1e-9


# --- what intervals cover: the study of docs/statistics.md with a tenth of its experiments ---------------------------


@pytest.mark.parametrize("population", POPULATIONS)
@pytest.mark.parametrize("statistic", ["mean", "IQM"])
def test_95_percent_intervals_of_ten_seeds_on_three_tasks_cover_92_to_98(population, statistic):
    found = coverage(population, Case(THREE, 10, statistic), 200, 1)
    # four standard errors of 200 experiments beyond 92 and 98
    assert 0.92 - 4 * 0.019 <= found["expanded"] <= min(1, 0.98 + 4 * 0.01)
    assert found["percentile"] <= found["expanded"]
    assert set(found) == {"percentile", "BCa", "expanded"}


def test_three_seeds_need_students_interval():
    normal = POPULATIONS[0]
    cell = coverage(normal, Case(CELL, 3, "mean"), 400, 1)
    assert 0.90 <= cell["Student's t"] <= 0.99
    assert cell["percentile"] < 0.86
    nine = coverage(normal, Case(NINE, 3, "mean"), 100, 1)
    assert nine["expanded"] > 0.88


@pytest.mark.parametrize("population", POPULATIONS)
def test_populations_have_mean_0_and_deviation_1(population):
    drawn = population(np.random.default_rng(0), (1, 400_000))
    assert drawn.shape == (1, 400_000)
    assert (drawn.mean(), drawn.std()) == pytest.approx((0, 1), abs=0.01)


def test_the_study_is_a_command():
    script = Path(__file__).parents[1] / "experiments" / "interval_coverage.py"
    done = subprocess.run([sys.executable, script, "--experiments=1"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "| 10 × 3 | IQM | bimodal |" in done.stdout
    refused = subprocess.run([sys.executable, script, "stray"], capture_output=True, text=True, check=False)
    assert (refused.returncode, len(refused.stderr.strip().splitlines())) == (1, 1)
