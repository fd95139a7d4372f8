"""Tables 2 and 3: choosing settings, intervals by hand, numbers of others, and what must never be hidden."""

import csv
import json
from math import isnan, nan
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.image import imread

from plas_jax.datasets.catalogue import normalised_score, parse
from plas_jax.reports.closing import closing_screen
from plas_jax.reports.figures import scores as figures
from plas_jax.reports.figures.scores import grid_of
from plas_jax.reports.lines import CHOSEN, in_order, scores
from plas_jax.reports.published import published_scores
from plas_jax.reports.tables import scores as score_tables_module
from plas_jax.reports.tables import scores_csv as tables_csv
from plas_jax.results.choices import interval, paired_difference
from plas_jax.results.intervals import interval as cell_interval
from plas_jax.results.manifest import Manifest
from plas_jax.results.rows import Row, read_rows
from plas_jax.results.runs import Cell, Spread, across_seeds, results, run_statistics

HOPPER, WALKER = "hopper-medium-r1", "walker2d-medium-r1"
REPORTED, CHOOSING = [0, 1, 2], [3, 4, 5]
T_2 = 0.95 * (2 / (1 - 0.95**2)) ** 0.5  # Student's t of 2 degrees of freedom, in closed form: 4.303


def score_tables(rows, said):
    known = Manifest.from_json(said)
    return score_tables_module.score_tables(scores(rows, known), known)


def score_csv(rows, said, path):
    known = Manifest.from_json(said)
    tables_csv.score_csv(scores(rows, known), known, path)


def score_figure(rows, said, path):
    known = Manifest.from_json(said)
    figures.score_figure(scores(rows, known), known, path)


def manifest(*methods, datasets=(HOPPER,), **changes):
    return {
        "complete": True,
        "preset": "laptop",
        "dynamics": "d4rl",
        "seeds": REPORTED,
        "selection_seeds": CHOOSING,
        "evaluations_in_mean": 2,
        "matmul_precision": "float32",
        "device": "2 cores",
        "versions": {"jax": "0.10.1"},
        "datasets": {name: {"version": name[-2:], "mean_return": 1000.0, "score": 31.4} for name in datasets},
        "methods": {
            name: {"complete": True, "updates": 3000, "wall_seconds": {"train": 12.5}, "git_commit": "0123456789abcdef"}
            for name in methods
        },
    } | changes


def run(algorithm, score, seed=0, dataset=HOPPER, limit=None, knobs="", **changes):
    """Two episodes at updates 1000, 2000 and 3000: scores 0 at first, then `score` ± 1; returns are tenfold."""
    row = Row(dataset, algorithm, seed, limit, None, None, knobs, "d4rl", 0, 0, 500, 0.0, 0.0, None)
    return [
        row._replace(update=update, episode=number, score=value, episode_return=10 * value)._replace(**changes)
        for update, mean in ((1000, 0.0), (2000, score), (3000, score))
        for number, value in enumerate((mean - 1, mean + 1))
    ]


def runs(algorithm, values, seeds=REPORTED, **settings):
    return [row for value, seed in zip(values, seeds, strict=True) for row in run(algorithm, value, seed, **settings)]


def swept(reported, choosing, algorithm="plas+p"):
    """Runs by ε: scores of three reported and three choosing seeds each."""
    rows = [row for limit, values in reported.items() for row in runs(algorithm, values, limit=limit)]
    return rows + [row for limit, values in choosing.items() for row in runs(algorithm, values, CHOOSING, limit=limit)]


def section(page, heading):
    return next(part for part in page.split("\n## ") if part.startswith(heading))


def tables(text):
    """Every table of a text, as lists of lines of cells."""
    found, before = [], ""
    for line in text.splitlines():
        if line.startswith("| "):
            if not before.startswith("| "):
                found.append([])
            found[-1].append([cell.strip() for cell in line.split("|")[1:-1]])
        before = line
    return found


def cells(page, heading, dataset, table=0):
    """The cells of a data set by method, of one of the tables under a heading."""
    header, _, *body = tables(section(page, heading))[table]
    return {line[0]: line[header.index(dataset)] for line in body}


def test_published_scores_are_their_sources():
    found = {(of.dataset, of.algorithm, of.collection): of for of in published_scores()}
    assert len(found) == len(published_scores()) == 13 * 5 + 24 * 6 + 12 * 5 + 9 * 5
    for key, score, std, seeds in (
        (("walker2d-medium-expert-v0", "plas", "paper"), 89.6, None, 3),
        (("hopper-medium-expert-a-v0", "bcq", "paper"), 110.9, None, 3),
        (("hopper-medium-expert-v0", "bcq", "paper"), 62.7, None, 3),
        (("hopper-medium-v0", "plas+p", "paper"), 36.9, None, 3),
        (("halfcheetah-random-v0", "brac_v", "paper"), 31.2, None, 3),
        (("maze2d-large-v1", "plas", "paper"), 122.7, None, 3),
        (("door-expert-v0", "bc", "paper"), 34.9, None, 3),
        (("kitchen-mixed-v0", "bear", "paper"), 47.2, None, 3),
        (("hopper-medium-replay-v2", "iql", "CORL"), 97.43, 6.39, None),
        (("walker2d-medium-v2", "bc_regression", "CORL"), 63.23, 16.24, None),
        (("halfcheetah-medium-expert-v2", "rebrac", "CORL"), 103.8, 2.95, None),
    ):
        assert (found[key].score, found[key].std, found[key].seeds) == (score, std, seeds)
    # seeds 1 to 10 of d3rlpy's PLAS on hopper-medium are 55.66 on average, those of the official code 5.84
    plas = found["hopper-medium-v0", "plas", "d3rlpy"]
    assert (round(plas.score, 1), round(plas.std, 1), plas.seeds) == (55.7, 22.0, 10)
    shipped = found["hopper-medium-expert-a-v0", "plas+p", "official code"]
    assert (round(shipped.score, 1), shipped.seeds, shipped.setting) == (5.8, 3, "perturbation_limit=0.05")
    # the logs are of the file that v0 shipped, which is form (a)
    assert {key[2] for key in found if key[0] == "hopper-medium-expert-v0"} == {"paper"}
    assert all(of.source and of.statistic for of in published_scores())


