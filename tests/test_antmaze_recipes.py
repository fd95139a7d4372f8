"""The Ant of AntMaze's recipes: its symmetry, what leads it, and the rows it leaves."""

import mujoco
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plas_jax.environments.antmaze import ANTMAZE
from plas_jax.environments.lockstep import Lockstep
from plas_jax.recipes import antmaze, collect
from plas_jax.recipes.ant import ANKLE_SIGNS, motors, view
from plas_jax.recipes.antmaze import Leader, free_cells, led, plan_of
from plas_jax.recipes.behaviour_policy import WEIGHTS, load_policies

SIGNS = np.stack([np.ones(4), ANKLE_SIGNS], axis=1)


def turned(position, velocity, quarters):
    """The same Ant, its body turned by quarters and its legs relabelled."""

    def relabelled(joints):
        return (np.roll(joints.reshape(4, 2) * SIGNS, -quarters, axis=0) * SIGNS).ravel()

    position, velocity = position.copy(), velocity.copy()
    quarter, whole = np.zeros(4), np.zeros(4)
    mujoco.mju_axisAngle2Quat(quarter, np.array([0.0, 0.0, 1.0]), quarters * np.pi / 2)
    mujoco.mju_mulQuat(whole, position[3:7], quarter)
    position[3:7], position[7:], velocity[6:] = whole, relabelled(position[7:]), relabelled(velocity[6:])
    matrix = np.array([[0, 1], [-1, 0]])
    velocity[3:5] = np.linalg.matrix_power(matrix, quarters) @ velocity[3:5]
    return position, velocity


@given(st.integers(0, 2**32 - 1))
def test_an_ant_turned_by_quarters_sees_and_does_the_same(seed):
    generator = np.random.default_rng(seed)
    position = np.array([0, 0, 0.6, 1, *generator.uniform(-0.3, 0.3, 11)])
    position[3:7] /= np.linalg.norm(position[3:7])
    velocity, direction = generator.normal(size=14), generator.normal(size=2)
    action, ants = generator.uniform(-1, 1, 8), [turned(position, velocity, quarters) for quarters in range(4)]
    seen = view(*(np.stack(part) for part in zip(*ants, strict=True)), np.tile(direction, (4, 1)))
    # On the border between two quarters rounding decides.
    told = np.abs(np.degrees(np.arctan2(seen.features[:, 11], seen.features[:, 10])))
    if (told < 44.99).all():
        np.testing.assert_allclose(seen.features, np.tile(seen.features[0], (4, 1)), atol=1e-6)
        with Lockstep("antmaze-large", 4, threads=1) as lockstep:
            for slot, ant in enumerate(ants):
                lockstep.set_state(slot, *ant, np.full(2, 1e9))
            lockstep.step(motors(np.tile(action, (4, 1)), seen.quarters), np.arange(4))
            np.testing.assert_allclose(lockstep.position[:, :3], np.tile(lockstep.position[0, :3], (4, 1)), atol=1e-9)


@pytest.mark.parametrize("name", ANTMAZE)
def test_an_ant_that_goes_where_it_is_led_arrives(name):
    """A point that walks straight to each waypoint, without an Ant's inertia."""
    maze, leader, generator = ANTMAZE[name], Leader(ANTMAZE[name]), np.random.default_rng(0)
    walls = [
        maze.middle(row, column)
        for row, line in enumerate(maze.cells)
        for column, mark in enumerate(line)
        if mark == "#"
    ]
    for _ in range(5):
        at, goal = np.zeros(2), maze.draw_goal(generator, maze.place_of("G"))
        for _ in range(600):
            way = leader.waypoint(at, goal, generator.uniform(size=2)) - at
            at = at + 0.2 * way / max(0.2, float(np.hypot(*way)))
            assert min(np.abs(wall - at).max() for wall in walls) > 1.5
            if np.hypot(*(goal - at)) < 0.5:
                break
        assert np.hypot(*(goal - at)) < 0.5


def test_plans_are_those_that_d4rls_names_say():
    assert len(plan_of("antmaze-umaze", "umaze").starts) == len(plan_of("antmaze-umaze", "umaze").goals) == 1
    for level, environment in (("medium-play", "antmaze-medium"), ("large-diverse", "antmaze-large")):
        plan, free = plan_of(environment, level), free_cells(ANTMAZE[environment])
        assert set(plan.starts) | set(plan.goals) <= set(free)
        assert (set(plan.goals) == set(free)) == level.endswith("diverse")
        assert len(plan.starts) > 0.7 * len(free)


@pytest.fixture(scope="module")
def ant():
    return load_policies(WEIGHTS / "ant.npz")[0][-1]


def test_rows_follow_from_states_and_pay_at_one_goal(ant, monkeypatch):
    monkeypatch.setattr(antmaze, "ROWS", 40)
    columns = led("antmaze-umaze", "umaze-diverse", ant, (70, 0), collect.ignore)
    again = led("antmaze-umaze", "umaze-diverse", ant, (50, 0), collect.ignore)
    for key, values in again.items():
        np.testing.assert_array_equal(values, columns[key][:50])
    np.testing.assert_array_equal(np.flatnonzero(columns["timeouts"]), [39])
    np.testing.assert_array_equal(columns["observations"][1:40], columns["next_observations"][:39])
    with Lockstep("antmaze-umaze", 1) as lockstep:
        for row in (0, 20, 41, 69):
            lockstep.set_state(0, columns["infos/qpos"][row], columns["infos/qvel"][row], np.full(2, 1e9))
            after = lockstep.step(columns["actions"][row : row + 1], np.zeros(1, int))[0][0]
            np.testing.assert_allclose(columns["next_observations"][row], after, atol=1e-5)
    np.testing.assert_array_equal(columns["rewards"] > 0, columns["terminals"] | (columns["rewards"] > 0))


@pytest.mark.slow
def test_the_shipped_ant_arrives_in_the_smallest_maze(ant):
    columns = led("antmaze-umaze", "umaze", ant, (4 * antmaze.ROWS, 0), collect.ignore)
    reached = columns["rewards"].reshape(4, antmaze.ROWS).max(axis=1)
    assert reached.tolist() == [1, 1, 1, 1]
    assert columns["terminals"].sum() > 100  # it stays there
