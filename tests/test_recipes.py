"""Recipes: the same bytes every time, no bias towards short episodes, rows that follow from one another."""

import errno
import json
import os
import re
import subprocess
import sys
import threading
import time
from functools import partial
from hashlib import sha256
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import h5py
import numpy as np
import pytest
from matplotlib.image import imread

import plas_jax
from plas_jax.commands import data_returns
from plas_jax.commands import datasets as command
from plas_jax.datasets import d4rl_files
from plas_jax.datasets.catalogue import ENVIRONMENTS, LOCOMOTION, names, normalised_score, parse, parts
from plas_jax.datasets.transitions import describe
from plas_jax.environments.lockstep import Lockstep
from plas_jax.recipes import behaviours, collect, manifests, rollout, stretches
from plas_jax.recipes.behaviour_policy import BehaviourPolicy, load_policies, save_policies
from plas_jax.reports import markdown


def ladder(path, environment, seed=0, steps=(40, 100)):
    """A file of untrained policies, each far from the others."""
    generator = np.random.default_rng(seed)
    sizes = ENVIRONMENTS[environment]

    def layer(rows, columns):
        return generator.normal(0, rows**-0.5, (rows, columns)), generator.normal(0, 0.1, columns)

    def policy():
        hidden = (layer(sizes.observation_size, 128), layer(128, 128))
        return BehaviourPolicy(hidden, layer(128, sizes.action_size), layer(128, sizes.action_size))

    save_policies(path, [policy() for _ in steps], {"steps": list(steps)})
    return path


@pytest.fixture
def weights(tmp_path):
    """A folder of policies."""
    folder = tmp_path / "weights"
    folder.mkdir()
    ladder(folder / "hopper.npz", "hopper")
    ladder(folder / "hopper_expert.npz", "hopper", seed=2)
    return folder


def digest(path):
    return sha256(path.read_bytes()).hexdigest()


# The same bytes


@pytest.mark.parametrize("name", ["hopper-random-r1", "hopper-medium-r1", "hopper-medium-expert-a-r1"])
def test_the_same_recipe_gives_the_same_bytes(tmp_path, weights, name):
    paths = []
    for folder in ("a", "b", "c"):
        (tmp_path / folder).mkdir()
        seed = 3 if folder == "c" else 0
        paths.append(collect.make(name, 1500, seed, tmp_path / folder, weights=weights))
        time.sleep(1.1)  # a time stamp in the file, which HDF5 keeps in seconds, would be another one
    assert paths[0].name == paths[1].name
    assert digest(paths[0]) == digest(paths[1])
    assert manifests.beside(paths[0]).read_text() == manifests.beside(paths[1]).read_text()
    assert paths[0].name != paths[2].name
    assert rows_of(paths[0])["actions"].tolist() != rows_of(paths[2])["actions"].tolist()


def test_other_weights_are_another_file(tmp_path, weights):
    ladder(tmp_path / "hopper.npz", "hopper", seed=1)
    one, two = (collect.make("hopper-medium-r1", 100, 0, tmp_path, weights=folder) for folder in (weights, tmp_path))
    assert one != two
    assert collect.make("hopper-medium-r1", 100, 0, tmp_path, weights=weights) == one


def test_the_last_rung_acts(tmp_path, weights):
    rows = rows_of(collect.make("hopper-medium-r1", 50, 0, tmp_path, weights=weights))
    first, last = load_policies(weights / "hopper.npz")[0]
    deterministic = [policy.sample(rows["observations"], np.zeros((50, 3))) for policy in (first, last)]
    errors = [np.abs(np.arctanh(rows["actions"]) - np.arctanh(action)) for action in deterministic]
    # exp(log_std) is near 1 for these weights, so the nearer policy is the one that acted
    assert errors[1].mean() < errors[0].mean()


def test_processors_that_add_up_in_another_order_make_the_same_rows(weights):
    policy = load_policies(weights / "hopper.npz")[0][-1]
    order = np.random.default_rng(1).permutation(128)
    (first, first_bias), (second, second_bias) = policy.layers
    reordered = policy._replace(layers=((first[:, order], first_bias[order]), (second[order], second_bias)))
    generator = np.random.default_rng(0)
    observation = generator.standard_normal((20_000, 11)).astype(np.float32)
    noise = generator.standard_normal((20_000, 3))
    np.testing.assert_array_equal(policy.sample(observation, noise), reordered.sample(observation, noise))


