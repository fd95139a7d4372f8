"""The package from Python: the documented lines as they stand, data from arrays, methods as objects, refusals."""

import json
import re
import shutil
import subprocess
import sys

import gymnasium
import numpy as np
import pytest
from by_subprocess import ROOT

import plas_jax as pj
from plas_jax.algorithms import deterministic_cloning
from plas_jax.methods import scales
from plas_jax.methods.method import Method, Phase
from plas_jax.methods.published import METHODS

DOCUMENT = (ROOT / "docs" / "python.md").read_text("utf-8")
# Trainings of the documented lines with sixteen units, evaluated at their ends, on a thousand rows.
SMALL = scales.SMOKE._replace(
    name="laptop", evaluations=lambda updates: (updates,), evaluations_in_mean=1, horizon=None
)


@pytest.fixture(autouse=True)
def small(monkeypatch, tmp_path_factory):
    monkeypatch.setitem(scales.SCORE_PRESETS, "laptop", SMALL)
    home = tmp_path_factory.getbasetemp() / "home"
    home.mkdir(exist_ok=True)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("D4RL_DATASET_DIR", raising=False)


def arrays(rows=400, observation=4, action=2):
    draws = np.random.default_rng(1)
    return {
        "observations": draws.normal(size=(rows, observation)),
        "actions": draws.uniform(-2, 2, size=(rows, action)),
        "rewards": draws.normal(size=rows),
        "terminals": np.zeros(rows, bool),
        "timeouts": np.arange(rows) % 50 == 49,
    }


@pytest.mark.slow
def test_the_documented_lines_run_as_they_stand(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "docs" / "own_method" / "filtered_cloning.py", tmp_path)
    names = {}
    blocks = re.findall(r"^```python\n(.*?)^```$", DOCUMENT, re.MULTILINE | re.DOTALL)
    assert len(blocks) == 2
    assert len(blocks[0].splitlines()) <= 12
    exec("\n".join(blocks), names)
    out = capsys.readouterr().out
    assert names["action"].shape == (3,)
    assert len(names["policies"]) == 3
    assert {policy.about.seed for policy in names["policies"]} == {0, 1, 2}
    for method in ("bc", "bcq", "plas", "filtered_cloning"):
        assert re.search(rf"^\| {method} \| -?−?\d", out, re.MULTILINE), out
    assert re.search(r"^\| bc \| arrays@none \| 2 \|", out, re.MULTILINE), out
    assert "Evaluation(mean return" in out


