"""Trackers are told what rows say, and none of them can end a training."""

import importlib.util
import os
import sqlite3
import time

import pytest
from test_reports import episode

from plas_jax.results import loggers
from plas_jax.results.folder import OutputFolder
from plas_jax.results.loggers import Log, loggers_of_flag, told, word
from plas_jax.results.runs import Cell, Run

ROWS = [episode(10.0), episode(20.0, number=1), episode(30.0, seed=1, diverged_at=500)]
FIRST = "hopper-medium-r1_plas_seed_0"


class Kept:
    """A tracker that remembers, or fails at its n-th call."""

    package = "json"

    def __init__(self, folder=None, fails_at=None):
        self.calls, self.fails_at, self.closed = [], fails_at, False

    def log(self, run, update, values):
        if len(self.calls) == self.fails_at:
            raise ConnectionError("no\nnetwork")
        self.calls.append((run, update, dict(values)))

    def close(self):
        self.closed = True


def test_a_tracker_is_told_the_means_of_each_run():
    kept = Kept()
    Log([kept], pytest.fail)(ROWS)
    assert kept.calls == [
        (FIRST, 1000, {"score": 15.0, "return": 150.0, "diverged": 0.0}),
        (FIRST.replace("seed_0", "seed_1"), 1000, {"score": 30.0, "return": 300.0, "diverged": 1.0}),
    ]


def test_numbers_that_are_none_are_not_told():
    kept = Kept()
    Log([kept], pytest.fail)([episode(float("nan"), diverged_at=3)])
    assert kept.calls[0][2] == {"diverged": 1.0}


def test_one_that_fails_is_left_behind_with_one_line_and_the_others_go_on():
    bad, good, lines = Kept(fails_at=1), Kept(), []
    log = Log([bad, good], lines.append)
    log(ROWS)
    log(ROWS)
    log.close()
    assert lines == ["warning: Kept is left behind: no network"]
    assert (len(bad.calls), len(good.calls)) == (1, 4)
    assert (bad.closed, good.closed) == (False, True)


def test_a_name_is_one_word_whatever_a_data_set_is_called():
    run = Run(Cell("../a/<b>\n" + "x" * 500, "plas+p", 0.05, "latent_limit=0.5"), 3)
    assert word(run).endswith("x_plas_p_perturbation_limit_0.05_latent_limit_0.5_seed_3")
    assert len(word(run)) <= 200
    assert "/" not in word(run)


def test_what_cannot_be_used_is_refused_in_one_line(monkeypatch):
    assert loggers_of_flag("") == ()
    with pytest.raises(ValueError, match="not 'tensorbord'; the nearest is 'tensorboard'"):
        loggers_of_flag("tensorbord")
    monkeypatch.setattr(loggers, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"--log=wandb needs the package wandb: pip install 'plas_jax\[logging\]'"):
        loggers_of_flag("wandb")


def test_a_folder_tells_its_trackers_of_rows_that_come(tmp_path, monkeypatch):
    made = []
    monkeypatch.setitem(loggers.LOGGERS, "kept", lambda folder: made.append(Kept(folder)) or made[-1])
    folder = OutputFolder(tmp_path)
    with told(["kept"], folder, pytest.fail):
        folder.append_rows("plas", iter(ROWS))
    assert len(made[0].calls) == 2
    assert made[0].closed
    assert len(folder.read_rows()) == 3

    def broken(folder):
        raise RuntimeError("log in\nfirst")

    monkeypatch.setitem(loggers.LOGGERS, "broken", broken)
    with pytest.raises(ValueError, match="--log=broken cannot begin: log in first"), told(["broken"], folder, print):
        pass


def real(name, folder, monkeypatch):
    """Tell an installed tracker of rows, without a network."""
    package = loggers.LOGGERS[name].package
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed: pip install 'plas_jax[logging]'")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    monkeypatch.setenv("TRACKIO_DIR", str(folder / "trackio"))
    lines = []
    output = OutputFolder(folder)
    with told(loggers_of_flag(name), output, lines.append):
        output.append_rows("plas", ROWS)
        output.append_rows("plas", [row._replace(update=2000) for row in ROWS])
    assert lines == []


def test_tensorboard_has_every_number(tmp_path, monkeypatch):
    real("tensorboard", tmp_path, monkeypatch)
    (file,) = (tmp_path / "tensorboard").iterdir()
    data = file.read_bytes()
    for name in ("score", "return", "diverged"):
        assert data.count(f"{name}/{FIRST}".encode()) == 2


@pytest.mark.slow
def test_weights_and_biases_keep_a_run_offline(tmp_path, monkeypatch):
    real("wandb", tmp_path, monkeypatch)
    (file,) = tmp_path.glob("wandb/offline-run-*/run-*.wandb")
    until = time.monotonic() + 30  # a process of its own writes the file
    while file.read_bytes().count(f"{FIRST}/score".encode()) < 2 and time.monotonic() < until:
        time.sleep(0.2)
    assert file.read_bytes().count(f"{FIRST}/score".encode()) >= 2


@pytest.mark.slow
def test_trackio_keeps_every_number_on_this_machine(tmp_path, monkeypatch):
    real("trackio", tmp_path, monkeypatch)
    (path,) = (tmp_path / "trackio").rglob("*.db")
    with sqlite3.connect(path) as database:
        (count,) = database.execute("select count(*) from metrics").fetchone()
    assert count == 4
    assert os.fspath(path).startswith(str(tmp_path))