def test_printed_scores_are_their_printed_returns_but_for_the_two_noted():
    wrong = set()
    for of in published_scores():
        if of.episode_return is not None:
            environment = parse(of.dataset).environment
            score = float(normalised_score(environment, of.episode_return))
            # Both are printed to a decimal; a return of AntMaze's or the kitchen's has a score or two in it.
            printed = 0.05 * 100 / (environment.maximum - environment.minimum)
            if abs(score - of.score) > 0.0501 + printed * (environment.family != "locomotion"):
                wrong.add((of.dataset, of.algorithm))
    mazes = {("antmaze-umaze-v0", "bcq"), ("antmaze-umaze-diverse-v0", "bcq"), ("antmaze-large-play-v0", "bcq")}
    assert wrong == {("walker2d-medium-expert-v0", "brac_v"), ("walker2d-random-v0", "plas")} | mazes
    assert {(of.dataset, of.algorithm) for of in published_scores() if of.note} == wrong


def test_interval_of_a_mean_by_hand():
    # 10, 12, 14: mean 12, standard deviation 2, half of the interval 4.303 · 2 / √3
    low, high = interval(Spread(12.0, 2.0, 3, 0))
    assert (low, high) == pytest.approx((12 - T_2 * 2 / 3**0.5, 12 + T_2 * 2 / 3**0.5), rel=1e-12)
    assert all(map(isnan, interval(Spread(12.0, nan, 1, 0))))
    assert all(map(isnan, interval(Spread(nan, nan, 3, 1))))
    assert not interval(Spread(12.0, nan, 1, 0)).excludes_zero()


def test_paired_difference_by_hand_is_of_the_seeds_both_have():
    rows = runs("plas", (30.0, 40.0, 50.0)) + runs("bc", (20.0, 28.0, 36.0)) + run("bc", 99.0, seed=7)
    of, to = Cell(HOPPER, "plas", 0.0), Cell(HOPPER, "bc", 0.0)
    numbers = run_statistics(results(rows), 2)
    # differences 10, 12, 14, though either method alone spreads far wider
    found = paired_difference(numbers, of, to)
    assert (found.mean, found.seeds, found.diverged) == (12.0, 3, 0)
    assert found.interval == pytest.approx((12 - T_2 * 2 / 3**0.5, 12 + T_2 * 2 / 3**0.5), rel=1e-12)
    assert found.interval.excludes_zero()
    assert paired_difference(numbers, of, Cell(HOPPER, "bcq", 0.0)) is None
    single = {run: of for run, of in numbers.items() if run.seed in (1, 7)}
    assert paired_difference(single, of, to).mean == 12.0
    assert not paired_difference(single, of, to).interval.excludes_zero()


def test_runs_that_differ_in_swept_knobs_are_different_cells():
    rows = run("brac_v", 10.0, knobs="weight=0.1") + run("brac_v", 20.0, knobs="weight=1.0")
    means = {cell: spread.mean for cell, spread in across_seeds(run_statistics(results(rows), 2)).items()}
    assert means == {Cell(HOPPER, "brac_v", 0.0, "weight=0.1"): 10.0, Cell(HOPPER, "brac_v", 0.0, "weight=1.0"): 20.0}
    # what is swept may differ among the runs of PLAS, whose settings must be one otherwise
    results(run("plas", 1.0, clip_weight=1.0) + run("plas", 1.0, knobs="clip_weight=0.75", clip_weight=0.75))
    with pytest.raises(ValueError, match=r"brac_v, ε = 0, weight=0.1, seed 0 has episode 0 of update 1000 twice"):
        results(rows + rows)


def chosen(rows, asked):
    return {line.cell[:2]: line.cell for line in scores(rows, Manifest.from_json(asked)).lines if line.choice == CHOSEN}


def test_a_setting_is_chosen_on_its_seeds_and_reported_on_the_others():
    rows = swept(
        {0.05: (10.0, 12.0, 14.0), 0.5: (90.0, 90.0, 90.0)},
        {0.05: (50.0, 50.0, 50.0), 0.5: (49.0, 49.0, 51.0)},
    )
    page = score_tables(rows, manifest("plas+p"))
    assert cells(page, "Table 3", HOPPER) == {"data": "31.4", "plas+p": "12.0"}
    assert cells(page, "Table 3", HOPPER, table=1) == {"plas+p": "ε=0.05"}
    assert "### Settings chosen on seeds 3, 4, 5" in page
    assert "reported seeds 0, 1, 2; settings chosen on seeds 3, 4, 5" in page
    assert "90.0" not in page
    assert "left out" not in page


@given(st.lists(st.floats(-20, 120), min_size=6, max_size=6), st.lists(st.floats(-20, 120), min_size=6, max_size=6))
def test_the_choice_never_looks_at_reported_seeds(first, second):
    choosing = {0.05: (50.0, 50.0, 20.0), 0.5: (40.0, 41.0, 42.0)}
    for of in (first, second):
        rows = swept({0.05: of[:3], 0.5: of[3:]}, choosing)
        assert chosen(rows, manifest()) == {(HOPPER, "plas+p"): Cell(HOPPER, "plas+p", 0.5)}


