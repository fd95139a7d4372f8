"""Tables 2 and 3 as a user makes them: by subprocess, a method after another, stopped, resumed, refused."""

import copy
import csv
import json
import sys
from functools import partial

import by_subprocess
import numpy as np
import pytest
from by_subprocess import ROOT, interrupt_at
from matplotlib.image import imread

from plas_jax.commands.d4rl_scores import DATASETS, FLAGS, requested
from plas_jax.datasets.catalogue import parse
from plas_jax.results.rows import read_rows

SCRIPT = "d4rl_scores.py"
command, call = partial(by_subprocess.command, SCRIPT), partial(by_subprocess.call, SCRIPT)
call_here = partial(by_subprocess.call_here, SCRIPT)
OWN_METHOD = ROOT / "docs" / "own_method" / "filtered_cloning.py"
TWO_ROBOTS = "--datasets=walker2d-medium-r1,hopper-random-r1"
SHORT = ["--preset=smoke", TWO_ROBOTS, "--seeds=2"]


@pytest.fixture(scope="module")
def table(data, tmp_path_factory):
    """Cloning first; then, into the same folder, a method of each kind and the documented one of one's own.

    brac_v has a first phase, rebrac asks for next actions, iql for statistics, bcq draws when it acts.
    """
    folder = tmp_path_factory.mktemp("table") / "scores"
    first = call(*SHORT, "--algorithms=bc", f"--data_dir={data}", f"--output={folder}")
    assert first.returncode == 0, first.stderr
    rows = read_rows(folder / "results.csv")
    names = f"--algorithms=brac_v,rebrac,iql,bcq,plas+p,{OWN_METHOD}"
    second = call(*SHORT, names, f"--data_dir={data}", f"--output={folder}", "--resume")
    assert second.returncode == 0, second.stderr
    return folder, rows, second


# In the project's order, whatever they were asked in; one's own are last.
METHODS = ["bc", "bcq", "brac_v", "plas+p", "iql", "rebrac", "filtered_cloning"]


def test_methods_are_added_to_a_folder_one_after_another(table):
    folder, first, done = table
    rows = read_rows(folder / "results.csv")
    assert [row for row in rows if row.algorithm == "bc"] == first
    assert {row.algorithm for row in rows} == set(METHODS)
    counts = {name: sum(row.algorithm == name for row in rows) for name in METHODS}
    # Two data sets, two seeds, two evaluations of one episode; plas+p has five ε and as many seeds again.
    assert counts == dict.fromkeys(METHODS, 8) | {"plas+p": 8 * 5 * 2}
    assert all(np.isfinite(row.score) and 1 <= row.episode_length <= 100 for row in rows)
    assert "smoke: too short to mean anything" in done.stderr
    names = {path.name for path in folder.iterdir()}
    assert names == {
        "results.csv",
        "manifest.json",
        "scores.md",
        "scores.csv",
        "scores.png",
        "checkpoints",
        "policies",
        "metrics.csv",
        "diagnostics.csv",
        "methods",
        "report.html",
    }


def test_the_columns_of_limits_are_filled_where_a_method_has_them(table):
    rows = read_rows(table[0] / "results.csv")
    limits = {
        name: {(row.perturbation_limit, row.latent_limit, row.clip_weight) for row in rows if row.algorithm == name}
        for name in METHODS
    }
    assert limits["bc"] == limits["iql"] == limits["filtered_cloning"] == {(None, None, None)}
    assert limits["bcq"] == {(0.05, 0.5, 0.75)}
    assert limits["plas+p"] == {(limit, 2.0, 1.0) for limit in (0.01, 0.05, 0.1, 0.2, 0.5)}


def test_every_phase_is_one_program(table):
    manifest = json.loads((table[0] / "manifest.json").read_text())
    assert manifest["complete"] is True
    assert list(manifest["methods"]) == METHODS
    for name, record in manifest["methods"].items():
        phases = ("behaviour", "policy") if name in ("brac_v", "plas+p") else ("policy",)
        assert record["executables"] == dict.fromkeys(phases, 1), name
        assert set(record["wall_seconds"]) == {"compile", "train", "evaluate"}
    assert manifest["methods"]["brac_v"]["first_updates"] == 40
    assert manifest["methods"]["plas+p"]["seeds"] == [0, 1, 2, 3]
    assert manifest["selection_seeds"] == [2, 3]
    by_dataset = manifest["methods"]["rebrac"]["constants"]["knobs_by_dataset"]
    assert by_dataset["walker2d-medium-r1"] == {"policy_penalty": 0.05, "critic_penalty": 0.1}


