"""The gate as a maintainer calls it: accept, check, plant a mistake, bad input; and the real one on this program."""

import json
import re
import shutil
import tomllib
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from xml.etree import ElementTree

import by_subprocess
import numpy as np
import pytest
from by_subprocess import ROOT
from gate_false_alarms import chosen
from planted_faults import plant, read_verdicts

import plas_jax
from plas_jax.sweeps.progress import Watch
from plas_jax.verification.gate.accepted import Accepted, read_accepted, write_accepted
from plas_jax.verification.gate.comparison import LEVEL, comparable, compare, replaceable
from plas_jax.verification.gate.junit import junit
from plas_jax.verification.gate.movement import Movement, Place
from plas_jax.verification.gate.replays import FOLDER, Replay, golden_files, replays
from plas_jax.verification.gate.report import FAIL, PASS, UNDECIDED, regression_report, verdict
from plas_jax.verification.gate.request import ALGORITHMS, DATASETS, request
from plas_jax.verification.gate.unmeasured import unmeasured
from plas_jax.verification.parity.golden import read
from plas_jax.verification.parity.updates import TRAININGS

SCRIPT = "score_regression.py"
call_here = partial(by_subprocess.call_here, SCRIPT)
FAULTS_FILE = ROOT / "experiments" / "planted_faults.toml"
FAULTS = tomllib.loads(FAULTS_FILE.read_text("utf-8"))
ACCEPTED = ROOT / "benchmarks" / "accepted" / "gate.json"
GOLDEN = ROOT / "tests" / "golden"
SHORT = ["--preset=smoke", "--algorithms=bc", "--datasets=hopper-medium-r1"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with data, and with the accepted results of eight seeds."""
    folder = tmp_path_factory.mktemp("gate")
    (folder / "data").mkdir()
    done = accept(folder, "--reason=the first")
    assert done.returncode == 0, done.stderr
    return folder


def accept(folder, *words):
    of = [f"--data_dir={folder / 'data'}", f"--accepted={folder / 'accepted.json'}", "--seeds=8", "--accept"]
    return call_here(*SHORT, *of, *words, cwd=folder)


def check(folder, *words):
    given = [*SHORT, f"--data_dir={folder / 'data'}", f"--accepted={folder / 'accepted.json'}", "--seeds=6"]
    return call_here(*given, *words, cwd=folder)


def test_an_unchanged_program_passes(folder):
    done = check(folder, "--output=same")
    assert done.returncode == PASS, done.stderr
    assert "**pass: none of" in done.stdout
    assert "measures moved; at smoke size this decides nothing**" in done.stdout
    assert "### Not measured\n\n- bc: action_distance, for want of a knob `perturbation_limit`; " in done.stdout
    assert done.stdout.strip() == (folder / "same" / "regression.md").read_text("utf-8").strip()
    suite = ElementTree.parse(folder / "same" / "junit.xml").getroot()
    assert suite.get("failures") == suite.get("errors") == "0"
    assert int(suite.get("tests")) == len(suite.findall("testcase")) > 5
    of_check = read_accepted(folder / "same" / "values.json")
    assert of_check.seeds == tuple(range(1000, 1006))


def test_accepted_results_say_where_they_came_from(folder):
    found = read_accepted(folder / "accepted.json")
    assert found.seeds == tuple(range(8))
    facts = found.circumstances
    assert facts["reason"] == "the first"
    assert facts["versions"]["jax"]
    assert "--seeds=8" in facts["command"]
    assert facts["device"]
    assert Place("hopper-medium-r1", "bc", "score") in found.values
    assert Place("hopper-medium-r1", "bc", "policy.policy_loss") in found.values  # what `update` itself returned
    assert all(len(column) == 8 for column in found.values.values())


@pytest.mark.slow
def test_ones_own_method_is_gated_with_ones_own_file(folder, tmp_path):
    own = [
        f"--algorithms={ROOT / 'docs' / 'own_method' / 'filtered_cloning.py'}",
        f"--accepted={tmp_path / 'own.json'}",
    ]
    given = ["--preset=smoke", "--datasets=hopper-medium-r1", f"--data_dir={folder / 'data'}", *own]
    assert call_here(*given, "--accept", "--reason=mine", "--seeds=8", cwd=tmp_path).returncode == 0
    done = call_here(*given, "--seeds=6", cwd=tmp_path)
    assert done.returncode == PASS, done.stderr
    assert "\n- filtered_cloning: action_distance, for want of a knob `perturbation_limit`; " in done.stdout
    done = call_here(*given, "--accept", "--reason=fewer seeds", "--seeds=2", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    accepted = read_accepted(tmp_path / "own.json")
    of_update = {place.measure for place in accepted.values if place.measure.startswith("policy.")}
    assert of_update, "the metrics that its own update returns"
    assert accepted.circumstances["reason"] == "fewer seeds"
    assert [entry["reason"] for entry in accepted.history] == ["mine"]


def asked(**changes):
    """The request of these flags, of the short suite."""
    flags = {
        "preset": "smoke", "algorithms": "bc", "datasets": "hopper-medium-r1", "seeds": 6, "first_seed": None,
        "accepted": "accepted.json", "accept": False, "reason": "", "data_dir": None, "output": "out",
        "golden": "",
    }  # fmt: skip
    return request(SimpleNamespace(**flags | changes))


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"accept": True}, "--accept needs a --reason"),
        ({"accept": True, "reason": " "}, "--accept needs a --reason"),
        ({"reason": "because"}, "it needs --accept"),
        ({"accept": True, "reason": "r", "golden": "g"}, "--golden is for a check"),
        ({"golden": "nowhere"}, "--golden: nowhere has no golden file of updates"),
        ({"seeds": 0}, "--seeds must be at least 1"),
        ({"algorithms": "dqn"}, "'dqn' is no method"),
        ({"algorithms": "plas"}, "has no results of plas"),
        ({"datasets": "walker2d-medium-r1"}, "has no results of walker2d-medium-r1"),
        ({"preset": "gate"}, "was made with preset smoke, not gate"),
        ({"seeds": 1}, "--seeds: 1 against 8 cannot decide"),
        ({"accept": True, "reason": "r", "algorithms": "td3"}, "has results of bc, too: accept all, or choose another"),
    ],
)
def test_a_bad_request_is_one_line(folder, changes, complaint):
    known = read_accepted(folder / "accepted.json")
    with pytest.raises(ValueError, match=re.escape(complaint)) as caught:
        (replaceable if changes.get("accept") else comparable)(asked(**changes), known)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--accepted=nowhere.json"], "nowhere.json does not exist: write it with --accept --reason="),
        (["--accepted=nowhere.json", "--preset=huge"], "--preset"),
    ],
)
def test_bad_input_is_one_line_and_no_regression(tmp_path, words, complaint):
    done = call_here(*words, cwd=tmp_path)
    assert done.returncode == UNDECIDED
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith("error: ")
    assert complaint in line
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("{", ": not JSON"),
        ("[]", "is not an object"),
        ('{"format": 1}', "is damaged"),
        ('{"format": 1, "seeds": [0, 1], "suite": {}, "values": {"d": {"a": {"m": [1.0]}}}}', "1 values for 2 seeds"),
        ('{"format": 1, "seeds": [0], "suite": {}, "values": {"d": {"a": {"m": ["x"]}}}}', "is damaged"),
        ('{"format": 1, "seeds": [0], "suite": {}, "values": 3}', "is damaged"),
    ],
)
def test_a_damaged_accepted_file_is_one_line(tmp_path, text, complaint):
    (tmp_path / "broken.json").write_text(text)
    with pytest.raises(ValueError, match=complaint) as caught:
        read_accepted(tmp_path / "broken.json")
    assert "\n" not in str(caught.value)


# What is compared


def results(columns, seeds, contents="same", dataset="hopper-medium-r1"):
    """Results with these measures of bc, and one of the data as a whole."""
    values = {Place(dataset, "bc", name): np.asarray(column, float) for name, column in columns.items()}
    return Accepted(tuple(seeds), values, {}, {}, {dataset: contents})


def normal(mean, seeds, seed=0):
    return np.random.default_rng(seed).normal(mean, 1, seeds)


def test_a_fall_is_a_regression_and_a_rise_of_scores_is_none():
    known = results({"score": normal(50, 40)}, range(40))
    worse = compare(known, results({"score": normal(40, 10, 1)}, range(100, 110)))
    assert worse.status == FAIL
    assert "score of hopper-medium-r1, bc from 49.94 [49.68, 50.19] to 40.22" in worse.line
    better = compare(known, results({"score": normal(60, 10, 1)}, range(100, 110)))
    assert better.status == PASS
    assert len(better.moved) == 1


@pytest.mark.parametrize(
    ("measure", "step", "status", "word"),
    [
        ("mean_q", 10, FAIL, "changed"),
        ("mean_q", -10, FAIL, "changed"),
        ("policy.critic_loss", 10, FAIL, "changed"),
        ("return_apart", 10, FAIL, "regression"),
        ("return_apart", -10, PASS, "pass"),
        ("diverged", 10, FAIL, "regression"),
    ],
)
def test_what_is_worse_is_a_regression_and_what_is_other_has_changed(measure, step, status, word):
    known = results({measure: normal(50, 40), "td_error": normal(0, 40, 2)}, range(40))
    found = compare(known, results({measure: normal(50 + step, 10, 1), "td_error": normal(0, 10, 3)}, range(100, 110)))
    assert (found.status, found.line.split(":")[0]) == (status, word)
    assert ("nothing is known to be worse" in found.line) == (word == "changed")
    suite = ElementTree.fromstring(junit(found, 1.0))
    assert (suite.get("failures") != "0") == (status == FAIL)


def test_a_regression_is_named_before_what_is_more_conspicuous():
    known = results({"score": normal(50, 40), "mean_q": normal(0, 40, 2)}, range(40))
    found = compare(known, results({"score": normal(45, 10, 1), "mean_q": normal(50, 10, 3)}, range(100, 110)))
    assert found.moved[0].place.measure == "mean_q"
    assert found.line.startswith("regression: score of hopper-medium-r1, bc from 49.94")


def test_what_was_not_measured_is_listed_with_what_the_method_lacks():
    critics = ("mean_q", "td_error", "policy_gain", "critics_apart", "targets_apart", "q_minus_return")
    cvae = ("reconstruction_error", "kl", "cvae_drift")
    own = ("score", "score_apart", "return_apart", "action_distance", "policy.loss", "gradient_of_policy_on_critics")
    places = [Place(dataset, "mine", name) for dataset in ("a", "b") for name in (*critics, *cvae, *own)]
    whole = [*places, Place("a", "mine", "terminal_q"), Place("b", "mine", "terminal_q"), Place("a", "data", "kl")]
    assert unmeasured(whole) == []
    (section,) = unmeasured(whole[:-2])
    assert section.endswith("- mine: terminal_q on b, for want of episodes that truly end.")
    (section,) = unmeasured([place for place in places if place.measure not in (*critics, *cvae, "policy.loss")])
    for lacks in (
        "reconstruction_error, kl, for want of a `cvae` of this project's in its state; ",
        "mean_q, td_error, policy_gain, critics_apart, targets_apart, q_minus_return, terminal_q, for want of `cri",
        "metrics, for want of metrics that its `update` returns.",
    ):
        assert lacks in section


def test_other_rows_leave_it_undecided_unless_something_moved():
    known = results({"score": normal(50, 40)}, range(40))
    same = compare(known, results({"score": normal(50, 10, 1)}, range(100, 110), contents="other"))
    assert same.status == UNDECIDED
    assert "the rows of hopper-medium-r1 are not those of the accepted results" in same.line
    assert compare(known, results({"score": normal(40, 10, 1)}, range(100, 110), "other")).status == FAIL


def test_sums_over_other_rows_are_not_compared_and_over_the_same_are():
    place = Place("hopper-medium-r1", "data", "mean_reward")
    known, same, other = (
        results({"score": normal(50, seeds, seeds)}, range(seeds), contents)
        for seeds, contents in ((40, "same"), (10, "same"), (10, "other"))
    )
    known.values[place], same.values[place], other.values[place] = np.full(40, 1.0), np.full(10, 1.1), np.full(10, 1.1)
    assert compare(known, same).status == FAIL
    assert compare(known, other).status == UNDECIDED


def test_a_measure_that_is_gone_leaves_it_undecided_and_a_new_one_is_said():
    known = results({"score": normal(50, 40), "kl": normal(1, 40, 2)}, range(40))
    without = compare(known, results({"score": normal(50, 10, 1)}, range(100, 110)))
    assert without.status == UNDECIDED
    assert "kl of bc is no longer there" in without.line
    new = {"score": normal(50, 10, 1), "kl": normal(1, 10, 3), "mean_q": normal(0, 10)}
    more = compare(known, results(new, range(100, 110)))
    assert more.status == PASS
    assert "mean_q of bc" in " ".join(more.notes)


def test_nothing_to_compare_is_undecided():
    assert verdict([], LEVEL, [], []).status == UNDECIDED


def test_reports_say_what_moved_from_what_to_what():
    q, score = Place("hopper-medium-r1", "plas", "mean_q"), Place("hopper-medium-r1", "plas", "score")
    moved = Movement(q, np.array([1.0, 3.0]), np.array([11.0, 13.0]), 7.1, 1e-4)
    still = Movement(score, np.array([50.0, 52.0]), np.array([51.0, 52.0]), 0.3, 0.9)
    of = verdict([moved, still], LEVEL, [], [])
    report = regression_report(of)
    step = "from 2 [-10.71, 14.71] to 12 [-0.7062, 24.71]"
    assert of.line == f"changed: mean_q of hopper-medium-r1, plas {step}; nothing is known to be worse"
    assert "| hopper-medium-r1 | plas | mean_q | 2 [-10.71, 14.71] | 12 [-0.7062, 24.71] | +7.1 | 0.0001 |" in report
    assert "| hopper-medium-r1 | plas | score | 51 " in report
    suite = ElementTree.fromstring(junit(of, 3.0))
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("2", "1", "0")
    (failed,) = [case for case in suite if case.find("failure") is not None]
    assert (failed.get("classname"), failed.get("name")) == ("hopper-medium-r1.plas", "mean_q")
    undecided = ElementTree.fromstring(junit(verdict([still], LEVEL, ["no reason"], []), 3.0))
    assert undecided.get("errors") == "1"


def test_a_replay_that_differs_is_a_regression_where_no_measure_moved():
    still = Movement(Place("d", "a", "score"), np.array([50.0, 52.0]), np.array([51.0, 52.0]), 0.3, 0.9)
    agrees, differs = Replay("iql.npz", "IQL", 6e-7, "after_20/a"), Replay("sac.npz", "SAC", 0.03, "after_1/b")
    sound = verdict([still], LEVEL, [], [], [agrees])
    assert (sound.status, sound.line) == (PASS, "pass: none of 1 measures moved, and 1 golden replays agree")
    found = verdict([still], LEVEL, [], [], [agrees, differs, Replay("c.npz", "C", 0.01, "after_1/c")])
    says = "regression: the replay of sac.npz is 0.03 from its reference at after_1/b; 2 replays differ"
    assert (found.status, found.line) == (FAIL, says)
    rows = "| iql.npz | IQL | 6e-07 | after_20/a |\n| sac.npz | SAC | 0.03 **differs** | after_1/b |"
    assert rows in regression_report(found)
    suite = ElementTree.fromstring(junit(found, 3.0))
    assert (suite.get("tests"), suite.get("failures")) == ("4", "2")
    failed = [case.get("classname") for case in suite if case.find("failure") is not None]
    assert failed == ["golden.SAC", "golden.C"]
    assert Replay("x.npz", "X", np.nan, "y").differs


def test_golden_files_of_every_method_are_replayed_and_only_what_can_agree_is_held():
    files = golden_files(GOLDEN)
    assert {golden.text("algorithm") for golden in files} == {*TRAININGS}
    quick, sac = (read(GOLDEN / name) for name in ("brac_bc.npz", "sac_new_critics.npz"))
    other = sac._replace(config=sac.config | {"variant": "published"})
    (first, second) = replays([quick, other], Watch(quiet=True))
    assert (first.file, first.method, first.differs) == ("brac_bc.npz", "BRAC-BC", False)
    assert second.tensor.startswith("after_1/")


def test_a_file_of_another_gradient_that_has_no_first_update_holds_nothing():
    golden = read(GOLDEN / "sac_new_critics.npz")
    late = golden._replace(
        config=golden.config | {"variant": "published"},
        arrays={name: array for name, array in golden.arrays.items() if not name.startswith("after_1/")},
    )
    (only,) = replays([late], Watch(quiet=True))
    assert (only.error, only.tensor) == (0.0, "none can be compared")


def test_values_come_back_to_nine_digits(tmp_path):
    column = np.array([1 / 3, np.nan, 1e-12])
    of = Accepted(
        (4, 5, 6), {Place("d", "a", "m"): column}, {"preset": "gate"}, {"reason": "r"}, {"d": "0"}, [{"reason": "q"}]
    )
    write_accepted(tmp_path / "x.json", of)
    back = read_accepted(tmp_path / "x.json")
    np.testing.assert_allclose(back.values[Place("d", "a", "m")], column, rtol=1e-8)
    assert back[0] == of[0]
    assert back[2:] == of[2:]
    assert [path.name for path in tmp_path.iterdir()] == ["x.json"]


def test_the_default_suite_shares_plas_cvae(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # which has no golden files
    defaults = {"preset": "gate", "algorithms": "", "datasets": "", "seeds": None, "accepted": ""}
    checked = asked(**defaults)
    assert [method.name for method in checked.methods] == ["bc", "bcq", "plas"]
    assert checked.methods[-1].grid == (("perturbation_limit", (0.0, 0.1)),)
    assert [dataset.name for dataset in checked.datasets] == list(DATASETS)
    assert len(checked.seeds) == 10
    assert checked.golden == ()
    alone = asked(**defaults | {"algorithms": "plas+p", "accept": True, "reason": "r"})
    assert alone.methods[0].grid == (("perturbation_limit", (0.1,)),)
    assert len(alone.seeds) == 40
    assert not set(alone.seeds) & set(checked.seeds)


def test_the_real_gate_replays_golden_files_by_default_and_others_only_those_that_are_named(monkeypatch):
    monkeypatch.chdir(ROOT)
    defaults = {"preset": "gate", "algorithms": "", "datasets": "", "seeds": None, "accepted": ""}
    files = [golden.path for golden in golden_files(FOLDER)]
    assert [golden.path for golden in asked(**defaults).golden] == files
    assert asked(**defaults | {"accept": True, "reason": "r"}).golden == asked().golden == ()
    assert len(asked(golden=str(FOLDER)).golden) == len(files)


# The real one


def test_the_kept_results_are_of_this_suite():
    known = read_accepted(ACCEPTED)
    assert len(known.seeds) >= 20
    assert {place.algorithm for place in known.values} == {*ALGORITHMS, "data"}
    assert {place.dataset for place in known.values} == set(DATASETS)
    assert known.circumstances["reason"]


# The least of the real one that sees both phases of PLAS: a twelfth of its runs.
ONE_OF_ALL = ["--algorithms=plas", "--datasets=hopper-medium-r1"]


@pytest.mark.parametrize("part", [ONE_OF_ALL, pytest.param([], marks=pytest.mark.slow)], ids=["one of all", "all"])
def test_this_program_passes_its_own_gate(part, tmp_path):
    (tmp_path / "data").mkdir()
    words = ["--data_dir=data", f"--accepted={ACCEPTED}", "--output=out", *part]
    done = call_here(*words, cwd=tmp_path)
    assert done.returncode == PASS, done.stdout + done.stderr


@pytest.mark.parametrize("name", FAULTS)
def test_every_mistake_can_be_planted(tmp_path, name):
    copy = tmp_path / "plas_jax"
    shutil.copytree(Path(plas_jax.__file__).parent, copy, ignore=shutil.ignore_patterns("__pycache__", "*.npz"))
    before = {path: path.read_text("utf-8") for path in copy.rglob("*.py")}
    plant(copy, FAULTS[name])
    changed = {path: text for path in before if (text := path.read_text("utf-8")) != before[path]}
    assert changed
    for path, text in changed.items():
        compile(text, path.name, "exec")


def planted(*words, folder):
    script = ROOT / "experiments" / "planted_faults.py"
    given = [f"--faults_file={FAULTS_FILE}", f"--accepted={ACCEPTED}", f"--golden={folder / 'golden'}", *words]
    return by_subprocess.call_here(script, *given, cwd=folder)


@pytest.mark.slow
def test_planted_mistakes_are_caught(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "golden").mkdir()
    shutil.copy(GOLDEN / "td3_bc.npz", tmp_path / "golden")
    names = ("discount_0_9", "evaluation_noise", "td3_bc_target_by_online_policy")
    done = planted(f"--faults={','.join(names)}", *ONE_OF_ALL, "--data_dir=data", "--output=out", folder=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    verdicts = read_verdicts(tmp_path / "out" / "planted_faults.csv")
    assert {of.verdict for of in verdicts.values()} == {"fail"}
    _, of_noise, of_replay = (verdicts[name] for name in names)
    assert of_noise.first.startswith("return_apart of "), of_noise
    assert (of_replay.measures, of_replay.first) == (1, "replay of golden, TD3_BC"), of_replay


def test_an_unknown_mistake_is_one_line(tmp_path):
    done = planted("--faults=typo", folder=tmp_path)
    assert done.returncode == 1
    assert "'typo' is none of none, time_limit_as_terminal" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_the_kept_verdicts_are_of_every_mistake():
    found = read_verdicts(ROOT / "docs" / "gate" / "planted_faults.csv")
    assert set(found) == {"none", *FAULTS}
    assert found["none"].verdict == "pass"
    unseen = [name for name, of in found.items() if of.verdict == "pass" and name != "none"]
    assert all("test" in FAULTS[name] for name in unseen)


def test_seeds_are_chosen_by_place():
    of = Accepted((4, 5, 6), {Place("d", "a", "m"): np.array([1.0, 2.0, 3.0])}, {}, {}, {})
    part = chosen(of, [2, 0])
    assert part.seeds == (6, 4)
    np.testing.assert_array_equal(part.values[Place("d", "a", "m")], [3, 1])


def test_the_kept_accepted_file_is_json_that_can_be_read_line_by_line():
    assert json.loads(ACCEPTED.read_text("utf-8"))["format"] == 1
    assert max(map(len, ACCEPTED.read_text("utf-8").splitlines())) < 1000
