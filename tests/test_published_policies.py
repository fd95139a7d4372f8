"""Published policies: read without unpickling, acting as their authors had them act, judged by their returns."""

import json
import math
import re

import numpy as np
import pytest
from by_subprocess import call_here

from plas_jax.environments.lockstep import Lockstep
from plas_jax.evaluation.returns import episode_seeds
from plas_jax.recipes.published_policies import load
from plas_jax.verification.parity.returns import Compared, compare, files_in

SIZES = (11, 3)  # of Hopper
MEAN = np.float32([0.3, -0.2, 0.1])


def snapshot(distribution="gaussian", nonlinearity="relu", mean=0.0, std=1.0):
    about = {"nonlinearity": nonlinearity, "output_distribution": distribution}
    return about | {"return_mean": mean, "return_std": std}


def written(path, snapshots, task="hopper", widths=(5, 4), seed=None, **changes):
    """A file of these snapshots: of constant actions, or of random weights where a seed is given."""
    observation, action = SIZES
    shapes = {f"fc{place}": shape for place, shape in enumerate(zip(widths, (observation, *widths[:-1]), strict=True))}
    shapes |= {"last_fc": (action, widths[-1]), "last_fc_log_std": (action, widths[-1])}
    generator, arrays = np.random.default_rng(seed), {}
    for name in snapshots:
        for layer, shape in shapes.items():
            random = seed is not None
            weight, bias = generator.normal(size=shape), generator.normal(size=shape[:1])
            arrays[f"{name}/{layer}/weight"] = np.float32(weight if random else 0 * weight)
            arrays[f"{name}/{layer}/bias"] = np.float32(bias) if random else MEAN if layer == "last_fc" else 0 * bias
    arrays["meta_json"] = np.frombuffer(json.dumps({"task": task, "snapshots": snapshots}).encode(), np.uint8)
    arrays = {name: array for name, array in (arrays | changes).items() if array is not None}
    np.savez(path, **arrays)
    return path


def returns_of_constant_actions(episodes):
    """Of Hopper under `MEAN`, each episode alone."""
    returns = []
    for seed in episode_seeds(0, 0, episodes):
        with Lockstep("hopper", 1) as lockstep:
            lockstep.reset([seed])
            total, ended = 0.0, False
            while not ended:
                _, reward, (ended,) = lockstep.step(MEAN[None], np.array([0]))
                total += reward[0]
        returns.append(total)
    return np.array(returns)


def test_a_policy_returns_what_its_actions_return_alone(tmp_path):
    path = written(tmp_path / "hopper.npz", {"10": snapshot(std=20.0), "2": snapshot(std=20.0)})
    first, second = compare(load(path), 4, 0, "d4rl")
    expected = returns_of_constant_actions(4)
    assert (first.snapshot, second.snapshot) == ("2", "10")
    assert first.here == second.here == pytest.approx(expected.mean(), rel=1e-6)
    assert first.error == pytest.approx(math.sqrt(expected.var(ddof=1) / 4 + 20.0**2 / 100), rel=1e-6)


@pytest.mark.parametrize(("nonlinearity", "bent"), [("relu", lambda x: np.maximum(x, 0)), ("tanh", np.tanh)])
def test_squashed_policies_are_sampled_and_others_are_not(tmp_path, nonlinearity, bent):
    snapshots = {"0": snapshot("tanh_gaussian", nonlinearity), "1": snapshot("gaussian", nonlinearity)}
    path = written(tmp_path / "x.npz", snapshots, seed=1)
    generator, arrays = np.random.default_rng(2), np.load(path)
    observation, noise = generator.normal(size=(6, 11)), generator.normal(size=(6, 3))

    def by_hand(name):
        features = observation
        for layer in ("fc0", "fc1"):
            features = bent(features @ arrays[f"{name}/{layer}/weight"].T + arrays[f"{name}/{layer}/bias"])
        heads = ("last_fc", "last_fc_log_std")
        return [features @ arrays[f"{name}/{head}/weight"].T + arrays[f"{name}/{head}/bias"] for head in heads]

    squashed, plain = load(path).policies
    mean, log_std = by_hand("0")
    np.testing.assert_allclose(squashed.act(observation, noise), np.tanh(mean + np.exp(log_std) * noise), rtol=1e-5)
    np.testing.assert_allclose(plain.act(observation, noise), by_hand("1")[0], rtol=1e-5)


def test_z_by_hand():
    compared = Compared("hopper", "0", published=100.0, here=94.0, error=3.0)
    assert compared.z == -2
    assert compared.is_within
    assert not compared._replace(here=93.9).is_within
    assert compared._replace(error=0.0).z == -math.inf
    assert compared._replace(here=100.0, error=0.0).z == 0
    assert not compared._replace(here=math.nan).is_within


@pytest.mark.parametrize(("wrong", "status"), [(1, 0), (2, 1)])
def test_the_command_wants_nine_in_ten(tmp_path, wrong, status):
    mean, std = returns_of_constant_actions(4).mean(), 1.0
    snapshots = {str(name): snapshot(mean=mean + 50 * (name < wrong), std=std) for name in range(10)}
    folder = tmp_path / "policies"
    folder.mkdir()
    written(folder / "hopper.npz", snapshots)
    done = call_here("fidelity.py", f"--policies={folder}", "--episodes=4")
    assert done.returncode == status, done.stderr
    assert done.stdout.splitlines()[-1] == f"{10 - wrong} of 10 within two standard errors"
    assert len(re.findall("<-- beyond", done.stdout)) == wrong


def test_files_and_folders_may_be_named_together(tmp_path):
    one, two = tmp_path / "one.npz", tmp_path / "folder" / "two.npz"
    two.parent.mkdir()
    two.touch()
    assert files_in([str(one), str(two.parent)]) == [one, two]
    two.unlink()
    with pytest.raises(ValueError, match=r"folder: holds no .npz file"):
        files_in([str(two.parent)])


@pytest.mark.parametrize(
    ("keywords", "says"),
    [
        ({"task": "hoper"}, "its task 'hoper' is not simulated here; the nearest is 'hopper'"),
        ({"task": "walker"}, "are not of walker2d, which has 17 observations and 6 actions"),
        ({"snapshots": {}}, "it has no snapshots"),
        ({"snapshots": {"0": snapshot(nonlinearity="elu")}}, "nonlinearity is 'elu', expected relu or tanh"),
        ({"snapshots": {"0": snapshot("beta")}}, "output_distribution is 'beta'"),
        ({"snapshots": {"0": snapshot(mean="high")}}, "return_mean: 'high' is not a whole number or a number"),
        ({"0/last_fc/bias": None}, "has no array '0/last_fc/bias'"),
        ({"0/fc1/weight": np.zeros((4, 6), np.float32)}, "its layers"),
        ({"0/fc0/bias": np.full(5, np.nan)}, "is no layer of finite numbers"),
        ({"meta_json": None}, "no array 'meta_json'"),
        ({"0/fc0/weight": np.array([{}], object)}, "cannot be read as arrays of numbers"),
    ],
)
def test_what_is_no_file_of_policies_is_refused_in_one_line(tmp_path, keywords, says):
    path = written(tmp_path / "policies.npz", **{"snapshots": {"0": snapshot()}, **keywords})
    done = call_here("fidelity.py", f"--policies={path}")
    assert done.returncode == 1
    assert len(done.stderr.strip().splitlines()) == 1
    assert "policies.npz" in done.stderr
    assert says in done.stderr
