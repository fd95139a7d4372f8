"""What a sweep loses when it is stopped, killed, damaged, moved to other devices or left without a disk: nothing."""

import csv
import gc
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import by_subprocess
import numpy as np
import pytest
from absl import flags
from by_subprocess import ROOT, stopped_at

from plas_jax.commands.invocation import invoke
from plas_jax.files.whole_files import whole_file
from plas_jax.results.metrics import MetricsRow, append_metrics, on_the_disk
from plas_jax.results.q_rows import append_q_rows
from plas_jax.results.rows import append_rows
from plas_jax.sweeps.interruption import Terminated

SCRIPT = "sweep_perturbation.py"
command, call = partial(by_subprocess.command, SCRIPT), partial(by_subprocess.call, SCRIPT)
call_here = partial(by_subprocess.call_here, SCRIPT)
SHORT = ["--preset=smoke", "--datasets=hopper-random-r1", "--seeds=3", "--perturbation_limits=0.1"]
METRICS = MetricsRow("hopper-medium-r1", "bc", "0", "", "", "", "", "policy", 1, {"loss": "1"})


@pytest.fixture(scope="module")
def unbroken(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("unbroken") / "sweep"
    done = call(*SHORT, f"--data_dir={data}", f"--output={folder}", "--resume")  # of nothing: it begins
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def stopped(data, unbroken, tmp_path_factory):
    """A sweep that was terminated in its last evaluation: its folder, and what it said."""
    folder = tmp_path_factory.mktemp("stopped") / "sweep"
    words, environment = command(*SHORT, f"--data_dir={data}", f"--output={folder}")
    status, said = stopped_at("train policies: 100", words, environment, signal.SIGTERM)
    assert status == 143
    assert f"--output={folder} --resume" in said
    assert {path.name for path in (folder / "checkpoints" / "plas-16" / "policy").iterdir()} == {"20", "40"}
    return folder


def resumed(folder, data):
    done = call_here(*SHORT, f"--data_dir={data}", f"--output={folder}", "--resume")
    assert done.returncode == 0, done.stderr
    return done.stderr


def same_rows(folder, unbroken):
    return (folder / "results.csv").read_bytes() == (unbroken / "results.csv").read_bytes()


def spoil(step):
    """Flip a bit of every number that the largest files hold."""
    for path in step.rglob("ocdbt.process_0/d/*"):
        path.write_bytes(bytes(byte ^ 1 for byte in path.read_bytes()))


@pytest.mark.slow
def test_a_terminated_sweep_with_a_damaged_checkpoint_resumes_to_the_same_bytes(stopped, unbroken, data, tmp_path):
    folder = Path(shutil.copytree(stopped, tmp_path / "sweep"))
    spoil(folder / "checkpoints" / "plas-16" / "policy" / "40")
    left = folder / ".results.csv.1.partial"
    left.write_text("of a process that was killed")
    said = resumed(folder, data)
    lines = [line for line in said.splitlines() if "damaged" in line]
    assert len(lines) == 1
    assert lines[0].startswith("the checkpoint of plas-16's policies after 40 updates is damaged (")
    assert lines[0].endswith("going on from the one after 20 updates")
    assert "Traceback" not in said
    assert same_rows(folder, unbroken)
    assert not left.exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda of: [spoil(step) for step in of.glob("policy/*")], "policies after 40 and 20 updates are damaged"),
        (lambda of: [spoil(step) for step in of.glob("*/*")], "CVAEs after 50 updates is damaged"),
        (shutil.rmtree, ""),
        (lambda of: (of.parents[1] / "results.csv").unlink(), "policies were not evaluated at 20 updates"),
        (lambda of: _cut_rows(of.parents[1] / "results.csv"), "policies were not evaluated at 20 updates"),
    ],
    ids=["policies", "everything", "no checkpoints", "no rows", "some rows"],
)
def test_whatever_is_lost_is_made_again(stopped, unbroken, data, tmp_path, damage, says):
    folder = Path(shutil.copytree(stopped, tmp_path / "sweep"))
    damage(folder / "checkpoints" / "plas-16")
    said = resumed(folder, data)
    assert says in said
    assert same_rows(folder, unbroken)


