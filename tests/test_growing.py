"""A folder that grows by --resume, and a sweep seen from outside."""

import json
import os
import re
import shutil
from functools import partial
from pathlib import Path

import by_subprocess
import jax
import pytest
from by_subprocess import run

from plas_jax.commands import doctor, resume, status
from plas_jax.results.manifest import GroupRecord, MethodRecord
from plas_jax.results.rows import read_rows
from plas_jax.results.standing import seconds_to_go
from plas_jax.sweeps import dry_run

call_here = partial(by_subprocess.call_here, "d4rl_scores.py")
SHORT = ["--preset=smoke", "--data_dir=.", "--output=out"]
HOPPER, BOTH = "--datasets=hopper-random-r1", "--datasets=hopper-random-r1,walker2d-random-r1"


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    folder = tmp_path_factory.mktemp("growing")
    done = call_here(*SHORT, HOPPER, "--seeds=1", "--algorithms=bc,plas", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def grown(small, tmp_path_factory):
    folder = Path(shutil.copytree(small, tmp_path_factory.mktemp("grown") / "copy"))
    done = call_here(*SHORT, BOTH, "--seeds=0,1", "--algorithms=bc,plas", "--resume", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder


def pairs(folder, algorithm):
    rows = read_rows(folder / "out" / "results.csv")
    return {(row.dataset, row.seed) for row in rows if row.algorithm == algorithm}


def test_more_seeds_and_data_sets_are_added_and_nothing_is_made_twice(small, grown):
    rows, before = (read_rows(folder / "out" / "results.csv") for folder in (grown, small))
    assert set(before) < set(rows)
    assert len(rows) == len(set(rows)) == 4 * len(before)
    for algorithm in ("bc", "plas"):
        names = ("hopper-random-r1", "walker2d-random-r1")
        assert pairs(grown, algorithm) == {(name, seed) for name in names for seed in (0, 1)}
    manifest = json.loads((grown / "out" / "manifest.json").read_text())
    assert manifest["complete"]
    assert manifest["seeds"] == manifest["methods"]["bc"]["seeds"] == [0, 1]
    assert len(manifest["datasets"]) == 2
    assert len(list((grown / "out" / "policies").iterdir())) == 8
    assert "incomplete" not in (grown / "out" / "scores.md").read_text()


def test_what_has_grown_is_finished(grown):
    before = (grown / "out" / "results.csv").read_bytes()
    done = call_here(*SHORT, BOTH, "--seeds=2", "--algorithms=bc,plas", "--resume", cwd=grown)
    assert done.returncode == 0, done.stderr
    assert "holds a finished sweep already" in done.stdout
    assert (grown / "out" / "results.csv").read_bytes() == before


def test_a_folder_does_not_shrink(grown):
    done = call_here(*SHORT, BOTH, "--seeds=1", "--algorithms=bc", "--resume", cwd=grown)
    assert done.returncode == 1
    assert "its sweep has seeds [0, 1], not [0], which leaves out 1" in done.stderr


def unfinished(folder, **more):
    """Let a folder's manifest say that cloning is not finished, and more of it; returns it."""
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["methods"]["bc"] |= {"complete": False, **more}
    manifest["methods"]["bc"]["groups"]["bc"]["complete"] = False
    path.write_text(json.dumps(manifest | {"complete": False}))
    return manifest


def test_status_reads_a_folder_and_touches_nothing(small, tmp_path, capsys):
    folder = Path(shutil.copytree(small / "out", tmp_path / "out"))
    files = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    code, out, _ = run(status, capsys, folder)
    assert code == 0
    assert "finished; last written" in out
    unfinished(folder, seconds_left=123.4)
    os.utime(folder / "manifest.json", ns=(files[folder / "manifest.json"],) * 2)
    code, out, _ = run(status, capsys, folder)
    assert code == 3
    assert "bc not finished" in out
    assert max(map(len, out.splitlines()[:-1])) <= 80
    line = next(line.split() for line in out.splitlines() if line.startswith("bc"))
    assert line[1:5] == ["policy", "100", "%", "2"]
    assert line[-1] == "2:03"
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == files
    assert run(status, capsys, tmp_path / "nowhere")[0] == 1


def test_resume_needs_no_other_word(small, tmp_path, capsys, monkeypatch):
    folder = Path(shutil.copytree(small, tmp_path / "copy"))
    monkeypatch.chdir(folder)
    manifest = unfinished(folder / "out")
    before = (folder / "out" / "results.csv").read_bytes()
    monkeypatch.setenv("JAX_NUM_CPU_DEVICES", str(jax.device_count()))
    code, _, err = run(resume, capsys, "out")
    assert code == 0, err
    assert json.loads((folder / "out" / "manifest.json").read_text())["complete"]
    assert (folder / "out" / "results.csv").read_bytes() == before
    manifest["methods"]["bc"]["command"] = ["notebook.py"]
    (folder / "out" / "manifest.json").write_text(json.dumps(manifest))
    code, _, err = run(resume, capsys, "out")
    assert code == 1
    assert "bc was begun by notebook.py: call that again" in err


@pytest.mark.parametrize(("phase", "seconds"), [("behaviour", 10.0), ("policy", 10 + 2 * (30 + 10) / 4)])
def test_groups_that_wait_take_as_long_for_each_run_as_those_before(phase, seconds):
    groups = {"a": GroupRecord(runs=3, complete=True), "b": GroupRecord(runs=1), "c": GroupRecord(runs=2)}
    record = MethodRecord(groups=groups, wall_seconds={"train": 20.0, "evaluate": 10.0}, seconds_left=10.0)
    assert seconds_to_go(record, phase) == seconds
    assert seconds_to_go(MethodRecord(), phase) is None


# A dry run


def test_a_dry_run_tells_rows_memory_and_time_and_writes_nothing(tmp_path):
    done = call_here(*SHORT, HOPPER, "--seeds=2", "--algorithms=bc", "--dry_run", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert any(line.startswith("bc: 2 runs, 1,000 rows; memory 0.000108 GB data + ") for line in lines)
    assert "results.csv: 4 rows to be made, one for each episode; 0 are there" in lines
    assert "data to be made first: hopper-random-r1" in lines
    amounts = {line.split("  ")[0]: line.split()[-4:-2] for line in lines if line.startswith("bc: ")}
    assert amounts["bc: train policies"] == ["80", "run-updates"]
    assert amounts["bc: evaluate"] == ["400", "steps"]
    assert re.fullmatch(r"expected: 0:\d\d at most, if all episodes last their time, .*", lines[-2])
    assert list(tmp_path.iterdir()) == []


def test_a_dry_run_of_a_begun_folder_counts_what_it_lacks(small, tmp_path, monkeypatch):
    def probe(group, request):
        phases = [phase for phase in (group.method.first, group.method.phase) if phase]
        return dry_run.Speed(1.0, {phase.trains: 10.0 for phase in phases}, 100.0, is_beside=False)

    monkeypatch.setattr(dry_run, "probe", probe)
    folder = Path(shutil.copytree(small, tmp_path / "copy"))
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    done = call_here(*SHORT, BOTH, "--seeds=1", "--algorithms=bc,plas", "--resume", "--dry_run", cwd=folder)
    assert done.returncode == 0, done.stderr
    # The other data set: two evaluations of cloning, and two of PLAS, its CVAE's prior and its mode.
    assert "results.csv: 8 rows to be made, one for each episode; 8 are there" in done.stdout
    # Cloning: 1 + 40 / 10 + 200 / 100 seconds; PLAS: 1 + (40 + 40) / 10 + 600 / 100.
    assert "expected: 0:22 at most" in done.stdout
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before
    done = call_here(*SHORT, HOPPER, "--seeds=1", "--algorithms=bc,plas", "--resume", "--dry_run", cwd=folder)
    assert "results.csv: 0 rows to be made" in done.stdout
    done = call_here(*SHORT, HOPPER, "--seeds=1", "--algorithms=bc", "--dry_run", cwd=folder)
    assert (done.returncode, done.stdout) == (1, "")
    assert "out holds a finished sweep: add --resume" in done.stderr


def test_doctor_looks_at_everything_and_finds_nothing_wrong(capsys):
    code, out, err = run(doctor, capsys)
    assert code == 0, out + err
    for what in ("python", "plas_jax", "jax", "devices", "product rate", "correctness", "drawing", "data", "results"):
        assert any(line.split()[: len(what.split())] == what.split() for line in out.splitlines()), what
    assert " wrong" not in out
