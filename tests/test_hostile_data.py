"""What a stranger's data may do to a command, HDF5's, Minari's or a name: end it in one line."""

import json

import h5py
import hostile_files
import numpy as np
import pytest
from fuzzing.hostile_hdf5 import sound
from refusals import refused

from plas_jax.datasets import d4rl_files
from plas_jax.datasets.catalogue import ENVIRONMENTS
from plas_jax.datasets.recordings import BadDatasetError
from plas_jax.environments.own_data import find
from plas_jax.methods.own import own_method
from plas_jax.recipes import manifests

HOPPER = ENVIRONMENTS["hopper"]


# HDF5


def hostile(path, change):
    sound(path, hostile_files.ROWS)
    with h5py.File(path, "a") as file:
        change(file, path)
    return path


@pytest.mark.parametrize(("change", "says"), [(each[0], each[1:]) for each in hostile_files.HDF5.values()],
                         ids=list(hostile_files.HDF5))  # fmt: skip
def test_a_hostile_file_is_refused_before_it_is_read(tmp_path, change, says):
    line = refused(
        lambda path: d4rl_files.read(path, HOPPER), hostile(tmp_path / "x.hdf5", change), *says, kind=BadDatasetError
    )
    assert line.isprintable()
    assert len(line) < 5000


def test_states_in_another_file_are_not_read(tmp_path):
    path = hostile(tmp_path / "x.hdf5", hostile_files.EXTERNAL_STATES)
    refused(lambda path: d4rl_files.read_extras(path, ["infos/qpos"]), path, "infos/qpos", "link to another file")
    assert len(d4rl_files.read(path, HOPPER).rewards) == hostile_files.ROWS


def test_rows_are_counted_without_trust(tmp_path):
    for number, (change, says) in enumerate(
        [(hostile_files.replaced("observations", hostile_files.beyond_a_length), "shape"),
         (lambda file, path: file.move("infos", "observations/x"), "not an array"),
         (hostile_files.replaced("observations", lambda file, path: None), "cannot be counted")]
    ):  # fmt: skip
        sound_but = (lambda file, path: file.pop("observations")) if number == 1 else (lambda file, path: None)
        path = hostile(tmp_path / f"{number}.hdf5", lambda f, p, a=sound_but, b=change: (a(f, p), b(f, p)))
        refused(d4rl_files.count_rows, path, says)


def test_flags_that_were_never_written_are_all_0(tmp_path):
    def change(file, path):
        for key in ("terminals", "timeouts"):
            del file[key]
            file.create_dataset(key, shape=(hostile_files.ROWS,), dtype=bool, chunks=(8,), compression="gzip")

    found = d4rl_files.read(hostile(tmp_path / "x.hdf5", change), HOPPER)
    assert not found.terminals.any()
    assert not found.timeouts.any()


def test_compressed_files_are_read(tmp_path):
    def change(file, path):
        rewards = file["rewards"][()]
        del file["rewards"]
        file.create_dataset("rewards", data=rewards, chunks=(16,), compression="gzip", shuffle=True, fletcher32=True)

    found = d4rl_files.read(hostile(tmp_path / "x.hdf5", change), HOPPER)
    np.testing.assert_array_equal(found.rewards, d4rl_files.read(sound(tmp_path / "y.hdf5", 40), HOPPER).rewards)


@pytest.mark.parametrize("text", ["[]", "{}", '{"bytes": 4}', hostile_files.DEEP, '{"bytes": 4, "rows": "x"}'])
def test_a_recipe_with_another_manifest_is_not_made_yet(tmp_path, text):
    path = tmp_path / "hopper-random-r1-9.hdf5"
    path.write_bytes(b"rows")
    manifests.beside(path).write_text(text)
    assert manifests.read(path) is None
    assert manifests.made(tmp_path, "hopper-random-r1") == []


# Names, and code that a file names


@pytest.mark.parametrize(
    "name",
    [
        "a\nb.hdf5@Pendulum-v1",
        "a\0.hdf5@Pendulum-v1",
        "\x1b[2J@Pendulum-v1",
        "~nobody_of_this_name/x.hdf5@Hopper-v5",
        "minari:../x-v0",
        "minari:/etc/x-v0",
        "minari:a\nb-v0",
        "../../x",
        "/etc/passwd",
    ],
)
def test_names_that_lead_elsewhere_are_refused(name):
    with pytest.raises((ValueError, FileNotFoundError)) as error:
        find(name)
    assert "\n" not in str(error.value)


def test_a_method_whose_name_is_a_path_is_refused(tmp_path):
    path, module = tmp_path / "mine.py", "plas_jax.methods.published"
    for name in ("../../x", "/x", "a\nb", ".x", ""):
        path.write_text(f"from {module} import METHODS\nMETHOD = METHODS['bc']._replace(name={name!r})\n")
        with pytest.raises(ValueError, match="folder of checkpoints"):
            own_method(path)


