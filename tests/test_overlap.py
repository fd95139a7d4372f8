"""Evaluation beside training: the same bytes, whatever stops it, and the time of the longer of both."""

import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import by_subprocess
import pytest
from by_subprocess import ROOT

from plas_jax.algorithms.plas import PLAS
from plas_jax.commands import sweep_perturbation
from plas_jax.environments.lockstep import Lockstep
from plas_jax.evaluation.returns import Stage
from plas_jax.methods.presets import PRESETS, SMOKE, every
from plas_jax.results.rows import read_rows
from plas_jax.results.runs import CONTROLS
from plas_jax.sweeps import evaluator, phase_training
from plas_jax.sweeps.book import Book
from plas_jax.sweeps.evaluator import MOST_BEHIND, Evaluator
from plas_jax.training import phases
from plas_jax.training.layout import run_mesh

pytestmark = pytest.mark.slow  # a sweep of twenty evaluations each
call_here = partial(by_subprocess.call_here, "sweep_perturbation.py")
WORDS = ["--preset=smoke", "--datasets=hopper-random-r1", "--seeds=3", "--perturbation_limits=0.1"]
ENDS = every(2, 40)


def swept(folder, data, *words):
    done = call_here(*WORDS, f"--data_dir={data}", f"--output={folder}", *words)
    assert done.returncode == 0, done.stderr
    return (folder / "results.csv").read_bytes()


def changed(monkeypatch, **fields):
    monkeypatch.setitem(PRESETS, "smoke", SMOKE._replace(**fields))


def slowed(monkeypatch, owner, name, seconds):
    """Let a function of a class or module take so much longer."""
    plain = getattr(owner, name)

    def slow(*arguments):
        time.sleep(seconds)
        return plain(*arguments)

    monkeypatch.setattr(owner, name, slow)


