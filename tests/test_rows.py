"""Rows on their way to results.csv: appended to a file of their group, merged, and read whatever killed the writer."""

import subprocess
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import plas_jax
from plas_jax.datasets.catalogue import parse
from plas_jax.methods.presets import PRESETS, plas_over
from plas_jax.results import circumstances
from plas_jax.results.folder import OutputFolder
from plas_jax.results.rows import Row, append_rows, read_coming_rows, read_rows, write_rows
from plas_jax.sweeps.book import Book
from plas_jax.sweeps.groups import groups

NAME = "ευρώ-medium@hopper"  # more bytes than characters


def row(update=20, episode=0, seed=0, algorithm="plas", dataset=NAME):
    return Row(dataset, algorithm, seed, 0.0, 2.0, 1.0, "", "d4rl", update, episode, 9, 1.5 * update, update / 3, None)


ROWS = [row(update, episode, seed) for seed in (1, 0) for update in (20, 40) for episode in (1, 0)]


@given(st.permutations(ROWS), st.lists(st.integers(0, len(ROWS)), max_size=3))
@settings(max_examples=25)  # each writes through to the disk
def test_appended_and_merged_rows_are_the_bytes_of_rows_written_at_once(tmp_path_factory, rows, cuts):
    folder = OutputFolder(tmp_path_factory.mktemp("sweep"))
    places = [0, *sorted(cuts), len(rows)]
    for number, (first, last) in enumerate(pairwise(places)):
        folder.append_rows(f"group-{number % 2}", rows[first:last])
    assert sorted(folder.read_rows()) == sorted(rows)
    folder.merge_rows()
    write_rows(folder.path / "at_once.csv", rows)
    assert folder.rows.read_bytes() == (folder.path / "at_once.csv").read_bytes()
    assert not folder.coming.exists()


def test_a_file_that_is_cut_anywhere_has_its_whole_rows(tmp_path):
    append_rows(tmp_path / "whole.csv", ROWS)
    data = (tmp_path / "whole.csv").read_bytes()
    ends = [place + 1 for place, byte in enumerate(data) if byte == ord("\n")][1:]  # of rows
    for length in range(len(data) + 1):
        (tmp_path / "cut.csv").write_bytes(data[:length])
        assert read_coming_rows(tmp_path / "cut.csv") == ROWS[: sum(end <= length for end in ends)]


def test_rows_that_were_moved_when_the_process_died_count_once(tmp_path):
    folder = OutputFolder(tmp_path)
    folder.append_rows("group", ROWS)
    write_rows(folder.rows, ROWS)  # as `merge_rows` does before it removes the group's file
    assert len(folder.read_rows()) == len(ROWS)
    folder.merge_rows()
    assert sorted(read_rows(folder.rows)) == sorted(ROWS)


@pytest.fixture
def group():
    method = plas_over(PRESETS["smoke"], "perturbation_limit", (0.0, 0.1))
    (only,) = groups(method, PRESETS["smoke"].protocol(method), [parse("hopper-medium-r1")], (0, 1), "d4rl")
    return only


def test_a_book_knows_which_evaluations_lack_rows_and_drops_those_that_are_made_again(tmp_path, group):
    folder, labels = OutputFolder(tmp_path), {"plas", "plas+p", "cvae_prior"}
    of_others = [row(dataset="hopper-medium-r1", seed=7), row(dataset="hopper-medium-r1", algorithm="bc"), row()]
    write_rows(folder.rows, of_others)
    book = Book(folder, group, labels)
    assert book.score_so_far() is None
    own = [
        row(update, 0, seed, name, "hopper-medium-r1")
        for update, name in ((40, "cvae_prior"), (20, "plas"), (20, "plas+p"), (40, "plas"))
        for seed in (0, 1)
    ]
    book.add(own[:2])
    book.add(own[2:])
    assert [book.lacks(True, 40, 2), book.lacks(False, 20, 4), book.lacks(False, 40, 4)] == [False, False, True]
    assert book.lacks(False, 0, 2)
    assert book.score_so_far() == pytest.approx(40 / 3)
    again = Book(folder, group, labels)  # as after a kill
    assert not again.lacks(False, 20, 4)
    again.keep(lambda is_control, update: is_control or update <= 20)
    assert sorted(folder.read_rows()) == sorted(of_others + own[:-2])
    assert again.lacks(False, 40, 2)
    assert again.score_so_far() == pytest.approx(20 / 3)


def test_a_package_inside_somebody_elses_repository_has_no_commit(tmp_path, monkeypatch):
    assert circumstances.git_commit() != "unknown" or not (Path(plas_jax.__file__).parents[1] / ".git").exists()
    for words in (["init", "-q"], ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "x", "--allow-empty"]):
        subprocess.run(["git", *words], cwd=tmp_path, check=True)
    package = tmp_path / "venv" / "plas_jax"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    monkeypatch.setattr(circumstances.plas_jax, "__file__", str(package / "__init__.py"))
    assert circumstances.git_commit() == "unknown"
