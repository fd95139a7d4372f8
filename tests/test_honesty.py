"""Nothing silently wrong: edited methods, altered files, other versions, methods that cannot be compared."""

import json
import shutil
from functools import partial
from pathlib import Path

import by_subprocess
import pytest
from by_subprocess import ROOT, run

from plas_jax.commands import check_method as command
from plas_jax.datasets import loading
from plas_jax.datasets.catalogue import parse
from plas_jax.methods.own import own_method
from plas_jax.reports.provenance import version
from plas_jax.results.circumstances import file_commit
from plas_jax.results.folder import OutputFolder
from plas_jax.results.manifest import DatasetRecord, Manifest
from plas_jax.results.rows import read_rows
from plas_jax.training.method_check import check_method

call_here = partial(by_subprocess.call_here, "d4rl_scores.py")
OWN_METHOD = ROOT / "docs" / "own_method" / "filtered_cloning.py"
MEAN_OVER_PADDING = (
    "state.sizes.action.mean(jnp.square(action - batch.action))",
    "jnp.square(action - batch.action).mean(-1)",
)
POLICY = "[0].apply(state.both.parameters[0], observation)"
SHORT = ["--preset=smoke", "--datasets=hopper-random-r1", "--seeds=1", "--data_dir=.", "--output=out"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("honest")
    shutil.copy(OWN_METHOD, folder / "mine.py")
    done = call_here(*SHORT, "--algorithms=bc,mine.py", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "filtered_cloning: checking what every method must be" in done.stderr
    return folder


@pytest.fixture
def folder(trained, tmp_path):
    return Path(shutil.copytree(trained, tmp_path / "copy"))


def edited(folder, before, after):
    """The documented method with other text in one place, as a file of this folder."""
    text = OWN_METHOD.read_text("utf-8")
    assert before in text
    path = folder / "mine.py"
    path.write_text(text.replace(before, after), "utf-8")
    return path


def test_a_methods_file_is_kept_with_its_hash(trained):
    assert (trained / "out" / "methods" / "filtered_cloning.py").read_bytes() == OWN_METHOD.read_bytes()
    record = OutputFolder(trained / "out").read_manifest().methods["filtered_cloning"]
    assert record.source_sha256 == own_method(OWN_METHOD).source.sha256
    assert record.source_commit == "unknown"  # of no repository
    assert file_commit(OWN_METHOD).removesuffix("-dirty") == file_commit(ROOT / "setup.py").removesuffix("-dirty")


def test_an_edited_method_is_refused_and_retrained_on_request(folder):
    edited(folder, "3e-4", "1e-2")
    words = [*SHORT, "--algorithms=bc,mine.py", "--resume"]
    before = read_rows(folder / "out" / "results.csv")
    refused = call_here(*words, cwd=folder)
    assert refused.returncode == 1
    assert "the file of filtered_cloning has changed since out was trained with it" in refused.stderr
    assert "--retrain=filtered_cloning drops its rows and trains it anew, a new --output keeps both" in refused.stderr
    assert read_rows(folder / "out" / "results.csv") == before
    retrained = call_here(*words, "--retrain=filtered_cloning", cwd=folder)
    assert retrained.returncode == 0, retrained.stderr
    after = read_rows(folder / "out" / "results.csv")
    assert [row for row in after if row.algorithm == "bc"] == [row for row in before if row.algorithm == "bc"]
    mine = [[row.episode_return for row in rows if row.algorithm == "filtered_cloning"] for rows in (before, after)]
    assert len(mine[0]) == len(mine[1])
    assert mine[0] != mine[1]
    assert (folder / "out" / "methods" / "filtered_cloning.py").read_bytes() == (folder / "mine.py").read_bytes()
    assert len(list((folder / "out" / "policies").iterdir())) == 2


def test_what_is_retrained_must_be_asked_for(folder):
    done = call_here(*SHORT, "--algorithms=bc", "--resume", "--retrain=bcc", cwd=folder)
    assert done.returncode == 1
    assert "--retrain=bcc: it is no method of --algorithms; did you mean bc?" in done.stderr


def test_a_folder_whose_numbers_are_of_another_version_is_not_gone_on_with(folder):
    path = folder / "out" / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"results_version": 99}))
    done = call_here(*SHORT, "--algorithms=bcq", "--resume", cwd=folder)
    assert done.returncode == 1
    assert "its numbers are of version 99" in done.stderr