@pytest.mark.parametrize(
    ("choosing", "expected"),
    [
        ({0.01: (5.0, 5.0, 5.0), 0.1: (4.0, 5.0, 6.0), 0.5: (4.0, 4.0, 4.0)}, 0.01),  # of equals the smallest
        ({0.01: (nan, 90.0, 90.0), 0.1: (1.0, 1.0, 1.0), 0.5: (2.0, 2.0, 2.0)}, 0.5),  # no number never wins
        ({0.01: (nan, 1.0, 1.0), 0.1: (nan, 1.0, 1.0), 0.5: (1.0, nan, 1.0)}, 0.01),
        ({0.5: (9.0, 9.0, 9.0), 0.1: (1.0, 1.0, 1.0)}, 0.5),
    ],
)
def test_ties_go_to_the_smaller_setting_and_what_is_no_number_loses(choosing, expected):
    rows = swept(dict.fromkeys(choosing, (1.0, 1.0, 1.0)), choosing)
    assert chosen(rows, manifest()) == {(HOPPER, "plas+p"): Cell(HOPPER, "plas+p", expected)}


def test_knobs_without_a_column_are_ordered_as_numbers():
    rows = [
        row
        for weight in ("10.0", "9.0")
        for seeds in (REPORTED, CHOOSING)
        for row in runs("brac_v", (5.0, 5.0, 5.0), seeds, knobs=f"weight={weight}")
    ]
    assert chosen(rows, manifest())[HOPPER, "brac_v"].knobs == "weight=9.0"
    assert cells(score_tables(rows, manifest()), "Table 3", HOPPER, table=1)["brac_v"] == "weight=9.0"


def test_without_seeds_to_choose_on_every_setting_stands_for_itself():
    rows = swept({0.05: (10.0, 12.0, 14.0), 0.5: (1.0, 2.0, 3.0)}, {})
    rows += runs("brac_v", (1.0, 1.0, 1.0), knobs="weight=0.1") + runs("brac_v", (2.0, 2.0, 2.0), knobs="weight=1.0")
    rows += runs("bcq", (4.0, 4.0, 4.0), limit=0.05)
    page = score_tables(rows, manifest("plas+p", "bcq", "brac_v", selection_seeds=[]))
    assert list(cells(page, "Table 3", HOPPER)) == [
        "data", "plas+p ε=0.05", "plas+p ε=0.5", "bcq", "brac_v weight=0.1", "brac_v weight=1.0",
    ]  # fmt: skip
    assert cells(page, "Table 3", HOPPER)["plas+p ε=0.5"] == "2.0"
    assert "chosen on" not in page
    assert "incomplete" not in page


def test_data_without_score_references_are_chosen_on_by_their_returns():
    name = "mine@Arm-v0"
    rows = swept({0.05: (10.0, 10.0, 10.0), 0.5: (20.0, 20.0, 20.0)}, {0.05: (1.0,) * 3, 0.5: (2.0,) * 3})
    rows = [row._replace(dataset=name, score=nan, dynamics="own") for row in rows]
    asked = manifest("plas+p")
    asked["datasets"] = {name: {"version": "own", "mean_return": -5.0, "score": None}}
    page = score_tables(rows, asked)
    assert cells(page, "Table 3", name, table=1)["plas+p"] == "ε=0.5"
    assert cells(page, "Table 3", name) == {"data": "—", "plas+p": "—"}
    assert cells(page, "Table 2", name) == {"data": "−5.0", "plas+p": "200.0"}


def test_seeds_have_one_use_and_those_of_neither_are_named():
    rows = runs("bc", (1.0, 1.0, 1.0))
    with pytest.raises(ValueError, match=r"^seeds \[2\] both choose settings and are reported"):
        score_tables(rows, manifest(selection_seeds=[2, 3]))
    page = score_tables(rows + run("bc", 91.0, seed=9), manifest("bc"))
    assert cells(page, "Table 3", HOPPER)["bc"] == "1.0"
    assert "**left out: seeds 9 of the rows, which the manifest does not have**" in page
    # a choosing run of a method that has nothing to choose is no score of it
    page = score_tables(rows + run("bc", 91.0, seed=3), manifest("bc"))
    assert cells(page, "Table 3", HOPPER)["bc"] == "1.0"


# --- tables ----------------------------------------------------------------------------------------------------------

BC, PLAS = (20.0, 28.0, 36.0), (30.0, 40.0, 50.0)


def two_methods(dataset=HOPPER):
    return runs("bc", BC, dataset=dataset) + runs("plas", PLAS, dataset=dataset, limit=0.0)