def test_the_report_has_tables_a_figure_and_a_line_for_each_score(table):
    folder, _, done = table
    text = (folder / "scores.md").read_text()
    _, _, diagnostics = text.partition("\n## Whether a method can work on its data\n")
    assert done.stdout.splitlines()[-1] == str(folder / "report.html")
    assert "effective sample share" in diagnostics
    rows = text.split("\n## Table 3")[1].split("\n| data | ")[1].split("\n\n")[0].splitlines()[1:]
    assert [row.split(" | ")[0].strip("| ") for row in rows] == METHODS
    assert "smoke: too short to mean anything" in text
    assert "## Table 2" in text
    assert "## Table 3" in text
    assert imread(folder / "scores.png").std() > 0.05
    with (folder / "scores.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert {line["algorithm"] for line in lines} == set(METHODS)
    assert {line["version"] for line in lines} == {"r1"}


def test_what_is_finished_is_not_trained_again(table, data):
    folder = table[0]
    before = {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix in (".csv", ".md")}
    done = call_here(*SHORT, "--algorithms=iql,bc", f"--data_dir={data}", f"--output={folder}", "--resume")
    assert done.returncode == 0, done.stderr
    assert "train" not in done.stderr
    assert {name: (folder / name).read_bytes() for name in before} == before


@pytest.mark.slow
def test_a_methods_runs_do_not_depend_on_the_company(table, data, tmp_path):
    done = call_here(*SHORT, "--algorithms=bcq", f"--data_dir={data}", f"--output={tmp_path / 'alone'}")
    assert done.returncode == 0, done.stderr
    rows = [row for row in read_rows(table[0] / "results.csv") if row.algorithm == "bcq"]
    assert read_rows(tmp_path / "alone" / "results.csv") == rows


@pytest.mark.slow
@pytest.mark.parametrize("phase", ["brac_v: train behaviour policies", "bcq: evaluate at 40"])
def test_a_table_resumes_to_the_same_bytes(table, data, tmp_path, phase):
    folder = tmp_path / "stopped"
    arguments = [*SHORT, "--algorithms=brac_v,bcq", f"--data_dir={data}", f"--output={folder}"]
    status = interrupt_at(phase, *command(*arguments))
    assert status in (0, 130)  # 0: the last phase may be over before the signal is seen
    done = call_here(*arguments, "--resume")
    assert done.returncode == 0, done.stderr
    rows = [row for row in read_rows(table[0] / "results.csv") if row.algorithm in ("brac_v", "bcq")]
    assert read_rows(folder / "results.csv") == rows


@pytest.fixture(scope="module")
def swept(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("swept") / "scores"
    words = [*SHORT, "--algorithms=bc_regression", "--set=bc_regression.learning_rate=0.001,0.01", f"--data_dir={data}"]
    done = call(*words, f"--output={folder}")
    assert done.returncode == 0, done.stderr
    return folder, done, words


def test_a_methods_own_knobs_are_batched_and_chosen_on_other_seeds(swept):
    folder, _, _ = swept
    rows = read_rows(folder / "results.csv")
    assert {row.knobs for row in rows} == {"learning_rate=0.001", "learning_rate=0.01"}
    assert {row.seed for row in rows} == {0, 1, 2, 3}
    assert len(rows) == 2 * 2 * 4 * 2
    assert "chosen on seeds 2, 3" in (folder / "scores.md").read_text()
    assert json.loads((folder / "manifest.json").read_text())["methods"]["bc_regression"]["executables"] == {
        "policy": 1
    }


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        (["--set=bc_regression.learning_rate=0.1,0.2"], "has bc_regression with other grid"),
        (["--seeds=1"], "its sweep has seeds [0, 1], not [0]"),
        (["--datasets=hopper-random-r1"], "its sweep has datasets"),
        (["--preset=laptop"], "its sweep has preset smoke, not laptop"),
        (["--noresume"], "holds a finished sweep: add --resume"),
    ],
)
def test_a_folder_takes_no_other_experiment(swept, changes, complaint):
    folder, _, words = swept
    before = (folder / "manifest.json").read_bytes()
    kept = [word for word in words if not (word.startswith("--set") and changes[0].startswith("--set"))]
    done = call_here(*kept, f"--output={folder}", "--resume", *changes)
    assert done.returncode == 1
    assert complaint in done.stderr
    assert "Traceback" not in done.stderr
    assert (folder / "manifest.json").read_bytes() == before


