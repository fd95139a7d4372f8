"""What a stranger's file may do to a command: end it in one line. `experiments/fuzz_readers.py` looks for more."""

import json
import os
import pickle
import resource
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from random import Random

import h5py
import hostile_files
import numpy as np
import pytest
from by_subprocess import ROOT, call_here
from fuzzing.hostile_hdf5 import sound
from fuzzing.mutations import damaged, damaged_csv, damaged_json
from fuzzing.targets import SUFFIXES, TARGETS
from fuzzing.watched_reader import REFUSED, WatchedReader, outcome
from hypothesis import given, settings
from hypothesis import strategies as st

from plas_jax.datasets import d4rl_files
from plas_jax.datasets.catalogue import ENVIRONMENTS
from plas_jax.datasets.recordings import BadDatasetError
from plas_jax.environments.own_data import find
from plas_jax.files.json_files import ANY, LARGEST, NUMBER, check, parsed, read_object
from plas_jax.files.messages import one_line
from plas_jax.files.npz_files import read_arrays
from plas_jax.files.whole_files import appears_whole
from plas_jax.methods.own import own_method
from plas_jax.recipes import manifests
from plas_jax.results.folder import OutputFolder
from plas_jax.results.manifest import Manifest
from plas_jax.results.rows import Row, read_rows, write_rows
from plas_jax.verification.gate.accepted import read_accepted, write_accepted
from plas_jax.verification.parity import golden

HOPPER = ENVIRONMENTS["hopper"]