def test_tables_have_the_hand_worked_cells():
    rows = two_methods() + two_methods(WALKER)
    rows += [row._replace(update=0) for row in runs("cvae_prior", (7.0, 7.0, 7.0)) if row.update == 3000]
    page = score_tables(rows, manifest("plas", "bc", datasets=(HOPPER, WALKER)))
    assert cells(page, "Table 3: normalised scores (here, r1, laptop)", HOPPER) == {
        "data": "31.4", "CVAE prior": "7.0", "plas": "40.0", "bc": "28.0",
    }  # fmt: skip
    assert cells(page, "Table 3", "mean of 2") == {"data": "31.4", "CVAE prior": "—", "plas": "40.0", "bc": "28.0"}
    assert cells(page, "Table 2: mean returns, undiscounted", WALKER)["plas"] == "400.0"
    assert tables(section(page, "Table 3"))[0][0] == ["method", "mean of 2", WALKER, HOPPER]
    # differences 10, 12, 14: 12 ± 4.97
    assert cells(page, "Against cloning", HOPPER) == {"plas": "**+12.0**"}
    measures = tables(section(page, "last, mean of last 2 and best"))[0]
    assert [HOPPER, "plas", *["40.0 [15.2, 64.8]"] * 3] in measures
    for said in ("Preset laptop; dynamics d4rl; matrix precision float32", "mean of the last 2 evaluations, 2 episodes",
                 "reported seeds 0, 1, 2.", "Device: 2 cores; jax 0.10.1", "made here by recipe: not D4RL's files",
                 "- plas: 3,000 updates, train 12.5, commit 0123456789",
                 "95 % interval of the mean (Student's t) over 3 seeds."):  # fmt: skip
        assert said in page
    assert not {"smoke", "incomplete", "left"} & set(page.replace(":", " ").replace("*", " ").split())


def over_all(page, algorithm):
    """The line of a method in the block over all data sets, by column."""
    header, _, *body = tables(section(page, "Over 2 data sets"))[0]
    return next(dict(zip(header, line, strict=True)) for line in body if line[0] == algorithm)


def test_methods_have_aggregates_over_all_data_sets():
    rows = two_methods() + two_methods(WALKER)
    rows += runs("td3", (150.0, 150.0, 150.0)) + runs("td3", PLAS, dataset=WALKER)
    rows += [row._replace(update=0) for row in runs("cvae_prior", (7.0, 7.0, 7.0)) if row.update == 3000]
    page = score_tables(rows, manifest("plas", "bc", "td3", "iql", datasets=(HOPPER, WALKER)))
    # of 30, 40, 50 twice the middle half is 30, 40, 40, 50
    found = over_all(page, "plas")
    assert {name: shown.split(" ")[0] for name, shown in found.items()} == {
        "algorithm": "plas", "mean": "40.0", "median": "40.0", "IQM": "40.0", "optimality gap": "60.0",
        "better than bc, %": "88.9",
    }  # fmt: skip
    assert found["better than bc, %"].endswith(", 100.0]")
    # 30, 40, 50, 150, 150, 150 less either end: 97.5; the gap is that of 40 and of 100
    found = over_all(page, "td3")
    assert {name: shown.split(" ")[0] for name, shown in found.items()} == {
        "algorithm": "td3", "mean": "95.0", "median": "95.0", "IQM": "97.5", "optimality gap": "30.0",
        "better than bc, %": "94.4",
    }  # fmt: skip
    # three seeds allow no less than the range of the resamples, from the lowest score twice to the highest twice
    assert (found["mean"], found["optimality gap"]) == ("95.0 [90.0, 100.0]", "30.0 [25.0, 35.0]")
    assert over_all(page, "bc")["better than bc, %"] == "—"
    for nowhere in ("iql", "CVAE prior"):
        assert set(over_all(page, nowhere).values()) == {nowhere, "—"}
    assert "stratified bootstrap of seeds (2,000 resamples, expanded percentiles)" in page
    # nothing is dropped: one run that is no number leaves no aggregate, and marks those that compare with it
    broken = [row._replace(score=nan, diverged_at=2500) if row[:3] == (HOPPER, "bc", 1) else row for row in rows]
    page = score_tables(broken, manifest("plas", "bc", datasets=(HOPPER, WALKER)))
    assert set(over_all(page, "bc").values()) == {"bc", "— †", "—"}
    assert over_all(page, "plas")["better than bc, %"] == "— †"
    assert over_all(page, "plas")["mean"] == "40.0 [30.0, 50.0]"
    # without cloning, over the first method
    page = score_tables([row for row in rows if row.algorithm != "bc"], manifest("plas", datasets=(HOPPER, WALKER)))
    assert over_all(page, "td3")["better than plas, %"].startswith("75.0 [")
    assert "## Over" not in score_tables(two_methods(), manifest("plas", "bc"))
    assert "## Over" not in score_tables([], manifest(datasets=(HOPPER, WALKER)))


def test_ten_seeds_have_the_bootstraps_interval_and_say_so(tmp_path):
    scores, seeds = [3.0, 8.0, 1.0, 4.0, 40.0, 6.0, 2.0, 7.0, 5.0, 9.0], list(range(10))
    rows = runs("bc", scores, seeds) + runs("plas", [2 * score for score in scores], seeds, limit=0.0)
    asked = manifest("bc", "plas", seeds=seeds, selection_seeds=[])
    page = score_tables(rows, asked)
    low, high = cell_interval(np.array(scores))
    measures = tables(section(page, "last, mean of last 2 and best"))[0]
    assert [HOPPER, "bc", *[f"8.5 [{low:.1f}, {high:.1f}]"] * 3] in measures
    assert "Student's t below 10 seeds, else bootstrap" in page
    score_csv(rows, asked, tmp_path / "scores.csv")
    line, other = csv.DictReader((tmp_path / "scores.csv").open(encoding="utf-8"))
    assert (float(line["score_low"]), float(line["score_high"])) == (low, high)
    assert (float(other["over_bc_low"]), float(other["over_bc_high"])) == (low, high)
    assert cells(page, "Against cloning", HOPPER)["plas"] == "**+8.5**"


