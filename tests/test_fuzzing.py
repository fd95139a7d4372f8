"""The fuzzing of every reader, which `experiments/fuzz_readers.py` does for longer, and what watches them."""

from random import Random

import pytest
from by_subprocess import ROOT, call_here
from fuzzing.mutations import damaged, damaged_csv, damaged_json
from fuzzing.targets import SUFFIXES, TARGETS
from fuzzing.watched_reader import REFUSED, WatchedReader, outcome
from hostile_files import HEADER, LINE
from hypothesis import given, settings
from hypothesis import strategies as st


def test_damage_is_that_of_its_seed():
    data, text = bytes(range(256)) * 4, (ROOT / "docs" / "tables_2_and_3" / "manifest.json").read_text()
    changed = 0
    for seed in range(200):
        assert damaged(Random(seed), data) == damaged(Random(seed), data)
        assert damaged_json(Random(seed), text) == damaged_json(Random(seed), text)
        assert damaged_csv(Random(seed), HEADER + LINE) == damaged_csv(Random(seed), HEADER + LINE)
        changed += damaged(Random(seed), data) != data
    assert changed > 180


@pytest.mark.slow
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


@settings(max_examples=25)  # the command below tries thousands
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

    @settings(max_examples=25, database=None)
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
