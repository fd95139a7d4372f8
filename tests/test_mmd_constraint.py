"""Appendix E's study of the sampled MMD constraint: its draws, its numbers, its errors, and the command."""

import csv
import subprocess
import sys
from pathlib import Path

import jax
import mmd_constraint
import numpy as np
import pytest
from sampled_mmd import (
    BANDWIDTHS,
    DEVIATIONS,
    MEANS,
    discrepancies,
    minima,
    scenarios,
    standard_error,
    two_intervals,
    worst_ratio,
)

from plas_jax.commands.invocation import invoke
from plas_jax.reports.figures.discrepancy import Curve, Frame, discrepancy_panels

SCRIPT = Path(__file__).parents[1] / "experiments" / "mmd_constraint.py"
# Largest MMD(x)/MMD(1) over x ≤ 1 of the Gaussian kernel, five samples, 20,000 repeats of another program.
RATIOS = {1.0: 1.26, 2.0: 1.10, 3.0: 1.02, 5.0: 1.00, 10.0: 1.00, 20.0: 1.00, 50.0: 1.00}
LAPLACIAN_RATIOS = 1.24, 1.50  # the least and the largest over σ
GAUSSIAN, LAPLACIAN = 0, 1


@pytest.fixture(scope="module")
def five_samples():
    """The discrepancies of five samples, by figure."""
    keys = jax.random.split(jax.random.key(1), 4000)
    return {figure: discrepancies(scenario, 5, keys) for figure, scenario in scenarios(variance=False).items()}


@pytest.mark.parametrize(("variance", "deviation"), [(False, float), (True, np.sqrt)])
@pytest.mark.parametrize("figure", [8, 9])
def test_a_discrepancy_is_that_of_its_own_draws(figure, variance, deviation):
    key, scenario = jax.random.key(3), scenarios(variance)[figure]
    values = discrepancies(scenario, 4, key[None])[0]
    key_behaviour, key_agent = jax.random.split(key)
    behaviour = np.float64(scenario.behaviour(key_behaviour, 4))
    normal = np.float64(jax.random.normal(key_agent, (4,)))
    for place, x in enumerate(scenario.x):
        actions = deviation(x) * normal if figure == 8 else x + deviation(0.5) * normal
        for column, bandwidth in enumerate(BANDWIDTHS):
            for row, power in ((GAUSSIAN, 2), (LAPLACIAN, 1)):
                within, others, across = (
                    np.exp(-(np.abs(one[:, None] - other) ** power) / (2 * bandwidth)).mean()
                    for one, other in ((actions, actions), (behaviour, behaviour), (actions, behaviour))
                )
                expected = np.sqrt(within + others - 2 * across + 1e-6)
                np.testing.assert_allclose(values[row, column, place], expected, rtol=1e-3)


def test_the_behaviour_policies_are_the_papers():
    gaps = np.asarray(two_intervals(jax.random.key(0), 40_000))
    assert (np.abs(gaps) >= 1).all()
    assert (np.abs(gaps) <= 2).all()
    assert [gaps.mean(), np.abs(gaps).mean(), np.abs(gaps).std()] == pytest.approx([0, 1.5, 12**-0.5], abs=0.03)
    normal = np.asarray(scenarios(variance=False)[8].behaviour(jax.random.key(0), 40_000))
    assert [normal.mean(), normal.std()] == pytest.approx([0, 1], abs=0.02)


def test_batches_do_not_change_a_number():
    """Four draws of a hundred samples are in work at one time; the last two of six are a batch of their own."""
    keys, scenario = jax.random.split(jax.random.key(2), 6), scenarios(variance=False)[8]
    values = discrepancies(scenario._replace(x=np.array([0.5, 1.0])), 100, keys)
    for batch in (slice(1), slice(4, 6)):
        alone = discrepancies(scenario._replace(x=np.array([0.5, 1.0])), 100, keys[batch])
        np.testing.assert_allclose(values[batch], alone, rtol=1e-3)


def test_figure_8_has_the_simulated_ratios(five_samples):
    """Within four errors of ours, the half of them that 20,000 repeats have, and the digits that were kept."""
    for column, bandwidth in enumerate(BANDWIDTHS):
        _, ratio, error = worst_ratio(five_samples[8][:, GAUSSIAN, column], DEVIATIONS)
        if bandwidth in RATIOS:
            assert ratio == pytest.approx(RATIOS[bandwidth], abs=0.006 + 4 * 1.1 * error), bandwidth
        else:
            assert ratio > 1.3
    laplacian = [worst_ratio(five_samples[8][:, LAPLACIAN, column], DEVIATIONS) for column in range(len(BANDWIDTHS))]
    ratios, error = [ratio for _, ratio, _ in laplacian], max(error for *_, error in laplacian)
    assert (min(ratios), max(ratios)) == pytest.approx(LAPLACIAN_RATIOS, abs=0.006 + 4 * 1.1 * error)