def test_a_difference_whose_interval_has_zero_in_it_is_not_marked():
    rows = runs("bc", (20.0, 20.0, 20.0)) + runs("plas", (18.0, 22.0, 26.0), limit=0.0)
    page = score_tables(rows, manifest("bc", "plas"))
    assert cells(page, "Against cloning", HOPPER)["plas"] == "+2.0"
    worse = score_tables(runs("bc", (40.0, 42.0, 44.0)) + runs("plas", (10.0, 12.0, 14.0)), manifest("bc", "plas"))
    assert cells(worse, "Against cloning", HOPPER)["plas"] == "**−30.0**"
    assert "Against cloning" not in score_tables(runs("plas", PLAS), manifest("plas"))
    assert "Against cloning" not in score_tables(runs("bc", BC), manifest("bc"))


def test_one_seed_has_no_interval(tmp_path):
    rows = run("bc", 10.0) + run("plas", 30.0, limit=0.0)
    asked = manifest("bc", "plas", seeds=[0])
    page = score_tables(rows, asked)
    assert cells(page, "Table 3", HOPPER)["plas"] == "30.0"
    assert cells(page, "Against cloning", HOPPER)["plas"] == "+20.0"
    assert "One seed: no interval." in page
    score_csv(rows, asked, tmp_path / "scores.csv")
    line = list(csv.DictReader((tmp_path / "scores.csv").open(encoding="utf-8")))[1]
    assert (line["score_mean"], line["score_std"], line["score_low"], line["score_high"]) == ("30.0", "", "", "")


def test_diverged_and_missing_runs_are_marked():
    rows = runs("bc", BC) + runs("td3", (10.0, 10.0, 10.0)) + runs("sac", (5.0, 5.0), seeds=[0, 1])
    rows = [
        row._replace(score=nan, diverged_at=2500) if row[1:3] == ("td3", 1) and row.update > 2000 else row
        for row in rows
    ]
    page = score_tables(rows, manifest("bc", "td3", "sac", "iql"))
    assert cells(page, "Table 3", HOPPER) == {
        "data": "31.4", "bc": "28.0", "td3": "— †", "sac": "5.0 ‡", "iql": "—",
    }  # fmt: skip
    assert cells(page, "Against cloning", HOPPER) == {"td3": "— †", "sac": "−19.0 ‡", "iql": "—"}
    assert "1 of 8 runs in all" in page
    assert "**incomplete: 4 of 12 runs have no evaluation (1 of sac, 3 of iql)**" in page


def test_a_chosen_setting_that_diverged_on_its_seeds_says_so():
    rows = swept({0.05: (1.0,) * 3, 0.5: (1.0,) * 3}, {0.05: (1.0,) * 3, 0.5: (2.0,) * 3})
    rows = [row._replace(diverged_at=2500) if row[2:4] == (4, 0.5) else row for row in rows]
    assert cells(score_tables(rows, manifest("plas+p")), "Table 3", HOPPER, table=1)["plas+p"] == "ε=0.5 †"


def test_plas_is_not_missed_where_none_was_asked_for():
    rows = [
        row._replace(algorithm="plas+p", perturbation_limit=0.05) for row in two_methods() if row.algorithm == "plas"
    ]
    swept_alone = manifest("plas")
    swept_alone["methods"]["plas"]["grid"] = {"perturbation_limit": [0.05]}
    assert "have no evaluation" not in score_tables(rows, swept_alone)
    swept_alone["methods"]["plas"]["grid"] = {"perturbation_limit": [0.0, 0.05]}
    assert "3 of 6 runs have no evaluation (3 of plas)" in score_tables(rows, swept_alone)


def test_incomplete_benchmarks_say_what_is_missing():
    unfinished = manifest("bc", "plas", complete=False)
    unfinished["methods"]["plas"]["complete"] = False
    assert "**incomplete: plas has not finished**" in score_tables(two_methods(), unfinished)
    assert "not every method has finished" in score_tables(two_methods(), manifest("bc", "plas", complete=False))
    assert "1 of 6 runs lack evaluations that others have" in score_tables(two_methods()[:-2], manifest("bc", "plas"))
    assert "1 of 18 evaluations have fewer than 2 episodes" in score_tables(two_methods()[:-1], manifest("bc", "plas"))
    stopped = [row._replace(diverged_at=2500) if row.seed == 2 else row for row in two_methods()[:-2]]
    assert "incomplete" not in score_tables(stopped, manifest("bc", "plas"))
    rows = swept({0.05: (1.0,) * 3, 0.5: (2.0,) * 3}, {0.05: (1.0,) * 3, 0.5: (2.0,) * 3})
    page = score_tables([row for row in rows if row[2:4] != (5, 0.5)], manifest("plas+p"))
    assert "**incomplete: 1 of 6 runs that choose settings have no evaluation**" in page
    smoke = score_tables([], manifest("bc", preset="smoke"))
    assert "**smoke: too short to mean anything**" in smoke
    assert "**incomplete: no policy has been evaluated yet**" in smoke
    assert cells(smoke, "Table 3", HOPPER)["bc"] == "—"
    assert "no policy has been evaluated yet" in score_tables([], {})
    assert "preset not recorded" in score_tables(two_methods(), {}).lower()


@pytest.mark.parametrize(
    ("rows", "complaint"),
    [
        (
            run("bc", 1.0) + run("bc", 1.0, seed=1, dynamics="gymnasium"),
            f"^{HOPPER} mixes dynamics.*d4rl and gymnasium",
        ),
        (run("bc", 1.0) + run("bc", 1.0), "bc, ε = 0, seed 0 has episode 0 of update 1000 twice"),
        (run("plas", 1.0, limit=0.0) + run("plas", 1.0, seed=1, limit=0.0, clip_weight=0.75), "mixes settings"),
    ],
)
def test_rows_that_cannot_share_a_table_are_refused(rows, complaint):
    with pytest.raises(ValueError, match=complaint) as caught:
        score_tables(rows, manifest())
    assert "\n" not in str(caught.value)


