"""Maze2D, AntMaze, Adroit and the kitchen: equal to D4RL's recordings, and what their episodes are."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import mujoco
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import plas_jax
from plas_jax.datasets.catalogue import ENVIRONMENTS, LOCOMOTION, parse
from plas_jax.environments.adroit_tasks import euler_angles, target_quaternion
from plas_jax.environments.antmaze import ANTMAZE
from plas_jax.environments.kitchen import KITCHEN, REST
from plas_jax.environments.lockstep import Lockstep
from plas_jax.environments.maze2d import MAZE2D
from plas_jax.environments.robot import Moment
from plas_jax.environments.robots import ROBOTS
from plas_jax.environments.runge_kutta import RungeKutta, turned
from plas_jax.environments.together import refuse_impossible, together
from plas_jax.verification.parity import hidden, simulator

RECORDED = Path(__file__).with_name("golden") / "dynamics_domains.npz"
EVERY = [name for name in ROBOTS if name not in LOCOMOTION]


def small(name, episodes=4, threads=1):
    return Lockstep(name, episodes, threads=threads)


# D4RL's dynamics


@pytest.mark.parametrize("recorded", sorted(simulator.load(RECORDED)))
def test_recorded_transitions_come_back(recorded):
    name = simulator.environment_of(recorded)
    with Lockstep(name, 8) as lockstep:
        errors = simulator.replay_steps(simulator.load(RECORDED)[recorded], lockstep, name)
    assert not errors["terminated"].any()
    explained = errors["cause"] != ""
    assert explained.any() == (name == "door")
    assert max(errors[key][~explained].max() for key in ("state", "observation", "reward")) < 1e-8
    assert max(errors["state"][explained], default=1.0) > 1e-6  # no excuse for a row that is right


# Every environment


def test_the_catalogue_and_the_simulator_know_the_same_environments():
    assert set(ROBOTS) == set(ENVIRONMENTS)
    for name, robot in ROBOTS.items():
        facts = ENVIRONMENTS[name]
        assert (robot.observation_size, robot.action_size) == (facts.observation_size, facts.action_size)


@pytest.mark.parametrize("name", EVERY)
def test_an_episode_knows_neither_threads_nor_company(name):
    action = np.random.default_rng(0).uniform(-1.5, 1.5, (6, 4, ROBOTS[name].action_size))
    alone, together_ = small(name), small(name, threads=2)
    start = alone.reset(range(4))
    np.testing.assert_array_equal(together_.reset(range(4)), start)
    assert start.shape == (4, ENVIRONMENTS[name].observation_size)
    some = np.array([3, 1])
    for now in action:
        expected = alone.step(now, np.arange(4))
        for got, want in zip(together_.step(now[some], some), expected, strict=True):
            np.testing.assert_array_equal(got, want[some])


@pytest.mark.parametrize("name", EVERY)
def test_actions_beyond_the_bounds_are_those_on_them(name):
    lockstep, index = small(name, 2), np.arange(2)
    lockstep.reset([5, 5])
    action = np.random.default_rng(1).uniform(-3, 3, ROBOTS[name].action_size)
    observation, *_ = lockstep.step(np.stack([action, np.clip(action, -1, 1)]), index)
    np.testing.assert_array_equal(observation[0], observation[1])


@pytest.mark.parametrize("name", EVERY)
def test_other_dynamics_are_refused_in_one_line(name):
    with pytest.raises(ValueError, match=f"--dynamics=gymnasium does not apply to {name}"):
        together(ENVIRONMENTS[name], 2, "gymnasium")
    with pytest.raises(KeyError):
        Lockstep(name, 1, "v5")


# Maze2D


@pytest.mark.parametrize("name", MAZE2D)
def test_a_particle_starts_in_a_free_cell_and_is_paid_near_the_goal(name):
    maze, lockstep = MAZE2D[name], small(name, 200)
    start = lockstep.reset(range(200))
    cells = {tuple(cell) for cell in np.round(start[:, :2]).astype(int).tolist()}
    assert cells <= set(maze.free)
    assert len(cells) > 0.8 * len(maze.free)
    assert np.abs(start[:, :2] - np.round(start[:, :2])).max() <= 0.1
    goal = np.array(maze.goal, float)
    for offset, reward in ((0.49, 1.0), (0.51, 0.0)):
        lockstep.set_state(0, goal - (offset, 0), np.zeros(2), goal)
        assert lockstep.step(np.zeros((1, 2)), np.zeros(1, int))[1:] == (reward, False)


def test_walls_hold_a_particle_and_its_velocity_is_clipped_before_the_step():
    lockstep, index = small("maze2d-umaze", 1), np.zeros(1, int)
    lockstep.set_state(0, np.array([3.0, 1.0]), np.array([0.0, 50.0]))
    lockstep.step(np.zeros((1, 2)), index)
    assert lockstep.position[0, 1] == pytest.approx(1 + 5 * 0.01, abs=0.02)
    for _ in range(200):
        lockstep.step(np.array([[1.0, 0.0]]), index)
    assert 3.0 < lockstep.position[0, 0] < 3.3  # the wall begins at 3.3 and the particle's radius is 0.1


# AntMaze


@pytest.mark.parametrize("name", ANTMAZE)
def test_an_ant_starts_at_the_origin_and_its_goal_is_drawn_anew(name):
    maze, lockstep = ANTMAZE[name], small(name, 100)
    start = lockstep.reset(range(100))
    assert np.abs(start[:, :2]).max() <= 0.1
    assert np.abs(start[:, 2] - 0.75).max() <= 0.1
    inside = lockstep.memory - maze.middle(*maze.place_of("G"))
    assert inside.min() >= 0
    assert 1.2 < inside.max() <= 1.5
    assert len(np.unique(lockstep.memory)) == 200


def test_reaching_the_goal_ends_the_episode_and_falling_does_not():
    lockstep, rest = small("antmaze-umaze", 2), np.array([0, 0, 0.75, 1, *(0,) * 11], float)
    upside_down = np.array([0, 0, 0.4, 0, 1, *(0,) * 10], float)
    lockstep.set_state(0, rest, np.zeros(14), np.array([0.3, 0.3]))
    lockstep.set_state(1, upside_down, np.zeros(14), np.array([0.0, 8.0]))
    _, reward, ended = lockstep.step(np.zeros((2, 8)), np.arange(2))
    assert (reward.tolist(), ended.tolist()) == ([1.0, 0.0], [True, False])


def test_the_runge_kutta_step_is_mujocos_where_no_joint_is_free():
    """The method of a hinge's joint is the same in every version; 4.0 changed that of a free joint."""
    xml = """<mujoco><option timestep="0.02" integrator="RK4"/><worldbody><body>
      <joint axis="0 1 0" damping="1"/><geom type="capsule" size=".1" fromto="0 0 0 .5 0 0"/><body pos=".5 0 0">
      <joint axis="1 1 0"/><geom type="capsule" size=".1" fromto="0 0 0 .5 0 0"/></body></body></worldbody></mujoco>"""
    model = mujoco.MjModel.from_xml_string(xml)
    theirs, ours = mujoco.MjData(model), np.zeros((3, 7))  # time, two angles, speeds, the warm start
    RungeKutta(model, threads=2).advance(ours, 50)
    mujoco.mj_step(model, theirs, 50)
    for episode in ours:
        np.testing.assert_allclose(episode[:5], [theirs.time, *theirs.qpos, *theirs.qvel], rtol=0, atol=1e-12)