def rows_of(path):
    with h5py.File(path) as file:
        keys = [*d4rl_files.Recording._fields, "next_observations", "infos/qpos", "infos/qvel"]
        return {key: file[key][()] for key in keys}


def short(environment, rows, slots, behaviour, horizon=40):
    """Episodes cut at 40 steps, so that few rows fill many slots."""
    return rollout.roll_out(rollout.Series(environment, horizon, behaviour, (0, 1)), rows, collect.ignore, slots)


@pytest.mark.parametrize("environment", sorted(LOCOMOTION))
@pytest.mark.parametrize("level", ["random", "medium"])
def test_slots_change_nothing_but_the_speed(tmp_path, environment, level):
    policy = load_policies(ladder(tmp_path / "a.npz", environment))[0][-1]
    behaviour = stretches.UNIFORM if level == "random" else stretches.sampled(policy)
    many, few, one = (short(environment, 900, slots, behaviour) for slots in (21, 5, 1))
    for key, values in one.items():
        assert values.tobytes() == few[key].tobytes() == many[key].tobytes(), key


def test_fewer_rows_are_the_beginning_of_more():
    more, fewer = (short("hopper", rows, 8, stretches.UNIFORM) for rows in (700, 331))
    for key, values in fewer.items():
        assert len(values) == 331
        assert values.tobytes() == more[key][:331].tobytes(), key


# What the rows are


@pytest.mark.parametrize(
    ("environment", "rows", "mean", "error"),
    [("hopper", 12_000, 18.2, 0.3), ("walker2d", 8_000, 1.75, 0.13), ("halfcheetah", 16_000, -276.0, 7.0)],
)
def test_random_returns_are_those_of_uniform_actions(environment, rows, mean, error):
    series = rollout.Series(environment, 1000, stretches.UNIFORM, (5, 6))
    columns = rollout.roll_out(series, rows, collect.ignore)
    recording = d4rl_files.Recording(*(columns[key] for key in d4rl_files.Recording._fields))
    found = describe(recording, ENVIRONMENTS[environment])
    sampling = found.return_std / np.sqrt(found.episodes)
    # DATASETS' figures have errors of their own; four standard errors of the difference
    assert abs(found.return_mean - mean) < 4 * np.hypot(sampling, error)
    assert 0.45 < (columns["actions"] > 0).mean() < 0.55
    assert np.abs(columns["actions"]).mean() == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize("name", ["hopper-medium-r1", "walker2d-random-r1", "halfcheetah-random-r1"])
def test_each_row_follows_from_its_state_and_action(tmp_path, weights, name):
    path = collect.make(name, 1300, 0, tmp_path, weights=weights)
    rows, environment = rows_of(path), parse(name).environment.name
    lockstep = Lockstep(environment, 1)
    errors = []
    for i in range(0, 1300, 5):
        lockstep.set_state(0, rows["infos/qpos"][i], rows["infos/qvel"][i])
        observed = lockstep.robot.observation(lockstep.position[0], lockstep.velocity[0])
        assert observed.astype(np.float32).tolist() == rows["observations"][i].tolist()
        following, reward, terminated = lockstep.step(rows["actions"][i : i + 1], np.zeros(1, int))
        errors.append(
            max(np.abs(following[0] - rows["next_observations"][i]).max(), abs(reward[0] - rows["rewards"][i]))
        )
        assert rows["terminals"][i] == (terminated[0] and not rows["timeouts"][i])
    # float32 storage; the solver also starts without its warm start here (measured: below 1e-6)
    assert max(errors) < 1e-5
    ended = (rows["terminals"] | rows["timeouts"])[:-1]
    same = (rows["observations"][1:] == rows["next_observations"][:-1]).all(axis=-1)
    assert same.tolist() == (~ended).tolist()


