"""Rows and reports: results.csv round trips, statistics worked by hand, and what a table must never hide."""

import json
import math
import random
from math import isnan
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.image import imread

from plas_jax.files.whole_files import whole_file
from plas_jax.reports import published
from plas_jax.reports.figures import perturbation as figures
from plas_jax.reports.provenance import preset
from plas_jax.reports.tables import perturbation as tables
from plas_jax.reports.tables.latent_limit import latent_limit_table
from plas_jax.results.axes import by_knob
from plas_jax.results.manifest import Manifest
from plas_jax.results.rows import Row, read_rows, write_rows
from plas_jax.results.runs import Cell, Run, across_seeds, results, run_statistics

HOPPER, WALKER = "hopper-medium-r1", "walker2d-random-r1"
MANIFEST = {
    "preset": "quick",
    "matmul_precision": "float32",
    "evaluations_in_mean": 2,
    "seeds": [0, 1],
    "device": "CPU",
    "datasets": {HOPPER: {"mean_return": 1000.0, "score": 31.4, "version": "r1"}},
    "wall_seconds": {"train": 12.0},
    "complete": True,
}


def table_1(rows, manifest):
    return tables.table_1(results(rows), Manifest.from_json(manifest))


def score_curves(rows, manifest, path):
    figures.score_curves(results(rows), Manifest.from_json(manifest), path)


def perturbation_panel(rows, manifest, path):
    figures.perturbation_panel(results(rows), Manifest.from_json(manifest), path)


def episode(score, *, dataset=HOPPER, algorithm=None, seed=0, limit=0.0, update=1000, number=0, **changes):
    algorithm = algorithm or ("plas+p" if limit > 0 else "plas")
    row = Row(dataset, algorithm, seed, limit, 2.0, 1.0, "", "d4rl", update, number, 500, 10 * score, score, None)
    return row._replace(**changes)


def sweep(dataset=HOPPER, limits=(0.0, 0.05), seeds=2):
    """Two episodes at updates 1000, 2000, 3000, scores update/100 + 10 seed + 100 ε ± 1; the prior's is 20."""
    rows = [episode(20.0, dataset=dataset, algorithm="cvae_prior", seed=seed, update=0) for seed in range(seeds)]
    for seed in range(seeds):
        for limit in limits:
            for update in (1000, 2000, 3000):
                score = update / 100 + 10 * seed + 100 * limit
                rows += [
                    episode(score + e, dataset=dataset, seed=seed, limit=limit, update=update, number=n)
                    for n, e in enumerate((-1.0, 1.0))
                ]
    return rows


def cells(table, dataset, section):
    """The cells of a data set's line under a heading."""
    part = table.split(f"## {section}")[1].split("\n## ")[0]
    return next(
        [cell.strip() for cell in line.split("|")[2:-1]]
        for line in part.splitlines()
        if line.startswith(f"| {dataset} ")
    )