def _cut_rows(path):
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:-1]))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("results.csv", b"dataset,algo", "results.csv: line 1"),
        ("results.csv", None, "results.csv: line "),
        ("manifest.json", b'{"complete": fal', "manifest.json: not JSON: "),
        ("manifest.json", b"[]", "manifest.json: [] is not an object"),
        ("manifest.json", b"\xff\xfe", "manifest.json: not JSON: byte 0 is not UTF-8"),
        ("manifest.json", b"{}", "manifest.json is not a manifest"),
    ],
)
def test_damaged_rows_and_manifests_are_one_line(stopped, data, tmp_path, name, content, says):
    folder = Path(shutil.copytree(stopped, tmp_path / "sweep"))
    path = folder / name
    path.write_bytes(path.read_bytes()[:-9] if content is None else content)
    done = call_here(*SHORT, f"--data_dir={data}", f"--output={folder}", "--resume")
    assert done.returncode == 1
    errors = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    assert len(errors) == 1
    assert says in errors[0]
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_a_sweep_that_was_killed_before_its_reports_makes_them(stopped, unbroken, data, tmp_path):
    folder = Path(shutil.copytree(unbroken, tmp_path / "sweep"))
    for name in ("table_1.md", "figure_7.png"):
        (folder / name).unlink()
    resumed(folder, data)
    assert (folder / "table_1.md").read_bytes() == (unbroken / "table_1.md").read_bytes()
    assert (folder / "figure_7.png").exists()


