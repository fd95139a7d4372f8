"""What updates returned, kept: rows at fixed updates, for every run, exact when a sweep is stopped and resumed."""

import csv
import json
import re
import shutil
from functools import partial
from pathlib import Path

import by_subprocess
import numpy as np
import pytest

from plas_jax.evaluation.q_error import QError
from plas_jax.results import diagnostics, q_rows
from plas_jax.results.folder import OutputFolder
from plas_jax.results.metrics import COLUMNS, MetricsRow, append_metrics, read_metrics, write_metrics
from plas_jax.results.rows import read_rows
from plas_jax.results.runs import CONTROLS, Cell
from plas_jax.sweeps.interruption import Interrupted, Interruption
from plas_jax.sweeps.metrics import marks

call_here = partial(by_subprocess.call_here, "d4rl_scores.py")
SHORT = ["--preset=smoke", "--datasets=hopper-random-r1", "--seeds=2", "--algorithms=bc,plas"]


@pytest.fixture(scope="module")
def unbroken(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("metrics") / "sweep"
    done = call_here(*SHORT, f"--data_dir={data}", f"--output={folder}")
    assert done.returncode == 0, done.stderr
    return folder


def test_every_run_has_a_row_at_each_of_the_fixed_updates(unbroken):
    with (unbroken / "metrics.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert not (unbroken / "metrics").exists()
    assert marks(40) == set(range(1, 41))  # fewer updates than rows
    by_run = {}
    for line in lines:
        by_run.setdefault((line["algorithm"], line["phase"], line["seed"]), []).append(line)
    plas, bc = ("plas", "policy"), ("bc", "policy")
    assert set(by_run) == {(*run, seed) for run in (plas, bc, ("plas", "behaviour")) for seed in ("0", "1")}
    assert all([int(line["update"]) for line in of_run] == list(range(1, 41)) for of_run in by_run.values())
    metrics = {
        run: {name for name in lines[0] if name not in COLUMNS and of_run[0][name]} for run, of_run in by_run.items()
    }
    assert metrics[*plas, "0"] == {"critic_loss", "policy_value", "mean_q", "mean_absolute_q"}
    assert "cvae_loss" in metrics["plas", "behaviour", "0"]
    losses = [float(line["cvae_loss"]) for line in by_run["plas", "behaviour", "0"]]
    assert np.mean(losses[-10:]) < np.mean(losses[:10])  # it is being trained


def test_the_columns_of_a_run_are_those_of_its_rows(unbroken):
    rows = {tuple(map(str, row[:3])) for row in read_rows(unbroken / "results.csv")}
    kept = {row[:3] for row in read_metrics(unbroken / "metrics.csv") if row.phase == "policy"}
    assert kept == {row for row in rows if row[1] not in CONTROLS}  # controls are not trained


def test_a_long_training_has_fifty_rows_and_its_last_update():
    assert len(marks(500_000)) == 50
    assert max(marks(500_000)) == 500_000
    assert max(marks(7)) == 7


@pytest.mark.parametrize("stop", [2, 9, 30])
def test_a_stopped_sweep_resumes_to_the_same_bytes(unbroken, data, tmp_path, stop, monkeypatch):
    folder, checks = tmp_path / "sweep", []

    def check(interruption):
        checks.append(1)
        if len(checks) == stop:
            interruption.requested = 2
            raise Interrupted

    words = [*SHORT, f"--data_dir={data}", f"--output={folder}"]
    with monkeypatch.context() as patch:
        patch.setattr(Interruption, "check", check)
        assert call_here(*words).returncode == 130
    assert (
        not (folder / "metrics.csv").exists()
        or (folder / "metrics.csv").read_bytes() != (unbroken / "metrics.csv").read_bytes()
    )
    assert call_here(*words, "--resume").returncode == 0
    for name in ("metrics.csv", "results.csv"):
        assert (folder / name).read_bytes() == (unbroken / name).read_bytes()


def test_rows_behind_the_checkpoint_are_made_again(unbroken, data, tmp_path):
    folder = shutil.copytree(unbroken, tmp_path / "sweep")
    manifest = (folder / "manifest.json").read_text().replace('"complete": true', '"complete": false')
    (folder / "manifest.json").write_text(manifest)
    shutil.rmtree(folder / "checkpoints" / "bc" / "policy" / "40")
    done = call_here(*SHORT, f"--data_dir={data}", f"--output={folder}", "--resume")
    assert done.returncode == 0, done.stderr
    assert (folder / "metrics.csv").read_bytes() == (unbroken / "metrics.csv").read_bytes()


# Files


def row(update, **metrics):
    return MetricsRow("hopper-random-r1", "bc", "0", "", "", "", "", "policy", update, metrics)


def test_what_is_appended_is_read_and_half_a_line_is_not(tmp_path):
    path = tmp_path / "bc-policy.csv"
    rows = [row(1, loss="0.5"), row(2, loss="nan")]
    append_metrics(path, rows[:1])
    append_metrics(path, rows[1:])
    assert read_metrics(path) == rows
    path.write_bytes(path.read_bytes() + b"hopper-random-r1,bc,0,,,,,policy,3,0.")
    assert read_metrics(path) == rows


def test_methods_share_a_file_whatever_their_metrics_are(tmp_path):
    rows = [row(1, loss="0.5"), row(2, mean_q="1")]
    write_metrics(tmp_path / "metrics.csv", reversed(rows))
    assert (tmp_path / "metrics.csv").read_text().splitlines()[0].endswith("update,loss,mean_q")
    assert read_metrics(tmp_path / "metrics.csv") == rows


def test_a_process_that_died_between_two_files_leaves_no_row_twice(tmp_path):
    folder = OutputFolder(tmp_path)
    folder.metrics_parts.mkdir()
    append_metrics(folder.metrics_parts / "bc-policy.csv", [row(1, loss="0.5")])
    write_metrics(folder.metrics, [row(1, loss="0.5")])
    folder.keep_metrics()
    assert read_metrics(folder.metrics) == [row(1, loss="0.5")]
    assert not folder.metrics_parts.exists()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a,b\n", "the header does not begin with dataset,algorithm"),
        (f"{','.join(COLUMNS)},loss\nx\n", "line 2: 1 fields, where the header has 10"),
        (f"{','.join(COLUMNS)},loss\nd,a,0,,,,,policy,1,much\n", "line 2: loss is not a number"),
        (f"{','.join(COLUMNS)}\nd,a,0,,,,,policy,soon\n", "line 2: update is not a number"),
        (f"{','.join(COLUMNS)}\n\xff\n", "codec"),
    ],
)
def test_a_file_that_no_sweep_wrote_is_one_line(tmp_path, text, says):
    path = tmp_path / "metrics.csv"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(ValueError, match=says) as refused:
        read_metrics(path)
    assert str(path) in str(refused.value)


