"""The sweep as a user drives it: by subprocess, with good and bad input, stopped and resumed."""

import csv
import json
import os
import signal
import subprocess
import sys
from functools import partial
from itertools import product

import by_subprocess
import numpy as np
import pytest
from by_subprocess import ROOT, interrupt_at

from plas_jax.datasets import d4rl_files
from plas_jax.datasets.catalogue import ENVIRONMENTS, LOCOMOTION
from plas_jax.methods.presets import PRESETS
from plas_jax.results.diagnostics import read_diagnostics
from plas_jax.results.rows import Row, read_rows
from plas_jax.results.runs import CONTROLS, Cell
from plas_jax.sweeps import first_look

SCRIPT = "sweep_perturbation.py"
command, call = partial(by_subprocess.command, SCRIPT), partial(by_subprocess.call, SCRIPT)
call_here = partial(by_subprocess.call_here, SCRIPT)
TWO_ROBOTS = "--datasets=hopper-random-r1,halfcheetah-medium-r1"
SHORT = ["--preset=smoke", TWO_ROBOTS, "--seeds=2", "--perturbation_limits=0,0.1"]


@pytest.fixture(scope="module")
def finished(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished") / "sweep"
    done = call(*SHORT, f"--data_dir={data}", f"--output={folder}")
    assert done.returncode == 0, done.stderr
    return folder, done


def test_a_sweep_leaves_rows_manifest_table_and_figures(finished):
    folder, _ = finished
    names = {path.name for path in folder.iterdir()}
    assert names == {
        "results.csv",
        "manifest.json",
        "table_1.md",
        "score_curves.png",
        "figure_7.png",
        "checkpoints",
        "policies",
        "report.html",
        "diagnostics.csv",
        "metrics.csv",
    }
    smoke = PRESETS["smoke"]
    rows = read_rows(folder / "results.csv")
    policies = [row for row in rows if row.algorithm not in CONTROLS]
    assert len(policies) == 2 * 2 * 2 * len(smoke.evaluations) * smoke.episodes
    # Both controls play as often as a policy's score takes, on the start states of its last evaluations.
    last = smoke.evaluations[-smoke.evaluations_in_mean :]
    assert len(rows) - len(policies) == 2 * 2 * len(CONTROLS) * len(last) * smoke.episodes
    assert {(row.algorithm, row.update) for row in rows if row.algorithm in CONTROLS} == set(product(CONTROLS, last))
    assert {row.perturbation_limit for row in rows} == {0.0, 0.1}
    assert {row.algorithm for row in policies if row.perturbation_limit == 0} == {"plas"}
    assert all(np.isfinite(row.score) and 1 <= row.episode_length <= smoke.horizon for row in rows)
    with (folder / "results.csv").open() as file:
        assert tuple(next(csv.reader(file))) == Row._fields
    diagnosed = read_diagnostics(folder / "diagnostics.csv")
    assert {(each.run.cell.dataset, *each.run) for each in diagnosed} == {
        (row.dataset, Cell(row.dataset, row.algorithm, row.perturbation_limit), row.seed) for row in policies
    }
    assert {"active_latents", "latent_saturation", "q_minus_return"} < {each.measure for each in diagnosed}
    assert "## Whether a method can work on its data" in (folder / "table_1.md").read_text()


def test_start_states_are_paired_over_limits_but_returns_are_not_equal(finished):
    rows = [row for row in read_rows(finished[0] / "results.csv") if row.update == 40]
    by_limit = [
        [row.episode_return for row in rows if row.perturbation_limit == limit and row.algorithm not in CONTROLS]
        for limit in (0.0, 0.1)
    ]
    assert by_limit[0] != by_limit[1]


def test_the_manifest_says_what_ran(finished):
    manifest = json.loads((finished[0] / "manifest.json").read_text())
    assert manifest["complete"] is True
    assert manifest["executables"] == {"behaviour": 1, "policy": 1}
    assert manifest["matmul_precision"] == "float32"
    assert set(manifest["wall_seconds"]) == {"data", "compile", "train", "evaluate"}
    assert manifest["rows"] == 1000
    assert manifest["methods"]["plas"]["constants"]["architecture"]["cvae_width"] == 16
    described = manifest["datasets"]["hopper-random-r1"]
    assert described["rows"] == 1000
    assert len(described["fingerprint"]) == 64
    assert {"jax", "mujoco", "python"} <= set(manifest["versions"])
    assert manifest["arguments"]["seeds"] == [0, 1]


def test_every_output_of_smoke_says_so(finished):
    folder, done = finished
    says = "smoke: too short to mean anything"
    assert says in done.stdout
    assert says in done.stderr
    assert says in (folder / "table_1.md").read_text()


def test_progress_has_phases_speed_and_time_left(finished):
    lines = finished[1].stderr.splitlines()
    for phase in ("train CVAEs", "train policies", "evaluate CVAE prior", "evaluate at 40"):
        assert any(line.startswith(phase) for line in lines), phase
    assert any("run-updates/s" in line and "to go" in line for line in lines)


def test_the_groups_and_their_memory_are_told_before_anything_starts(finished):
    lines = finished[1].stdout.splitlines()
    assert lines[0] == "1 shape group, one program for each phase of each"
    assert lines[1].startswith("plas-16: 8 runs over 4 CVAEs 16 wide, 2,000 rows; memory 0.000336 GB data + ")
    assert lines[1].endswith("; hopper-random-r1, halfcheetah-medium-r1")


def test_the_closing_screen_is_one_table_of_80_columns_and_the_page(finished):
    folder, done = finished
    screen = done.stdout.splitlines()[2:]
    assert max(map(len, screen[:-1])) <= 80
    assert not any("|" in line for line in screen)
    assert screen[-1] == str(folder / "report.html")
    assert [line.split()[0] for line in screen if line.startswith(("data", "plas"))] == ["data", "plas", "plas+p"]


@pytest.fixture(scope="module")
def mixed(data, tmp_path_factory):
    """Two shape groups: replay CVAEs are narrower. D4RL's form (b), a file of one's own, and a recipe in the first."""
    for name in ("hopper_medium.hdf5", "hopper_expert.hdf5", "mine.hdf5"):
        d4rl_files.write(data / name, recording(), {})
    folder = tmp_path_factory.mktemp("mixed") / "sweep"
    names = "hopper-medium-replay-r1,hopper-medium-expert-v0,halfcheetah-random-r1," + f"{data / 'mine.hdf5'}@hopper"
    words = ["--preset=smoke", f"--datasets={names}", "--seeds=1", "--perturbation_limits=0,0.1"]
    done = call(*words, f"--data_dir={data}", f"--output={folder}")
    assert done.returncode == 0, done.stderr
    return folder, done, words


def test_figure_6_is_another_grid_on_the_same_engine(finished, data, tmp_path, monkeypatch):
    """σ = 2 and ε = 0 is the same run in Table 1: the same draws, the same returns, whenever it is looked at."""
    monkeypatch.setattr(first_look, "AFTER_SECONDS", 0.0)
    words = ["--preset=smoke", TWO_ROBOTS, "--seeds=2", "--latent_limits=2,0.5"]
    done = by_subprocess.call_here("sweep_latent_action.py", *words, f"--data_dir={data}", f"--output={tmp_path}/out")
    assert done.returncode == 0, done.stderr
    for trained, updates in (("CVAEs", 50), ("policies", 40)):
        (looked,) = (line for line in done.stderr.splitlines() if line.startswith(f"a first look at the {trained}"))
        assert f"after 1 of {updates} updates" in looked
    names = {path.name for path in (tmp_path / "out").iterdir()}
    files = {
        "results.csv",
        "metrics.csv",
        "manifest.json",
        "latent_limit.md",
        "figure_6.png",
        "report.html",
        "diagnostics.csv",
    }
    assert names == files | {"checkpoints", "policies"}
    rows = [row for row in read_rows(tmp_path / "out" / "results.csv") if row.algorithm == "plas"]
    assert {(row.latent_limit, row.knobs) for row in rows} == {(2.0, "latent_limit=2.0"), (0.5, "latent_limit=0.5")}
    table_1 = [row for row in read_rows(finished[0] / "results.csv") if row.algorithm == "plas"]
    assert [row._replace(knobs="") for row in rows if row.latent_limit == 2.0] == table_1
    table = (tmp_path / "out" / "latent_limit.md").read_text()
    assert "| data set | data | CVAE prior | z = 0 | σ = 0.5 | σ = 2 |" in table
    assert "incomplete" not in table
    assert "## Whether a method can work on its data" in table


def test_any_mix_of_data_sets_is_one_program_per_shape_group(mixed):
    folder, done, _ = mixed
    lines = done.stdout.splitlines()
    assert lines[0] == "2 shape groups, one program for each phase of each"
    assert lines[1].startswith("plas-8: 2 runs over 1 CVAEs 8 wide, 1,000 rows;")
    assert lines[2].startswith("plas-16: 6 runs over 3 CVAEs 16 wide, 1,150 rows;")
    manifest = json.loads((folder / "manifest.json").read_text())
    groups = manifest["methods"]["plas"]["groups"].values()
    assert [group["executables"] for group in groups] == [{"behaviour": 1, "policy": 1}] * 2
    assert manifest["executables"] == {"behaviour": 2, "policy": 2}
    assert [group["cvae_width"] for group in groups] == [8, 16]
    rows = read_rows(folder / "results.csv")
    names = {"hopper-medium-replay-r1", "hopper-medium-expert-v0", "halfcheetah-random-r1", "mine@hopper"}
    assert {row.dataset for row in rows} == set(manifest["datasets"]) == names
    assert len(rows) == 4 * (2 * 2 + 2 * 2)  # two controls and two ε, two evaluations of each
    assert manifest["datasets"]["hopper-medium-expert-v0"]["rows"] == 100
    assert "hopper-medium-expert-v0 is (b)" in (folder / "table_1.md").read_text()
    assert any(line.startswith("plas-8: train CVAEs") for line in done.stderr.splitlines())


def test_a_group_does_not_depend_on_the_others(mixed, data, tmp_path):
    words = ["--preset=smoke", "--datasets=halfcheetah-random-r1", "--seeds=1", "--perturbation_limits=0,0.1"]
    done = call_here(*words, f"--data_dir={data}", f"--output={tmp_path / 'alone'}")
    assert done.returncode == 0, done.stderr
    of = [row for row in read_rows(mixed[0] / "results.csv") if row.dataset == "halfcheetah-random-r1"]
    alone = read_rows(tmp_path / "alone" / "results.csv")
    # The same draws; the padding of another batch rounds otherwise, and 40 updates do not let that grow far.
    assert [row[:10] for row in of] == [row[:10] for row in alone]
    np.testing.assert_allclose([row.episode_return for row in of], [row.episode_return for row in alone], rtol=1e-2)


@pytest.mark.slow
@pytest.mark.parametrize("phase", ["train policies (plas-8)", "evaluate at 40 (plas-16)"])
def test_a_sweep_of_several_groups_resumes_to_the_same_bytes(mixed, data, tmp_path, phase):
    folder, _, words = mixed
    stopped = tmp_path / "stopped"
    words, environment = command(*words, f"--data_dir={data}", f"--output={stopped}")
    interrupt_at(phase, words, environment)
    done = subprocess.run([*words, "--resume"], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (stopped / "results.csv").read_bytes() == (folder / "results.csv").read_bytes()


def test_the_documented_example_of_ones_own_data_runs(tmp_path):
    """docs/data.md: an environment and a file that the package has never heard of, without touching it."""
    for script in (ROOT / "docs" / "own_data").glob("*.py"):
        (tmp_path / script.name).write_text(script.read_text())
    path = os.pathsep.join([".", str(ROOT)])
    recorded = subprocess.run(
        [sys.executable, "record.py"], cwd=tmp_path, env=os.environ | {"PYTHONPATH": path}, check=False
    )
    assert recorded.returncode == 0
    words, environment = command(
        "--preset=smoke", "--datasets=arm-noisy.hdf5@arm:Arm-v0", "--seeds=1", "--perturbation_limits=0", "--output=out"
    )
    done = subprocess.run(
        words, cwd=tmp_path, env=environment | {"PYTHONPATH": path}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    rows = read_rows(tmp_path / "out" / "results.csv")
    assert {row.dataset for row in rows} == {"arm-noisy@Arm-v0"}
    assert {row.dynamics for row in rows} == {"own"}
    assert {row.episode_length for row in rows} == {100}
    assert all(np.isclose(row.score, 100 * (row.episode_return + 145) / 125) for row in rows)
    assert done.stdout.splitlines()[-1] == "out/report.html"


def test_quick_is_what_it_must_be_at_least():
    quick = PRESETS["quick"]
    assert quick.rows >= 100_000
    assert min(*quick.policy.policy_widths, *quick.policy.critic_widths, quick.policy.cvae_width) >= 64
    assert quick.behaviour_updates >= 10_000
    assert quick.policy_updates >= 5_000
    assert len(quick.evaluations) >= 3
    assert quick.evaluations[-1] == quick.policy_updates
    assert quick.episodes >= 5
    assert quick.horizon is None  # the environments' own
    assert {ENVIRONMENTS[name].horizon for name in LOCOMOTION} == {1000}


def test_a_finished_folder_is_not_overwritten(finished, data):
    folder, _ = finished
    before = (folder / "results.csv").read_bytes()
    refused = call_here(*SHORT, f"--data_dir={data}", f"--output={folder}")
    assert refused.returncode == 1
    assert "finished sweep" in refused.stderr
    again = call_here(*SHORT, f"--data_dir={data}", f"--output={folder}", "--resume")
    assert again.returncode == 0
    assert (folder / "results.csv").read_bytes() == before


def test_another_sweep_cannot_resume_it(finished, data):
    done = call_here(*SHORT, "--seeds=1", f"--data_dir={data}", f"--output={finished[0]}", "--resume")
    assert done.returncode == 1
    assert done.stderr.strip().splitlines()[-1].startswith("error:")
    assert "seeds" in done.stderr


def test_a_sweep_of_an_earlier_version_is_refused(finished, data, tmp_path):
    manifest = json.loads((finished[0] / "manifest.json").read_text()) | {"complete": False}
    del manifest["methods"]
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    done = call_here(*SHORT, f"--data_dir={data}", f"--output={tmp_path}", "--resume")
    assert done.returncode == 1
    assert "an earlier version of plas_jax began its sweep" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("phase", "number"),
    [("train CVAEs", signal.SIGINT), ("evaluate at 20", signal.SIGTERM), ("train policies", signal.SIGINT)],
)
def test_a_stopped_sweep_resumes_to_the_same_bytes(finished, data, tmp_path, phase, number):
    """Stopped as soon as a phase is seen; what was finished is readable, and resuming gives the unbroken rows."""
    folder = tmp_path / "sweep"
    arguments = [*SHORT, f"--data_dir={data}", f"--output={folder}"]
    words, environment = command(*arguments)
    status = interrupt_at(phase, words, environment, number)
    if phase != "train policies":  # whose only line comes when it is over
        assert status == 128 + number
        assert json.loads((folder / "manifest.json").read_text())["complete"] is False
    resumed = call_here(*arguments, "--resume")
    assert resumed.returncode == 0, resumed.stderr
    assert (folder / "results.csv").read_bytes() == (finished[0] / "results.csv").read_bytes()
    assert not list(folder.rglob("*.partial"))


def recording(rows=50):
    generator = np.random.default_rng(0)
    return {
        "observations": generator.standard_normal((rows, 11)).astype(np.float32),
        "actions": generator.uniform(-1, 1, (rows, 3)).astype(np.float32),
        "rewards": generator.standard_normal(rows).astype(np.float32),
        "terminals": np.zeros(rows, bool),
        "timeouts": np.zeros(rows, bool),
    }


def spoiled(key, row, value):
    columns = recording()
    columns[key][row] = value
    return columns


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--datasets=hoper-medium-r1"], "unknown data set 'hoper-medium-r1'"),
        (["--perturbation_limits=0,-0.1"], "'-0.1'"),
        (["--perturbation_limits=lots"], "'lots'"),
        (["--perturbation_limits=nan"], "'nan'"),
        (["--seeds=0"], "--seeds must be at least 1"),
        (["--first_seed=-1"], "--first_seed at least 0"),
        (["--preset=huge"], "preset"),
        (["--data_dir=/no/such/folder"], "/no/such/folder"),
        (["--datasets=hopper-medium-v2"], "hopper_medium-v2.hdf5"),
        (["--output=/proc/nothing/here"], "/proc/nothing/here"),
        (["stray"], "'stray'"),
        (["--datasets=hopper-random-r1,hopper-random-r1"], "different values"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_bad_input_is_one_line_before_anything_is_made(tmp_path, arguments, says):
    defaults = ["--preset=smoke", f"--data_dir={tmp_path}", f"--output={tmp_path / 'out'}"]
    done = call_here(*defaults, *arguments, home=tmp_path)
    assert done.returncode != 0
    assert len(done.stderr.strip().splitlines()) == 1
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        (spoiled("rewards", 7, np.nan), ["rewards", "row 7"]),
        (spoiled("actions", 3, 1.5), ["actions", "row 3"]),
        (None, ["hopper_medium-v2.hdf5"]),
    ],
    ids=["NaN reward", "action out of range", "truncated file"],
)
def test_a_bad_file_is_one_line_and_leaves_no_folder(tmp_path, columns, says):
    path = tmp_path / "hopper_medium-v2.hdf5"
    d4rl_files.write(path, columns or recording(), {})
    if columns is None:
        path.write_bytes(path.read_bytes()[:2000])
    output = tmp_path / "out"
    done = call_here("--preset=smoke", "--datasets=hopper-medium-v2", f"--data_dir={tmp_path}", f"--output={output}")
    assert done.returncode == 1
    assert len(done.stderr.strip().splitlines()) == 1
    assert all(part in done.stderr for part in says), done.stderr
    assert not output.exists()
