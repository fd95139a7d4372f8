"""Names, files and transitions: every refusal by name, and the vectorised loader against D4RL's loop."""

import os
import re
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import plas_jax
from plas_jax.datasets import d4rl_files, folders
from plas_jax.datasets.catalogue import (
    ENVIRONMENTS,
    LOCOMOTION,
    names,
    normalised_score,
    parse,
    parts,
    robot,
    task,
    url,
)
from plas_jax.datasets.d4rl_files import BadDatasetError, Recording
from plas_jax.datasets.loading import count_rows, fingerprint, load
from plas_jax.datasets.transitions import describe, qlearning_transitions

HOPPER = parse("hopper-medium-v2")


# Names


def test_a_name_has_three_parts():
    dataset = parse("walker2d-medium-replay-v0")
    assert dataset[:4] == ("walker2d-medium-replay-v0", ENVIRONMENTS["walker2d"], "medium-replay", "v0")
    assert parse("hopper-random-r1").is_recipe
    assert HOPPER.is_published
    assert not HOPPER.is_recipe
    assert [parse(name).name for name in names()] == names()


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("version", ["v0", "v1", "v2", "r1"])
def test_every_level_of_the_paper_exists(version):
    for environment in LOCOMOTION:
        for level in ("random", "medium", "medium-replay", "medium-expert", "expert"):
            dataset = parse(f"{environment}-{level}-{version}")
            assert dataset[:4] == (f"{environment}-{level}-{version}", ENVIRONMENTS[environment], level, version)
            assert dataset.is_published == (version != "r1")
            if dataset.is_published and len(parts(dataset)) == 1:
                assert dataset.bytes > 8_000_000
                assert re.fullmatch("[0-9a-f]{64}", dataset.sha256)


def test_hopper_medium_expert_has_two_forms():
    """(b) is medium and expert; (a) is the file that D4RL ships under the name, expert and medium-replay (D4RL#19)."""
    assert [part.name for part in parts(parse("hopper-medium-expert-v0"))] == ["hopper-medium-v0", "hopper-expert-v0"]
    assert url(parse("hopper-medium-expert-a-v0")).endswith("gym_mujoco/hopper_medium_expert.hdf5")
    for form, both in (
        ("", ["hopper-medium-r1", "hopper-expert-r1"]),
        ("-a", ["hopper-expert-r1", "hopper-medium-replay-r1"]),
    ):
        assert [part.name for part in parts(parse(f"hopper-medium-expert{form}-r1"))] == both
    assert parts(parse("hopper-medium-expert-v2")) == (parse("hopper-medium-expert-v2"),)
    with pytest.raises(ValueError, match="nothing to download"):
        url(parse("hopper-medium-expert-v0"))


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("hoper-medium-v2", ["no environment 'hoper'", "did you mean hopper-medium-v2"]),
        ("hopper-mediun-v2", ["no level 'mediun'", "did you mean hopper-medium-v2"]),
        ("hopper-medium-v3", ["not in 'v3'", "hopper-medium-v2"]),
        ("hopper-medium-expert-r9", ["not in 'r9'"]),
        ("hopper-full-replay-r1", ["r1 of hopper has no level 'full-replay'", "random, medium"]),
        ("walker2d-medium-expert-a-r1", ["r1 of walker2d has no level 'medium-expert-a'"]),
        ("hopper", ["must end in a version (r1, v0, v1, v2);"]),
        ("", ["the names are hopper-random-r1"]),
    ],
)
def test_an_unknown_name_is_refused_in_one_line(name, says):
    with pytest.raises(ValueError, match="unknown data set") as error:
        parse(name)
    assert all(part in str(error.value) for part in says)
    assert "\n" not in str(error.value)


def test_v1_is_accepted_with_its_known_fault():
    with pytest.warns(UserWarning, match=r"swapped.*D4RL#76.*D4RL#86"):
        assert parse("hopper-expert-v1").version == "v1"


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("hopper-random-v0", "gym_mujoco/hopper_random.hdf5"),
        ("hopper-medium-replay-v0", "gym_mujoco/hopper_mixed.hdf5"),
        ("walker2d-medium-replay-v0", "gym_mujoco/walker_mixed.hdf5"),
        ("halfcheetah-medium-replay-v0", "gym_mujoco/halfcheetah_mixed.hdf5"),
        ("walker2d-medium-expert-v0", "gym_mujoco/walker2d_medium_expert.hdf5"),
        ("walker2d-medium-replay-v1", "gym_mujoco_v1/walker2d_medium_replay-v1.hdf5"),
        ("hopper-medium-v2", "gym_mujoco_v2/hopper_medium-v2.hdf5"),
    ],
)
def test_addresses_are_those_of_d4rl(name, file):
    assert url(parse(name)) == f"http://rail.eecs.berkeley.edu/datasets/offline_rl/{file}"


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("version", ["v0", "v1", "v2", "r1"])
def test_a_task_is_robot_and_level_in_every_version(version):
    for name in names():
        dataset = parse(name)
        level = dataset.level.removesuffix("-trained")
        of_robot = dataset.environment.name.partition("-")[0]
        assert task(f"{of_robot}-{dataset.level}-{version}") == f"{of_robot}-{level}"
        assert task(f"{name}@{dataset.environment.name}") == task(name)
        assert robot(name) == robot(f"mine@{dataset.environment.name}") == of_robot