def test_the_file_is_in_d4rls_layout(tmp_path):
    path = collect.make("halfcheetah-random-r1", 2500, 0, tmp_path)
    rows = rows_of(path)
    assert {key: (values.shape[1:], values.dtype.name) for key, values in rows.items()} == {
        "observations": ((17,), "float32"),
        "actions": ((6,), "float32"),
        "rewards": ((), "float32"),
        "terminals": ((), "bool"),
        "timeouts": ((), "bool"),
        "next_observations": ((17,), "float32"),
        "infos/qpos": ((9,), "float64"),
        "infos/qvel": ((9,), "float64"),
    }
    assert np.flatnonzero(rows["timeouts"]).tolist() == [999, 1999]
    assert not rows["terminals"].any()
    assert (np.diff(rows["actions"], axis=0) != 0).all()
    recording = d4rl_files.read(path, ENVIRONMENTS["halfcheetah"])
    manifest = manifests.read(path)
    found = describe(recording, ENVIRONMENTS["halfcheetah"])
    assert manifest["sha256"] == digest(path)
    assert manifest["bytes"] == path.stat().st_size
    assert (manifest["rows"], manifest["episodes"], manifest["timeouts"]) == (2500, 2, 2)
    assert (manifest["return_mean"], manifest["return_std"]) == (found.return_mean, found.return_std)
    assert manifest["dynamics"] == "d4rl"
    assert path.name == f"halfcheetah-random-r1-2500-{manifest['fingerprint'][:12]}.hdf5"
    with h5py.File(path) as file:
        assert file["metadata"].attrs["fingerprint"] == manifest["fingerprint"]
        assert json.loads(file["metadata"].attrs["recipe"])["versions"] == manifest["versions"]


def test_weights_stand_in_the_manifest(tmp_path, weights):
    manifest = manifests.read(collect.make("hopper-medium-r1", 60, 0, tmp_path, weights=weights))
    assert manifest["weights"] == {"sha256": digest(weights / "hopper.npz"), "provenance": {"steps": [40, 100]}}


def ends_of(rows):
    return np.flatnonzero(rows["terminals"] | rows["timeouts"])


def test_medium_expert_is_medium_then_expert_in_whole_episodes(tmp_path, weights):
    mixed = rows_of(collect.make("hopper-medium-expert-r1", 1000, 0, tmp_path, weights=weights))
    seam = ends_of(mixed)[ends_of(mixed) >= 499][0] + 1
    assert ends_of(mixed)[-1] == len(mixed["rewards"]) - 1 >= 999
    for level, part in (("medium", slice(0, seam)), ("expert", slice(seam, None))):
        rows = len(mixed["rewards"][part])
        alone = rows_of(collect.make(f"hopper-{level}-r1", rows, 0, tmp_path, weights=weights))
        for key, values in alone.items():
            assert values.tobytes() == mixed[key][part].tobytes(), (level, key)


def test_form_a_is_expert_then_replay_in_the_shares_of_d4rls_file(tmp_path, weights):
    of = stretches.stretches(parse("hopper-medium-expert-a-r1"), weights)
    assert [stretch.share for stretch in of] == pytest.approx(
        [1e6 / 1_200_919, *(200_919 / 1_200_919 * np.array([0.4, 0.6]))]
    )
    mixed = rows_of(collect.make("hopper-medium-expert-a-r1", 600, 0, tmp_path, weights=weights))
    alone = rows_of(collect.make("hopper-expert-r1", 480, 0, tmp_path, weights=weights))
    for key, values in alone.items():
        assert values.tobytes() == mixed[key][:480].tobytes(), key


def test_replay_climbs_the_ladder_in_whole_episodes(tmp_path):
    """Uniform actions up to the first snapshot, then each snapshot for the steps up to the next."""
    ladder(tmp_path / "hopper.npz", "hopper", steps=(100, 300, 400))
    dataset = parse("hopper-medium-replay-r1")
    uniform, first, second = stretches.stretches(dataset, tmp_path)
    assert [stretch.share for stretch in (uniform, first, second)] == [0.25, 0.5, 0.25]
    assert uniform.behaviour is stretches.UNIFORM
    policies = load_policies(tmp_path / "hopper.npz")[0]
    observation, noise = np.ones((3, 11)), np.ones((3, 3))
    for stretch, policy in ((first, policies[0]), (second, policies[1])):
        np.testing.assert_array_equal(
            stretch.behaviour.act(observation, noise), stretches.sampled(policy).act(observation, noise)
        )
    path = collect.make("hopper-medium-replay-r1", 800, 0, tmp_path, weights=tmp_path)
    rows, ends = rows_of(path), []
    for stretch, wanted in ((uniform, 200), (first, 600), (second, 800)):
        begin = ends[-1] if ends else 0
        series = rollout.Series("hopper", 1000, stretch.behaviour, (0, stretch.stream))
        alone = rollout.roll_out(series, 1500, collect.ignore)
        end = begin + next(end + 1 for end in ends_of(alone) if begin + end + 1 >= wanted)
        for key, values in alone.items():
            assert values[: end - begin].tobytes() == rows[key][begin:end].tobytes(), key
        ends.append(end)
    assert ends[-1] == len(rows["rewards"]) == manifests.read(path)["rows_made"]
    assert len({stretch.stream for stretch in (uniform, first, second)}) == 3