# Data


def test_a_file_of_d4rls_name_and_other_bytes_is_told_and_marked(trained, tmp_path):
    made = next(trained.glob("*.hdf5"))
    shutil.copy(made, tmp_path / "hopper_random-v2.hdf5")
    words = [*SHORT[:1], "--datasets=hopper-random-v2", *SHORT[2:], "--algorithms=bc"]
    done = call_here(*words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "warning: hopper_random-v2.hdf5 is not D4RL's hopper-random-v2" in done.stderr
    table = (tmp_path / "out" / "scores.md").read_text()
    assert "**hopper-random-v2 (altered)**: its file has D4RL's name and other bytes" in table
    assert "here, v2 (altered), smoke" in table
    lines = (tmp_path / "out" / "scores.csv").read_text().splitlines()
    assert ",v2 (altered)," in lines[1]


def test_a_file_with_the_catalogues_bytes_is_not(tmp_path, monkeypatch):
    dataset = parse("hopper-random-v2")
    path = tmp_path / "hopper_random-v2.hdf5"
    path.touch()
    assert loading.is_altered(dataset, [path])
    monkeypatch.setattr(loading, "sha256", lambda path: dataset.sha256)
    assert not loading.is_altered(dataset, [path])
    assert not loading.is_altered(parse("hopper-random-r1"), [path])
    known = Manifest(datasets={"a": DatasetRecord(version="v0", altered=True), "b": DatasetRecord(version="v0")})
    assert (version(known, "a"), version(known, "b")) == ("v0 (altered)", "v0")


# Methods


def test_the_documented_method_is_what_every_method_must_be(capsys):
    status, out, err = run(command, capsys, OWN_METHOD)
    assert status == 0, out + err
    assert out.count(" ok") == 5


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        (*MEAN_OVER_PADDING, "padding: loss is"),
        ('"mean_q": q.mean()', '"mean_q": q', "metrics: mean_q has shape [16, 2], where a scalar is expected"),
        ('"mean_q": q.mean()', '"mean_q": jnp.log(0 * q.mean() - 1)', "metrics: mean_q is not finite"),
        (POLICY, POLICY + " * 30",
         "actions: act returns actions outside [-1, 1]"),
        (POLICY, POLICY + "[:, :2]",
         "actions: act returns shape [7, 2] of 7 states, where [7, 6] is expected"),
        (POLICY, POLICY + " + 0.1",
         "actions: act returns actions that are not 0 in the padding"),
    ],
)  # fmt: skip
def test_what_a_method_must_not_be_is_caught(tmp_path, capsys, before, after, says):
    status, out, _ = run(command, capsys, edited(tmp_path, before, after))
    assert status == 1
    assert says in out


def test_a_method_that_is_not_is_refused_before_anything_is_trained(tmp_path):
    edited(tmp_path, *MEAN_OVER_PADDING)
    done = call_here(*SHORT, "--algorithms=mine.py", cwd=tmp_path)
    assert done.returncode == 1
    assert "mine.py cannot be trained with others: padding: loss is" in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        ("next_q = critics.apply", "next_q = critics.aply", "in update, in the policy phase of filtered_cloning: "),
        ("(1, sizes.action.padded)", "(1, sizes.acton.padded)", "in init, in the policy phase of filtered_cloning"),
        ("return state.replace(both=both), {", "return {", "in the policy phase of filtered_cloning"),
    ],
)  # fmt: skip
def test_an_error_in_a_users_code_keeps_its_place(tmp_path, capsys, before, after, says):
    status, _, err = run(command, capsys, edited(tmp_path, before, after))
    assert status == 1
    assert says in err
    assert len(err.splitlines()) == 1
    done = call_here(*SHORT, "--algorithms=mine.py", "--traceback", cwd=tmp_path)
    assert done.returncode == 1
    assert "Traceback (most recent call last)" in done.stderr
    assert says in done.stderr.splitlines()[-1]


@pytest.mark.slow
def test_a_check_takes_seconds_and_finds_nothing_wrong_with_a_published_method():
    from plas_jax.methods.published import METHODS

    assert [finding for finding in check_method(METHODS["td3+bc"]) if finding.wrong] == []