counts = st.integers(0, 10**9)
finite = st.floats(allow_nan=False, allow_infinity=False)
names = st.text(st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp")), min_size=1).filter(str.strip)
limits = st.none() | finite
knob_names = st.text("abcdefghij_", min_size=1)
knobs = st.dictionaries(knob_names, finite, max_size=2).map(lambda of: " ".join(f"{k}={v}" for k, v in of.items()))
any_row = st.builds(
    Row, names, names, counts, limits, limits, limits, knobs, names, counts, counts, counts,
    st.floats(), st.floats(allow_nan=True), st.none() | counts,
)  # fmt: skip


@given(st.lists(any_row, max_size=6), st.randoms(use_true_random=False))
def test_rows_come_back_exactly_and_their_order_does_not_change_a_byte(tmp_path_factory, rows, shuffler):
    folder = tmp_path_factory.mktemp("rows")
    write_rows(folder / "a.csv", rows)
    shuffled = list(rows)
    shuffler.shuffle(shuffled)
    write_rows(folder / "b.csv", shuffled)
    assert (folder / "a.csv").read_bytes() == (folder / "b.csv").read_bytes()
    back = read_rows(folder / "a.csv")
    assert sorted(map(repr, back)) == sorted(map(repr, rows))
    assert sorted(path.name for path in folder.iterdir()) == ["a.csv", "b.csv"]


def test_file_is_sorted_has_named_columns_and_takes_numpy_numbers(tmp_path):
    row = episode(np.float64(0.1), seed=np.int64(1), update=np.int32(5), limit=np.float64(0.05), diverged_at=7)
    write_rows(tmp_path / "r.csv", [row, episode(2.0, update=20), episode(1.0, update=3)])
    assert (tmp_path / "r.csv").read_text() == (
        "dataset,algorithm,seed,perturbation_limit,latent_limit,clip_weight,knobs,dynamics,update,episode,"
        "episode_length,episode_return,score,diverged_at\n"
        "hopper-medium-r1,plas,0,0.0,2.0,1.0,,d4rl,3,0,500,10.0,1.0,\n"
        "hopper-medium-r1,plas,0,0.0,2.0,1.0,,d4rl,20,0,500,20.0,2.0,\n"
        "hopper-medium-r1,plas+p,1,0.05,2.0,1.0,,d4rl,5,0,500,1.0,0.1,7\n"
    )
    with pytest.raises(TypeError):
        write_rows(tmp_path / "r.csv", [row._replace(update=1.5)])


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("score,", "points,", r"line 1, column score: the header has 'points'"),
        (",diverged_at", "", r"line 1, column diverged_at: the header has nothing"),
        ("\n", "", r"line 1, column"),
        (",1000,1,", ",1e3,1,", r"line 3, column update: '1e3' is not a whole number"),
        (",1000,1,", ",-1,1,", r"line 3, column update: '-1' is not a whole number"),
        (",1.0,,d4rl", ",nan,,d4rl", r"line 2, column clip_weight: 'nan' is not empty or a finite number"),
        (",1.0,,d4rl", ",1.0,weight,d4rl", r"line 2, column knobs: 'weight' is not empty or knobs as name=value"),
        ("medium-r1,plas,", "medium-r1,,", r"line 2, column algorithm: '' is not a name on one line"),
        (",4.0,\n", ",four,\n", r"line 2, column score: 'four' is not a number"),
        (",4.0,\n", "\n", r"line 2, column score: missing"),
        (",4.0,\n", ",4.0,,\n", r"line 2, column 15: more fields"),
        ("hopper", '"hopper', r"line \d+: unexpected end of data"),
    ],
)
def test_bad_file_gives_one_line_that_says_where(tmp_path, old, new, complaint):
    path = tmp_path / "r.csv"
    write_rows(path, [episode(4.0), episode(5.0, number=1)])
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(ValueError, match=rf"^{path}: {complaint}.*$") as caught:
        read_rows(path)
    assert "\n" not in str(caught.value)


def test_unreadable_files_are_named(tmp_path):
    (tmp_path / "latin.csv").write_bytes(b"\xff\xfe")
    for name, complaint in (("latin.csv", "UTF-8"), ("none.csv", "No such file"), (".", "directory")):
        with pytest.raises(ValueError, match=complaint):
            read_rows(tmp_path / name)


def test_failed_writing_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "r.txt"
    path.write_text("old")

    def fail():
        with whole_file(path) as partial:
            partial.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [("r.txt", "old")]


def test_statistics_of_a_run_by_hand():
    rows = [
        episode(s, update=u, number=n)
        for u, pair in ((1, (0, 10)), (2, (8, 10)), (3, (1, 3)))
        for n, s in enumerate(pair)
    ]
    run = Run(Cell(HOPPER, "plas", 0.0), 0)
    assert run_statistics(results(rows), 2)[run] == (2.0, 5.5, 9.0, 55.0, None)
    assert run_statistics(results(rows), 10)[run].mean_last == 16 / 3
    random.Random(0).shuffle(rows)
    assert run_statistics(results(rows), 1)[run].mean_last == 2.0


def test_infinite_scores_have_no_mean():
    rows = [episode(float("inf")), episode(float("-inf"), number=1)]
    assert isnan(run_statistics(results(rows))[Run(Cell(HOPPER, "plas", 0.0), 0)].mean_last)


