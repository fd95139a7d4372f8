"""The data of Maze2D: what D4RL's controller does, row by row, and what its flags and rewards mean."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plas_jax.datasets import d4rl_files
from plas_jax.datasets.catalogue import ENVIRONMENTS, parse
from plas_jax.environments.lockstep import Lockstep
from plas_jax.environments.maze2d import MAZE2D
from plas_jax.files.whole_files import sha256
from plas_jax.recipes import collect
from plas_jax.recipes.maze2d import steered
from plas_jax.recipes.waypoints import MOVES, distances, shortest_way

ROWS = 4_000


@pytest.fixture(scope="module")
def umaze():
    return steered("maze2d-umaze", ROWS, 0, collect.ignore)


def test_the_same_bytes_twice_and_others_with_another_seed(tmp_path):
    paths = []
    for folder, seed in (("a", 0), ("b", 0), ("c", 1)):
        (tmp_path / folder).mkdir()
        paths.append(collect.make("maze2d-medium-r1", 500, seed, tmp_path / folder))
    assert sha256(paths[0]) == sha256(paths[1]) != sha256(paths[2])
    assert d4rl_files.read(paths[0], parse("maze2d-medium-r1").environment).timeouts is not None


def test_fewer_rows_are_the_beginning_of_more(umaze):
    for key, values in steered("maze2d-umaze", 700, 0, collect.ignore).items():
        np.testing.assert_array_equal(values, umaze[key][:700])


def test_each_row_follows_from_its_state_and_action(umaze):
    with Lockstep("maze2d-umaze", 1) as lockstep:
        for row in range(0, ROWS, 37):
            lockstep.set_state(0, umaze["infos/qpos"][row], umaze["infos/qvel"][row])
            after = lockstep.step(umaze["actions"][row : row + 1], np.zeros(1, int))[0][0]
            np.testing.assert_allclose(umaze["next_observations"][row], after, atol=1e-6)
    np.testing.assert_array_equal(umaze["observations"][1:], umaze["next_observations"][:-1])


def test_rewards_are_of_the_observation_beside_them_and_flags_of_targets(umaze):
    goal, xy = np.array(MAZE2D["maze2d-umaze"].goal), umaze["infos/qpos"]
    np.testing.assert_array_equal(umaze["rewards"], np.linalg.norm(xy - goal, axis=1) <= 0.5)
    flagged = np.flatnonzero(umaze["timeouts"])
    assert len(flagged) > 30
    assert not umaze["terminals"].any()
    # Flags stand within reach of the target's cell, and the target changes behind them and nowhere else.
    cell = np.round(umaze["infos/goal"][flagged])
    assert np.linalg.norm(xy[flagged] - cell, axis=1).max() < 0.1
    changed = np.flatnonzero((np.diff(umaze["infos/goal"], axis=0) != 0).any(axis=1))
    assert set(changed) == set(flagged) - {ROWS - 1}


def test_a_target_is_given_up_after_the_horizon(monkeypatch):
    short = ENVIRONMENTS["maze2d-umaze"]._replace(horizon=10)
    monkeypatch.setitem(ENVIRONMENTS, "maze2d-umaze", short)
    flagged = np.flatnonzero(steered("maze2d-umaze", 200, 0, collect.ignore)["timeouts"])
    assert np.diff(flagged).max() == 11  # D4RL counts after the step


@pytest.mark.parametrize("name", MAZE2D)
@given(data=st.data())
def test_a_way_is_a_shortest_one_through_free_cells(name, data):
    free = MAZE2D[name].free
    start, target = data.draw(st.sampled_from(free)), data.draw(st.sampled_from(free))
    way = [start, *shortest_way(free, start, target)]
    assert way[-1] == target
    assert set(way) <= set(free)
    steps = [(b[0] - a[0], b[1] - a[1]) for a, b in pairwise(way)]
    assert set(steps) <= set(MOVES) | ({(0, 0)} if start == target else set())
    assert len(steps) == max(1, distances(free, target)[start])


def test_no_way_is_refused():
    with pytest.raises(ValueError, match="no way from"):
        shortest_way({(0, 0), (2, 2)}, (0, 0), (2, 2))


@pytest.mark.slow
@pytest.mark.parametrize(("name", "steps"), [("umaze", 73.5), ("medium", 152.9), ("large", 227.5)])
def test_targets_are_reached_as_fast_as_d4rls_controller_does(name, steps):
    """Half a million rows of another seed gave these numbers of steps a target."""
    rows = 60_000
    reached = steered(f"maze2d-{name}", rows, 7, collect.ignore)["timeouts"].sum()
    assert rows / reached == pytest.approx(steps, rel=0.12)