def test_data_sets_are_in_the_papers_order():
    names = ["own@Arm-v0", "hopper-random-r1", "walker2d-expert-r1", "hopper-medium-expert-r1", "hopper-medium-r1",
             "halfcheetah-medium-expert-r1", "walker2d-medium-replay-r1", "hopper-medium-expert-a-r1",
             "walker2d-medium-expert-r1", "walker2d-medium-r1", "walker2d-random-r1"]  # fmt: skip
    assert in_order(names) == [
        "walker2d-medium-r1", "hopper-medium-r1", "walker2d-medium-replay-r1", "walker2d-medium-expert-r1",
        "hopper-medium-expert-a-r1", "hopper-medium-expert-r1", "halfcheetah-medium-expert-r1", "walker2d-expert-r1",
        "walker2d-random-r1", "hopper-random-r1", "own@Arm-v0",
    ]  # fmt: skip


def test_tables_4_and_5_are_in_the_papers_order_beside_its_numbers_and_say_how_many_episodes():
    names = ("antmaze-umaze-v0", "maze2d-umaze-v1", "pen-cloned-v0", "door-human-v0")
    rows = [row for name in names for row in run("plas", 10.0, dataset=name, limit=0.0)]
    rows += [row._replace(episode=2) for row in run("plas", 10.0, dataset=names[0], limit=0.0) if row.episode == 0]
    page = score_tables(rows, manifest("plas", datasets=names, seeds=[0]))
    assert page.startswith("# D4RL scores: Tables 4 and 5\n")
    assert "fewer than" not in page
    assert "each of so many episodes: 2 of maze2d-umaze-v1, door-human-v0, pen-cloned-v0, 3 of antmaze-umaze-v0" in page
    assert "D4RL v0, v1, as in the paper." in page
    header, *_, paper = tables(section(page, "Table 5"))[0]
    assert header[2:] == ["maze2d-umaze-v1", "antmaze-umaze-v0", "door-human-v0", "pen-cloned-v0"]
    assert [paper[0], *paper[2:5]] == ["plas (paper)", "57.0", "70.7", "4.4"]


# --- beside what others published ------------------------------------------------------------------------------------

ALL = ("bc_regression", "bcq", "plas", "plas+p", "td3+bc")
SHIPPED = "hopper-medium-expert-a"


def test_recipe_data_never_share_a_table_with_d4rls():
    names = (HOPPER, f"{SHIPPED}-r1")
    rows = [row for name in names for method in ALL for row in runs(method, (1.0, 2.0, 3.0), dataset=name)]
    page = score_tables(rows, manifest(*ALL, datasets=names))
    versions = [{cell[-3:] for line in table for cell in line if cell[-3:] in ("-r1", "-v0", "-v2")}
                for table in tables(page) if table[0][0] in ("method", "data set")]  # fmt: skip
    over, *others = [part for part in page.split("\n## ") if part.startswith("Over 2 data sets")]
    assert over.startswith("Over 2 data sets: normalised scores (here, r1, laptop)")
    assert not others
    assert all(len(found) == 1 for found in versions)
    assert set.union(*versions) == {"-r1", "-v0", "-v2"}
    for heading in ("paper, v0", "logged runs of others, v0", "CORL, v2"):
        assert "no number of this section can be compared with one of ours" in section(page, heading)
    assert cells(page, "paper, v0", f"{SHIPPED}-v0") == {
        "bcq": "110.9", "plas": "111.0", "plas+p": "94.7",
    }  # fmt: skip
    assert cells(page, "paper, v0", "hopper-medium-v0", table=1)["plas"] == "1050.4"
    logged = cells(page, "logged runs of others, v0", "hopper-medium-v0")
    assert logged["plas+p (official code)"] == "44.5 ± 20.7 (ε=0.05)"
    assert logged["bcq (d3rlpy)"] == "50.1 ± 13.1"
    assert cells(page, "CORL, v2", "hopper-medium-v2") == {
        "bc_regression": "53.5 ± 1.8", "td3+bc": "60.4 ± 3.5",
    }  # fmt: skip
    # only what was asked for: neither (b) of hopper-medium-expert, nor walker2d, nor BEAR
    shown = {cell for table in tables(page) for line in table for cell in line}
    assert not {"hopper-medium-expert-v0", "walker2d-medium-v0", "bear"} & shown


def test_the_same_data_may_stand_beside_ours():
    name = "hopper-medium-v0"
    page = score_tables(runs("plas", PLAS, dataset=name, limit=0.0), manifest("plas", datasets=(name,)))
    assert cells(page, "Table 3", name) == {
        "data": "31.4", "plas": "40.0", "plas (paper)": "32.9", "plas (d3rlpy)": "55.7 ± 22.0",
    }  # fmt: skip
    assert "On D4RL's v0 data, as here." in section(page, "paper, v0")
    # a file that only calls itself so is not the same data
    asked = manifest("plas", datasets=(name,))
    asked["datasets"][name]["version"] = "own"
    page = score_tables(runs("plas", PLAS, dataset=name, limit=0.0), asked)
    assert list(cells(page, "Table 3", name)) == ["data", "plas"]
    both = (name, "hopper-medium-v2")
    rows = [row for each in both for row in runs("plas", PLAS, dataset=each, limit=0.0)]
    page = score_tables(rows, manifest("plas", datasets=both))
    assert list(cells(page, "Table 3", name)) == ["data", "plas"]