def test_spread_over_seeds_by_hand():
    rows = [episode(s, seed=i) for i, s in enumerate((10.0, 14.0, 12.0))]
    rows[1] = rows[1]._replace(diverged_at=900)
    found = across_seeds(run_statistics(results(rows)))[Cell(HOPPER, "plas", 0.0)]
    assert found == (12.0, 2.0, 3, 1, (10.0, 14.0, 12.0))
    # t of 2 degrees of freedom is 4.302653
    assert found.interval == pytest.approx((12 - 4.302653 * 2 / 3**0.5, 12 + 4.302653 * 2 / 3**0.5))
    # by seed, whatever the order of the rows: an interval by resampling depends on it
    assert across_seeds(run_statistics(results(rows[::-1])))[Cell(HOPPER, "plas", 0.0)] == found
    single = across_seeds(run_statistics(results(rows[:1])))[Cell(HOPPER, "plas", 0.0)]
    assert single.mean == 10.0
    assert isnan(single.std)
    assert all(map(isnan, single.interval))


def test_a_diverged_seed_is_neither_dropped_nor_smoothed_over():
    rows = [
        episode(10.0),
        episode(30.0, update=2000),
        episode(float("nan"), update=3000, diverged_at=2500),
        episode(9.0, seed=1),
    ]
    runs = run_statistics(results(rows), 2)
    broken = runs[Run(Cell(HOPPER, "plas", 0.0), 0)]
    assert isnan(broken.last)
    assert isnan(broken.mean_last)
    assert (broken.best, broken.diverged_at) == (30.0, 2500)
    assert cells(table_1(rows, MANIFEST), HOPPER, "here")[2] == "— †"


@pytest.mark.parametrize(
    ("extra", "complaint"),
    [
        (episode(1.0), "seed 0 has episode 0 of update 1000 twice"),
        (episode(1.0, number=1, latent_limit=0.5), "mixes settings"),
        (episode(1.0, number=1, clip_weight=0.75), "mixes settings"),
        (episode(1.0, seed=1, dynamics="gymnasium"), "mixes settings"),
    ],
)
def test_rows_that_cannot_share_a_cell_are_refused(extra, complaint):
    with pytest.raises(ValueError, match=complaint):
        table_1([episode(1.0), extra], MANIFEST)


def test_table_1_has_the_hand_worked_cells_beside_the_papers():
    table = table_1(sweep(limits=(0.0, 0.05, 0.3)), MANIFEST)
    # ε = 0: seeds 25 and 35 (mean of evaluations at 2000 and 3000); their standard deviation is √50, and half of the
    # interval 12.706 · √50 / √2 = 63.5
    assert cells(table, HOPPER, "here, r1, quick") == [
        "31.4", "20.0 [20.0, 20.0]", "30.0 [−33.5, 93.5]", "35.0 [−28.5, 98.5]", "60.0 [−3.5, 123.5]",
    ]  # fmt: skip
    assert cells(table, "hopper-medium", "paper, v0") == ["—", "—", "32.9", "35.5", "—"]
    last, mean = "35.0 [−28.5, 98.5]", "30.0 [−33.5, 93.5]"
    assert cells(table, HOPPER, "last") == ["0", last, mean, last]
    assert cells(table, HOPPER, "mean returns") == [
        "1000.0", "200.0 [200.0, 200.0]", "300.0 [−335.3, 935.3]", "350.0 [−285.3, 985.3]", "600.0 [−35.3, 1235.3]",
        "30.0",
    ]  # fmt: skip
    for said in ("made here by recipe: not D4RL's files", "no verdict is drawn across versions", "λ (clip_weight) 1;",
                 "σ (latent_limit) 2;", "dynamics d4rl", "float32", "mean of the last 2 evaluations, 2 episodes",
                 "seeds 0, 1.",
                 "95 % interval of the mean (Student's t) over 2 seeds.", "Best is the evaluation with"):  # fmt: skip
        assert said in table
    assert not {"smoke", "incomplete", "†", "‡"} & set(table.replace(":", " ").split())


