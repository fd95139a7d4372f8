"""Any golden file is replayed as it says, whatever its shapes and settings, or refused in one line."""

import itertools
import json

import numpy as np
import pytest
from by_subprocess import ROOT, call_here

from plas_jax.verification.parity.golden import BadGoldenFileError, read
from plas_jax.verification.parity.training import replayed
from plas_jax.verification.parity.updates import TOLERANCE, TRAININGS, replay_updates

GOLDEN = ROOT / "tests" / "golden"
PLAS_P, BCQ, SAC, BRAC = (GOLDEN / f"{name}.npz" for name in ("plas_perturbation", "bcq", "sac_new_critics", "brac_v"))


def rewritten(tmp_path, change, path=PLAS_P):
    with np.load(path, allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    config = json.loads(arrays["config"].tobytes())
    change(arrays, config)
    arrays["config"] = np.frombuffer(json.dumps(config).encode(), np.uint8)
    path = tmp_path / "changed.npz"
    np.savez(path, **arrays)
    return path


RATES = {"actor_lr": 0.9, "critic_lr": 0.9}
SHARED = {"tau": 3.0, "discount": 0.9, **RATES}
SMOOTHED = {**SHARED, "policy_noise": 2.0, "noise_clip": 0.5}
DELAYED = {**SMOOTHED, "policy_freq": 2}
# What each setting of a file is multiplied by.
SETTINGS = {
    "plas_perturbation": {
        **SHARED, "lmbda": 0.9, "max_perturbation": 1.2, "max_latent_action": 0.9, "vae_lr": 2.0,
    },
    "bcq": {**SHARED, "lmbda": 0.5, "max_perturbation": 1.2, "latent_clip": 0.8, "vae_lr": 0.9},
    "td3": DELAYED,
    "td3_bc": {**DELAYED, "alpha": 0.5},
    "rebrac": {**SMOOTHED, "actor_bc_coef": 20.0, "critic_bc_coef": 20.0},
    "iql": {**SHARED, "expectile": 0.9, "temperature": 0.5, "value_lr": 0.9, "max_steps": 2},
    "cql": {**SHARED, "cql_alpha": 0.5, "alpha_lr": 0.9},
    "sac_new_critics": {**SHARED, "alpha_lr": 0.9},
    "bear_new_critics": {
        **SHARED, "vae_lr": 0.9, "alpha_lr": 0.9, "mmd_sigma": 0.5, "target_mmd_thresh": 4.0, "latent_clip": 0.5,
        "warm_up": 2, "clip_weight": 0.5,
    },
    "brac_v": {**SHARED, "alpha": 0.5, "warm_start": 2},
    "brac_bc": {"actor_lr": 0.9},
}  # fmt: skip


@pytest.mark.parametrize(("name", "setting"), [(name, each) for name, all_of in SETTINGS.items() for each in all_of])
def test_every_setting_of_the_file_is_heeded(tmp_path, name, setting):
    def change(arrays, config):
        config[setting] *= SETTINGS[name][setting]
        if name == "brac_bc":
            config["alpha_entropy_lr"] *= SETTINGS[name][setting]

    path = rewritten(tmp_path, change, GOLDEN / f"{name}.npz")
    assert max(replay_updates(read(path)).values()) > TOLERANCE


def test_another_delay_of_the_policy_has_another_number_of_its_losses(tmp_path):
    path = rewritten(tmp_path, lambda arrays, config: config.update(policy_freq=4), GOLDEN / "rebrac.npz")
    with pytest.raises(BadGoldenFileError, match=r"losses/\w+ has shape \[5\], the file's \[10\]"):
        replay_updates(read(path))


def test_the_kernel_and_the_penalty_are_heeded(tmp_path):
    for name, other in (("bear_new_critics", {"kernel": "gaussian"}), ("brac_v", {"value_penalty": False})):
        path = rewritten(tmp_path, lambda arrays, config, other=other: config.update(other), GOLDEN / f"{name}.npz")
        assert max(replay_updates(read(path)).values()) > TOLERANCE


def test_states_that_are_already_normalised_are_left_as_they_are(tmp_path):
    def normalise(arrays, config):
        for name in ("observations", "next_observations"):
            raw = arrays.pop(f"raw/{name}")
            arrays[f"batch/{name}"] = (raw - arrays["raw/observation_mean"]) / arrays["raw/observation_std"]

    assert max(replay_updates(read(rewritten(tmp_path, normalise, GOLDEN / "td3_bc.npz"))).values()) <= TOLERANCE


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


@pytest.mark.parametrize("path", [GOLDEN / "td3.npz", BRAC], ids=lambda path: path.stem)
def test_a_file_of_other_shapes_is_replayed(tmp_path, path):
    """Shapes are the file's: replayed once, a file of other ones that is given the results agrees with them."""
    lengths = {40: 9, 30: 7, 32: 6, 14: 7, 11: 5, 3: 2, 6: 4, 20: 8, 10: 13, 4: 3, 1: 1, 2: 2}
    generator = np.random.default_rng(0)

    def other(arrays, config):
        for name in [name for name in arrays if name != "config"]:
            shape = tuple(lengths[length] for length in arrays[name].shape)
            arrays[name.replace("after_20", "after_8")] = np.float32(generator.normal(0, 0.3, shape))
            if "after_20" in name:
                del arrays[name]
        config.update(observation_dim=5, action_dim=2)
        config.update({"n_div_samples": 3} if path == BRAC else {})

    golden = read(rewritten(tmp_path, other, path))
    ours = {name: mine for name, (mine, _) in replayed(golden, TRAININGS[golden.config["algorithm"]](golden)).items()}
    same = golden._replace(arrays=golden.arrays | {name: np.asarray(mine) for name, mine in ours.items()})
    assert max(replay_updates(same).values()) == 0


def test_a_deeper_network_is_replayed(tmp_path):
    def deepen(arrays, config):
        for moment, net in itertools.product(("init", "after_1", "after_20"), ("actor", "actor_target")):
            for entry in ("weight", "bias"):
                arrays[f"{moment}/{net}/l4.{entry}"] = arrays[f"{moment}/{net}/l3.{entry}"]
            arrays[f"{moment}/{net}/l3.weight"] = np.eye(30, dtype=np.float32)
            arrays[f"{moment}/{net}/l3.bias"] = np.zeros(30, np.float32)

    errors = replay_updates(read(rewritten(tmp_path, deepen, GOLDEN / "td3.npz")))
    # an identity behind a ReLU changes no action, so that the first update of the critics is the same
    assert max(error for name, error in errors.items() if name.startswith("after_1/critic/")) <= TOLERANCE
    assert "after_20/actor/l4.bias" in errors


def test_a_run_whose_gradient_is_another_decides_nothing(tmp_path):
    def published(arrays, config):
        config.pop("variant")
        arrays["after_20/actor/l1.weight"] = arrays["after_20/actor/l1.weight"] * np.float32(1.001)

    done = call_here("parity.py", rewritten(tmp_path, published, SAC), SAC)
    assert done.returncode == 3
    assert "half on the old critics, half on the new, an accident of torch before 1.5" in done.stdout
    assert "agree: worst " in done.stdout
    assert done.stdout.splitlines()[-1].startswith("1 of 2 files without a verdict")


def test_what_another_gradient_has_not_reached_is_held_to_the_tolerance(tmp_path):
    def published(arrays, config):
        config.pop("variant")
        arrays["after_1/critic/l1.weight"] = arrays["after_1/critic/l1.weight"] * np.float32(1.001)

    done = call_here("parity.py", rewritten(tmp_path, published, SAC))
    assert done.returncode == 1
    assert "DIFFER" in done.stdout


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
        (SAC, lambda arrays, config: config.update(critic_rate=config.pop("critic_lr")),
         "no 'critic_lr'; the nearest is 'critic_rate'"),
        (SAC, lambda arrays, config: config.update(algorithm="BRAC-B"), "'BRAC-B' cannot .* nearest is 'BRAC-BC'"),
        (SAC, lambda arrays, config: config.update(log_std_max=1.0), "had log_std_max = 1.0, the method here has 2.0"),
        (SAC, lambda arrays, config: config.update(target_entropy=-2.0), "had target_entropy = -2.0"),
        (SAC, lambda arrays, config: config.update(alpha_lr="3e-4"), "alpha_lr: '3e-4' is not a whole number or a num"),
        (SAC, lambda arrays, config: arrays.update({"after_1/vae/e1.bias": np.zeros(1)}), "the method here has not"),
        (SAC, lambda arrays, config: arrays.pop("init/critic_target/l1.weight"), "no array .init/critic_target/l1.w"),
        (SAC, lambda arrays, config: arrays.update({"noise/action": arrays["noise/action"][:, :1]}),
         "'noise/action' has shape .20, 1, 3., expected .20, 32, 3."),
        (SAC, lambda arrays, config: arrays.update({"batch/not_dones": arrays["batch/not_dones"][:, :1]}), "expected"),
        (SAC, lambda arrays, config: arrays.pop("after_20/log_alpha/value"), "no array 'after_20/log_alpha/value'"),
        (GOLDEN / "bear_new_critics.npz", lambda arrays, config: config.update(kernel="rbf"), "kernel is 'rbf'"),
        (BRAC, lambda arrays, config: config.update(n_div_samples=3), "'noise/next_divergence' has shape"),
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
)  # fmt: skip
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
