"""The environments: equal to D4RL's recordings, to Gymnasium's `-v4` to the last bit, and to themselves."""

import gc
import os
import subprocess
import sys
import threading
from pathlib import Path

import gymnasium
import mujoco
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import plas_jax
from plas_jax.commands import fidelity
from plas_jax.environments.d4rl_dynamics import (
    MARGINS_ARE_SUMMED_SINCE,
    asset,
    d4rl_model,
    gymnasium_model,
    mujoco_version,
)
from plas_jax.environments.lockstep import Lockstep
from plas_jax.environments.locomotion import HORIZON, LOCOMOTION
from plas_jax.verification.parity import simulator

ROOT = Path(__file__).parents[1]
RECORDED = ROOT / "tests" / "golden" / "dynamics_v2.npz"
IDS = {"hopper": "Hopper-v4", "walker2d": "Walker2d-v4", "halfcheetah": "HalfCheetah-v4"}
NAMES = sorted(IDS)
RECORDED_ROBOTS = ("Hopper", "Walker2d", "HalfCheetah")


@pytest.fixture
def reference(monkeypatch, tmp_path):
    """Makes Gymnasium's own environment, whose model leaves a log in the working directory."""
    monkeypatch.chdir(tmp_path)
    previous = mujoco.get_mju_user_warning()
    mujoco.set_mju_user_warning(lambda _: None)
    yield lambda name: gymnasium.make(IDS[name]).unwrapped
    mujoco.set_mju_user_warning(previous)


def python(*arguments, folder):
    """Run Python in `folder` with this plas_jax, outside of the checkout."""
    environment = os.environ | {"PYTHONPATH": str(Path(plas_jax.__file__).parents[1])}
    command = [sys.executable, *map(str, arguments)]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False)


def model_bytes(model):
    buffer = np.empty(mujoco.mj_sizeModel(model), np.uint8)
    mujoco.mj_saveModel(model, None, buffer)
    return buffer


# D4RL's dynamics


@pytest.mark.parametrize("environment", RECORDED_ROBOTS)
def test_recorded_transitions_come_back(environment):
    with Lockstep(environment.lower(), 16) as lockstep:
        errors = simulator.replay_steps(simulator.load(RECORDED)[environment], lockstep, environment.lower())
    assert len(errors["state"]) == 100
    assert not errors["terminated"].any()
    assert max(errors[name].max() for name in ("state", "observation", "reward")) < 1e-11


@pytest.mark.parametrize("environment", RECORDED_ROBOTS)
def test_recorded_transitions_tell_the_dynamics_apart(environment):
    errors = simulator.replay_steps(
        simulator.load(RECORDED)[environment], Lockstep(environment.lower(), 16, "gymnasium"), environment.lower()
    )
    # Hopper's contact margin differs only where margins are summed; before, its inertia alone tells.
    assert errors["state"].max() > (0.1 if mujoco_version() >= MARGINS_ARE_SUMMED_SINCE else 0.02)
    assert not simulator.row(environment, errors)[1]


def test_recording_has_both_outcomes():
    recordings = simulator.load(RECORDED)
    assert set(recordings) == set(RECORDED_ROBOTS)
    for environment in ("Hopper", "Walker2d"):
        assert 0.1 < recordings[environment]["terminated"].mean() < 0.9


@pytest.mark.parametrize("name", NAMES)
def test_derived_constants_follow_the_old_inertias(name):
    model = d4rl_model(LOCOMOTION[name].xml)
    np.testing.assert_allclose(model.stat.meaninertia, model.dof_M0.mean(), rtol=1e-12)
    np.testing.assert_allclose(model.body_subtreemass[0], model.body_mass.sum(), rtol=1e-12)
    assert model.stat.meaninertia != gymnasium_model(LOCOMOTION[name].xml).stat.meaninertia