def test_table_1_shows_settings_by_data_set_and_the_papers_row_order():
    rows = sweep() + [row._replace(latent_limit=0.5) for row in sweep(WALKER)]
    table = table_1(rows, MANIFEST)
    assert "σ (latent_limit) 0.5 (walker2d-random-r1), 2 (hopper-medium-r1)" in table
    assert table.index(f"| {WALKER} ") < table.index(f"| {HOPPER} ")


def test_each_form_of_hopper_medium_expert_says_which_it_is():
    names = {"hopper-medium-expert-v0": "(b), medium then expert", "hopper-medium-expert-a-r1": "(a), as the file"}
    rows = [row for name in names for row in sweep(name)]
    table = table_1(rows, MANIFEST | {"datasets": {}})
    for name, form in names.items():
        assert f"- {name} is {form}" in table
    assert "The paper's Table 1 has none of these data sets." in table


def test_data_without_score_references_have_their_returns(tmp_path):
    name = "mine@Arm-v0"
    rows = [row._replace(score=math.nan) for row in sweep(name)]
    manifest = MANIFEST | {"datasets": {name: {"mean_return": -34.4, "score": None, "version": "own"}}}
    table = table_1(rows, manifest)
    assert cells(table, name, "here, own, quick") == ["—", "—", "—", "—"]
    assert cells(table, name, "mean returns") == [
        "−34.4", "200.0 [200.0, 200.0]", "300.0 [−335.3, 935.3]", "350.0 [−285.3, 985.3]", "—",
    ]  # fmt: skip
    for draw in (score_curves, perturbation_panel):
        draw(rows, manifest, tmp_path / "figure.png")
        assert np.ptp(imread(tmp_path / "figure.png")) > 0


def test_table_1_flags_divergence_smoke_one_seed_and_what_is_missing():
    rows = [row._replace(diverged_at=2500) if row[2:4] == (1, 0.05) else row for row in sweep()]
    table = table_1(rows, MANIFEST)
    assert cells(table, HOPPER, "here")[2:] == ["30.0 [−33.5, 93.5]", "35.0 [−28.5, 98.5] †"]
    assert "1 of 4 runs in all" in table
    assert "incomplete" not in table_1([row for row in rows if row.diverged_at is None or row.update < 3000], MANIFEST)
    smoke = table_1(sweep(seeds=1), {**MANIFEST, "preset": "smoke", "seeds": [0], "evaluations_in_mean": 5})
    assert "**smoke: too short to mean anything**" in smoke
    assert "One seed: no interval." in smoke
    assert cells(smoke, HOPPER, "here")[2] == "20.0"
    assert "mean of the last 5 evaluations (the shortest run has 3)" in smoke


def test_incomplete_sweeps_say_what_is_missing():
    rows = sweep()
    unfinished = table_1(rows, {**MANIFEST, "complete": False})
    assert "**incomplete: the sweep has not finished, its last evaluation is at update 3,000**" in unfinished
    assert "**incomplete: 1 of 4 runs lack evaluations that others have" in table_1(rows[:-2], MANIFEST)
    assert "1 of 12 evaluations have fewer than 2 episodes" in table_1(rows[:-1], MANIFEST)
    missing = table_1(rows[:-6], MANIFEST)
    assert "**incomplete: 1 of 4 runs have no evaluation**" in missing
    assert "35.0 [−28.5, 98.5]" not in cells(missing, HOPPER, "here")
    assert cells(missing, HOPPER, "here")[3] == "30.0 ‡"
    assert cells(missing, HOPPER, "mean returns")[3] == "300.0 ‡"
    assert "2 of 6 runs have no evaluation" in table_1(rows, {**MANIFEST, "seeds": [0, 1, 2]})
    assert "no policy has been evaluated yet" in table_1([], {})