def test_printed_returns_known_to_be_wrong_are_marked():
    name = "walker2d-random-r1"
    page = score_tables(runs("plas", PLAS, dataset=name, limit=0.0), manifest("plas", datasets=(name,)))
    assert cells(page, "paper, v0", "walker2d-random-v0", table=1)["plas"] == "104.0 §"
    assert "§: known to be wrong. walker2d-random-v0, plas: the printed return is a score of 2.2" in page
    # the third score of D4RL's own names is nobody's
    assert "No published scores of these data sets and algorithms" in score_tables(run("mine", 1.0), manifest("mine"))


# The closing screen


def closed(rows, said):
    known = Manifest.from_json(said)
    screen = closing_screen(scores(rows, known), known, Path("out")).splitlines()
    assert screen[-1] == "out/report.html"
    assert max(map(len, screen)) <= 80
    return [line.split() for line in screen]


def test_a_few_methods_are_rows_of_the_closing_screen():
    rows = [*runs("bc", [10, 20, 30]), *runs("td3", [1, 2, 3], diverged_at=2500)]
    screen = closed(rows, manifest("bc", "td3"))
    assert screen[0] == ["method", HOPPER]
    assert screen[2:5] == [["data", "31.4"], ["bc", "20.0"], ["td3†", "2.0"]]
    assert " ".join(screen[5]) == "mean score, mean of the last 2 evaluations, over 3 seeds; † some run diverged"


def test_more_data_sets_than_fit_are_rows_with_settings_in_symbols():
    names = [f"{robot}-medium-expert-r1" for robot in ("walker2d", "hopper", "halfcheetah")]
    rows = [
        row
        for name in names
        for sigma, mean in ((0.5, 1.0), (2.0, 4.0))
        for row in runs("plas", [mean] * 3, dataset=name, knobs=f"latent_limit={sigma}")
    ]
    screen = closed(rows, manifest("plas", datasets=names, selection_seeds=[]))
    assert screen[:2] == [["plas", "plas"], ["data", "set", "data", "σ=0.5", "σ=2.0"]]
    assert screen[3:6] == [[name, "31.4", "1.0", "4.0"] for name in names]


def test_what_fits_in_neither_way_is_means_over_data_sets():
    names = [f"{robot}-medium-expert-r1" for robot in ("walker2d", "hopper", "halfcheetah")]
    methods = [f"method_{place}" for place in range(9)]
    rows = [row for name in names for method in methods for row in runs(method, [6.0] * 3, dataset=name)]
    screen = closed(rows[6 * 3 :], manifest(*methods, datasets=names))
    assert [words for words in screen if words[0] in ("method", "data", "method_0", "method_1")] == [
        ["method", "mean", "over", "3", "data", "sets"], ["data", "31.4"], ["method_0", "—"], ["method_1", "6.0"]
    ]  # fmt: skip


def test_csv_has_a_line_for_each_setting(tmp_path):
    rows = swept(
        {0.05: (10.0, 12.0, 14.0), 0.5: (90.0, 90.0, 90.0)},
        {0.05: (50.0, 50.0, 50.0), 0.5: (49.0, 49.0, 51.0)},
    )
    rows = [row._replace(diverged_at=2500) if row[2:4] == (1, 0.05) else row for row in rows + runs("bc", BC)]
    score_csv(rows, manifest("plas+p", "bc"), tmp_path / "scores.csv")
    assert [file.name for file in tmp_path.iterdir()] == ["scores.csv"]
    lines = list(csv.DictReader((tmp_path / "scores.csv").open(encoding="utf-8")))
    assert [(line["algorithm"], line["setting"], line["chosen"], line["selection_seeds"]) for line in lines] == [
        ("plas+p", "perturbation_limit=0.05", "yes", "3"),
        ("plas+p", "perturbation_limit=0.5", "no", "3"),
        ("bc", "", "only", "0"),
    ]
    first = lines[0]
    assert float(first.pop("score_low")) == pytest.approx(12 - T_2 * 2 / 3**0.5)
    assert float(first.pop("score_high")) == pytest.approx(12 + T_2 * 2 / 3**0.5)
    assert float(first.pop("return_low")) == pytest.approx(120 - T_2 * 20 / 3**0.5)
    assert float(first.pop("return_high")) == pytest.approx(120 + T_2 * 20 / 3**0.5)
    # 10, 12, 14 less 20, 28, 36
    assert float(first.pop("over_bc")) == -16
    assert float(first.pop("over_bc_high")) == pytest.approx(-16 + T_2 * 6 / 3**0.5)
    assert float(first.pop("over_bc_low")) == pytest.approx(-16 - T_2 * 6 / 3**0.5)
    assert lines[2]["over_bc"] == ""
    assert first == {
        "dataset": HOPPER, "version": "r1", "algorithm": "plas+p", "setting": "perturbation_limit=0.05",
        "chosen": "yes", "selection_seeds": "3", "selection_score_mean": "50.0", "seeds": "3", "score_mean": "12.0",
        "score_std": "2.0", "last": "12.0", "best": "12.0", "mean_return": "120.0", "diverged": "1",
        "data_score": "31.4", "updates": "3000", "preset": "laptop", "dynamics": "d4rl",
        "statistic": "mean of the last 2 evaluations",
    }  # fmt: skip


def test_failed_csv_leaves_the_old_file(tmp_path, monkeypatch):
    path, write = tmp_path / "scores.csv", Path.write_text
    path.write_text("old")

    def full_disk(path, text, **how):
        write(path, text[:10], **how)
        raise OSError("no space left")

    monkeypatch.setattr(Path, "write_text", full_disk)
    with pytest.raises(OSError, match="no space left"):
        score_csv(run("bc", 1.0), manifest("bc"), path)
    with pytest.raises(ValueError, match="twice"):
        score_csv(run("bc", 1.0) * 2, manifest("bc"), path)
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [("scores.csv", "old")]