def test_every_stretch_has_an_episode_however_few_rows_are_asked_for(tmp_path):
    ladder(tmp_path / "halfcheetah.npz", "halfcheetah", steps=(100, 200))
    path = collect.make("halfcheetah-medium-replay-r1", 10, 0, tmp_path, weights=tmp_path)
    assert ends_of(rows_of(path)).tolist() == [999, 1999]


@pytest.fixture
def soon(monkeypatch):
    """Training that begins after 100 random steps instead of 5,000."""
    monkeypatch.setattr(behaviours, "RANDOM_STEPS", 100)


def test_a_trained_buffer_is_that_of_its_run(tmp_path, soon):
    paths = []
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        seen = []
        paths.append(collect.make("hopper-medium-replay-trained-r1", 230, 5, tmp_path / folder, seen.append))
        assert seen == [50, 100, 150, 200, 230, 230]
    assert digest(paths[0]) == digest(paths[1])
    rows = rows_of(paths[0])
    *_, last = behaviours.train("hopper", 5, 250)
    replay = last.checkpoint.replay.rows
    for key, column in (("observations", replay.observation), ("actions", replay.action), ("rewards", replay.reward)):
        np.testing.assert_array_equal(rows[key], column[:230])
    np.testing.assert_array_equal(rows["terminals"], replay.bootstrap[:230] == 0)
    goes_on = np.setdiff1d(np.arange(229), ends_of(rows))
    np.testing.assert_array_equal(rows["next_observations"][goes_on], rows["observations"][goes_on + 1])
    manifest = manifests.read(paths[0])
    assert manifest["training"]["policy_widths"] == [128, 128]
    assert {"jax", "mujoco"} <= set(manifest["versions"])


def test_replay_train_makes_the_trained_recipe(tmp_path, soon, capsys):
    words = ["make", "hopper-medium-replay-r1", "--replay=train", "--size=60", f"--data_dir={tmp_path}"]
    assert command.main(words) == 0
    path, sha256 = capsys.readouterr().out.splitlines()[-2:]
    assert Path(path).name.startswith("hopper-medium-replay-trained-r1-60-")
    assert digest(Path(path)) == sha256
    assert command.main(["make", "hopper-medium-r1", "--replay=train", f"--data_dir={tmp_path}"]) == 1
    assert "--replay=train makes a medium-replay recipe" in capsys.readouterr().err


# Reuse, and nothing half-made


