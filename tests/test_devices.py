"""The same runs on one, two and eight devices and on two processes of four: same draws, same parameters, same rows."""

import os
import re
import socket
import subprocess
import sys

import numpy as np
import pytest
from by_subprocess import ROOT, call, call_here, command

SCRIPT = ROOT / "tests" / "updates_on_devices.py"
COLLECTIVE = re.compile(r"\b(all-reduce|all-gather|reduce-scatter|collective-permute|all-to-all)\w*(-start)?\(")
LIMIT = 1e-5  # of max|a − b| / max|b|, DESIGN 4


def free_port():
    with socket.socket() as listening:
        listening.bind(("localhost", 0))
        return listening.getsockname()[1]


# What Gloo says of each connection on stdout.
GLOO = "[Gloo] Rank 0 is connected to 1 peer ranks. Expected number of connected peer ranks is : 1\n"


def is_of_gloo(output):
    """Whether there is nothing but such lines, whatever their numbers, and however two at once may have mixed."""
    said = re.sub(r"\d", "0", output)
    return sorted(said) == sorted(re.sub(r"\d", "0", GLOO) * said.count("[Gloo]"))


def together(words, environment, devices, processes=1):
    """Run a command in so many processes that know of each other, each with so many devices; their outputs."""
    address = f"localhost:{free_port()}"
    running = []
    for index in range(processes):
        hosts = {"PLAS_JAX_HOSTS": f"{address},{processes},{index}"} if processes > 1 else {}
        # A pool of threads of one size: eight devices would have one of eight, in which Eigen rounds otherwise.
        hosts |= {"JAX_NUM_CPU_DEVICES": str(devices), "NPROC": "8"}
        options = {"env": environment | hosts, "text": True}
        running.append(subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options))
    said = [process.communicate(timeout=300) for process in running]
    assert [process.returncode for process in running] == [0] * processes, said
    return said


def updated(folder, widths, devices, processes=1):
    file = folder / f"{widths}-{devices}-{processes}.npz"
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    together([sys.executable, str(SCRIPT), widths, str(file)], environment, devices, processes)
    return np.load(file)


def assert_same(ours, theirs):
    names = set(theirs.files) - {"text", "devices"}
    assert set(ours.files) - {"text", "devices"} == names
    for name in names:
        a, b = ours[name].astype(np.float64), theirs[name].astype(np.float64)
        assert np.abs(a - b).max() <= LIMIT * np.abs(b).max(), name
    for name in ("drawn rewards", "drawn noise"):
        np.testing.assert_array_equal(ours[name], theirs[name])


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """Fifteen runs on one device."""
    found = updated(tmp_path_factory.mktemp("alone"), "24", 1)
    # Every run draws for itself but for those of one pair, which differ in ε alone.
    assert len({tuple(draws) for draws in found["drawn noise"]}) == 5
    return found


@pytest.mark.slow
@pytest.mark.parametrize(("devices", "processes"), [(2, 1), (8, 1), (4, 2)], ids=str)
def test_runs_do_not_know_how_many_devices_there_are(alone, tmp_path, devices, processes):
    found = updated(tmp_path, "24", devices, processes)
    assert found["devices"] == devices * processes
    assert COLLECTIVE.findall(str(found["text"])) == []
    assert "while(" in str(found["text"])
    assert_same(found, alone)


@pytest.mark.slow
def test_nor_do_they_at_the_published_widths(tmp_path):
    alone = updated(tmp_path, "paper", 1)
    for devices, processes in ((8, 1), (4, 2)):
        found = updated(tmp_path, "paper", devices, processes)
        assert COLLECTIVE.findall(str(found["text"])) == []
        assert_same(found, alone)


@pytest.mark.slow
def test_a_sweep_of_two_processes_writes_the_rows_of_one(tmp_path):
    """Data, both phases, checkpoints, episodes: each process plays its own runs, and one of them writes."""
    names = "hopper-medium-r1,walker2d-random-r1,halfcheetah-medium-r1"
    words = ["--preset=smoke", f"--datasets={names}", "--seeds=1", f"--data_dir={tmp_path}", "--q_errors"]
    rows = []
    for devices, processes in ((1, 1), (4, 2)):
        folder = tmp_path / f"of-{processes}"
        words_of, environment = command("sweep_perturbation.py", *words, f"--output={folder}")
        said = together(words_of, environment, devices, processes)
        assert f"{folder} after" in said[0][1]
        assert all(is_of_gloo(out) for out, _ in said[1:]), said[1:]
        rows.append([(folder / name).read_bytes() for name in ("results.csv", "q_errors.csv")])
    assert rows[0] == rows[1]
    # And one process goes on where two stopped: it finds everything done.
    words_of, environment = command("sweep_perturbation.py", *words, f"--output={tmp_path / 'of-2'}", "--resume")
    ((out, _),) = together(words_of, environment, 1)
    assert "holds a finished sweep already" in out


@pytest.mark.parametrize(
    ("hosts", "said"),
    [
        ("two", "PLAS_JAX_HOSTS takes auto or ADDRESS:PORT,PROCESSES,INDEX, not 'two'"),
        ("localhost:1,2,2", "PLAS_JAX_HOSTS=localhost:1,2,2: the index counts from 0"),
        ("auto", "PLAS_JAX_HOSTS: the processes could not be connected: coordinator_address should be defined"),
    ],
)
def test_hosts_that_are_none_are_refused_in_one_line(tmp_path, monkeypatch, hosts, said):
    monkeypatch.setenv("PLAS_JAX_HOSTS", hosts)
    # To look for other processes, JAX must be as yet untouched.
    called = call if hosts == "auto" else call_here
    done = called("sweep_perturbation.py", "--preset=smoke", f"--output={tmp_path / 'out'}")
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: {said}"), done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()