# Gymnasium's -v4


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.usefixtures("reference")
def test_shipped_model_is_byte_for_byte_gymnasiums(name):
    xml = LOCOMOTION[name].xml
    shipped = mujoco.MjModel.from_xml_path(str(asset(xml)))
    np.testing.assert_array_equal(model_bytes(gymnasium_model(xml)), model_bytes(shipped))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_thousand_steps_are_gymnasiums_bit_for_bit(name, reference):
    """Past terminations, too: a fallen robot stays in contact, where errors grow fastest."""
    scales = [(1.0, np.float32), (1.0, np.float64), (0.3, np.float32), (2.0, np.float64)]
    theirs, ours = [reference(name) for _ in scales], Lockstep(name, len(scales), "gymnasium", threads=2)
    seeds, index = [3, 0, 7, 12345], np.arange(len(scales))
    start = np.stack([env.reset(seed=seed)[0] for env, seed in zip(theirs, seeds, strict=True)])
    np.testing.assert_array_equal(ours.reset(seeds), start)
    generator = np.random.default_rng(0)
    for _ in range(HORIZON):
        draws = generator.uniform(-1, 1, (len(scales), LOCOMOTION[name].action_size))
        actions = [(scale * draw).astype(dtype) for (scale, dtype), draw in zip(scales, draws, strict=True)]
        expected = [env.step(action)[:3] for env, action in zip(theirs, actions, strict=True)]
        for dtype in (np.float32, np.float64):
            some = np.array([i for i in index if scales[i][1] is dtype])
            got = ours.step(np.stack([actions[i] for i in some]), some)
            for column, values in enumerate(got):
                np.testing.assert_array_equal(values, [expected[i][column] for i in some])
        for i, env in enumerate(theirs):
            np.testing.assert_array_equal(ours.position[i], env.data.qpos)
            np.testing.assert_array_equal(ours.velocity[i], env.data.qvel)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_reset_draws_what_gymnasium_draws(name, reference):
    env, lockstep = reference(name), Lockstep(name, 5)
    lockstep.reset(range(5))
    lockstep.step(np.ones((5, LOCOMOTION[name].action_size)), np.arange(5))
    before = lockstep.position[[0, 2, 4]]
    np.testing.assert_array_equal(lockstep.reset([9, 2**32], [3, 1]), [env.reset(seed=s)[0] for s in (9, 2**32)])
    np.testing.assert_array_equal(lockstep.position[[0, 2, 4]], before)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_healthy_is_gymnasiums_at_every_edge(name, reference):
    env, robot = reference(name), LOCOMOTION[name]
    edges = [0.0, 0.2, 0.7, 0.8, 1.0, 2.0, 100.0]
    edges = [sign * near for edge in edges for near in (edge, *np.nextafter(edge, [-9e9, 9e9])) for sign in (1, -1)]
    rest = np.concatenate([env.init_qpos, env.init_qvel])
    states = np.array([rest] + [np.where(np.arange(len(rest)) == coordinate, value, rest)
                                for coordinate in range(len(rest))
                                for value in (*edges, np.nan, np.inf, -np.inf)])  # fmt: skip
    ours = robot.healthy(states[:, : env.model.nq], states[:, env.model.nq :])
    for state, healthy in zip(states, ours, strict=True):
        env.data.qpos[:], env.data.qvel[:] = state[: env.model.nq], state[env.model.nq :]
        assert healthy == getattr(env, "is_healthy", True), state
    assert ours.all() == (name == "halfcheetah")


# Lockstep itself


TEAMS = {threads: Lockstep("halfcheetah", 7, threads=threads) for threads in (1, 2, 3)}


@given(threads=st.sampled_from([2, 3]), some=st.lists(st.integers(0, 6), unique=True), seed=st.integers(0, 99))
def test_an_episode_knows_neither_threads_nor_company(threads, some, seed):
    some = np.array(some, int)
    action = np.random.default_rng(seed).uniform(-1, 1, (10, 7, 6))
    alone, together = TEAMS[1], TEAMS[threads]
    alone.reset(range(seed, seed + 7))
    together.reset(range(seed, seed + 7))
    for now in action:
        expected = alone.step(now, np.arange(7))
        for got, want in zip(together.step(now[some], some), expected, strict=True):
            np.testing.assert_array_equal(got, want[some])