@pytest.mark.parametrize(
    ("name", "of_robot", "of_task"),
    [
        ("hopper-medium-replay-v2@hopper", "hopper", "hopper-medium-replay"),
        ("hopper-medium-expert-v2@Hopper-v5", "hopper", "hopper-medium-expert"),
        ("halfcheetah-medium-replay-trained-r1@HalfCheetah-v4", "halfcheetah", "halfcheetah-medium-replay"),
        ("walker2d-full-replay-v2@Walker2d-v4", "walker2d", "walker2d-full-replay"),
        ("walker2d-medium-v2@halfcheetah", "halfcheetah", "halfcheetah-medium"),  # the environment decides
        ("hopper_medium-v2@hopper", "hopper", "hopper-medium"),  # D4RL's own files' names
        ("walker_mixed@walker2d", "walker2d", "walker2d-medium-replay"),
        ("hopper_medium_expert@hopper", "hopper", "hopper-medium-expert-a"),
        ("hopper-medium-expert-a-r1", "hopper", "hopper-medium-expert-a"),
        ("mine@hopper", "hopper", ""),
        ("mine-medium-v2@hopper", "hopper", ""),
        ("at@home@Hopper-v5", "hopper", ""),
        ("mine@Pendulum-v1", "", ""),
        ("hopper-medium-v2@Pendulum-v1", "", ""),
        ("hopper-medium-v2@own/Hopper-v0", "", ""),  # whatever that is
        ("minari:mujoco/halfcheetah/medium-expert-v0", "halfcheetah", "halfcheetah-medium-expert"),
        ("minari:mujoco/hopper/simple-v0", "hopper", ""),
        ("minari:mujoco/ant/expert-v0", "", ""),
        ("minari:D4RL/pen/human-v2", "pen", "pen-human"),
        ("minari:D4RL/antmaze/umaze-diverse-v1", "antmaze", "antmaze-umaze-diverse"),
        ("minari:D4RL/pointmaze/umaze-v2", "", ""),
        ("minari:hopper-medium-v0", "hopper", "hopper-medium"),
        ("minari:hopper/medium-v0@Hopper-v5", "hopper", "hopper-medium"),
        ("minari:swing-v0", "", ""),
        ("pen-human-v1", "pen", "pen-human"),
        ("pen-random-v1", "pen", ""),
        ("", "", ""),
    ],
)
def test_robot_and_task_in_every_spelling(name, of_robot, of_task):
    assert (robot(name), task(name)) == (of_robot, of_task)


def test_robots_share_one_family_and_halfcheetah_alone_cannot_fall():
    assert {ENVIRONMENTS[name].family for name in LOCOMOTION} == {"locomotion"}
    assert [ENVIRONMENTS[name].terminates for name in LOCOMOTION] == [True, True, False]
    assert not any(environment.is_own for environment in ENVIRONMENTS.values())


def test_normalised_scores():
    assert normalised_score(ENVIRONMENTS["hopper"], np.array([[-20.272305, 3234.3]])).tolist() == [[0.0, 100.0]]
    assert normalised_score(ENVIRONMENTS["walker2d"], 4592.3) == pytest.approx(100.0)
    assert normalised_score(ENVIRONMENTS["halfcheetah"], 1000.0) == pytest.approx(100 * 1280.178953 / 12415.178953)


