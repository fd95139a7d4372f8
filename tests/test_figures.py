"""Figures 4 and 5, and differences in pairs: they show what is there, and refuse in one line what is not."""

import pytest
from by_subprocess import call_here
from matplotlib.image import imread
from test_page import HOPPER, WALKER, Parsed, folder_of, manifest_of, rows_of, table, written
from test_q_rows import q_row

from plas_jax.reports.figures.q_error import q_error_panels
from plas_jax.reports.page.document import page
from plas_jax.reports.page.q_errors import MEASURES

CURVES = "../experiments/training_curves.py"


def test_figure_4_is_drawn_from_any_folder(tmp_path):
    folder = written(tmp_path / "a", rows_of(algorithms=("bcq", "plas", "td3")))
    done = call_here(CURVES, folder, f"--datasets={HOPPER},{WALKER}")
    assert done.returncode == 0, done.stderr
    # the mean of the last two of three evaluations, and Student's interval of three seeds that are 1 apart: 4.303 / √3
    assert "| bcq | 3.5 [1.0, 6.0] | 13.5 [11.0, 16.0] |" in done.stdout
    assert "td3" not in done.stdout
    assert imread(folder / "figure_4.png").shape[2] == 4


def test_figure_4_refuses_in_one_line(tmp_path):
    folder = written(tmp_path / "a", rows_of())
    for words, says in [
        ((), "name one folder"),
        ((tmp_path,), "holds no sweep"),
        ((folder,), "there is nothing to draw"),
        ((folder, f"--datasets={HOPPER}", "--algorithms=sac"), "no run of sac"),
    ]:
        done = call_here(CURVES, *words)
        assert done.returncode == 1
        assert says in done.stderr
        assert done.stderr.count("\n") == 1


def test_differences_are_paired_with_controls_of_a_folder_and_policies_of_others(tmp_path):
    ours = written(tmp_path / "a", rows_of(algorithms=("cvae_mode", "plas")))
    other = written(tmp_path / "b", rows_of(algorithms=("bc", "td3"), shift=5.0))
    done = call_here("../experiments/paired_differences.py", ours, other)
    assert done.returncode == 0, done.stderr
    # plas has 20 more than what stands before it at every seed, and td3 5 more than plas
    assert "| plas | 23.5 [21.0, 26.0] | 15.0 [15.0, 15.0] | 20.0 [20.0, 20.0] | −5.0 [−5.0, −5.0] |" in done.stdout
    done = call_here("../experiments/paired_differences.py", other)
    assert "| bc | td3 | −20.0 [−20.0, −20.0] |" in done.stdout
    done = call_here("../experiments/paired_differences.py", tmp_path)
    assert "holds no sweep" in done.stderr


def test_figure_5_is_drawn_of_every_method(tmp_path):
    rows = [q_row(update, seed, 10.0 * seed) for update in (1000, 2000) for seed in range(2)]
    rows += [q_row(update, knobs="latent_limit=0.5") for update in (1000, 2000)]
    q_error_panels(rows, ["title"], tmp_path / "figure_5.png")
    assert imread(tmp_path / "figure_5.png").shape[2] == 4
    with pytest.raises(ValueError, match="nothing to draw"):
        q_error_panels([], ["title"], tmp_path / "none.png")


def test_q_errors_stand_on_the_page_by_hand():
    folder = folder_of(rows_of(), manifest_of())
    rows = tuple(q_row(update, seed, 10.0 * seed + update) for update in (1000, 2000) for seed in (0, 1, 7))
    shown = page([folder._replace(q_rows=rows)])  # seed 7 is none of the manifest's
    figure = Parsed(shown).data()["figures"]["q_errors"]
    assert figure["measures"] == list(MEASURES.values())
    (line,) = [each for each in figure["lines"] if each["k"] == 0]
    assert (line["u"], line["m"]) == ([1000, 2000], [1005.0, 2005.0])
    assert table(shown, f"{HOPPER}: Q errors")[1][:3] == ["plas", "2,000", "2,005.00"]