def test_set_state_clears_the_past():
    lockstep, index = Lockstep("walker2d", 2), np.arange(2)
    lockstep.reset([0, 1])
    for _ in range(100):
        lockstep.step(np.ones((2, 6)), index)
    fallen = lockstep.position[0].copy(), lockstep.velocity[0].copy()
    fresh = Lockstep("walker2d", 2)
    for episode in (0, 1):
        lockstep.set_state(episode, *fallen)
        fresh.set_state(episode, *fallen)
    np.testing.assert_array_equal(lockstep.step(np.ones((2, 6)), index)[0], fresh.step(np.ones((2, 6)), index)[0])


def test_impossible_requests_are_refused():
    with pytest.raises(KeyError):
        Lockstep("ant", 1)
    with pytest.raises(KeyError):
        Lockstep("hopper", 1, "v5")
    lockstep = Lockstep("hopper", 3)
    with pytest.raises(ValueError, match="shape"):
        lockstep.step(np.zeros((2, 3)), np.arange(3))
    with pytest.raises(ValueError, match="twice"):
        lockstep.step(np.zeros((2, 3)), np.array([1, 1]))
    with pytest.raises(ValueError, match="zip"):
        lockstep.reset([1, 2])


@pytest.mark.parametrize("closed", [True, False])
def test_threads_end_with_their_owner(closed):
    before = set(threading.enumerate())
    lockstep = Lockstep("hopper", 8, threads=4)
    lockstep.step(np.zeros((8, 3)), np.arange(8))
    workers = set(threading.enumerate()) - before
    assert workers
    if closed:
        lockstep.close()
        lockstep.step(np.zeros((8, 3)), np.arange(8))
    else:
        del lockstep
        gc.collect()
    for worker in workers:
        worker.join(timeout=5)
    assert not any(worker.is_alive() for worker in workers)


