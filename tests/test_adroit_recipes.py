"""Data of Adroit's hand from a user's own policy or demonstrations, and what is refused."""

import json

import h5py
import numpy as np
import pytest

from plas_jax.commands import datasets
from plas_jax.datasets import d4rl_files
from plas_jax.datasets.catalogue import ENVIRONMENTS, parse
from plas_jax.files.whole_files import sha256
from plas_jax.recipes import adroit, collect
from plas_jax.recipes.given_policy import read_policy

PEN = ENVIRONMENTS["pen"]


def layer(generator, outputs, inputs):
    return generator.normal(0, inputs**-0.5, (outputs, inputs)), generator.normal(0, 0.1, outputs)


def snapshots(path, environment="pen", nonlinearity="tanh", distribution="gaussian", numbers=(2, 10)):
    """A file in the form of Deep OPE's policies."""
    generator, facts, arrays = np.random.default_rng(0), ENVIRONMENTS[environment], {}
    shapes = {"fc0": (8, facts.observation_size), "fc1": (8, 8)}
    shapes |= dict.fromkeys(("last_fc", "last_fc_log_std"), (facts.action_size, 8))
    for number in numbers:
        for name, shape in shapes.items():
            arrays[f"{number}/{name}/weight"], arrays[f"{number}/{name}/bias"] = layer(generator, *shape)
    about = {"nonlinearity": nonlinearity, "output_distribution": distribution, "return_mean": 0.0, "return_std": 0.0}
    meta = json.dumps({"task": environment, "snapshots": {str(number): about for number in numbers}})
    np.savez(path, meta_json=np.frombuffer(meta.encode(), np.uint8), **arrays)
    return arrays


def dapg(path):
    """A file in the form of the demonstration-augmented experts."""
    generator = np.random.default_rng(1)
    arrays = {}
    for name, shape in (("0", (8, 45)), ("1", (8, 8)), ("out", (24, 8))):
        arrays[f"W{name}"], arrays[f"b{name}"] = layer(generator, *shape)
    sizes = {"log_std": 24, "in_shift": 45, "in_scale": 45, "out_shift": 24, "out_scale": 24}
    arrays |= {name: generator.uniform(0.1, 1.0, size) for name, size in sizes.items()}
    np.savez(path, meta_json="a text", **arrays)
    return arrays


def demonstrations(path, environment="pen", rows=60):
    generator, facts = np.random.default_rng(2), ENVIRONMENTS[environment]
    columns = {
        "observations": generator.normal(size=(rows, facts.observation_size)).astype(np.float32),
        "actions": generator.uniform(-1, 1, (rows, facts.action_size)).astype(np.float32),
        "rewards": np.arange(rows, dtype=np.float32),
        "terminals": np.zeros(rows, bool),
        "timeouts": np.arange(rows) % 20 == 19,
    }
    d4rl_files.write(path, columns, {})
    return columns


# A policy


@pytest.mark.parametrize("distribution", ["gaussian", "tanh_gaussian"])
@pytest.mark.parametrize("nonlinearity", ["tanh", "relu"])
def test_the_last_snapshot_acts_by_its_formula(tmp_path, nonlinearity, distribution):
    arrays = snapshots(tmp_path / "p.npz", nonlinearity=nonlinearity, distribution=distribution)
    generator = np.random.default_rng(3)
    seen, noise = generator.normal(size=(5, 45)), generator.normal(size=(5, 24))
    f = np.tanh if nonlinearity == "tanh" else lambda x: np.maximum(x, 0)
    x = f(seen @ arrays["10/fc0/weight"].T + arrays["10/fc0/bias"])
    x = f(x @ arrays["10/fc1/weight"].T + arrays["10/fc1/bias"])
    mean = x @ arrays["10/last_fc/weight"].T + arrays["10/last_fc/bias"]
    log_std = x @ arrays["10/last_fc_log_std/weight"].T + arrays["10/last_fc_log_std/bias"]
    drawn = mean + np.exp(log_std) * noise
    wanted = np.clip(np.tanh(drawn) if distribution == "tanh_gaussian" else drawn, -1, 1)
    np.testing.assert_allclose(read_policy(tmp_path / "p.npz", PEN).sample(seen, noise), wanted, atol=1e-6)


def test_a_demonstration_augmented_expert_acts_by_its_formula(tmp_path):
    a = dapg(tmp_path / "p.npz")
    generator = np.random.default_rng(3)
    seen, noise = generator.normal(size=(5, 45)), generator.normal(size=(5, 24))
    x = np.tanh(((seen - a["in_shift"]) / (a["in_scale"] + 1e-8)) @ a["W0"].T + a["b0"])
    mean = np.tanh(x @ a["W1"].T + a["b1"]) @ a["Wout"].T + a["bout"]
    wanted = np.clip(a["out_scale"] * mean + a["out_shift"] + np.exp(a["log_std"]) * noise, -1, 1)
    np.testing.assert_allclose(read_policy(tmp_path / "p.npz", PEN).sample(seen, noise), wanted, atol=1e-6)


