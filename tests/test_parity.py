"""The updates that train are the reference implementation's, number by number."""

import json
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from plas_jax.algorithms import behaviour, bellman, plas
from plas_jax.training.golden import BadGoldenFileError, read
from plas_jax.training.parity import TOLERANCE, relative_error, replay

ROOT = Path(__file__).parents[1]
GOLDEN = sorted((ROOT / "tests" / "golden").glob("plas_*.npz"))


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_every_tensor_agrees(path):
    golden = read(path)
    errors = replay(golden)
    recorded = {name for name in golden.arrays if name.startswith("after_")}
    assert len(errors) == len(recorded) + 3 + 2
    assert max(errors.values()) <= TOLERANCE / 10


def test_both_algorithms_are_there():
    assert {read(path).config["algorithm"] for path in GOLDEN} == {"Latent", "LatentPerturbation"}


@pytest.fixture
def broken(monkeypatch):
    """The worst error with one function of a module replaced."""

    def replay_broken(module, name, replacement):
        monkeypatch.setattr(module, name, replacement)
        # jit would answer for a broken update with the whole one that it has compiled already
        jax.clear_caches()
        return max(replay(read(GOLDEN[1])).values())

    yield replay_broken
    jax.clear_caches()


def test_one_broken_line_turns_it_red(broken):
    assert max(replay(read(GOLDEN[1])).values()) <= TOLERANCE
    # Polyak from the parameters before the step, as some ports do
    stale = lambda target, online, polyak: bellman.polyak_average(target, target, polyak)  # noqa: E731
    assert broken(plas, "polyak_average", stale) > TOLERANCE


@pytest.mark.parametrize(
    ("module", "name", "replacement"),
    [
        (plas, "soft_clipped", lambda q_values, clip_weight: q_values.mean()),
        (plas, "bellman_target", lambda reward, bootstrap, value, discount: reward + discount * value),
        (plas, "squared_error", lambda q_values, target: jnp.square(q_values - target[:, None]).mean()),
        (behaviour, "evidence_loss", lambda error, divergence: error + divergence),
        (behaviour, "kl_from_standard_normal", lambda posterior, axis: 1.01 * jnp.square(posterior.mean).mean(-1)),
    ],
    ids=["mean of critics", "no terminals", "mean over critics", "KL unhalved", "half a KL"],
)
def test_a_broken_equation_turns_it_red(broken, module, name, replacement):
    assert broken(module, name, replacement) > TOLERANCE


def test_relative_error_by_hand():
    assert relative_error([1.0, 2.0], [1.0, 4.0]) == 0.5
    assert relative_error([0.0], [0.0]) == 0.0
    assert relative_error([1.0], [0.0]) == np.inf
    assert relative_error([np.nan], [1.0]) == np.inf
    assert relative_error([1.0], [1.0, 1.0]) == np.inf


def rewritten(tmp_path, change):
    with np.load(GOLDEN[1], allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    config = json.loads(arrays["config"].tobytes())
    change(arrays, config)
    arrays["config"] = np.frombuffer(json.dumps(config).encode(), np.uint8)
    path = tmp_path / "changed.npz"
    np.savez(path, **arrays)
    return path


@pytest.mark.parametrize(
    ("setting", "value"),
    [("lmbda", 0.9), ("max_perturbation", 0.06), ("max_latent_action", 1.9), ("tau", 0.006), ("discount", 0.98),
     ("actor_lr", 2e-4), ("critic_lr", 9e-4), ("vae_lr", 2e-4)],
)  # fmt: skip
def test_every_setting_of_the_file_is_heeded(tmp_path, setting, value):
    path = rewritten(tmp_path, lambda arrays, config: config.update({setting: value}))
    assert max(replay(read(path)).values()) > TOLERANCE


def command(*arguments):
    script = [sys.executable, "benchmarks/parity.py", *map(str, arguments)]
    return subprocess.run(script, cwd=ROOT, capture_output=True, text=True, check=False)


def test_the_command_prints_every_tensor_and_agrees():
    done = command(*GOLDEN)
    assert done.returncode == 0, done.stderr
    assert "after_20/critic_target/params/second_critic/Linear_2/kernel" in done.stdout
    assert done.stdout.splitlines()[-1].startswith("agree: worst ")


def test_the_command_fails_on_a_changed_tensor(tmp_path):
    def change(arrays, config):
        arrays["after_20/critic/l3.bias"] = arrays["after_20/critic/l3.bias"] * 1.001

    done = command(rewritten(tmp_path, change))
    assert done.returncode == 1
    assert "<-- differs" in done.stdout


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda arrays, config: arrays.pop("vae_noise"), "no array 'vae_noise'"),
        (lambda arrays, config: config.pop("tau"), "no 'tau'"),
        (lambda arrays, config: config.update(algorithm="BCQ"), "'BCQ' cannot be replayed"),
        (lambda arrays, config: config.update(latent_dim=5), "do not fit"),
        (lambda arrays, config: arrays["batch/rewards"].fill(np.nan), "not finite"),
    ],
)
def test_a_file_that_cannot_be_replayed_is_refused(tmp_path, change, says):
    with pytest.raises(BadGoldenFileError, match=says) as refusal:
        replay(read(rewritten(tmp_path, change)))
    assert "changed.npz" in str(refusal.value)


@pytest.mark.parametrize("arguments", [[], ["missing.npz"], ["README.md"], ["--no_such_flag"]])
def test_bad_calls_give_one_line(arguments):
    done = command(*arguments)
    assert done.returncode != 0
    assert len(done.stderr.strip().splitlines()) == 1
    assert "Traceback" not in done.stderr
