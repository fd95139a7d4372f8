"""Files of mazes, hands and the kitchen in D4RL's layout: each trap in them is told by the check that is for it."""

import numpy as np
import pytest

from plas_jax.datasets import d4rl_files
from plas_jax.datasets.catalogue import ENVIRONMENTS, parse
from plas_jax.datasets.recordings import Recording
from plas_jax.datasets.transitions import describe
from plas_jax.environments.kitchen import ELEMENTS, REST
from plas_jax.verification.data.findings import findings

MAZE, ANT, KITCHEN, HUMAN = "maze2d-umaze-v1", "antmaze-umaze-v2", "kitchen-mixed-v0", "pen-human-v1"


def drawn(name, rows):
    """Random rows of a data set, none paid and none flagged."""
    generator, facts = np.random.default_rng(0), parse(name).environment
    return {
        "observations": generator.normal(size=(rows, facts.observation_size)).astype(np.float32),
        "actions": generator.uniform(-1, 1, (rows, facts.action_size)).astype(np.float32),
        "rewards": np.zeros(rows, np.float32),
        "terminals": np.zeros(rows, bool),
        "timeouts": np.zeros(rows, bool),
    }


def particle():
    """A way along the upper corridor, from the goal at (1, 1) and back; three targets are reached."""
    columns = drawn(MAZE, 700)
    turn = np.arange(700) / 60
    columns["observations"][:, :2] = np.stack([1 + 0.01 * np.cos(turn), 1 + 2 * np.sin(turn) ** 2], axis=1)
    columns["rewards"][:] = columns["observations"][:, 1] <= 1.5
    columns["timeouts"][[299, 340, 600]] = True
    states = {"infos/qpos": columns["observations"][:, :2].copy(), "infos/qvel": columns["observations"][:, 2:]}
    return columns | states


def ant():
    """Two episodes of 1,001 rows; in the second the Ant stays at the goal, in two visits, until the time is over."""
    columns = drawn(ANT, 2002)
    columns["observations"][:, :2] = np.tile(np.arange(1001) / 200, 2)[:, None]
    paid = np.r_[1301:1500, 1700:2002]
    columns["rewards"][paid], columns["terminals"][paid] = 1, True
    columns["timeouts"][[1000, 2001]], columns["terminals"][2001] = True, False
    after = np.concatenate([columns["observations"][1:], columns["observations"][-1:]])
    return columns | {"infos/qpos": after[:, :15], "infos/qvel": after[:, 15:]}


def cook():
    """Two demonstrations that end in a terminal; the kettle is moved in both, in the second the light switched too."""
    columns = drawn(KITCHEN, 500)
    columns["observations"][:, :30] = REST + 0.01 * columns["observations"][:, :30]
    for element, rows in (("kettle", np.r_[100:240, 300:500]), ("light switch", np.r_[400:500])):
        where, wanted = ELEMENTS[element]
        columns["observations"][np.ix_(rows, where)] = wanted
        columns["rewards"][rows] += 1
    columns["terminals"][[239, 499]] = True
    del columns["timeouts"]
    return columns


def people():
    """Demonstrations of 130 and 170 rows, beyond the horizon of 100, without a terminal."""
    columns = drawn(HUMAN, 300)
    columns["rewards"][:] = 60
    columns["timeouts"][[129, 299]] = True
    return columns


SOUND = {MAZE: particle, ANT: ant, KITCHEN: cook, HUMAN: people}


def found_in(folder, name, columns):
    d4rl_files.write(folder / "data.hdf5", columns, {})
    return {one.check: one for one in findings(parse(name)._replace(sha256="", bytes=None), folder / "data.hdf5")}


def recorded(name):
    columns = SOUND[name]()
    return Recording(*(columns.get(key) for key in Recording._fields)), parse(name).environment


@pytest.mark.parametrize("name", SOUND)
def test_a_file_as_d4rl_has_it_has_nothing_wrong(tmp_path, name):
    found = found_in(tmp_path, name, SOUND[name]())
    assert {one.status for one in found.values()} <= {"ok", "skipped"}, found
    assert all("\n" not in one.detail for one in found.values())


@pytest.mark.parametrize(("name", "returns"), [(MAZE, [104, 84]), (ANT, [0, 1]), (KITCHEN, [1, 2])])
def test_returns_are_what_the_environment_would_have_paid(name, returns):
    """Sums over a horizon's rows in Maze2D, which goes on; once for the goal; once for each element."""
    recording, environment = recorded(name)
    found = describe(recording, environment)
    if name == MAZE:
        returns = [recording.rewards[:300].sum(), recording.rewards[300:600].sum()]
    assert found.returns.tolist() == returns
    assert describe(recording._replace(timeouts=None), ENVIRONMENTS["pen"]).episodes > 2


def without(*keys):
    return lambda columns: {key: values for key, values in columns.items() if key not in keys}


def put(key, where, value):
    def plant(columns):
        columns[key][where] = value
        return columns

    return plant


def rewards_of_the_next(columns):
    """Behind the flag of row 299 there is a stale observation, of which no reward is."""
    rewards = np.roll(columns["rewards"], -1)
    rewards[299] = 1 - rewards[299]
    return columns | {"rewards": rewards}


def stale_behind_targets(columns):
    columns["observations"][300] = columns["observations"][299]
    return columns


def flags_out_of_step(columns):
    return columns | {"timeouts": np.arange(2002) % 1000 == 999}


TRAPS = {
    "rewards of the next observation": (MAZE, rewards_of_the_next, "rewards", "warning", "pay a row later"),
    "another maze's rewards": (MAZE, put("rewards", np.s_[:9], 0), "rewards", "wrong", "9 of 700"),
    "no word of where targets change": (MAZE, without("timeouts"), "time limits", "warning", "where targets change"),
    "a terminal in a maze": (MAZE, put("terminals", 5, True), "terminals", "wrong", "never terminates"),
    "a stale row": (MAZE, lambda c: stale_behind_targets(c) | {"timeouts": 0 * c["timeouts"]}, "stale rows", "warning",
                    "1 rows"),
    "other states": (MAZE, put("infos/qpos", 7, 3), "stored states", "wrong", "1 rows observe another state, first 7"),
    "an Ant's flags out of step": (ANT, flags_out_of_step, "jumps", "wrong", "1 rows lead more than 1 m away"),
    "the same, counted": (ANT, flags_out_of_step, "time limits", "warning", "2 of 2 cut an episode before row 1001"),
    "an Ant's flags left out": (ANT, without("timeouts"), "time limits", "warning", "episodes have 1,001 rows"),
    "an episode that is too long": (ANT, put("timeouts", 1000, False), "episodes", "wrong", "longer than 1001"),
    "a visit that is not paid": (ANT, put("rewards", 1400, 0), "rewards", "warning", "1 terminal rows are not paid"),
    "rewards moved by one": (ANT, lambda c: c | {"rewards": c["rewards"] - 1}, "rewards", "wrong", "neither 0 nor 1"),
    "a kitchen that pays once": (KITCHEN, put("rewards", np.s_[101:], 0), "rewards", "wrong",
                                 "none is paid after episode 1 of 2"),
    "an element that is not done": (KITCHEN, put("rewards", 0, 1), "rewards", "wrong", "1 of 500"),
}  # fmt: skip


@pytest.mark.parametrize("trap", TRAPS)
def test_a_trap_is_told_by_its_check(tmp_path, trap):
    name, plant, check, status, words = TRAPS[trap]
    found = found_in(tmp_path, name, plant(SOUND[name]()))[check]
    assert (found.status, words in found.detail) == (status, True), found