def test_names_and_folders_load_no_heavy_library():
    code = "import sys, plas_jax.datasets.folders; print({'jax', 'h5py', 'mujoco'} & set(sys.modules))"
    root = str(Path(plas_jax.__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | {"PYTHONPATH": root}, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "set()"


# Folders


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("D4RL_DATASET_DIR", raising=False)
    return tmp_path / "home"


def test_the_folder_asked_for_comes_first_then_the_variable_then_the_cache(tmp_path, home, monkeypatch):
    asked, chosen, cache = tmp_path / "asked", tmp_path / "chosen", home / ".d4rl" / "datasets"
    for folder in (asked, chosen, cache):
        folder.mkdir(parents=True)
    (cache / "hopper_medium-v2.hdf5").touch()
    assert folders.locate(HOPPER) == cache / "hopper_medium-v2.hdf5"
    monkeypatch.setenv("D4RL_DATASET_DIR", str(chosen))
    assert folders.locate(HOPPER) == cache / "hopper_medium-v2.hdf5"
    (chosen / "hopper-medium-v2.hdf5").touch()
    assert folders.locate(HOPPER) == chosen / "hopper-medium-v2.hdf5"
    assert folders.locate(HOPPER, asked) is None
    (asked / "hopper-medium-v2.hdf5").touch()
    (asked / "hopper_medium-v2.hdf5").touch()
    assert folders.locate(HOPPER, asked) == asked / "hopper_medium-v2.hdf5"
    assert folders.writable_folder() == chosen


def test_a_missing_folder_that_was_asked_for_is_an_error(tmp_path):
    with pytest.raises(NotADirectoryError, match="nowhere does not exist"):
        folders.locate(HOPPER, tmp_path / "nowhere")


def test_a_missing_file_is_told_with_address_name_and_folders(tmp_path, home, monkeypatch):
    monkeypatch.setenv("D4RL_DATASET_DIR", str(tmp_path))
    with pytest.raises(FileNotFoundError) as error:
        folders.require(HOPPER)
    for part in (url(HOPPER), "hopper_medium-v2.hdf5", "hopper-medium-v2.hdf5", str(tmp_path), str(home / ".d4rl")):
        assert part in str(error.value)


def test_the_default_folder_is_created(home):
    assert folders.writable_folder().is_dir()
    assert folders.writable_folder() == home / ".d4rl" / "datasets"


# Files


def arrays(rows=6, environment="hopper"):
    """A sound recording whose every number is different."""
    sizes = ENVIRONMENTS[environment]
    count = np.arange(rows, dtype=np.float32)
    return {
        "observations": count[:, None] + np.arange(sizes.observation_size, dtype=np.float32) / 100,
        "actions": (count[:, None] + np.arange(sizes.action_size, dtype=np.float32)) / 100,
        "rewards": 10 * count,
        "terminals": np.zeros(rows, bool),
        "timeouts": np.zeros(rows, bool),
    }


def stored(path, columns):
    with h5py.File(path, "w") as file:
        for key, values in columns.items():
            file[key] = values
    return path


@pytest.fixture
def path(tmp_path):
    return tmp_path / "some.hdf5"


def test_reading_by_hand(path):
    columns = arrays()
    columns["terminals"][1] = True
    columns["timeouts"][3] = True
    recording = d4rl_files.read(stored(path, columns), HOPPER.environment)
    kept = qlearning_transitions(recording, 1000)
    # row 3 is on the time limit and row 5 is the last one; row 1 stays, with the next episode's observation
    assert kept.observation[:, 0].tolist() == [0, 1, 2, 4]
    assert kept.next_observation[:, 0].tolist() == [1, 2, 3, 5]
    assert kept.action[:, 1].tolist() == pytest.approx([0.01, 0.02, 0.03, 0.05])
    assert kept.reward.tolist() == [0, 10, 20, 40]
    assert kept.bootstrap.tolist() == [1, 0, 1, 1]
    assert {array.dtype for array in kept[:5]} == {np.dtype(np.float32)}
    # whole episodes are rows 0-1 and 2-3; the last two rows are unfinished
    found = describe(recording, HOPPER.environment)
    assert (found.rows, found.terminals, found.timeouts, found.returns.tolist()) == (6, 1, 1, [10.0, 50.0])
    assert (found.episodes, found.return_mean, found.return_std) == (2, 30.0, 20.0)


def test_columns_and_other_number_types_are_read(path):
    columns = arrays()
    columns["rewards"] = columns["rewards"].astype(np.float64)[:, None]
    columns["terminals"] = np.array([0, 1, 0, 0, 0, 0], np.uint8)[:, None]
    del columns["timeouts"]
    recording = d4rl_files.read(stored(path, columns), HOPPER.environment)
    assert recording.rewards.tolist() == [0, 10, 20, 30, 40, 50]
    assert recording.rewards.dtype == np.float32
    assert recording.terminals.tolist() == [False, True, False, False, False, False]
    assert recording.timeouts is None


def put(key, row, value):
    def spoil(columns):
        columns[key] = columns[key].astype(np.float64)
        columns[key][row] = value

    return spoil


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda c: c.pop("rewards"), ["rewards", "missing"]),
        (lambda c: c.update(actions=c["actions"][:5]), ["actions", "row 5", "6 rows"]),
        (lambda c: c.update(timeouts=np.zeros(7, bool)), ["timeouts", "row 7", "6 rows"]),
        (lambda c: c.update(observations=np.zeros((6, 17))), ["observations", "[6, 17]", "[rows, 11]"]),
        (lambda c: c.update(actions=np.zeros((6, 6))), ["actions", "[6, 6]", "[rows, 3]"]),
        (lambda c: c.update(rewards=np.zeros((6, 2))), ["rewards", "[6, 2]", "[rows]"]),
        (lambda c: c.update(rewards=3.0), ["rewards", "shape []"]),
        (lambda c: c.update(rewards=[b"a"] * 6), ["rewards", "not an array of numbers"]),
        (lambda c: (c.pop("rewards"), c.update({"rewards/a": 1.0})), ["rewards", "not an array of numbers"]),
        (put("observations", (4, 10), np.nan), ["observations", "row 4 is not finite"]),
        (put("actions", (2, 0), np.nan), ["actions", "row 2 is not finite"]),
        (put("rewards", 3, -np.inf), ["rewards", "row 3 is not finite: -inf"]),
        (put("rewards", 3, 1e300), ["rewards", "row 3 is not finite"]),
        (put("actions", (5, 2), 1.001), ["actions", "row 5 is outside [-1, 1]", "1.001"]),
        (put("actions", (0, 0), -1.5), ["actions", "row 0 is outside [-1, 1]"]),
        (put("terminals", 2, 2), ["terminals", "row 2 is neither 0 nor 1: 2"]),
        (put("timeouts", 1, 0.5), ["timeouts", "row 1 is neither 0 nor 1"]),
        (put("terminals", 4, np.nan), ["terminals", "row 4 is neither"]),
        (lambda c: c.update(arrays(1)), ["observations", "two rows"]),
        (lambda c: c.update(arrays(0)), ["observations", "two rows"]),
    ],
)
def test_faults_are_refused_by_file_key_and_row(path, spoil, says):
    columns = arrays()
    spoil(columns)
    with pytest.raises(BadDatasetError) as error:
        d4rl_files.read(stored(path, columns), HOPPER.environment)
    assert all(part in str(error.value) for part in [str(path), *says])
    assert "\n" not in str(error.value)