@contextmanager
def little_memory():
    """A gigabyte of address space more than is in use."""
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (used + 2**30, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def refused(read, path, *says, kind=ValueError):
    """The one line that reading a file ends in."""
    with little_memory(), pytest.raises(kind) as error:
        read(path)
    line = str(error.value)
    assert "\n" not in line
    assert all(part in line for part in (str(path), *says)), line
    return line


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
        rewards = file.pop("rewards")[()] if False else file["rewards"][()]
        del file["rewards"]
        file.create_dataset("rewards", data=rewards, chunks=(16,), compression="gzip", shuffle=True, fletcher32=True)

    found = d4rl_files.read(hostile(tmp_path / "x.hdf5", change), HOPPER)
    np.testing.assert_array_equal(found.rewards, d4rl_files.read(sound(tmp_path / "y.hdf5", 40), HOPPER).rewards)


# Archives


class Touch:
    """What a pickle may do."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_archives_are_refused(tmp_path):
    canary, path = tmp_path / "canary", tmp_path / "x.npz"
    np.savez(path, a=np.array([Touch(canary)], object))
    refused(read_arrays, path, "Object arrays cannot be loaded")
    hostile_files.archive(path, {"a.npy": pickle.dumps(Touch(canary))})
    refused(read_arrays, path, "cannot be read as arrays of numbers")
    path.write_bytes(pickle.dumps(Touch(canary)) + path.read_bytes())
    refused(read_arrays, path, "cannot be read as arrays of numbers")
    assert not canary.exists()
    for data in (hostile_files.header((10**12, 17)), hostile_files.header((2**63, 2**63)), b"[" * 10**5, b""):
        refused(read_arrays, hostile_files.archive(path, {"a.npy": data}), "cannot be read as arrays of numbers")
    refused(read_arrays, hostile_files.archive(path, {"a.npy": hostile_files.header((0,), "<U4")}), "of type <U4")
    refused(read_arrays, hostile_files.claiming(path, 2**32 - 2), "unpacks to 4,294,967,294 bytes")
    (tmp_path / "array.npy").write_bytes(hostile_files.header((0,)) + hostile_files.archive(path, {}).read_bytes())
    assert read_arrays(tmp_path / "array.npy") == {}


def rewritten(path, **changes):
    with np.load(ROOT / "tests" / "golden" / "plas_latent.npz") as file:
        arrays = dict(file)
    config = json.loads(arrays["config"].tobytes()) | changes.pop("config", {})
    arrays["config"] = np.frombuffer(json.dumps(config).encode(), np.uint8)
    np.savez(path, **arrays | changes)
    return path


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"config": {"latent_dim": 10**12}}, "dimensions"),
        ({"config": {"latent_dim": "6"}}, "latent_dim: '6' is not a whole number"),
        ({"config": {"tau": None}}, "tau: None is not a whole number or a number"),
        ({"batch/rewards": np.zeros(20)}, "'batch/rewards' has shape [20]"),
        ({"batch/rewards": np.zeros((0, 0))}, "'batch/rewards' has shape [0, 0]"),
        pytest.param({"vae_losses": np.zeros(20)}, "do not fit each other", marks=pytest.mark.slow),
    ],
)
def test_a_golden_file_that_claims_too_much_is_refused(tmp_path, changes, says):
    from plas_jax.verification.parity.updates import replay_updates

    def sizes(path):
        found = golden.read(path)
        found.sizes(), found.batch_size
        replay_updates(found)

    refused(sizes if "vae_losses" not in changes else lambda path: replay_updates(golden.read(path)),
            rewritten(tmp_path / "x.npz", **changes), says, kind=golden.BadGoldenFileError)  # fmt: skip


# Rows

LINE = "hopper-medium-r1,plas,0,0.0,2.0,1.0,,d4rl,3,0,500,10.0,1.0,\n"
HEADER = ",".join(Row._fields) + "\n"


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (",500,", f",{'9' * 5000},", "column episode_length"),
        (",500,", f",{2**63},", "column episode_length"),
        (",10.0,", ",١٠,", "column episode_return"),
        (",10.0,", ",1_0,", "column episode_return"),
        (",10.0,", ",0x1p3,", "column episode_return"),
        (",2.0,", ",1e400,", "column latent_limit"),
        ("medium", "\0", "column dataset"),
        ("hopper-medium-r1", '"hopper\nmedium"', "column dataset"),
        ("plas", "\x1b[2J", "column algorithm"),
        ("plas", "\u2028", "column algorithm"),
        ("plas", "x" * 10_000, "more than 10,000 characters"),
        (",,d4rl", f",{'x' * 200_000},d4rl", "more than 10,000 characters"),
        (",,d4rl", ",a=１,d4rl", "column knobs"),
    ],
)
def test_hostile_rows_are_refused(tmp_path, old, new, says):
    path = tmp_path / "results.csv"
    text = HEADER + LINE
    assert len(read_rows(_written(path, text))) == 1
    place = text.index(old, len(HEADER))
    line = refused(read_rows, _written(path, text[:place] + new + text[place + len(old) :]), says)
    assert len(line) < 500


def _written(path, text):
    path.write_text(text, encoding="utf-8", newline="")
    return path


def test_a_hole_of_a_terabyte_is_refused_at_once(tmp_path):
    for name, read in (("results.csv", read_rows), ("manifest.json", read_object), ("x.npz", read_arrays)):
        (tmp_path / name).touch()
        os.truncate(tmp_path / name, 2**40)
        refused(read, tmp_path / name)


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for read in (read_rows, read_object, read_arrays, lambda path: d4rl_files.read(path, HOPPER)):
        refused(read, tmp_path / "pipe", "not a file", kind=(ValueError, OSError))


def test_lines_that_end_in_carriage_returns_and_infinities_are_read(tmp_path):
    text = (HEADER + LINE.replace("10.0", "-inf").replace("1.0,\n", "NaN,\n")).replace("\n", "\r\n")
    (row,) = read_rows(_written(tmp_path / "results.csv", text))
    assert row.episode_return == -np.inf
    assert np.isnan(row.score)


# JSON


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (hostile_files.DEEP.encode(), "nested too deeply"),
        (b'{"a":' * 100_000, "nested too deeply"),
        (b'{"a": 1e400}', "1e400 is no finite number"),
        (b'{"a": NaN}', "NaN is no finite number"),
        (b'{"a": 1%s}' % (b"0" * 5000), "too large a number"),
        (b'{"a": 9223372036854775808}', "too large a number"),
        (b'{"a": "\\ud800"}', "half a character"),
        (b"\xef\xbb\xbf{}", "not JSON"),
        (b"\xff\xfe{\x00}\x00", "byte 0 is not UTF-8"),
        (b"[]", "[] is not an object"),
        (b"", "not JSON"),
        (b"{}\0", "not JSON"),
    ],
)
def test_hostile_json_is_refused(tmp_path, data, says):
    (tmp_path / "x.json").write_bytes(data)
    assert len(refused(read_object, tmp_path / "x.json", says)) < 500


def test_a_shape_by_hand():
    shape = {"a": int, "b?": [(*NUMBER, None)], "c?": {ANY: {"d": str}}}
    check({"a": 1, "b": [1, 0.5, None], "c": {"x": {"d": ""}}, "e": 0}, shape, "here")
    for found, says in [
        ([], "here: [] is not an object"),
        ({}, "here: a is missing"),
        ({"a": True}, "here: a: True is not a whole number"),
        ({"a": 1.0}, "here: a: 1.0 is not a whole number"),
        ({"a": 1, "b": [1, "2"]}, "here: b: member 1: '2' is not a whole number or a number or null"),
        ({"a": 1, "c": {"x": {"d": 1}}}, "here: c: 'x': d: 1 is not text"),
    ]:
        with pytest.raises(ValueError) as error:  # noqa: PT011 (the whole line is compared)
            check(found, shape, "here")
        assert str(error.value) == says


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner),
)  # fmt: skip


@given(json_values)
def test_what_honest_json_says_comes_back(value):
    assert parsed(json.dumps(value), "here") == value


class Asked:
    """What wants to go on with a sweep."""

    resume, arguments = True, {"preset": "laptop"}


@pytest.mark.parametrize(
    ("manifest", "says"),
    [
        ([], "is not an object"),
        ({"arguments": []}, "arguments: [] is not an object"),
        ({"arguments": {"preset": "laptop"}}, "cannot be resumed"),
        ({"datasets": {"x": None}}, "datasets: 'x': None is not an object"),
        ({"methods": {"bc": {"complete": 1}}}, "complete: 1 is not true or false"),
        ({"methods": {"bc": {"complete": True}}}, "grid is missing"),
        ({"evaluations_in_mean": "3"}, "evaluations_in_mean: '3'"),
        ({"wall_seconds": {"train": "1"}}, "wall_seconds: 'train': '1'"),
    ],
)
def test_a_manifest_of_another_shape_is_not_resumed(tmp_path, manifest, says):
    folder = OutputFolder(tmp_path)
    folder.manifest.write_text(json.dumps(manifest))
    with pytest.raises(ValueError, match=r"manifest|resumed") as error:
        folder.claim(Asked())
    assert says in str(error.value)
    assert str(tmp_path) in str(error.value)


GATE = json.loads((ROOT / "benchmarks" / "accepted" / "gate.json").read_text())


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"seeds": ["0"]}, "seeds: member 0"),
        ({"seeds": []}, "its seeds are not"),
        ({"seeds": [0, 0]}, "its seeds are not"),
        ({"seeds": [1.5]}, "seeds: member 0: 1.5"),
        ({"contents": ["x"]}, "contents: ['x'] is not an object"),
        ({"history": 3}, "history: 3 is not a list"),
        ({"values": {"a": {"b": {"c": "0" * 40}}}}, "is not a list"),
        ({"values": {"a": {"b": {"c": [1, 2]}}}}, "'a, b, c' has 2 values for 40 seeds"),
        ({"values": {"a": {"b": {"c": [1e300] * 40}}}}, "'c' of 'a' has a value above 1e+50"),
        ({"suite": None}, "suite: None"),
        ({"format": 2}, "format 1"),
    ],
)
def test_accepted_values_of_another_shape_are_refused(tmp_path, changes, says):
    path = tmp_path / "gate.json"
    path.write_text(json.dumps(GATE | changes))
    refused(read_accepted, path, says)


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


# Full disks


@contextmanager
def full_disk(size):
    """No file may grow beyond `size` bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def writers(folder):
    row = Row("x", "plas", 0, 0.0, 2.0, 1.0, "", "d4rl", 0, 0, 1, 1.0, 1.0, None)
    accepted = read_accepted(ROOT / "benchmarks" / "accepted" / "gate.json")
    columns = {"rewards": np.zeros(10**5, np.float32)}

    def recipe():
        with appears_whole(folder / "x.hdf5") as partial:
            d4rl_files.write(partial, columns, {})

    return {
        "results.csv": lambda: write_rows(
            folder / "results.csv", [row._replace(episode=place) for place in range(3000)]
        ),
        "manifest.json": lambda: OutputFolder(folder).write_manifest(Manifest(preset="x" * 10**5)),
        "gate.json": lambda: write_accepted(folder / "gate.json", accepted),
        "x.hdf5": recipe,
    }


@pytest.mark.parametrize("name", ["results.csv", "manifest.json", "gate.json", "x.hdf5"])
def test_a_full_disk_loses_nothing_that_was_finished(tmp_path, name):
    write = writers(tmp_path)[name]
    write()
    before = (tmp_path / name).read_bytes()
    with full_disk(len(before) // 2), pytest.raises(OSError) as error:  # noqa: PT011 (the text is the system's)
        write()
    assert len(one_line(error.value)) < 500
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_bytes() == before


def test_a_command_on_a_full_disk_ends_in_one_line(tmp_path):
    words = ["bash", "-c", 'ulimit -f 48; exec "$@"', "bash"]
    words += [
        sys.executable,
        "-m",
        "plas_jax.datasets",
        "make",
        "hopper-random-r1",
        "--size=3000",
        f"--data_dir={tmp_path}",
    ]
    done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 1
    assert "error: " in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())


# The fuzzing itself


def test_damage_is_that_of_its_seed():
    data, text = bytes(range(256)) * 4, (ROOT / "docs" / "tables_2_and_3" / "manifest.json").read_text()
    changed = 0
    for seed in range(200):
        assert damaged(Random(seed), data) == damaged(Random(seed), data)
        assert damaged_json(Random(seed), text) == damaged_json(Random(seed), text)
        assert damaged_csv(Random(seed), HEADER + LINE) == damaged_csv(Random(seed), HEADER + LINE)
        changed += damaged(Random(seed), data) != data
    assert changed > 180


def test_what_goes_wrong_in_a_child_is_seen(tmp_path):
    with WatchedReader("hostile_files:wrong_readers", seconds=8.0) as reader:
        for word, kind in [("fine", "fine"), ("crash", "crash"), ("memory", "memory"), ("recursion", "RecursionError"),
                           ("unnamed", "unnamed"), ("named", REFUSED), ("hang", "hang"), ("fine", "fine")]:  # fmt: skip
            path = tmp_path / f"{word}.txt"
            path.write_text(word)
            assert reader.read(path).kind == kind, word


@pytest.fixture(scope="module")
def pairs():
    """A child that writes and one that reads, by target, for the module."""
    with WatchedReader("hdf5") as writer, WatchedReader("hdf5") as reader:
        yield writer, reader


@given(seed=st.integers(0, 2**32))
def test_hostile_hdf5_is_read_or_refused_in_one_line(pairs, tmp_path_factory, seed):
    writer, reader = pairs
    path = tmp_path_factory.mktemp("hostile") / "fuzz.hdf5"
    if not writer.write(path, str(seed)).is_fault:
        result = reader.read(path)
        assert not result.is_fault, result.text


@pytest.mark.parametrize("name", ["rows", "manifest", "accepted", "recipes"])
def test_hostile_results_are_read_or_refused_in_one_line(name, tmp_path_factory):
    target = TARGETS[name]()

    @settings(database=None)
    @given(seed=st.integers(0, 2**32))
    def holds(seed):
        path = tmp_path_factory.mktemp("hostile") / f"fuzz{SUFFIXES.get(name, '.json')}"
        target.write(Random(seed), path)
        result = outcome(target.read, path)
        assert not result.is_fault, result.text

    holds()


@pytest.mark.slow
@pytest.mark.parametrize("name", list(TARGETS))
def test_the_fuzzing_command_finds_nothing(name, tmp_path):
    words = [f"--reader={name}", "--minutes=0.1", f"--output={tmp_path / 'faults'}"]
    done = call_here(ROOT / "experiments" / "fuzz_readers.py", *words, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 faults" in done.stdout


def test_a_file_of_json_larger_than_any_is_refused(tmp_path):
    (tmp_path / "x.json").touch()
    os.truncate(tmp_path / "x.json", LARGEST + 1)
    refused(read_object, tmp_path / "x.json", "are more than the")