SPECIFICATION = {"id": "Pendulum-v1", "entry_point": "gymnasium.envs.classic_control:PendulumEnv", "kwargs": {},
                 "max_episode_steps": 200, "additional_wrappers": []}  # fmt: skip


def minari_folder(folder, **changes):
    """A Minari data set of one-line metadata; None leaves a fact out."""
    box = {"type": "Box", "dtype": "float32", "low": [-1.0] * 3, "high": [1.0] * 3, "shape": [3]}
    facts = {"total_steps": 3, "total_episodes": 1, "dataset_id": "x-v0", "minari_version": "0.5.4",
             "data_format": "hdf5", "env_spec": json.dumps(SPECIFICATION), "observation_space": json.dumps(box),
             "action_space": json.dumps(box | {"shape": [1], "low": [-2.0], "high": [2.0]})}  # fmt: skip
    data = folder / "x-v0" / "data"
    data.mkdir(parents=True, exist_ok=True)
    kept = {key: value for key, value in (facts | changes).items() if value is not None}
    (data / "metadata.json").write_text(json.dumps(kept))
    with h5py.File(data / "main_data.hdf5", "w") as file:
        for key, shape in (
            ("observations", (4, 3)),
            ("actions", (3, 1)),
            ("rewards", 3),
            ("terminations", 3),
            ("truncations", 3),
        ):
            file.create_dataset(f"episode_0/{key}", data=np.zeros(shape, np.float32))
    return data


def calling(canary, **changes):
    call = {"entry_point": "os:system", "kwargs": {"command": f"touch {canary}"}}
    return json.dumps(SPECIFICATION | call | changes)


def test_minari_metadata_cannot_have_code_called(tmp_path, monkeypatch):
    pytest.importorskip("minari")
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    canary = tmp_path / "canary"
    wrapper = {"name": "x", "entry_point": "os:system", "kwargs": {"command": f"touch {canary}"}}
    video = {
        "name": "x",
        "entry_point": "gymnasium.wrappers.rendering:RecordVideo",
        "kwargs": {"video_folder": str(canary)},
    }
    for changes in (
        {"env_spec": calling(canary)},
        {"env_spec": calling(canary), "observation_space": None, "action_space": None},
        {"eval_env_spec": calling(canary)},
        {"env_spec": json.dumps(SPECIFICATION | {"additional_wrappers": [wrapper]})},
        {"env_spec": json.dumps(SPECIFICATION | {"additional_wrappers": [video]})},
    ):
        minari_folder(tmp_path, **changes)
        with pytest.raises(ValueError, match=r"minari:x-v0: it wants to call .*not registered") as error:
            find("minari:x-v0")
        assert "\n" not in str(error.value)
    minari_folder(tmp_path, env_spec=calling(canary), observation_space=None)
    with pytest.raises(ValueError, match="does not say what its observations"):
        find("minari:x-v0@Pendulum-v1")
    minari_folder(tmp_path, env_spec=calling(canary))
    assert find("minari:x-v0@Pendulum-v1").environment.name == "Pendulum-v1"
    assert not canary.exists()
    minari_folder(tmp_path)
    named = find("minari:x-v0@Pendulum-v1").environment
    assert find("minari:x-v0").environment._replace(specification="") == named._replace(specification="")


def test_minari_steps_in_other_files_and_without_end_are_refused(tmp_path, monkeypatch):
    pytest.importorskip("minari")
    from plas_jax.datasets.loading import load

    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    for fact in ("total_steps", "total_episodes"):
        minari_folder(tmp_path, **{fact: 10**15})
        with pytest.raises(BadDatasetError, match=f"1,000,000,000,000,000 {fact}"):
            find("minari:x-v0")
    other = sound(tmp_path / "other.hdf5", 3)
    path = minari_folder(tmp_path) / "main_data.hdf5"
    assert len(load(find("minari:x-v0"), []).transitions.reward) == 2
    for link, says in (
        (h5py.ExternalLink(str(other), "/rewards"), "another file"),
        (h5py.SoftLink("/x"), "another name"),
    ):
        with h5py.File(path, "a") as file:
            del file["episode_0/rewards"]
            file["episode_0/rewards"] = link
        with pytest.raises(BadDatasetError, match=f"'rewards': a link to {says}"):
            load(find("minari:x-v0"), [])


@pytest.mark.parametrize("key", ["observations", "actions", "rewards", "terminations", "truncations"])
def test_minari_steps_without_a_shape_are_refused(key, tmp_path, monkeypatch):
    """A data set of HDF5's null space, which h5py gives a type but no shape; fuzzing found it in the actions."""
    pytest.importorskip("minari")
    from plas_jax.datasets.loading import load

    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    path = minari_folder(tmp_path) / "main_data.hdf5"
    with h5py.File(path, "a") as file:
        del file[f"episode_0/{key}"]
        file[f"episode_0/{key}"] = h5py.Empty("f4")
    with pytest.raises(BadDatasetError, match=r"^minari:x-v0: .*(not an array of numbers|cannot be sliced)"):
        load(find("minari:x-v0"), [])