@pytest.fixture(scope="module")
def alone(data, tmp_path_factory):
    """What a sweep gives that evaluates twenty times between chunks."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        changed(monkeypatch, evaluations=ENDS)
        return swept(tmp_path_factory.mktemp("alone") / "sweep", data)


def test_slow_evaluations_beside_training_give_the_same_bytes_in_the_time_of_the_longer(
    alone, data, tmp_path, monkeypatch
):
    changed(monkeypatch, evaluations=ENDS)
    slowed(monkeypatch, Lockstep, "step", 0.03)  # so long that a busy machine is no tenth of it
    behind, begun, trained, played, written = [], [], [], [], []

    def training(*arguments, plain=phases.run_balanced):
        if begun:  # those of the controls, before there are policies
            behind.append(len(begun) - len(written))
            time.sleep(0.3)
        started = time.perf_counter()
        result = plain(*arguments)
        trained.append(0.3 + time.perf_counter() - started)
        return result

    def begin(*arguments, plain=Evaluator.begin):
        plain(*arguments)
        begun.append(time.perf_counter())

    def playing(*arguments, plain=Stage.play):
        started = time.perf_counter()
        result = plain(*arguments)
        played.append(time.perf_counter() - started)
        return result

    def added(book, rows, plain=Book.add):
        plain(book, rows)
        written.append(time.perf_counter())

    monkeypatch.setattr(phases, "run_balanced", training)
    monkeypatch.setattr(Evaluator, "begin", begin)
    monkeypatch.setattr(Stage, "play", playing)
    monkeypatch.setattr(Book, "add", added)
    assert swept(tmp_path / "beside", data, "--overlap") == alone

    # No evaluation is more than two behind, and training does not wait for less.
    assert max(behind) == MOST_BEHIND
    # From the first one's start on: the chunks after it are trained beside it and those that follow.
    took, in_turn = written[-1] - begun[-len(ENDS)], (sum(trained[1 - len(ENDS) :]), sum(played[-len(ENDS) :]))
    assert took <= 1.1 * max(in_turn)
    assert took <= 0.85 * sum(in_turn)


@pytest.mark.filterwarnings("ignore:overflow:RuntimeWarning")  # what a diagnosis makes of this discount
def test_runs_that_diverge_meanwhile_are_marked_as_without_overlap(data, tmp_path, monkeypatch):
    wild = SMOKE.knobs._replace(critic_learning_rate=3.0, discount=2.0, polyak=1.0)  # runs diverge, not all at once
    changed(monkeypatch, evaluations=ENDS, knobs=wild)
    alone = swept(tmp_path / "alone", data)
    slowed(monkeypatch, Lockstep, "step", 0.001)
    assert swept(tmp_path / "beside", data, "--overlap") == alone
    rows = read_rows(tmp_path / "beside" / "results.csv")
    assert all(row.diverged_at is None for row in rows if row.algorithm in CONTROLS)  # these knobs are not theirs
    marked = {row.update for row in rows if row.diverged_at is not None}
    assert set() < marked < set(ENDS)
    assert all(row.diverged_at is None or row.diverged_at <= row.update for row in rows)


def test_policies_are_played_on_devices_of_another_number(alone, data, tmp_path, monkeypatch):
    """As where an accelerator trains: three runs are three slots on one core, and four where they are trained."""
    changed(monkeypatch, evaluations=ENDS)
    monkeypatch.setattr(evaluator, "is_cpu", lambda mesh: False)
    monkeypatch.setattr(evaluator, "host_mesh", lambda runs: run_mesh(1))
    assert swept(tmp_path / "sweep", data) == alone


def stopped_sweep(number, folder, *words):
    """Sweep in this process and send it a signal in the evaluation at 2 updates, once there is a checkpoint behind it.

    The one after four updates is the last: what is evaluated again needs the one after two.
    """
    PRESETS["smoke"] = SMOKE._replace(evaluations=ENDS)
    phase_training.END_SECONDS = 0.0
    plain_reset, plain_step, evaluations, updates = Lockstep.reset, Lockstep.step, [], []
    plain_training = phases.run_balanced

    def trained(algorithm, *arguments):
        if algorithm is PLAS:
            updates.append(arguments[-1].last)
        return plain_training(algorithm, *arguments)

    def reset(simulation, *arguments):
        if updates:  # controls are played before
            evaluations.append(simulation)
        return plain_reset(simulation, *arguments)

    def step(simulation, *arguments):
        if len(evaluations) == 1:
            while updates[-1] < 6 or not (Path(folder) / "checkpoints/plas-16/policy/4").exists():
                time.sleep(0.01)
            time.sleep(0.5)  # a checkpoint that should not be would be on its way
            os.kill(os.getpid(), number)
        return plain_step(simulation, *arguments)

    Lockstep.reset, Lockstep.step, phases.run_balanced = reset, step, trained
    sys.argv = ["sweep_perturbation.py", *WORDS, f"--output={folder}", "--overlap", *words]
    sys.exit(sweep_perturbation.main())


@pytest.mark.parametrize(
    ("number", "status", "how"), [(signal.SIGKILL, -9, "--overlap"), (signal.SIGTERM, 143, "--nooverlap")]
)
def test_a_sweep_stopped_in_an_evaluation_beside_training_resumes_to_the_same_bytes(
    alone, data, tmp_path, monkeypatch, number, status, how
):
    changed(monkeypatch, evaluations=ENDS)
    folder = tmp_path / "sweep"
    code = "import sys, test_overlap; test_overlap.stopped_sweep(int(sys.argv[1]), *sys.argv[2:])"
    words = [sys.executable, "-c", code, str(int(number)), str(folder), f"--data_dir={data}"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")])}
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == status, done.stderr
    kept = {path.name for path in (folder / "checkpoints" / "plas-16" / "policy").iterdir() if path.name.isdecimal()}
    assert kept == {"2", "4"}
    assert swept(folder, data, how, "--resume") == alone