def test_actions_may_touch_the_bounds(path):
    columns = arrays()
    columns["actions"][:2] = [[1.0, -1.0, 0.0]] * 2
    assert d4rl_files.read(stored(path, columns), HOPPER.environment).actions[0].tolist() == [1.0, -1.0, 0.0]


@pytest.mark.parametrize("part", [0.0, 0.01, 0.3, 0.6, 0.95])
def test_a_file_that_was_cut_off_is_refused(path, part):
    stored(path, arrays(5000))
    content = path.read_bytes()
    path.write_bytes(content[: int(part * len(content))])
    with pytest.raises(BadDatasetError, match="not a whole HDF5 file") as error:
        d4rl_files.read(path, HOPPER.environment)
    assert str(path) in str(error.value)


def test_a_missing_file_is_no_bad_data_set(path):
    with pytest.raises(FileNotFoundError):
        d4rl_files.read(path, HOPPER.environment)


# Transitions


def literal_loop(recording, horizon):
    """D4RL's `qlearning_dataset`, statement by statement: the rows it keeps."""
    kept, episode_step = [], 0
    for i in range(len(recording.rewards) - 1):
        done = recording.terminals[i]
        final = recording.timeouts[i] if recording.timeouts is not None else episode_step == horizon - 1
        if final:
            episode_step = 0
            continue
        if done or final:
            episode_step = 0
        kept.append(i)
        episode_step += 1
    return kept


flags = st.lists(st.sampled_from([(0, 0)] * 5 + [(1, 0), (0, 1), (1, 1)]), min_size=2, max_size=60)


@given(rows=flags, horizon=st.integers(1, 9), has_timeouts=st.booleans())
@example(rows=[(0, 0), (0, 0), (1, 0), (0, 0), (0, 0), (0, 0), (0, 0)], horizon=3, has_timeouts=False)
@example(rows=[(0, 0), (1, 1), (0, 0), (1, 0)], horizon=9, has_timeouts=True)
@example(rows=[(0, 0), (0, 1)], horizon=2, has_timeouts=True)
@example(rows=[(0, 1), (0, 0)], horizon=2, has_timeouts=True)
def test_the_loader_is_d4rls_loop(rows, horizon, has_timeouts):
    columns = arrays(len(rows))
    columns["terminals"], timeouts = np.array(rows, bool).T
    columns["timeouts"] = timeouts if has_timeouts else None
    recording = Recording(**columns)
    kept = literal_loop(recording, horizon)
    made = qlearning_transitions(recording, horizon)
    assert made.reward.tolist() == [recording.rewards[i] for i in kept]
    assert made.observation.tolist() == [recording.observations[i].tolist() for i in kept]
    assert made.action.tolist() == [recording.actions[i].tolist() for i in kept]
    assert made.next_observation.tolist() == [recording.observations[i + 1].tolist() for i in kept]
    assert made.bootstrap.tolist() == [1.0 - recording.terminals[i] for i in kept]


