"""Mistakes that anyone makes, and the one line that each is answered with: what is wrong, where, and what to do."""

import json
import shlex
import sys

import jax
import numpy as np
import pytest

from plas_jax.commands import plas_jax
from plas_jax.datasets import d4rl_files

# What is typed behind `plas-jax`, in the folder of the fixture below, and what is said; … stands for more.
MISTAKES = [
    ("sweep-perturbatoin", "'sweep-perturbatoin' is no command; did you mean sweep-perturbation?"),
    ("sweep-perturbation quick", "unexpected 'quick': every argument is a flag; did you mean --preset=quick?"),
    (
        "sweep-perturbation --preset=papr",
        "flag --preset=papr: value should be one of <smoke|quick|paper|official_code>",
    ),
    (
        "sweep-perturbation --perturbation_limit=0,0.05",
        "Unknown command line flag 'perturbation_limit'. Did you mean: perturbation_limits ?",
    ),
    (
        "sweep-perturbation --perturbation_limits=0,O.05",
        "--perturbation_limits takes numbers of at least 0 with commas between them, not 'O.05'",
    ),
    (
        "sweep-perturbation --set=perturbation_limit=0.3",
        "--set perturbation_limit: its values are those of --perturbation_limits",
    ),
    ("sweep-perturbation --set=clip_weight=0.75,75", "--set clip_weight takes a number from 0 to 1, not '75'"),
    ("sweep-perturbation --seeds=three", "--seeds takes how many, or which with commas between them, not 'three'"),
    (
        "sweep-perturbation --seeds=0,1 --first_seed=4",
        "--first_seed=4 and --seeds=0,1: which seeds is said already, leave --first_seed out",
    ),
    ("sweep-perturbation --dynamics=mujoco", "flag --dynamics=mujoco: value should be one of <d4rl|gymnasium>"),
    (
        "sweep-perturbation --datasets=hopper-medium",
        "unknown data set 'hopper-medium': it must end in a version (r1, v0, v1, v2), not in 'medium'; did "
        "you mean hopper-medium-v2 or hopper-medium-v0 or hopper-medium-r1?",
    ),
    (
        "sweep-perturbation --datasets=hoper-medium-r1",
        "unknown data set 'hoper-medium-r1': no environment 'hoper' (there are hopper, walker2d, "
        "halfcheetah, pen, door, hammer, relocate, antmaze, maze2d, kitchen); did you mean hopper-medium-r1 "
        "or hopper-medium-v2 or hopper-medium-v0?",
    ),
    (
        "sweep-perturbation --datasets=hopper-medum-r1",
        "unknown data set 'hopper-medum-r1': r1 of hopper has no level 'medum' (it has random, medium, "
        "medium-replay, medium-replay-trained, medium-expert, medium-expert-a, expert); did you mean "
        "hopper-medium-r1 or hopper-medium-v2 or hopper-medium-v0?",
    ),
    (
        "sweep-perturbation --datasets=hopper-medium-v2",
        "hopper-medium-v2 was not found: looked for hopper_medium-v2.hdf5 or hopper-medium-v2.hdf5 in "
        "~/.d4rl/datasets; fetch it (python -m plas_jax.datasets fetch hopper-medium-v2), or download "
        "http://rail.eecs.berkeley.edu/datasets/offline_rl/gym_mujoco_v2/hopper_medium-v2.hdf5 and put it "
        "there",
    ),
    (
        "sweep-perturbation --datasets=hopper-medium-r1,hopper-medium-r1",
        "--datasets takes different values with commas between them, not 'hopper-medium-r1,hopper-medium-r1'",
    ),
    (
        "sweep-perturbation --datasets=mine.hdf5",
        "'mine.hdf5' does not say which environment it is of: a file of one's own is named "
        "PATH.hdf5@ENVIRONMENT, where ENVIRONMENT is an id of Gymnasium's, with its module "
        "(my_module:MyEnv-v0) where that registers it…",
    ),
    (
        "sweep-perturbation --datasets=mien.hdf5@hopper",
        "'mien.hdf5@hopper': there is no file mien.hdf5; the nearest is 'mine.hdf5'",
    ),
    (
        "sweep-perturbation --datasets=mine.hdf5@Hoper-v4",
        "Hoper-v4: NameNotFound: Environment `Hoper` doesn't exist. Did you mean: `Hopper`?: pip install the "
        "package that registers it, and name its module as in module:Hoper-v4",
    ),
    (
        "sweep-perturbation --datasets=mine.hdf5@walker2d",
        "mine.hdf5: observations: shape [20, 11], but this data set has [rows, 17]: is it another task's?",
    ),
    (
        "sweep-perturbation --datasets=half.hdf5@hopper",
        "half.hdf5: rewards: this key is missing (the file has actions, metadata, observations, terminals, timeouts)",
    ),
    (
        "sweep-perturbation --datasets=minari:mujoco/hoper/medium-v0",
        "minari:mujoco/hoper/medium-v0 is not on this machine, where $MINARI_DATASETS_PATH or else "
        "~/.minari/datasets is looked in: minari download mujoco/hoper/medium-v0",
    ),
    (
        "sweep-perturbation --data_dir=nowhere",
        "the data folder nowhere does not exist: make it, or choose another --data_dir",
    ),
    ("sweep-perturbation --output=notes", "notes exists and holds no sweep: choose another --output"),
    (
        "sweep-perturbation --output=begun",
        "begun holds an unfinished sweep: add --resume, or choose another --output",
    ),
    (
        "d4rl-scores --algorithms=td3bc",
        "--algorithms: 'td3bc' is no method, nor a Python file with a METHOD; did you mean td3+bc or td3?",
    ),
    ("d4rl-scores --algorithms=brokn.py", "there is no file brokn.py; the nearest is 'broken.py'"),
    (
        "d4rl-scores --algorithms=broken.py",
        "broken.py fails on import: SyntaxError: '(' was never closed (broken.py, line 1)",
    ),
    (
        "d4rl-scores --algorithms=empty.py",
        "empty.py has no METHOD: a method's file sets METHOD to a plas_jax.methods.method.Method",
    ),
    (
        "d4rl-scores --algorithms=bc --set=learning_rat=0.1",
        "--set learning_rat: what is trained has no such name; did you mean learning_rate?",
    ),
    (
        "d4rl-scores --algorithms=bc --set=learning_rate",
        "--set takes [METHOD.][PHASE.]NAME=VALUE, as in plas.policy.updates=200000, not 'learning_rate'",
    ),
    (
        "d4rl-scores --algorithms=plas --set=plas.policy.update=2000",
        "--set plas.policy.update: plas has in its policy phase no such name; did you mean updates?",
    ),
    (
        "d4rl-scores --algorithms=plas --set=plass.updates=2000",
        "--set plass.updates: 'plass' is no method or phase; did you mean plas or plas+p?",
    ),
    (
        "d4rl-scores --algorithms=plas --set=episodes=ten",
        "--set episodes takes a whole number of at least 1, not 'ten'",
    ),
    (
        "d4rl-scores --algorithms=plas --set=iql.updates=2000",
        "--set iql.updates: iql is not trained here; there are plas",
    ),
    (
        "d4rl-scores --algorithms=plas --retrain=pla",
        "--retrain=pla: it is no method of --algorithms; did you mean plas?",
    ),
    (
        "d4rl-scores --algorithms=plas --log=wandbb",
        "--log takes tensorboard, wandb, trackio, not 'wandbb'; the nearest is 'wandb'",
    ),
    ("datasets lsit", "'lsit' is no command; did you mean list?"),
    ("datasets make", "make needs the NAME of a data set: `list --all` has them"),
    (
        "datasets make hopper-medium-v2",
        "hopper-medium-v2 is a file of D4RL's, not a recipe: fetch hopper-medium-v2 gets it",
    ),
    ("datasets make hopper-medium-r1 --size=1", "flag --size=1: 1 is not integer >= 2"),
    (
        "datasets fetch hopper-medium-r1",
        "hopper-medium-r1 is no file of D4RL's: there is nothing to download; make hopper-medium-r1 makes it",
    ),
    ("check-method emtpy.py", "there is no file emtpy.py; the nearest is 'empty.py'"),
    (
        "status begn",
        "begn holds no sweep: it has no manifest.json, as every folder of results; the nearest is 'begun'",
    ),
    ("resume notes", "notes holds no sweep: it has no manifest.json, as every folder of results"),
    ("report notes", "notes holds no sweep: it has no manifest.json, as every folder of results"),
    ("evaluate notes", "notes holds no policies: a sweep writes them to the policies/ of its folder, at its end"),
    ("export polcy.npz", "polcy.npz: No such file or directory; the nearest is 'policy.npz'"),
    ("plan --target=h10", "--target: 'h10' is no target; did you mean h100 or h100-8?"),
    ("throughput --algorithms=plsa", "--algorithms: 'plsa' is no algorithm; did you mean plas or plas+p?"),
    ("score-regression --accepted=nowhere.json", "nowhere.json does not exist: write it with --accept --reason=…"),
]
BEGUN = {"preset": "quick", "datasets": ["hopper-medium-r1"], "seeds": [0, 1, 2], "dynamics": "d4rl"}


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with a few files, under a home without data."""
    folder, rows = tmp_path / "here", 20
    for name in ("here/notes", "here/begun", "home"):
        (tmp_path / name).mkdir(parents=True)
    for name, text in {
        "broken.py": "METHOD = (\n",
        "empty.py": "METHODS = []\n",
        "policy.npz": "",
        "notes/todo.txt": "buy milk\n",
        "begun/manifest.json": json.dumps({"complete": False, "arguments": BEGUN}),
    }.items():
        (folder / name).write_text(text)
    columns = {
        "observations": np.zeros((rows, 11), np.float32),
        "actions": np.zeros((rows, 3), np.float32),
        "rewards": np.zeros(rows, np.float32),
        "terminals": np.zeros(rows, bool),
        "timeouts": np.arange(rows) % 10 == 9,
    }
    d4rl_files.write(folder / "mine.hdf5", columns, {})
    del columns["rewards"]
    d4rl_files.write(folder / "half.hdf5", columns, {})
    monkeypatch.chdir(folder)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("JAX_NUM_CPU_DEVICES", str(jax.device_count()))  # which cannot be set twice
    monkeypatch.delenv("D4RL_DATASET_DIR", raising=False)
    return folder


@pytest.mark.parametrize(("call", "says"), MISTAKES, ids=[call for call, _ in MISTAKES])
def test_a_mistake_is_one_line_and_nothing_is_made(here, call, says, monkeypatch, capsys):
    files = {path: path.stat().st_mtime_ns for path in here.rglob("*")}
    monkeypatch.setattr(sys, "argv", ["plas-jax", *shlex.split(call)])
    assert plas_jax.main() in (1, 2)
    said = capsys.readouterr().err.replace(str(here.parent / "home"), "~")
    if says.endswith("…"):
        said = f"{said[: len('error: ') + len(says) - 1]}…\n"
    assert said == f"error: {says}\n"
    assert {path: path.stat().st_mtime_ns for path in here.rglob("*")} == files


def test_there_are_thirty_at_least():
    assert len(MISTAKES) == len(dict(MISTAKES)) >= 30
