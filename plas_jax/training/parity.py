"""Replaying the reference implementation's updates through the functions that train here.

A golden file holds parameters, batches and noise of a short run of the authors' PyTorch code, and the parameters
it ended with (`tests/golden/README.md`). Nothing is drawn here: every random array is in the file.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from plas_jax.algorithms import behaviour, plas
from plas_jax.models.twin_critics import TwinCritics
from plas_jax.types import Sizes, Transition

TOLERANCE = 1e-4
WITH_PERTURBATION = {"Latent": False, "LatentPerturbation": True}


class BadGoldenFileError(ValueError):
    """A file that is not a golden file; the message names the file and what is wrong with it."""


class Golden(NamedTuple):
    """An open golden file: its path, its configuration and its arrays."""

    path: Path
    config: dict[str, Any]
    arrays: dict[str, np.ndarray]

    def layer(self, moment: str, name: str) -> dict[str, np.ndarray]:
        """A torch layer `net/layer` at `init` or `after_K`, as a Flax one: kernel `[in, out]` and bias."""
        weight = self.arrays[f"{moment}/{name}.weight"]
        return {"kernel": weight.T, "bias": self.arrays[f"{moment}/{name}.bias"]}

    def perceptron(self, moment: str, net: str, layers: list[str]) -> dict[str, Any]:
        """A stack of torch layers as the parameters of a `Perceptron`."""
        return {f"Linear_{i}": self.layer(moment, f"{net}/{name}") for i, name in enumerate(layers)}

    def batches(self) -> Transition:
        """The batch of each update, `[steps, batch, …]`."""
        keys = ("observations", "actions", "rewards", "next_observations", "not_dones")
        return Transition(*(jnp.asarray(self.arrays[f"batch/{key}"]) for key in keys))


def read(path: Path) -> Golden:
    """Open a golden file. Raises `BadGoldenFileError`."""
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        config = json.loads(arrays["config"].tobytes())
    except FileNotFoundError as error:
        raise BadGoldenFileError(f"{path}: no such file") from error
    except KeyError as error:
        raise BadGoldenFileError(f"{path}: has no key {error.args[0]!r}") from error
    except (OSError, ValueError, EOFError) as error:
        raise BadGoldenFileError(f"{path}: not a golden .npz file ({error})") from error
    if config.get("algorithm") not in WITH_PERTURBATION:
        raise BadGoldenFileError(
            f"{path}: algorithm {config.get('algorithm')!r} cannot be replayed, only {sorted(WITH_PERTURBATION)}"
        )
    return Golden(path, config, arrays)


def _cvae(golden: Golden, moment: str) -> dict[str, Any]:
    return {
        "params": {
            "encoder": golden.perceptron(moment, "vae", ["e1", "e2"]),
            "latent_mean": golden.layer(moment, "vae/mean"),
            "latent_log_std": golden.layer(moment, "vae/log_std"),
            "decoder": golden.perceptron(moment, "vae", ["d1", "d2", "d3"]),
        }
    }


def _policy(golden: Golden, moment: str, net: str = "actor") -> dict[str, Any]:
    latent = {"params": {"Perceptron_0": golden.perceptron(moment, net, ["l1", "l2", "l3"])}}
    if not WITH_PERTURBATION[golden.config["algorithm"]]:
        return {"latent_policy": latent}
    perturbation = {"params": {"Perceptron_0": golden.perceptron(moment, net, ["l4", "l5", "l6"])}}
    return {"latent_policy": latent, "perturbation": perturbation}


def _critics(golden: Golden, moment: str, net: str = "critic") -> dict[str, Any]:
    first = golden.perceptron(moment, net, ["l1", "l2", "l3"])
    return {"params": {"first_critic": first, "second_critic": golden.perceptron(moment, net, ["l4", "l5", "l6"])}}


def _sizes(golden: Golden) -> Sizes:
    config = golden.config
    return Sizes.of(config["observation_dim"], config["action_dim"], config["latent_dim"])


def _knobs(golden: Golden) -> plas.Knobs:
    config = golden.config
    limit = config["max_perturbation"] if WITH_PERTURBATION[config["algorithm"]] else 0.0
    return plas.Knobs(
        perturbation_limit=limit,
        latent_limit=config["max_latent_action"],
        clip_weight=config["lmbda"],
        discount=config["discount"],
        polyak=config["tau"],
        policy_learning_rate=config["actor_lr"],
        critic_learning_rate=config["critic_lr"],
    )


def _first_states(golden: Golden) -> tuple[behaviour.State, plas.State]:
    """The states before the first update. A file without a perturbation layer gets one that ε = 0 silences."""
    sizes, policy, critics = _sizes(golden), _policy(golden, "init"), _critics(golden, "init")
    batch_size = golden.arrays["batch/rewards"].shape[1]
    widths = tuple(len(golden.arrays[f"init/actor/l{layer}.bias"]) for layer in (1, 2))
    critic_widths = tuple(len(golden.arrays[f"init/critic/l{layer}.bias"]) for layer in (1, 2))
    cvae_width = len(golden.arrays["init/vae/e1.bias"])
    phase_one = behaviour.Architecture(cvae_width, batch_size)
    cvae = behaviour.around(phase_one, sizes, jax.tree.map(jnp.asarray, _cvae(golden, "init")))
    architecture = plas.Architecture(widths, critic_widths, cvae_width, batch_size)
    silent = plas.init(jax.random.key(0), architecture, sizes, cvae.cvae.parameters).policy.parameters
    policy, critics = jax.tree.map(jnp.asarray, (silent | policy, critics))
    return cvae, plas.around(architecture, sizes, cvae.cvae.parameters, policy, critics)


def relative_error(ours: Any, theirs: Any) -> float:
    """max|a - b| / max|b| of one tensor; infinite where ours is not finite or theirs is zero and ours is not."""
    a, b = np.asarray(ours, np.float64), np.asarray(theirs, np.float64)
    if a.shape != b.shape:
        return float("inf")
    error, scale = np.abs(a - b).max(), np.abs(b).max()
    if error == 0:
        return 0.0
    return float(error / scale) if np.isfinite(error) and scale > 0 else float("inf")


def _compare(errors: dict[str, float], moment: str, ours: dict[str, Any], theirs: dict[str, Any]) -> None:
    for name, theirs_tree in theirs.items():
        ours_tree = {key: ours[name][key] for key in theirs_tree}
        for path, tensor in jax.tree.leaves_with_path(theirs_tree):
            mine = ours_tree
            for entry in path:
                mine = mine[entry.key]
            errors[f"{moment}/{name}{jax.tree_util.keystr(path, simple=True, separator='/')}"] = relative_error(
                mine, tensor
            )


def replay(
    golden: Golden, update_cvae: Callable = behaviour.update, update_policy: Callable = plas.update
) -> dict[str, float]:
    """The relative error of every tensor of the file after replaying its updates, by name.

    First the CVAE is trained on every batch, then the policy in the frozen CVAE's latent space. The two update
    functions are those that train; a test passes a broken one to see this turn red.
    """
    cvae, state = _first_states(golden)
    batches, noise = golden.batches(), jnp.asarray(golden.arrays["vae_noise"])
    moments = {int(name.split("/")[0].removeprefix("after_")) for name in golden.arrays if name.startswith("after_")}
    errors: dict[str, float] = {}
    rate = behaviour.Knobs(golden.config["vae_lr"])
    step_cvae, step_policy = jax.jit(update_cvae), jax.jit(update_policy)
    losses = []
    for step in range(len(noise)):
        cvae, metrics = step_cvae(cvae, jax.tree.map(lambda rows, i=step: rows[i], batches), noise[step], rate)
        losses.append([metrics[name] for name in ("cvae_loss", "reconstruction_error", "kl")])
        if step + 1 in moments:
            moment = f"after_{step + 1}"
            _compare(errors, moment, {"vae": cvae.cvae.parameters}, {"vae": _cvae(golden, moment)})
    for column, name in enumerate(("total", "reconstruction", "kl")):
        errors[f"vae_losses/{name}"] = relative_error(
            np.asarray(losses)[:, column], golden.arrays["vae_losses"][:, column]
        )
    return errors | _replay_policy(golden, cvae.cvae.parameters, state, step_policy, moments)


def _replay_policy(golden: Golden, cvae: Any, state: plas.State, step_policy: Any, moments: set[int]) -> dict:
    errors: dict[str, float] = {}
    batches, knobs = golden.batches(), _knobs(golden)
    state = plas.around(state.architecture, state.sizes, cvae, state.policy.parameters, state.critics.parameters)
    for step in range(len(batches.reward)):
        state, _ = step_policy(state, jax.tree.map(lambda rows, i=step: rows[i], batches), None, knobs)
        if step + 1 in moments:
            moment = f"after_{step + 1}"
            ours = {
                "actor": state.policy.parameters,
                "actor_target": state.policy_target,
                "critic": state.critics.parameters,
                "critic_target": state.critic_targets,
            }
            theirs = {name: _policy(golden, moment, name) for name in ("actor", "actor_target")}
            theirs |= {name: _critics(golden, moment, name) for name in ("critic", "critic_target")}
            _compare(errors, moment, ours, theirs)
    observation, action = batches.observation[0], batches.action[0]
    critics = TwinCritics(state.sizes, state.architecture.critic_widths)
    after = {
        "actions_after": plas.act(state, observation, knobs),
        "q_after": critics.apply(state.critics.parameters, observation, action),
    }
    return errors | {name: relative_error(value, golden.arrays[name]) for name, value in after.items()}