def test_figure_9_has_the_simulated_minima(five_samples):
    for column, bandwidth in enumerate(BANDWIDTHS):
        gaussian, laplacian = (MEANS[minima(five_samples[9][:, row, column])] for row in (GAUSSIAN, LAPLACIAN))
        if bandwidth <= 1:
            assert 1.5 in gaussian
        elif bandwidth == 2:
            assert set(gaussian) <= {0.5, 0.75, 1.0, 1.25}
        else:
            assert gaussian[0] == 0 or bandwidth == 3
            assert 0 in gaussian
        assert (1.5 in laplacian) == (bandwidth <= 0.5)
        if bandwidth >= 3:
            assert {0.75, 1.0} & set(laplacian)


def test_the_mirror_image_has_the_same_discrepancies():
    scenario = scenarios(variance=False)[9]._replace(x=np.array([-1.0, 1.0]))
    values = discrepancies(scenario, 5, jax.random.split(jax.random.key(5), 2000))
    difference = values[..., 0] - values[..., 1]
    assert (np.abs(difference.mean(0)) < 4.5 * standard_error(difference)).all()
    curve = Curve("gaussian", 1.0, 5, np.array([0.0, 1, 2]), np.array([7.0, 5, 6]), np.array([0.1, 0.2, 0.3]), [1])
    both = mmd_constraint.mirrored(curve)
    assert both.x.tolist() == [-2, -1, 0, 1, 2]
    assert both.mean.tolist() == [6, 5, 7, 5, 6]
    assert both.error.tolist() == [0.3, 0.2, 0.1, 0.2, 0.3]
    assert both.marked == [1, 3]
    assert mmd_constraint.mirrored(curve._replace(marked=[0])).marked == [2]


def test_the_error_of_a_ratio_is_the_jackknifes():
    draws = np.random.default_rng(0).normal(size=(400, 4))
    values = np.array([2.0, 3.0, 2.5, 9.0]) + 0.3 * draws + 0.3 * draws[:, :1]
    place, ratio, error = worst_ratio(values, np.array([0.5, 0.75, 1.0, 2.0]))
    assert place == 1  # not where x passes 1
    assert ratio == pytest.approx(1.2, abs=0.05)
    left_out = [(rest := np.delete(values, row, 0).mean(0))[1] / rest[2] for row in range(400)]
    assert error == pytest.approx(np.std(left_out) * np.sqrt(399), rel=0.01)
    assert worst_ratio(values[:, [0, 2]], np.array([0.5, 1.0])) == (1, 1.0, 0.0)


def test_minima_are_told_apart_in_pairs():
    """Noise that all places share says nothing of which is less."""
    rng = np.random.default_rng(0)
    shared = 10 * rng.normal(size=(200, 1))
    values = np.array([1.0, 0.5, 0.0, 1.0]) + shared
    values[:, 1:3] += 0.01 * rng.normal(size=(200, 2))
    assert minima(values) == [2]
    values[:, 3] = values[:, 2] + rng.normal(size=200) - 0.01
    least, *near = minima(values)
    assert {least, *near} == {2, 3}


def test_figures_need_something_to_draw(tmp_path):
    with pytest.raises(ValueError, match="no discrepancy was simulated"):
        discrepancy_panels([], ["title"], Frame("x", "least", [], ""), tmp_path / "figure.png")


@pytest.mark.slow
def test_the_study_is_a_command(tmp_path):
    words = [sys.executable, SCRIPT, "--repeats=40", "--samples=5,4", f"--output={tmp_path / 'new' / 'folder'}"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    written = {path.name: path for path in (tmp_path / "new" / "folder").iterdir()}
    assert set(written) == {"figure_8.png", "figure_9.png", "mmd_constraint.csv", "mmd_constraint.md"}
    with written["mmd_constraint.csv"].open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 * 2 * len(BANDWIDTHS) * (len(DEVIATIONS) + len(MEANS))
    assert all(0 < float(row["mmd"]) < 2 and 0 < float(row["standard_error"]) < 0.2 for row in rows)
    report = written["mmd_constraint.md"].read_text(encoding="utf-8")
    assert done.stdout == report + "\n"
    assert report.count("| kernel | n = 4 | n = 5 |") == 2
    assert "| gaussian, σ = 50 | **1.000 ± 0.000** | **1.000 ± 0.000** |" in report


@pytest.mark.parametrize("words", [["--samples=5,0"], ["--samples="], ["--samples=x"], ["stray"]])
def test_what_cannot_be_simulated_ends_in_one_line(words, tmp_path, capsys):
    assert invoke(mmd_constraint.run, mmd_constraint.FLAGS, "", [*words, f"--output={tmp_path / 'none'}"]) == 1
    assert len(capsys.readouterr().err.strip().splitlines()) == 1
    assert not (tmp_path / "none").exists()