def test_published_table_is_the_papers():
    printed = """walker2d-random 3.1 6.8 2.4 1.3 −0.3
        hopper-random 10.5 11.1 11.6 12.2 13.3
        halfcheetah-random 25.8 25.7 27.4 27.6 28.3
        walker2d-medium 44.6 64.8 66.9 62.1 39.2
        hopper-medium 32.9 35.5 17.5 2.5 2.1
        halfcheetah-medium 39.3 41.3 42.2 42.2 40.4"""
    lines = [line.replace("−", "-").split() for line in printed.splitlines()]
    expected = {name: dict(zip((0.0, 0.05, 0.1, 0.2, 0.5), map(float, scores), strict=True)) for name, *scores in lines}
    assert expected == published.TABLE_1
    assert published.table_1_score("hopper-medium-v2", float(np.float32(0.05))) == 35.5
    assert published.table_1_score("hopper-medium", 0.01) is None
    assert published.table_1_score("hopper-medium-replay-r1", 0.0) is None


@pytest.mark.parametrize("draw", [score_curves, perturbation_panel])
@pytest.mark.parametrize("case", ["six", "thirteen", "single", "diverged", "only the prior"])
def test_figures_are_whole_and_not_blank(tmp_path, draw, case):
    rows = {
        "six": lambda: [row for name in published.TABLE_1 for row in sweep(f"{name}-r1")],
        "thirteen": lambda: [row for number in range(13) for row in sweep(f"task{number}-r1", (0.0,), 1)],
        "single": lambda: [episode(3.0)],
        "diverged": lambda: [row._replace(score=float("nan"), diverged_at=10) for row in sweep()],
        "only the prior": lambda: [episode(3.0, algorithm="cvae_prior", update=0)],
    }[case]()
    draw(rows, {"preset": "smoke"}, tmp_path / "figure.png")
    assert [file.name for file in tmp_path.iterdir()] == ["figure.png"]
    image = imread(tmp_path / "figure.png")[..., :3]
    assert image.shape[1] >= 900
    assert 0.01 < (image.min(axis=-1) < 0.9).mean() < 0.5


def test_figures_draw_every_limit_the_data_and_the_paper(tmp_path, monkeypatch):
    def inked(draw, rows, manifest):
        draw(rows, manifest, tmp_path / "figure.png")
        return (imread(tmp_path / "figure.png")[..., :3].min(axis=-1) < 0.9).sum()

    for draw in (score_curves, perturbation_panel):
        several, one = inked(draw, sweep(limits=(0.0, 0.05, 0.1)), {}), inked(draw, sweep(limits=(0.0,)), {})
        assert several > one
        assert inked(draw, sweep(limits=(0.0,)), {"datasets": {HOPPER: {"score": 30.0}}}) > one
    with_paper = inked(perturbation_panel, sweep(), {})
    monkeypatch.setattr(published, "TABLE_1", {})
    assert with_paper > inked(perturbation_panel, sweep(), {})


def test_figures_need_something_to_draw(tmp_path):
    with pytest.raises(ValueError, match="nothing to draw"):
        score_curves([], {}, tmp_path / "figure.png")
    assert not list(tmp_path.iterdir())


def test_a_long_list_that_was_set_is_shown_by_its_ends():
    texts = {"updates": "100", "evaluations": "10,20,30,40,50", "policy_widths": "256,256,256,256"}
    says = "paper with updates=100, evaluations=10,20,…,50, policy_widths=256,256,256,256"
    assert preset(Manifest.from_json({"preset": "paper", "settings": texts})) == says


@pytest.mark.parametrize(
    ("folder", "name", "table", "weight"),
    [
        ("table_1", "table_1", tables.table_1, ""),
        ("controls", "table_1", tables.table_1, ""),
        ("figure_6", "latent_limit", latent_limit_table, ""),
        ("published_size/plas", "clip_weight_1", latent_limit_table, "1.0"),
        ("published_size/plas", "clip_weight_0.75", latent_limit_table, "0.75"),
        ("published_size/plas_sigma_2", "latent_limit", latent_limit_table, ""),
    ],
)
def test_a_kept_table_is_what_its_rows_say(folder, name, table, weight):
    kept = Path(__file__).parents[1] / "docs" / folder
    manifest = Manifest.from_json(json.loads((kept / "manifest.json").read_text()))
    text = (kept / f"{name}.md").read_text().partition("\n## Whether a method can work")[0]
    rows = by_knob(read_rows(kept / "results.csv"), "clip_weight")[weight]
    assert text.strip() == table(results(rows), manifest).strip()