def test_nothing_is_printed_and_no_log_is_left(tmp_path):
    """Run with two threads and never closed: the process must end by itself."""
    code = """
import sys, plas_jax
assert "mujoco" not in sys.modules and "gymnasium" not in sys.modules
import numpy as np
from plas_jax.environments.d4rl_dynamics import DYNAMICS
from plas_jax.environments.lockstep import Lockstep
from plas_jax.environments.locomotion import LOCOMOTION
for dynamics in DYNAMICS:
    for name, robot in LOCOMOTION.items():
        lockstep = Lockstep(name, 4, dynamics, threads=2)
        lockstep.reset(range(4))
        lockstep.step(np.zeros((4, robot.action_size)), np.arange(4))
assert not any(module.startswith("gymnasium.envs") for module in sys.modules)
"""
    done = python("-W", "error", "-c", code, folder=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert list(tmp_path.iterdir()) == []


# The commands


def test_fidelity_command_on_the_recording(tmp_path):
    done = python(ROOT / "benchmarks" / "fidelity.py", RECORDED, folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"dynamics d4rl, mujoco {mujoco.__version__}" in done.stdout
    rows = [line.split() for line in done.stdout.splitlines() if line.startswith(RECORDED_ROBOTS)]
    assert [row[0] for row in rows] == list(RECORDED_ROBOTS)
    assert all(row[1] == "100" and float(row[3]) < 1e-11 and row[-1] == "0" for row in rows)
    other = python(ROOT / "benchmarks" / "fidelity.py", "--dynamics=gymnasium", RECORDED, folder=tmp_path)
    assert other.returncode == 1
    assert "NOT faithful" in other.stdout
    assert list(tmp_path.iterdir()) == []


def _spoiled(**changes):
    recording = {f"Hopper/{key}": value for key, value in simulator.load(RECORDED)["Hopper"].items()}
    recording |= {key.replace("__", "/"): value for key, value in changes.items()}
    return {key: value for key, value in recording.items() if value is not None}


BAD = {
    "missing nothing.npz: No such file": None,
    "not an npz file": b"once upon a time",
    "cannot be read": RECORDED.read_bytes()[:1000] + bytes(100) + RECORDED.read_bytes()[1100:],
    "holds no transitions": {},
    "missing next_qvel, reward": _spoiled(Hopper__next_qvel=None, Hopper__reward=None),
    "unknown environment 'Ant'": _spoiled(Ant__qpos=np.zeros((1, 6))),
    "action has shape (100, 4), expected (100, 3)": _spoiled(Hopper__action=np.zeros((100, 4))),
    "next_qpos has shape (99, 6)": _spoiled(Hopper__next_qpos=np.zeros((99, 6))),
    "reward has values that are not finite": _spoiled(Hopper__reward=np.full(100, np.nan)),
    "terminated has type float64": _spoiled(Hopper__terminated=np.zeros(100)),
    "qpos holds no transitions": _spoiled(Hopper__qpos=np.zeros((0, 6))),
    "Object arrays cannot be loaded": _spoiled(Hopper__reward=np.array([{}] * 100)),
}


@pytest.mark.parametrize("complaint", BAD)
def test_fidelity_refuses_bad_files_in_one_line(complaint, tmp_path, monkeypatch, capsys):
    path, content = tmp_path / "nothing.npz", BAD[complaint]
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        np.savez(path, **content)
    monkeypatch.setattr(sys, "argv", ["fidelity.py", str(path)])
    assert fidelity.main() == 1
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert len(said.splitlines()) == 1
    assert complaint.removeprefix("missing nothing") in said


def test_fidelity_fails_on_one_wrong_termination_or_reward(tmp_path):
    terminated, reward = (simulator.load(RECORDED)["Hopper"][name].copy() for name in ("terminated", "reward"))
    terminated[70] ^= True
    reward[99] += 2e-6
    np.savez(tmp_path / "terminated.npz", **_spoiled(Hopper__terminated=terminated))
    np.savez(tmp_path / "reward.npz", **_spoiled(Hopper__reward=reward))
    for name in ("terminated", "reward"):
        recording = simulator.load(tmp_path / f"{name}.npz")["Hopper"]
        assert not simulator.row("Hopper", simulator.replay_steps(recording, Lockstep("hopper", 32), "hopper"))[1]


@pytest.mark.parametrize("arguments", [[], ["nothing.npz"], [ROOT / "setup.py"], ["--dynamics=v5", RECORDED]])
def test_fidelity_command_ends_without_a_traceback(arguments, tmp_path):
    done = python(ROOT / "benchmarks" / "fidelity.py", *arguments, folder=tmp_path)
    assert done.returncode != 0
    assert done.stdout == ""
    assert done.stderr.strip()
    assert "Traceback" not in done.stderr


def test_evaluation_speed_command(tmp_path):
    arguments = ["--seconds=0.02", "--episodes=4", "--copies=2"]
    done = python(ROOT / "benchmarks" / "evaluation_speed.py", *arguments, folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    rows = [line.split() for line in done.stdout.splitlines() if line.startswith(tuple(NAMES))]
    assert len(rows) == 3
    assert all(float(cell) > 0 for row in rows for cell in row[1:])
    assert mujoco.__version__ in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_evaluation_speed_says_what_to_install(tmp_path):
    code = "import sys; sys.modules['imageio'] = None\nfrom plas_jax.commands.evaluation_speed import main\n"
    code += "sys.exit(main())"
    done = python("-c", code, folder=tmp_path)
    assert done.returncode != 0
    assert "plas_jax[test]" in done.stderr
    assert "Traceback" not in done.stderr
