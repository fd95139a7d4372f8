"""The updates that train are the reference implementation's, number by number."""

import json

import numpy as np
import pytest
from by_subprocess import ROOT, call_here

from plas_jax.verification.parity.golden import BadGoldenFileError, read
from plas_jax.verification.parity.updates import TOLERANCE, relative_error, replay_updates

PLAS, PLAS_P, BCQ = (ROOT / "tests" / "golden" / f"{name}.npz" for name in ("plas_latent", "plas_perturbation", "bcq"))
GOLDEN = (PLAS, PLAS_P, BCQ)


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_every_tensor_agrees(path):
    golden = read(path)
    errors = replay_updates(golden)
    recorded = {name for name in golden.arrays if name.startswith("after_")}
    assert len(errors) == len(recorded) + (0 if path == BCQ else 3 + 2)
    # 4.4e-6 at most with vectors of 128, 256 and 512 bits, on one thread and on two: what float32 rounds
    assert max(errors.values()) <= TOLERANCE / 5


def test_every_algorithm_is_there():
    assert [read(path).config["algorithm"] for path in GOLDEN] == ["Latent", "LatentPerturbation", "BCQ"]


def test_relative_error_by_hand():
    assert relative_error([1.0, 2.0], [1.0, 4.0]) == 0.5
    assert relative_error([0.0], [0.0]) == 0.0
    assert relative_error([1.0], [0.0]) == np.inf
    assert relative_error([np.nan], [1.0]) == np.inf
    assert relative_error([1.0], [1.0, 1.0]) == np.inf


def rewritten(tmp_path, change, path=PLAS_P):
    with np.load(path, allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    config = json.loads(arrays["config"].tobytes())
    change(arrays, config)
    arrays["config"] = np.frombuffer(json.dumps(config).encode(), np.uint8)
    path = tmp_path / "changed.npz"
    np.savez(path, **arrays)
    return path


SETTINGS = {
    PLAS_P: {"lmbda": 0.9, "max_perturbation": 0.06, "max_latent_action": 1.9, "tau": 0.006, "discount": 0.98,
             "actor_lr": 2e-4, "critic_lr": 9e-4, "vae_lr": 2e-4},
    BCQ: {"lmbda": 0.9, "max_perturbation": 0.06, "latent_clip": 0.4, "tau": 0.006, "discount": 0.98,
          "actor_lr": 9e-4, "critic_lr": 9e-4, "vae_lr": 9e-4},
}  # fmt: skip


@pytest.mark.parametrize(
    ("path", "setting", "value"),
    [(path, setting, value) for path, settings in SETTINGS.items() for setting, value in settings.items()],
)
def test_every_setting_of_the_file_is_heeded(tmp_path, path, setting, value):
    path = rewritten(tmp_path, lambda arrays, config: config.update({setting: value}), path)
    assert max(replay_updates(read(path)).values()) > TOLERANCE


def test_a_bcq_file_of_fewer_updates_is_replayed(tmp_path):
    def shorten(arrays, config):
        for name in [name for name in arrays if name.startswith(("batch/", "noise/"))]:
            arrays[name] = arrays[name][:1]
        for name in [name for name in arrays if name.startswith("after_10")]:
            del arrays[name]

    assert max(replay_updates(read(rewritten(tmp_path, shorten, BCQ))).values()) <= TOLERANCE


def test_a_bcq_file_of_fewer_candidates_is_replayed_with_them(tmp_path):
    def leave_out(arrays, config):
        arrays["noise/target"] = arrays["noise/target"].reshape(10, 16, 10, 6)[:, :, :3].reshape(10, 48, 6)
        config["sampled_actions"] = 3

    errors = replay_updates(read(rewritten(tmp_path, leave_out, BCQ)))
    assert max(error for name, error in errors.items() if "/vae/" in name) <= TOLERANCE
    assert max(error for name, error in errors.items() if "/critic/" in name) > TOLERANCE


def test_the_command_prints_every_tensor_and_agrees():
    done = call_here("parity.py", *GOLDEN)
    assert done.returncode == 0, done.stderr
    for moment in ("after_20", "after_10"):
        assert f"{moment}/critic_target/params/second_critic/Linear_2/kernel" in done.stdout
    assert done.stdout.splitlines()[-1].startswith("agree: worst ")


def test_the_command_fails_on_a_changed_tensor(tmp_path):
    def change(arrays, config):
        arrays["after_20/critic/l3.bias"] = arrays["after_20/critic/l3.bias"] * 1.001

    done = call_here("parity.py", rewritten(tmp_path, change))
    assert done.returncode == 1
    assert "<-- differs" in done.stdout


def drop_parameters(arrays, config):
    for name in [name for name in arrays if name.startswith("after_")]:
        del arrays[name]


@pytest.mark.parametrize(
    ("path", "change", "says"),
    [
        (PLAS_P, lambda arrays, config: arrays.pop("vae_noise"), "no array 'vae_noise'"),
        (PLAS_P, lambda arrays, config: config.pop("tau"), "no 'tau'"),
        (PLAS_P, lambda arrays, config: config.update(algorithm="TD3"), "'TD3' cannot be replayed"),
        (PLAS_P, lambda arrays, config: config.update(algorithm="BCQ"), "no 'sampled_actions'"),
        (PLAS_P, lambda arrays, config: config.update(latent_dim=5), "do not fit"),
        (PLAS_P, lambda arrays, config: arrays["batch/rewards"].fill(np.nan), "not finite"),
        (BCQ, lambda arrays, config: arrays.pop("noise/target"), "no array 'noise/target'"),
        (BCQ, lambda arrays, config: config.update(sampled_actions=7), "do not fit"),
        (BCQ, lambda arrays, config: config.update(latent_dim=5), "do not fit"),
        (BCQ, lambda arrays, config: arrays.update({"noise/actor": arrays["noise/actor"][:9]}), "do not fit"),
        (BCQ, lambda arrays, config: arrays.update({"after_11/actor/l1.bias": np.zeros(1)}), "one of its 10 updates"),
        (BCQ, drop_parameters, "one of its 10 updates"),
    ],
)
def test_a_file_that_cannot_be_replayed_is_refused(tmp_path, path, change, says):
    with pytest.raises(BadGoldenFileError, match=says) as refusal:
        replay_updates(read(rewritten(tmp_path, change, path)))
    assert "changed.npz" in str(refusal.value)


@pytest.mark.parametrize("arguments", [[], ["missing.npz"], ["README.md"], ["--no_such_flag"]])
def test_bad_calls_give_one_line(arguments):
    done = call_here("parity.py", *arguments, cwd=ROOT)
    assert done.returncode != 0
    assert len(done.stderr.strip().splitlines()) == 1
    assert "Traceback" not in done.stderr