@given(arrays(float, (3, 4), elements=st.floats(-1, 1)), arrays(float, (3, 3), elements=st.floats(-7, 7)))
def test_a_quaternion_is_turned_as_mujoco_does(quaternion, rotation):
    quaternion[:, 0] += 2  # never zero
    quaternion /= np.linalg.norm(quaternion, axis=1, keepdims=True)
    expected = quaternion.copy()
    for each, by in zip(expected, rotation, strict=True):
        mujoco.mju_quatIntegrate(each, by, 1.0)
    np.testing.assert_allclose(turned(quaternion, rotation), expected, rtol=0, atol=1e-14)


# Names


@pytest.mark.parametrize(
    ("name", "environment"),
    [
        ("maze2d-large-v1", "maze2d-large"),
        ("antmaze-umaze-diverse-v2", "antmaze-umaze"),
        ("antmaze-medium-play-v0", "antmaze-medium"),
        ("pen-cloned-v1", "pen"),
        ("kitchen-partial-v0", "kitchen-complete"),
        ("kitchen-mixed-v0", "kitchen-mixed"),
    ],
)
def test_data_sets_of_tables_4_and_5_have_their_environments(name, environment):
    assert parse(name).environment == ENVIRONMENTS[environment]


@given(st.sampled_from(EVERY))
def test_no_family_of_theirs_is_locomotion(name):
    assert ENVIRONMENTS[name].family == name.partition("-")[0] or name in ("pen", "hammer", "door", "relocate")