# Files in the layouts of D4RL's versions. v0: explicit timeouts and nothing else; v2: next observations and states too,
# of which the former are wrong on purpose here, as they must not be read.
LAYOUTS = {
    "v0": lambda columns: {},
    "v2": lambda columns: {
        "next_observations": columns["observations"] + 7,
        "infos/qpos": np.zeros((len(columns["rewards"]), 6)),
        "infos/qvel": np.zeros((len(columns["rewards"]), 6)),
    },
}


@given(episodes=st.lists(flags, min_size=1, max_size=3), layout=st.sampled_from(sorted(LAYOUTS)))
def test_files_of_every_layout_and_their_mixtures_give_d4rls_transitions(tmp_path_factory, episodes, layout):
    folder, paths, expected = tmp_path_factory.mktemp("files"), [], []
    for place, rows in enumerate(episodes):
        columns = arrays(len(rows))
        columns["rewards"] = columns["rewards"] + 1000 * place
        columns["terminals"], columns["timeouts"] = np.array(rows, bool).T
        paths.append(stored(folder / f"{place}.hdf5", columns | LAYOUTS[layout](columns)))
        kept = literal_loop(Recording(**columns), HOPPER.environment.horizon)
        expected.append([(columns["rewards"][i], columns["observations"][i + 1].tolist()) for i in kept])
    if not all(expected):
        with pytest.raises(ValueError, match="no transition is left"):
            load(HOPPER, paths)
        return
    found = load(HOPPER, paths)
    made = zip(found.transitions.reward.tolist(), found.transitions.next_observation.tolist(), strict=True)
    assert list(made) == [row for rows in expected for row in rows]
    assert found.description.rows == count_rows(HOPPER, paths) == sum(map(len, episodes))
    ended = sum(any(flag) for rows in episodes for flag in rows)
    assert found.description.episodes == ended


def test_the_fingerprint_is_the_files_own(tmp_path):
    (tmp_path / "a").write_bytes(b"a")
    (tmp_path / "b").write_bytes(b"b")
    of_a, of_b = (sha256(name).hexdigest() for name in (b"a", b"b"))
    assert fingerprint([tmp_path / "a"]) == of_a
    assert fingerprint([tmp_path / "a", tmp_path / "b"]) == sha256(f"{of_a} {of_b}".encode()).hexdigest()


def test_without_timeouts_the_counter_is_d4rls():
    # Two episodes that run into a limit of 3 rows: rows 2 and 5 are dropped, and row 6 as the last one.
    recording = Recording(**arrays(7) | {"timeouts": None})
    assert qlearning_transitions(recording, 3).reward.tolist() == [0, 10, 30, 40]
    # After a terminal D4RL's counter is 1, so of the episode in rows 2-4 row 3 is dropped.
    recording.terminals[1] = True
    assert qlearning_transitions(recording, 3).reward.tolist() == [0, 10, 20, 40, 50]


@given(rows=flags, horizon=st.integers(1, 9), has_timeouts=st.booleans())
def test_descriptions_count_whole_episodes(rows, horizon, has_timeouts):
    columns = arrays(len(rows))
    columns["terminals"], timeouts = np.array(rows, bool).T
    recording = Recording(**columns | {"timeouts": timeouts if has_timeouts else None})
    returns, total, length, limits = [], 0.0, 0, 0
    for i, reward in enumerate(recording.rewards):
        total, length = total + reward, length + 1
        limit = timeouts[i] if has_timeouts else length == horizon
        limits += limit
        if recording.terminals[i] or limit:
            returns.append(total)
            total, length = 0.0, 0
    found = describe(recording, HOPPER.environment._replace(horizon=horizon))
    assert found[:3] == (len(rows), recording.terminals.sum(), limits)
    assert found.returns.tolist() == returns
    assert found.episodes == len(returns)
    if returns:
        assert (found.return_mean, found.return_std) == pytest.approx((np.mean(returns), np.std(returns)))
    else:
        assert np.isnan([found.return_mean, found.return_std]).all()