@pytest.mark.slow
def test_the_notebook_runs_and_keeps_what_it_showed(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "Agg")
    cells = json.loads((ROOT / "docs" / "first_steps.ipynb").read_text("utf-8"))["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in code] == [1, 2, 3, 4]
    kept = [output.get("data", {"text": ""}).keys() for cell in code for output in cell["outputs"]]
    assert [next(iter(kinds)) for kinds in kept] == ["text/markdown", "image/png", "text"]
    names = {}
    # At the sizes that the documented lines have here, whose programs are compiled by then.
    smaller = {
        r"\(\d_000(, \d_000)+\)": "(1_000,)",
        r"\d+_000\b": "1_000",
        '"episodes": 5': '"episodes": 1',
        "seeds=3": "seeds=2",
    }
    for cell in code:
        source = "".join(cell["source"])
        for size, small in smaller.items():
            source = re.sub(size, small, source)
        exec(source, names)
    assert "Evaluation(mean return" in capsys.readouterr().out
    assert names["again"]([0.0] * 11).shape == (3,)


def test_the_import_is_cheap():
    program = "import time; begun = time.perf_counter(); import plas_jax; print(time.perf_counter() - begun)"
    seconds = [
        float(subprocess.run([sys.executable, "-c", program], capture_output=True, check=True).stdout) for _ in range(5)
    ]
    assert min(seconds) < 0.05


def test_the_package_names_what_it_has():
    assert {"Dataset", "train", "compare", "evaluate", "load", "open", "__version__"} <= set(dir(pj))
    assert all(getattr(pj, name) for name in dir(pj))
    assert re.fullmatch(r"\d+\.\d+\.\d+.*", pj.__version__)
    with pytest.raises(AttributeError, match="plas_jax has no 'trian': it has Dataset"):
        _ = pj.trian


def test_data_without_an_environment_train_and_report_what_is_known_offline(tmp_path):
    data = pj.Dataset.from_arrays(**arrays(), action_bounds=(-2, 2), name="mine")
    assert data.name == "mine@none"
    run = pj.train("plas", data, seeds=2, updates=30, output=tmp_path / "run")
    assert run.rows == []
    (row,) = run.table().rows
    assert (row["method"], row["dataset"], row["seeds"]) == ("plas", "mine@none", 2)
    assert np.isfinite(row["critic_loss"])
    policy = run.policy(seed=1)
    actions = policy(np.zeros((3, 4)))
    assert (np.abs(actions) <= 2).all()
    assert np.abs(actions).max() > 0
    with pytest.raises(ValueError, match="was trained on data without an environment: name one"):
        pj.evaluate(policy)
    again = pj.train("plas", data, seeds=2, updates=30, output=tmp_path / "run", resume=True)
    assert again.table().text == run.table().text


def test_arrays_are_what_a_file_of_them_is(tmp_path):
    given = arrays()
    data = pj.Dataset.from_arrays(**given, action_bounds=(-2, 2))
    transitions = data.transitions()
    kept = np.flatnonzero(~given["timeouts"][:-1])
    np.testing.assert_array_equal(transitions.observation, given["observations"][kept].astype(np.float32))
    np.testing.assert_allclose(transitions.action, given["actions"][kept] / 2, atol=1e-6)
    np.savez(tmp_path / "mine.npz", **given)
    np.savez(tmp_path / "unit.npz", **given | {"actions": given["actions"] / 2})
    loaded = pj.Dataset.load(str(tmp_path / "unit.npz"))
    assert loaded.name == "unit@none"
    np.testing.assert_allclose(loaded.transitions().action, transitions.action, atol=1e-6)
    with pytest.raises(ValueError, match=r"actions: row 0 is outside \[-1, 1\]|actions: row \d+ is outside"):
        pj.Dataset.load(str(tmp_path / "mine.npz"))


def test_a_policy_plays_in_an_environment_that_is_there(tmp_path):
    pendulum = gymnasium.make("Pendulum-v1")
    given = arrays(observation=3, action=1)
    data = pj.Dataset.from_arrays(**given, environment="Pendulum-v1")
    run = pj.train("bc", data, seeds=1, updates=20, output=tmp_path / "run")
    policy = run.policy()
    by_id, by_object = pj.evaluate(policy, "Pendulum-v1", 2), pj.evaluate(policy, pendulum, 2)
    np.testing.assert_allclose(by_id.episode_return, by_object.episode_return, rtol=1e-4)
    np.testing.assert_array_equal(by_id.episode_length, [200, 200])


def test_a_method_is_a_name_a_file_or_an_object(tmp_path):
    phase = Phase(
        deterministic_cloning.DETERMINISTIC_CLONING,
        deterministic_cloning.Architecture(),
        deterministic_cloning.Knobs(),
        1_000,
    )
    mine = Method("mine", phase, uses_statistics=True)
    data = pj.Dataset.from_arrays(**arrays(), action_bounds=(-2, 2))
    run = pj.compare([mine, "bc_regression"], data, seeds=[3], updates=20, output=tmp_path / "run")
    first, second = run.policies(seed=3)
    assert {first.about.method, second.about.method} == {"mine", "bc_regression"}
    assert len(pj.open(tmp_path / "run", methods=[mine]).policies()) == 2
    with pytest.raises(ValueError, match="mine is a method of one's own"):
        pj.open(tmp_path / "run").policies(algorithm="mine")
    np.testing.assert_array_equal(
        first(np.ones(4)), pj.load(path_of(run, first), mine if first.about.method == "mine" else None)(np.ones(4))
    )
    with pytest.raises(ValueError, match="a method of the name bc is this project's"):
        pj.train(METHODS["bc"]._replace(uses_statistics=True), data)


def path_of(run, policy):
    from plas_jax.sweeps.policies import file_name

    return run.path / "policies" / file_name(policy.about)


def test_a_policy_that_is_meant_must_be_one(tmp_path):
    data = pj.Dataset.from_arrays(**arrays(), action_bounds=(-2, 2))
    run = pj.train("bc", data, seeds=2, updates=20, output=tmp_path / "run")
    with pytest.raises(ValueError, match="2 policies fit: say which of arrays@none_bc_seed=0, arrays@none_bc_seed=1"):
        run.policy()
    with pytest.raises(ValueError, match="0 policies fit"):
        run.policy(seed=7)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: pj.Dataset.load("hopper-medium-v9"), "unknown data set"),
        (lambda: pj.Dataset.load("nothing.npz"), "nothing.npz"),
        (lambda: pj.Dataset.from_arrays(**arrays()), "actions: row 0 is outside|actions: row"),
        (lambda: pj.Dataset.from_arrays(**arrays(), action_bounds=(2, -2)), "finite and in order"),
        (lambda: pj.Dataset.from_arrays(**arrays(), action_bounds=(1, 2, 3)), "action bounds are two numbers"),
        (lambda: pj.Dataset.from_arrays(**arrays(), environment="hopper"), "observations: shape"),
        (lambda: pj.Dataset.from_arrays(**arrays(), environment="hopper", action_bounds=(0, 1)), "leave them out"),
        (lambda: pj.Dataset.from_arrays(**arrays() | {"rewards": np.zeros(3)}), "rewards"),
        (lambda: pj.Dataset.from_arrays(**arrays(), name="a,b"), "a name has no comma"),
        (lambda: pj.train("plass", "hopper-medium-r1"), "plass"),
        (lambda: pj.train("plas", "hopper-medium-r1", knobs={"magic": 1}), "has no knob 'magic'"),
        (lambda: pj.train("plas", "hopper-medium-r1", preset="labtop"), "no preset; did you mean laptop"),
        (lambda: pj.train("plas", "hopper-medium-r1", updates=0), "takes a whole number of at least 1"),
        (lambda: pj.train("plas", "hopper-medium-r1", seeds=0), "at least 1"),
        (lambda: pj.open("nowhere"), "nowhere"),
        (lambda: pj.load("nowhere.npz"), "nowhere.npz"),
    ],
)
def test_what_cannot_be_is_one_line(tmp_path, monkeypatch, call, says):
    monkeypatch.chdir(tmp_path)
    with pytest.raises((ValueError, OSError), match=says) as refused:
        call()
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "results").exists()