# What is missing


@pytest.mark.parametrize("name", ["pen", "kitchen-mixed"])
def test_missing_model_files_are_named_with_what_to_install(name, monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda module: None if "robotics" in module else found(module))
    with pytest.raises(ValueError, match=r"gymnasium-robotics is not installed.*plas_jax\[robotics\]"):
        refuse_impossible([ENVIRONMENTS["hopper"], ENVIRONMENTS[name]], "d4rl")


def test_model_files_are_found_without_importing_their_package():
    code = "import sys; from plas_jax.environments.lockstep import Lockstep; Lockstep('pen', 1);"
    code += "print([name for name in sys.modules if name.startswith('gymnasium_robotics')])"
    environment = os.environ | {"PYTHONPATH": str(Path(plas_jax.__file__).parents[1])}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("[]\n", "")


# Adroit


def test_only_a_dropped_pen_ends_an_episode():
    lockstep = small("pen", 1)
    lockstep.reset([0])
    far = lockstep.position[0].copy()
    far[24] = 0.2  # along the pen's own x, which points down
    lockstep.set_state(0, far, np.zeros(30))
    _, reward, ended = lockstep.step(np.zeros((1, 24)), np.zeros(1, int))
    assert ended
    assert reward < -4


@pytest.mark.parametrize("name", ["pen", "hammer", "door", "relocate"])
def test_things_stand_elsewhere_in_each_episode_and_are_seen_there(name):
    lockstep = small(name, 30, threads=2)
    start = lockstep.reset(range(30))
    assert len(np.unique(lockstep.memory[:, 0])) == 30
    again = small(name, 30).reset(range(30))
    np.testing.assert_array_equal(start, again)
    assert (start.std(axis=0) > 1e-3).sum() >= {"pen": 5, "hammer": 1, "door": 6, "relocate": 7}[name]


@given(st.tuples(st.floats(-1, 1), st.floats(-1, 1)))
def test_the_targets_direction_tells_its_quaternion(angles):
    quaternion, direction = target_quaternion(np.array(angles)), np.zeros(3)
    mujoco.mju_rotVecQuat(direction, np.array([0.0, 0.0, 1.0]), quaternion)
    np.testing.assert_allclose(hidden.targets(direction[None])[0], quaternion, atol=1e-12)


@given(st.tuples(*[st.floats(-1.5, 1.5)] * 3))
def test_euler_angles_turn_back(angles):
    """D4RL's `quat2euler`: x, then y, then z about axes that turn along."""
    quaternion = np.array([1.0, 0.0, 0.0, 0.0])
    for axis, angle in zip(np.eye(3), angles, strict=True):
        turn, product = np.zeros(4), np.zeros(4)
        mujoco.mju_axisAngle2Quat(turn, axis, angle)
        mujoco.mju_mulQuat(product, quaternion, turn)
        quaternion = product
    np.testing.assert_allclose(euler_angles(quaternion), angles, atol=1e-9)


# The kitchen


@pytest.mark.parametrize("name", KITCHEN)
def test_an_element_is_paid_once_and_four_end_the_episode(name):
    kitchen, lockstep = KITCHEN[name], small(name, 1)
    start = lockstep.reset([3])[0]
    np.testing.assert_allclose(start[:30], REST, atol=0.0101)
    np.testing.assert_array_equal(start[30:], kitchen.goal)
    done = np.where(kitchen.goal != 0, kitchen.goal, REST)
    done[23:30] = kitchen.goal[23:30]
    lockstep.set_state(0, done, np.zeros(29))
    _, reward, ended = lockstep.step(np.zeros((1, 9)), np.zeros(1, int))
    assert (reward, ended) == (4, True)
    _, reward, _ = lockstep.step(np.zeros((1, 9)), np.zeros(1, int))
    assert reward == 0


def test_the_arm_aims_from_what_was_read():
    kitchen = KITCHEN["kitchen-mixed"]
    memory = np.zeros((1, kitchen.memory_size))
    memory[0, 2:11] = 0.5
    before = Moment(np.zeros((1, 30)), np.zeros((1, 29)), memory, np.zeros((1, 0)))
    aim = kitchen.control(np.full((1, 9), 0.25), before)[0]
    np.testing.assert_allclose(aim, [0.54, 0.54, 0.54, 0.0, 0.54, 0.54, 0.54, 0.04, 0.04])