def test_figures_lay_robots_side_by_side_and_levels_below_each_other():
    names = in_order([f"{robot}-{level}-r1" for robot in ("hopper", "walker2d", "halfcheetah")
                      for level in ("medium", "medium-expert")] + [f"{SHIPPED}-r1", "hopper-random-r1"])  # fmt: skip
    assert grid_of(names) == [
        ["walker2d-medium-r1", "hopper-medium-r1", "halfcheetah-medium-r1"],
        ["walker2d-medium-expert-r1", "hopper-medium-expert-r1", "halfcheetah-medium-expert-r1"],
        [f"{SHIPPED}-r1", "hopper-random-r1", ""],
    ]
    assert grid_of(["walker2d-medium-r1", "halfcheetah-medium-r1", "walker2d-random-r1", "hopper-random-r1"]) == [
        ["walker2d-medium-r1", "", "halfcheetah-medium-r1"],
        ["walker2d-random-r1", "hopper-random-r1", ""],
    ]
    assert grid_of([HOPPER, "hopper-medium-v0"]) == [[HOPPER, "hopper-medium-v0"]]


@pytest.mark.parametrize("case", ["many", "one seed", "diverged", "no run", "only the prior", "no score"])
def test_figure_is_whole_and_not_blank(tmp_path, case):
    rows = {
        "many": lambda: two_methods() + two_methods(WALKER) + swept({0.05: BC, 0.5: PLAS}, {}),
        "one seed": lambda: run("bc", 3.0),
        "diverged": lambda: [row._replace(score=nan, diverged_at=10) for row in two_methods()],
        "no run": list,
        "only the prior": lambda: run("cvae_prior", 3.0, update=0)[:1],
        "no score": lambda: [row._replace(score=nan) for row in two_methods()],
    }[case]()
    score_figure(rows, manifest("bc", "plas", "iql"), tmp_path / "scores.png")
    assert [file.name for file in tmp_path.iterdir()] == ["scores.png"]
    image = imread(tmp_path / "scores.png")[..., :3]
    assert image.shape[1] >= 900
    assert 0.005 < (image.min(axis=-1) < 0.9).mean() < 0.5


def test_figure_draws_every_method_seed_cross_and_reference(tmp_path):
    def image(rows, data=31.4):
        asked = manifest("bc", "plas")
        asked["datasets"][HOPPER]["score"] = data
        score_figure(rows, asked, tmp_path / "scores.png")
        return imread(tmp_path / "scores.png")[..., :3]

    def differ(first, second):
        return first.shape != second.shape or bool(np.any(first != second))

    plain = image(two_methods())
    assert not differ(plain, image(two_methods()))
    # the mean 28 and the deviation 8 of `BC` by other seeds
    moved = runs("bc", (34.532, 30.391, 19.077)) + runs("plas", PLAS, limit=0.0)
    assert differ(plain, image(moved))
    assert differ(plain, image([row._replace(diverged_at=2500) if row.seed == 1 else row for row in two_methods()]))
    assert differ(plain, image(two_methods(), data=35.0))
    assert differ(plain, image(two_methods(), data=None))
    assert differ(plain, image(two_methods() + runs("cvae_prior", (7.0, 7.0, 7.0))))
    # above the legend, a seed that diverged has its cross and nothing else changes
    one, broken = image(run("bc", 3.0)), image(run("bc", 3.0, diverged_at=2500))
    assert differ(one[: len(one) // 2], broken[: len(one) // 2])
    with pytest.raises(ValueError, match="nothing to draw"):
        score_figure([], {}, tmp_path / "none.png")
    assert [file.name for file in tmp_path.iterdir()] == ["scores.png"]


def test_a_legend_of_everything_is_within_the_figure(tmp_path):
    rows = [row for dataset in (HOPPER, WALKER) for row in two_methods(dataset)]
    rows += [row for name in ("cvae_prior", "cvae_mode") for row in runs(name, (7.0, 70.0, 7.0))]
    rows += run("td3", 3.0, diverged_at=2500)
    score_figure(rows, manifest("bc", "plas", "td3", datasets=(HOPPER, WALKER)), tmp_path / "scores.png")
    assert imread(tmp_path / "scores.png")[:, [0, 1, -2, -1], :3].min() > 0.99


@pytest.mark.parametrize(
    ("folder", "controls"),
    [
        ("tables_2_and_3", {"cvae_prior"}),
        ("tables_4_and_5/maze2d", {"cvae_prior", "cvae_mode"}),
        ("tables_4_and_5/antmaze", {"cvae_prior", "cvae_mode"}),
        ("published_size/baselines", set()),
        ("published_size/brac", set()),
        ("published_size/20000_updates", set()),
    ],
)
def test_the_kept_tables_are_what_their_rows_say(folder, controls):
    kept = Path(__file__).parents[1] / "docs" / folder
    rows, manifest = read_rows(kept / "results.csv"), json.loads((kept / "manifest.json").read_text())
    text, _, diagnostics = (kept / "scores.md").read_text().partition("\n## Whether a method can work on its data\n")
    assert score_tables(rows, manifest) == text
    assert bool(diagnostics) == (kept / "diagnostics.csv").exists()
    with (kept / "scores.csv").open() as file:
        assert {line["algorithm"] for line in csv.DictReader(file)} - controls == set(manifest["methods"])
