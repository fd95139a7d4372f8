"""What a stranger's rows and manifests may do to a command, and a full disk to ours: end it in one line."""

import json
import os
import resource
import subprocess
import sys
from contextlib import contextmanager

import hostile_files
import numpy as np
import pytest
from by_subprocess import ROOT
from hypothesis import given
from hypothesis import strategies as st
from refusals import refused

from plas_jax.datasets import d4rl_files
from plas_jax.datasets.catalogue import ENVIRONMENTS
from plas_jax.files.json_files import ANY, LARGEST, NUMBER, check, parsed, read_object
from plas_jax.files.messages import one_line
from plas_jax.files.npz_files import read_arrays
from plas_jax.files.whole_files import appears_whole
from plas_jax.results.folder import OutputFolder
from plas_jax.results.manifest import Manifest
from plas_jax.results.rows import Row, read_rows, write_rows
from plas_jax.verification.gate.accepted import read_accepted, write_accepted

HOPPER = ENVIRONMENTS["hopper"]


# Rows


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
    text = hostile_files.HEADER + hostile_files.LINE
    assert len(read_rows(_written(path, text))) == 1
    place = text.index(old, len(hostile_files.HEADER))
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
    text = (hostile_files.HEADER + hostile_files.LINE.replace("10.0", "-inf").replace("1.0,\n", "NaN,\n")).replace(
        "\n", "\r\n"
    )
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


def test_a_file_of_json_larger_than_any_is_refused(tmp_path):
    (tmp_path / "x.json").touch()
    os.truncate(tmp_path / "x.json", LARGEST + 1)
    refused(read_object, tmp_path / "x.json", "are more than the")


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