@pytest.mark.slow
@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_while_data_are_made_unwinds(tmp_path, number, status):
    words, environment = command(
        "--preset=quick", "--datasets=hopper-medium-r1", f"--data_dir={tmp_path}", f"--output={tmp_path / 'out'}"
    )
    with subprocess.Popen(words, env=environment, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as running:
        while not list(tmp_path.glob(".*.partial")):
            assert running.poll() is None, running.communicate()
            time.sleep(0.01)
        running.send_signal(number)
        said = running.communicate(timeout=60)[1]
    assert running.returncode == status
    (line,) = [line for line in said.splitlines() if line.startswith("error:")]
    assert "--resume goes on" in line
    assert list(tmp_path.iterdir()) == []


def test_terminating_any_command_is_one_line_and_a_status_of_its_own(capsys):
    def run():
        os.kill(os.getpid(), signal.SIGTERM)
        pytest.fail("nothing stopped it")

    before = signal.getsignal(signal.SIGTERM)
    assert invoke(run, flags.FlagValues(), "usage", []) == 143
    assert capsys.readouterr().err == "error: terminated; nothing half-made was left behind\n"
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_in_a_callback_of_the_garbage_collector_is_not_lost(capsys, number, status):
    """JAX has such a callback, and Python ignores what is raised in one."""
    sent = []

    def callback(phase, info):
        if not sent:
            sent.append(phase)
            os.kill(os.getpid(), number)

    def run():
        gc.callbacks.append(callback)
        gc.collect()
        time.sleep(5)
        pytest.fail("nothing stopped it")

    hook = sys.unraisablehook
    try:
        assert invoke(run, flags.FlagValues(), "usage", []) == status
    finally:
        gc.callbacks.remove(callback)
    assert sent
    assert capsys.readouterr().err.count("\n") == 1
    assert sys.unraisablehook is hook


def test_a_terminated_file_is_not_left_half_written(tmp_path):
    def write():
        with whole_file(tmp_path / "rows.csv") as partial_file:
            partial_file.write_text("half")
            raise Terminated

    with pytest.raises(Terminated):
        write()
    assert list(tmp_path.iterdir()) == []


def test_bytes_are_on_the_disk_before_their_name_is(tmp_path, monkeypatch):
    done = []
    sync, replace = os.fsync, Path.replace
    monkeypatch.setattr(os, "fsync", lambda of: (done.append(os.readlink(f"/proc/self/fd/{of}")), sync(of)))
    monkeypatch.setattr(Path, "replace", lambda path, to: (done.append("renamed"), replace(path, to)))
    with whole_file(tmp_path / "rows.csv") as partial_file:
        partial_file.write_text("whole")
    assert done == [str(partial_file), "renamed", str(tmp_path)]


@pytest.mark.parametrize(
    "wait",
    [
        lambda path: append_rows(path, []),
        lambda path: append_q_rows(path, []),
        lambda path: (append_metrics(path, [METRICS]), on_the_disk(path)),
    ],
    ids=["rows", "q_rows", "metrics"],
)
def test_what_is_appended_is_on_the_disk_before_a_checkpoint_counts_on_it(tmp_path, monkeypatch, wait):
    path, done = tmp_path / "appended.csv", []
    monkeypatch.setattr(os, "fsync", lambda of: done.append(os.readlink(f"/proc/self/fd/{of}")))
    on_the_disk(path)  # where nothing was appended yet
    wait(path)
    assert done == [str(path)]
    assert path.read_bytes()


def test_a_full_disk_names_the_file_that_it_had_no_room_for(tmp_path, capsys):
    def run():
        with whole_file(tmp_path / "rows.csv") as partial_file:
            partial_file.write_text("half")
            raise OSError(28, "No space left on device")

    assert invoke(run, flags.FlagValues(), "usage", []) == 1
    assert capsys.readouterr().err == f"error: {tmp_path / 'rows.csv'}: No space left on device\n"
    assert list(tmp_path.iterdir()) == []


ON_DEVICES = """
import sys
from pathlib import Path
import jax, numpy as np
from plas_jax.training.layout import data_on, on_runs, use_every_core
devices, folder, first, last, output = int(sys.argv[1]), Path(sys.argv[2]), *map(int, sys.argv[3:5]), sys.argv[5]
use_every_core(devices)
from plas_jax.methods.presets import PRESETS, plas_over
from plas_jax.datasets.minibatch import Rows
from plas_jax.training import phases
from plas_jax.training.checkpoints import Checkpoints
from plas_jax.types import Sizes, Transition
assert jax.device_count() == devices
generator = np.random.default_rng(0)
draw = lambda *shape: generator.standard_normal(shape).astype(np.float32)
rows = Rows(
    Transition(draw(200, 11), np.tanh(draw(200, 3)), draw(200), draw(200, 11), np.ones(200, np.float32)),
    np.zeros(1, np.int32), np.full(1, 200, np.int32),
)
method = plas_over(PRESETS["smoke"], "perturbation_limit", (0.0, 0.05, 0.1))
pairs = phases.pairs_of(["hopper-random-r1"], range(5))
sizes = phases.stacked_sizes([Sizes.of(11, 3)] * 5)
behaviour, _ = phases.first_batch(phases.part_of(method, phases.FIRST_PHASE, pairs), rows, pairs, (sizes,))
of = phases.part_of(method, phases.LAST_PHASE, pairs)
inherited = jax.tree.map(lambda leaf: np.asarray(leaf)[:5], behaviour.state)
batch, runs = phases.first_batch(of, rows, pairs, method.inputs(sizes, inherited, None))
said = []
with Checkpoints(folder, "fifteen runs", said.append) as checkpoints:
    found = checkpoints.newest(batch, 15)
    assert (found[0] if found else 0) == first, (found, said)
    batch = on_runs(of.mesh, found[1]) if found else batch
    data = data_on(of.mesh, rows, np.zeros(15, np.int32))
    for chunk in phases.train(of, batch, runs, data, first, [last]):
        batch = chunk.batch
    checkpoints.save(last, batch, 15)
assert said == []
np.savez(output, *(np.asarray(leaf)[:15] for leaf in jax.tree.leaves(batch)), slots=len(batch.diverged_at))
"""


def on_devices(devices, folder, first, last, output):
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    words = [sys.executable, "-c", ON_DEVICES, devices, folder, first, last, output]
    done = subprocess.run(list(map(str, words)), env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    with np.load(output, allow_pickle=False) as found:
        return {name: found[name] for name in found.files}


@pytest.mark.slow
def test_a_checkpoint_of_two_devices_goes_on_on_one_and_on_eight(tmp_path):
    """Fifteen runs are sixteen slots on two and on eight devices, fifteen on one; bit-equal to the unbroken runs."""
    unbroken = on_devices(2, tmp_path / "unbroken", 0, 24, tmp_path / "unbroken.npz")
    on_devices(2, tmp_path / "two", 0, 10, tmp_path / "ten.npz")
    assert len(unbroken) > 20
    for devices, slots in ((1, 15), (8, 16)):
        folder = shutil.copytree(tmp_path / "two", tmp_path / f"on_{devices}")
        found = on_devices(devices, folder, 10, 24, tmp_path / f"{devices}.npz")
        assert found.pop("slots") == slots
        for name, leaf in found.items():
            np.testing.assert_array_equal(leaf, unbroken[name], err_msg=f"leaf {name} on {devices} devices")


@pytest.mark.slow
@pytest.mark.parametrize("kilobytes", [4, 256])
def test_a_sweep_on_a_full_disk_loses_nothing_that_was_finished(small_disk, unbroken, data, kilobytes):
    disk, mount = small_disk
    assert mount(kilobytes, "remount")
    folder = disk / "sweep"
    arguments = [*SHORT, f"--data_dir={data}", f"--output={folder}"]
    done = call(*arguments)
    assert "Traceback" not in done.stderr, done.stderr
    said = [line for line in done.stderr.splitlines() if line.startswith(("error:", "warning:"))]
    assert said
    assert all(line.startswith("warning: the checkpoint of plas-16's ") for line in said[:-1]), said
    assert all("No space left on device" in line for line in said), said
    if (folder / "manifest.json").exists():
        json.loads((folder / "manifest.json").read_text())
    assert mount(64_000, "remount")
    resumed(folder, data)
    assert same_rows(folder, unbroken)


@pytest.mark.slow
def test_a_kill_loses_no_byte(tmp_path):
    words = [sys.executable, str(ROOT / "experiments" / "kill_and_resume.py"), "--kills=1", f"--output={tmp_path}"]
    words += ["--preset=smoke", "--datasets=hopper-random-r1"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    with (tmp_path / "kill_and_resume.csv").open() as file:
        kills = list(csv.DictReader(file))
    assert len(kills) == 1
    assert {kill["verdict"] for kill in kills} == {"same bytes"}
    assert "1 kills, 0 with other rows" in done.stdout