def test_a_file_is_made_once_and_again_when_its_size_is_wrong(tmp_path, monkeypatch):
    calls = []
    real = rollout.roll_out
    monkeypatch.setattr(stretches, "roll_out", lambda *arguments: calls.append(1) or real(*arguments))
    seen = []
    path = collect.make("hopper-random-r1", 60, 0, tmp_path, seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == 60
    whole = path.read_bytes()
    assert collect.data_files(parse("hopper-random-r1"), 60, 0, tmp_path) == [path]
    assert len(calls) == 1
    path.write_bytes(whole[:-1])
    assert collect.make("hopper-random-r1", 60, 0, tmp_path) == path
    manifests.beside(path).write_text("{")
    collect.make("hopper-random-r1", 60, 0, tmp_path)
    manifests.beside(path).unlink()
    collect.make("hopper-random-r1", 60, 0, tmp_path)
    assert len(calls) == 4
    assert path.read_bytes() == whole
    assert len(list(tmp_path.iterdir())) == 2


def interrupted(rows):
    if rows > 20:
        raise KeyboardInterrupt


def test_an_interruption_leaves_nothing(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        collect.make("hopper-random-r1", 60, 0, tmp_path, interrupted)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_nothing(tmp_path, monkeypatch):
    def half(path, columns, attributes):
        path.write_bytes(b"half")
        assert list(tmp_path.glob("*.hdf5")) == []
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(d4rl_files, "write", half)
    with pytest.raises(OSError, match="No space"):
        collect.make("hopper-random-r1", 60, 0, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_failure_keeps_the_file_that_was_there(tmp_path):
    path = collect.make("hopper-random-r1", 60, 0, tmp_path)
    manifests.beside(path).unlink()
    before = path.read_bytes()
    with pytest.raises(KeyboardInterrupt):
        collect.make("hopper-random-r1", 60, 0, tmp_path, interrupted)
    assert [file.read_bytes() for file in tmp_path.iterdir()] == [before]


@pytest.mark.parametrize(
    ("name", "rows", "seed", "says"),
    [
        ("hopper-medium-v2", 60, 0, "is a file of D4RL's, not a recipe"),
        ("hopper-random-r1", 1, 0, "at least 2 rows"),
        ("hopper-random-r1", 60, -1, "seed of at least 0"),
        ("hopper-rondom-r1", 60, 0, "unknown data set"),
    ],
)
def test_impossible_recipes_are_refused(tmp_path, name, rows, seed, says):
    with pytest.raises(ValueError, match=says):
        collect.make(name, rows, seed, tmp_path)


def test_missing_weights_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"hopper\.npz are missing"):
        collect.make("hopper-medium-r1", 60, 0, tmp_path, weights=tmp_path)


def test_d4rls_names_are_looked_for(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"download http://.*hopper_medium-v2\.hdf5"):
        collect.data_files(parse("hopper-medium-v2"), 60, 0, tmp_path)
    (tmp_path / "hopper_medium-v2.hdf5").touch()
    assert collect.data_files(parse("hopper-medium-v2"), 60, 0, tmp_path) == [tmp_path / "hopper_medium-v2.hdf5"]


# Commands


def call(*words, cwd):
    environment = os.environ | {"PYTHONPATH": str(Path(plas_jax.__file__).parents[1]), "HOME": str(cwd)}
    return subprocess.run(
        [sys.executable, "-m", "plas_jax.datasets", *words],
        capture_output=True,
        text=True,
        cwd=cwd,
        env=environment,
        check=False,
    )


def test_make_prints_path_and_hash_last(tmp_path):
    done = call("make", "hopper-random-r1", "--size=200", "--seed=4", f"--data_dir={tmp_path}", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    path, found = done.stdout.splitlines()[-2:]
    assert Path(path).parent == tmp_path
    assert found == digest(Path(path))
    assert "200 of 200 rows" in done.stderr


@pytest.fixture
def server(tmp_path):
    """A mirror of D4RL's server: two small files in its folder of v0."""
    folder = tmp_path / "served" / "gym_mujoco"
    folder.mkdir(parents=True)
    (folder / "hopper_medium.hdf5").write_bytes(b"medium")
    (folder / "hopper_expert.hdf5").write_bytes(b"expert")
    handler = partial(SimpleHTTPRequestHandler, directory=tmp_path / "served")
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_fetch_gets_every_part_of_a_mixture_and_what_is_there_only_once(tmp_path, server, monkeypatch, capsys):
    def small(dataset):
        return [part._replace(bytes=6, sha256=sha256(part.level.encode()).hexdigest()) for part in parts(dataset)]

    monkeypatch.setattr(command, "parts", small)
    words = ["fetch", "hopper-medium-expert-v0", f"--server={server}/", f"--data_dir={tmp_path}"]
    expected = []
    for name in ("medium", "expert"):
        expected += [str(tmp_path / f"hopper_{name}.hdf5"), sha256(name.encode()).hexdigest()]
    assert command.main(words) == 0
    assert capsys.readouterr().out.splitlines() == expected
    assert (tmp_path / "hopper_expert.hdf5").read_bytes() == b"expert"
    monkeypatch.setattr(command.download, "download", None)  # a second fetch would call it
    assert command.main(words) == 0
    assert capsys.readouterr().out.splitlines() == expected


def test_fetch_refuses_a_file_that_is_not_the_published_one(tmp_path, server, capsys):
    words = ["fetch", "hopper-medium-v0", f"--server={server}", f"--data_dir={tmp_path / 'data'}"]
    (tmp_path / "data").mkdir()
    assert command.main(words) == 1
    error = capsys.readouterr().err.splitlines()[-1]
    assert f"cannot download {server}/gym_mujoco/hopper_medium.hdf5" in error
    assert str(tmp_path / "data") in error
    assert list((tmp_path / "data").iterdir()) == []


def test_fetch_without_a_published_hash_says_so_and_tells_the_files_own(tmp_path, server, capsys):
    (tmp_path / "served" / "maze2d").mkdir()
    (tmp_path / "served" / "maze2d" / "maze2d-umaze-sparse-v1.hdf5").write_bytes(b"maze")
    (tmp_path / "data").mkdir()
    flags = [f"--server={server}", f"--data_dir={tmp_path / 'data'}"]
    assert command.main(["fetch", "maze2d-umaze-v1", *flags]) == 0
    path, said = tmp_path / "data" / "maze2d-umaze-sparse-v1.hdf5", capsys.readouterr()
    assert "warning: maze2d-umaze-v1: no hash of its file was published: nothing but its size is checked" in said.err
    assert said.out.splitlines() == [str(path), sha256(b"maze").hexdigest()]
    assert path.read_bytes() == b"maze"
    assert command.main(["fetch", "maze2d-large-v1", *flags]) == 1
    assert "the server answered 404 Not Found and no size" in capsys.readouterr().err.splitlines()[-1]
    assert list((tmp_path / "data").iterdir()) == [path]


def test_validate_says_what_is_wrong_by_its_exit_status(tmp_path, capsys):
    path = collect.make("hopper-random-r1", 2000, 0, tmp_path)
    words = ["validate", "hopper-random-r1", "--size=2000", f"--data_dir={tmp_path}"]
    assert command.main(words) == 0
    columns = rows_of(path)
    columns["rewards"] = np.roll(columns["rewards"], 1)
    d4rl_files.write(tmp_path / "shifted.hdf5", columns, {})
    assert command.main(["validate", f"{tmp_path}/shifted.hdf5@hopper"]) == 1
    assert "wrong" in capsys.readouterr().out


def test_a_wrong_name_is_one_line(tmp_path):
    done = call("make", "hopper-rondom-r1", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stdout == ""
    assert re.fullmatch(r"error: unknown data set 'hopper-rondom-r1'.*\n", done.stderr)
    assert not (tmp_path / ".d4rl").exists()


@pytest.mark.parametrize(
    ("words", "status", "says"),
    [
        (["make", "hopper-random-r1", "--data_dir=/nowhere/at/all"], 1, "/nowhere/at/all does not exist"),
        (["make", "hopper-random-r1", "--data_dir=/proc"], 1, "cannot write to the data folder /proc"),
        (["make", "hopper-medium-v2"], 1, "not a recipe"),
        (["list", "--data_dir=/nowhere/at/all"], 1, "does not exist"),
        (["make", "hopper-random-r1", "--size=1"], 2, "size=1"),
        (["make", "hopper-random-r1", "--size=many"], 2, "size=many"),
        (["make", "hopper-random-r1", "--seed=-1"], 2, "seed=-1"),
        (["make", "hopper-random-r1", "--colour=red"], 2, "colour"),
        (["make"], 2, "NAME"),
        (["fetch", "hopper-random-r1"], 1, "nothing to download"),
        (["fetch"], 2, "fetch needs the NAME"),
        (["validate", "hopper-medium-v2"], 1, "was not found"),
        (["steal", "hopper-medium-v2"], 2, "'steal hopper-medium-v2' is no command"),
        ([], 2, "--help"),
    ],
)
def test_bad_calls_are_one_line_each(tmp_path, monkeypatch, capsys, words, status, says):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert command.main(words) == status
    printed = capsys.readouterr()
    assert printed.out == ""
    assert re.fullmatch(r"error: .*\n", printed.err)
    assert says in printed.err
    assert list(tmp_path.iterdir()) == []


def test_an_unwritable_default_folder_is_one_line(tmp_path, monkeypatch, capsys):
    (tmp_path / ".d4rl").touch()
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("D4RL_DATASET_DIR", raising=False)
    assert command.main(["make", "hopper-random-r1", "--size=60"]) == 1
    assert re.fullmatch(r"error: cannot create the data folder .*datasets: Not a directory\n", capsys.readouterr().err)


def test_ctrl_c_is_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(command, "make", lambda *_: interrupted(21))
    assert command.main(["make", "hopper-random-r1", f"--data_dir={tmp_path}"]) == 130
    assert capsys.readouterr().err.startswith("error: interrupted")


def test_data_returns_tells_and_draws_each_data_set(tmp_path, capsys):
    made = [collect.make(f"{robot}-random-r1", 2500, 0, tmp_path) for robot in ("hopper", "halfcheetah")]
    words = ["--datasets=hopper-random-r1,halfcheetah-random-r1", "--size=2500", f"--data_dir={tmp_path}"]
    assert data_returns.main([*words, f"--output={tmp_path / 'returns.png'}"]) == 0
    lines = capsys.readouterr().out.splitlines()[2:]
    for line, path, robot in zip(lines, made, ("hopper", "halfcheetah"), strict=True):
        manifest = manifests.read(path)
        score = float(normalised_score(ENVIRONMENTS[robot], manifest["return_mean"]))
        expected = [f"{robot}-random-r1", "2,500", f"{manifest['episodes']:,}"]
        expected += [markdown.number(manifest["return_mean"]), markdown.number(score)]
        assert [cell.strip() for cell in line.strip("|").split("|")][:5] == expected
    assert np.ptp(imread(tmp_path / "returns.png")) > 0
    assert data_returns.main([]) == 1
    assert data_returns.main(["--datasets=halfcheetah-random-r1", "--size=500", f"--data_dir={tmp_path}"]) == 1
    assert "no episode of it ended" in capsys.readouterr().err


def cells(line):
    """The cells of a line of a table, none of which is blank or has two blanks inside."""
    return re.split(r"  +", line.strip())


def test_list_shows_what_is_here_and_all_there_is(tmp_path, capsys):
    path = collect.make("hopper-random-r1", 500, 2, tmp_path)
    (tmp_path / "walker_mixed.hdf5").touch()
    copy = tmp_path / "hopper_random.hdf5"
    d4rl_files.write(copy, rows_of(path), {})
    manifest = manifests.read(path)
    counts = [str(manifest[key]) for key in ("seed", "episodes", "terminals", "timeouts")]
    mean = manifest["return_mean"]
    numbers = [f"{mean:.1f}", f"{normalised_score(ENVIRONMENTS['hopper'], mean):.1f}"]

    assert command.main(["list", f"--data_dir={tmp_path}"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(len(line) for line in lines if str(tmp_path) not in line) <= 80
    named = [line for line in lines if line.startswith(("hopper", "walker"))]
    assert cells(named[0]) == ["hopper-random-r1", "500", *counts[:2], *numbers]
    assert cells(named[1]) == ["hopper-random-v0", "500", counts[1], *numbers]
    assert named[2].startswith("walker2d-medium-replay-v0: ")
    assert "not a whole HDF5 file" in named[2]
    assert len(named) == 3
    assert f"{len(names()) - 2} others are not here" in lines[-2]

    assert command.main(["list", "--all", f"--data_dir={tmp_path}"]) == 0
    lines = {line.split()[0]: cells(line) for line in capsys.readouterr().out.splitlines() if line.strip()}
    assert lines["hopper-random-r1"] == [
        "hopper-random-r1", "500", *counts, *numbers, manifest["fingerprint"][:12], str(path)
    ]  # fmt: skip
    assert lines["hopper-random-v0"] == ["hopper-random-v0", "500", *counts[1:], *numbers, digest(copy)[:12], str(copy)]
    assert lines["hopper-medium-expert-v0"][-1] == "not found"
    assert lines["walker2d-random-r1"][-1] == "not made yet"


def test_help_is_not_an_error(capsys):
    assert command.main(["--help"]) == 0
    assert "make NAME" in capsys.readouterr().out
    assert command.main(["list", "--data_dir=/"]) == 0