# The document


DOCUMENT = (by_subprocess.ROOT / "docs" / "results_csv.md").read_text("utf-8")


def documented(heading):
    section = DOCUMENT.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    table = re.findall(r"^\| (`.*?) \|", section, re.MULTILINE)
    return [name for cell in table for name in re.findall(r"`(\w+)`", cell)]


def header(path):
    return path.read_text("utf-8").splitlines()[0].split(",")


def test_every_column_of_every_file_is_documented(unbroken):
    assert documented("results.csv") == header(unbroken / "results.csv")
    assert tuple(documented("metrics.csv")) == COLUMNS
    assert documented("scores.csv") == header(unbroken / "scores.csv")
    assert tuple(documented("diagnostics.csv")) == diagnostics.HEADER
    assert tuple(documented("q_errors.csv")) == q_rows.HEADER
    assert sorted(documented("manifest.json")) == sorted(json.loads((unbroken / "manifest.json").read_text()))


def test_the_documented_lines_of_pandas_work_and_lose_no_row(unbroken, tmp_path, monkeypatch):
    pytest.importorskip("pandas")
    shutil.copytree(unbroken, tmp_path / "sweep")
    monkeypatch.chdir(tmp_path / "sweep")
    names, critics = {}, Cell("hopper-random-r1", "plas", 0.0)
    q_rows.append_q_rows(Path("q_errors.csv"), [q_rows.QRow(critics, 0, 40, 1, QError(9, *[0.5] * 9))])
    exec("\n".join(re.findall(r"^```python\n(.*?)^```$", DOCUMENT, re.MULTILINE | re.DOTALL)), names)
    assert set(names["table"].columns) == {row.algorithm for row in read_rows("results.csv")}
    assert names["table"].notna().all(axis=None)
    assert len(names["of_runs"]) == len(names["rows"])  # an episode each
    assert names["curves"]["plas"].notna().all(axis=None)
    assert all(names[table].notna().any(axis=None) for table in ("measures", "overestimates", "shown"))
    assert {"train", "evaluate"} <= set(names["seconds"].index)