def test_an_expert_recipe_is_made_of_a_policy_and_found_again_without_it(tmp_path):
    snapshots(tmp_path / "p.npz")
    made = [collect.make("pen-expert-r1", 250, 0, tmp_path, weights=tmp_path / "p.npz") for _ in range(2)]
    assert made[0] == made[1] == collect.make("pen-expert-r1", 250, 0, tmp_path)
    with h5py.File(made[0]) as file:
        assert len(file["rewards"]) == 250
        assert np.abs(file["actions"][()]).max() <= 1
        ends = np.flatnonzero(file["timeouts"][()] | file["terminals"][()])
    assert ends[0] <= 99
    with pytest.raises(ValueError, match=r"pen-expert-r1 is made of what you have.*--policy"):
        collect.make("pen-expert-r1", 200, 0, tmp_path)


# Demonstrations


def test_a_cloned_recipe_is_half_rollouts_and_half_demonstrations(tmp_path, monkeypatch):
    monkeypatch.setattr(adroit, "UPDATES", 3)
    shown = demonstrations(tmp_path / "d.hdf5")
    path = collect.make("pen-cloned-r1", 301, 0, tmp_path, weights=tmp_path / "d.hdf5")
    recording = d4rl_files.read(path, parse("pen-cloned-r1").environment)
    np.testing.assert_array_equal(recording.rewards[151:], np.tile(shown["rewards"], 3)[:150])
    np.testing.assert_array_equal(recording.actions[151:271], np.tile(shown["actions"], (2, 1)))
    # Rollouts end before demonstrations begin, each demonstration ends, and so does the last copy, cut in its middle.
    flags = recording.timeouts | recording.terminals
    assert flags[150]
    assert flags[300]
    np.testing.assert_array_equal(flags[151:271], np.tile(shown["timeouts"], 2))
    first = sha256(path)
    path.unlink()
    assert sha256(collect.make("pen-cloned-r1", 301, 0, tmp_path, weights=tmp_path / "d.hdf5")) == first


def test_a_clone_does_what_was_shown(monkeypatch):
    monkeypatch.setattr(adroit, "UPDATES", 150)
    generator = np.random.default_rng(4)
    seen = generator.normal(3.0, 2.0, (400, 45)).astype(np.float32)
    acts = np.tanh(seen[:, :24] - 3.0).astype(np.float32)
    ends = np.arange(400) % 100 == 99
    shown = d4rl_files.Recording(seen, acts, np.zeros(400, np.float32), np.zeros(400, bool), ends)
    clone = adroit.clone_of(shown, PEN, 0)
    assert np.square(clone.sample(seen, np.zeros((400, 24))) - acts).mean() < 0.2 * np.square(acts).mean()


# What is refused


def spoiled(path, **changes):
    np.savez(path, **(snapshots(path) | {"meta_json": np.load(path)["meta_json"]} | changes))


BAD = {
    "is it another task's?": lambda path: snapshots(path, "door"),
    "it has no array 'meta_json'": lambda path: np.savez(path, weights=np.zeros(3)),
    "do not fit each other": lambda path: np.savez(path, **dapg(path) | {"W1": np.zeros((8, 9))}),
    "log_std: missing or not finite": lambda path: np.savez(path, **dapg(path) | {"log_std": np.full(24, np.nan)}),
    "'log_std' has shape [], where actions are 24 numbers": lambda path: np.savez(
        path, **dapg(path) | {"log_std": np.float64(0.1)}
    ),
    "are not both arrays of finite numbers": lambda path: np.savez(path, **dapg(path) | {"b0": np.zeros(8, int)}),
    "has shape [8, 45] with a bias [3]": lambda path: np.savez(path, **dapg(path) | {"b0": np.zeros(3)}),
    "are not of pen": lambda path: spoiled(path, **{"10/fc1/weight": np.zeros((8, 9))}),
    "not an npz file": lambda path: path.write_text("a policy"),
}


@pytest.mark.parametrize("complaint", BAD)
def test_a_policy_that_is_none_is_one_line(tmp_path, capsys, complaint):
    BAD[complaint](tmp_path / "p.npz")
    call = ["make", "pen-expert-r1", f"--policy={tmp_path / 'p.npz'}", "--size=50", f"--data_dir={tmp_path}"]
    assert datasets.main(call) == 1
    said = capsys.readouterr().err
    assert complaint in said
    assert len(said.splitlines()) == 1
    assert not list(tmp_path.glob("*.hdf5*"))


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["pen-cloned-r1", "--demonstrations={door}"], "is it another task's?"),
        (["pen-cloned-r1", "--demonstrations={nowhere}"], "No such file"),
        (["pen-cloned-r1"], "--demonstrations=FILE.hdf5"),
        (["pen-cloned-r1", "--policy={door}"], "--policy makes expert recipes"),
        (["hopper-medium-r1", "--policy={door}"], "--policy makes expert recipes"),
        (["maze2d-umaze-r1", "--demonstrations={door}"], "--demonstrations makes cloned recipes"),
        (["pen-human-r1"], "has no level 'human'"),
    ],
)
def test_what_cannot_be_made_is_one_line(tmp_path, capsys, words, complaint):
    demonstrations(tmp_path / "door.hdf5", "door")
    places = {"door": tmp_path / "door.hdf5", "nowhere": tmp_path / "nowhere.hdf5"}
    named = [word.format(**places) for word in words]
    assert datasets.main(["make", *named, "--size=50", f"--data_dir={tmp_path}"]) == 1
    said = capsys.readouterr().err
    assert complaint in said
    assert len(said.splitlines()) == 1