def asked(*settings, **changes):
    """The request of these flags, and of these values of --set."""
    flags = {
        "preset": "smoke", "algorithms": "td3", "datasets": "hopper-random-r1", "seeds": 2, "first_seed": 0,
        "output": "out",
    }  # fmt: skip
    FLAGS.unparse_flags()
    words = [f"--{name}={value}" for name, value in (flags | changes).items()]
    FLAGS(["", *words, *(f"--set={setting}" for setting in settings)])
    return requested()


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"algorithms": "bc,dqn"}, "'dqn' is no method, nor a Python file with a METHOD; there are bc, bc_regression,"),
        ({"algorithms": "bc,bc"}, "--algorithms takes different values"),
        ({"algorithms": "nowhere.py"}, "there is no file nowhere.py"),
        ({"algorithms": "empty.py"}, "empty.py has no METHOD"),
        ({"algorithms": "broken.py"}, "broken.py fails on import: ZeroDivisionError"),
        ({"algorithms": "namesake.py"}, "its METHOD is named bc, as one of this project's is"),
        ({"algorithms": f"{OWN_METHOD},copy.py"}, "two methods of the name filtered_cloning"),
        ({"algorithms": "bc", "set": "discount=0.9,0.99"}, "--set discount: what is trained has no such name"),
        ({"set": "discount=0.9,0.9"}, "--set discount has a value twice"),
        ({"datasets": "hopper-high-r1"}, "hopper-high-r1"),
        ({"seeds": 0}, "--seeds must be at least 1"),
    ],
)
def test_a_bad_request_is_one_line(tmp_path, monkeypatch, changes, complaint):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty.py").write_text("")
    (tmp_path / "broken.py").write_text("1 / 0\n")
    (tmp_path / "namesake.py").write_text("from plas_jax.methods.published import METHODS\nMETHOD = METHODS['bc']\n")
    (tmp_path / "copy.py").write_text(OWN_METHOD.read_text("utf-8"))
    with pytest.raises((ValueError, OSError)) as caught:
        asked(**changes)
    assert complaint in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_of_ones_own_takes_no_other_modules_name(tmp_path):
    (tmp_path / "copy.py").write_text(OWN_METHOD.read_text("utf-8"))
    (method,) = asked(algorithms=str(tmp_path / "copy.py")).methods
    assert method.name == "filtered_cloning"
    assert sys.modules["copy"] is copy


def test_a_grid_takes_the_place_of_a_methods_own():
    (method,) = asked("perturbation_limit=0.3", "discount=0.9,0.8", algorithms="plas+p").methods
    assert method.grid == (("perturbation_limit", (0.3,)), ("discount", (0.9, 0.8)))
    (method,) = asked("discount=0.9,0.8", algorithms="plas+p").methods
    assert dict(method.grid).keys() == {"perturbation_limit", "discount"}


def test_seeds_for_choosing_are_as_many_again_behind_the_reported_and_only_where_there_is_a_choice():
    of = asked(algorithms="td3,plas+p", seeds=3, first_seed=5)
    assert [of.seeds_of(method) for method in of.methods] == [(5, 6, 7), (5, 6, 7, 8, 9, 10)]
    assert of.selection_seeds == (8, 9, 10)
    fixed = asked("discount=0.9")
    assert fixed.seeds_of(fixed.methods[0]) == (0, 1)


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--algorithms=bc,dqn"], "'dqn' is no method, nor a Python file with a METHOD"),
        (["--algorithms=bc", "--datasets=hopper-medium-v2"], "hopper-medium-v2 was not found"),
        (["bc"], "unexpected 'bc'"),
    ],
)
def test_bad_input_is_one_line_before_anything_is_made(tmp_path, words, complaint):
    done = call_here("--preset=smoke", *words, "--data_dir=.", "--output=out", cwd=tmp_path)
    assert done.returncode == 1
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith("error: ")
    assert complaint in line
    assert list(tmp_path.iterdir()) == []


def test_help_lists_the_methods():
    done = call_here("--help")
    assert done.returncode == 0
    assert "brac_v" in done.stdout
    assert "--set=divergence_weight=0.1,0.3" in done.stdout


def test_the_default_data_sets_are_table_2s_as_recipes():
    assert len(DATASETS) == 13
    assert all(parse(f"{name}-r1").is_recipe for name in DATASETS)


def test_the_documented_method_is_short():
    assert len(OWN_METHOD.read_text("utf-8").splitlines()) < 60
