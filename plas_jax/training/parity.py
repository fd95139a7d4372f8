"""Replaying the reference implementation's updates through the functions that train here.

Nothing is drawn: parameters, batches and noise are in the golden file, and so is what they must become.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax.errors import FlaxError

from plas_jax.algorithms import behaviour, plas
from plas_jax.models.twin_critics import TwinCritics
from plas_jax.training.golden import BadGoldenFileError, Golden

TOLERANCE = 1e-4  # a faithful port stays near 3e-6 after twenty updates: float32 rounding, summed in another order


def relative_error(ours: Any, theirs: Any) -> float:
    """max|a − b| / max|b| of one tensor; infinite where ours is not finite, or not zero where theirs is."""
    a, b = np.asarray(ours, np.float64), np.asarray(theirs, np.float64)
    if a.shape != b.shape:
        return float("inf")
    error, scale = np.abs(a - b).max(), np.abs(b).max()
    if error == 0:
        return 0.0
    return float(error / scale) if np.isfinite(error) and scale > 0 else float("inf")


def replay(
    golden: Golden, update_cvae: Callable = behaviour.update, update_policy: Callable = plas.update
) -> dict[str, float]:
    """The relative error of every tensor of the file after replaying its updates, by the tensor's name.

    First the CVAE is trained on every batch, then the policy in the frozen CVAE's latent space, on the same batches.
    The two update functions are those that train; a test passes broken ones to see this turn red.
    Raises `BadGoldenFileError` where the arrays of the file do not fit each other.
    """
    try:
        cvae, errors = _replay_cvae(golden, jax.jit(update_cvae))
        return errors | _replay_policy(golden, golden.first_policy(cvae), jax.jit(update_policy))
    except (TypeError, ValueError, FlaxError) as error:
        if isinstance(error, BadGoldenFileError):
            raise
        raise BadGoldenFileError(
            f"{golden.path}: its arrays do not fit each other ({str(error).splitlines()[0]})"
        ) from error


def _replay_cvae(golden: Golden, update: Callable) -> tuple[behaviour.State, dict[str, float]]:
    cvae, batches, noise = golden.first_cvae(), golden.batches(), jnp.asarray(golden.array("vae_noise"))
    knobs, moments = behaviour.Knobs(golden.setting("vae_lr")), golden.moments()
    losses: list[list[float]] = []
    errors: dict[str, float] = {}
    for step, draw in enumerate(noise):
        cvae, metrics = update(cvae, jax.tree.map(lambda rows, i=step: rows[i], batches), draw, knobs)
        losses.append([float(metrics[name]) for name in ("cvae_loss", "reconstruction_error", "kl")])
        if step + 1 in moments:
            moment = f"after_{step + 1}"
            errors |= _errors(f"{moment}/vae", cvae.cvae.parameters, golden.cvae(moment))
    for column, name in enumerate(("total", "reconstruction", "kl")):
        theirs = golden.array("vae_losses")[:, column]
        errors[f"vae_losses/{name}"] = relative_error([row[column] for row in losses], theirs)
    return cvae, errors


def _replay_policy(golden: Golden, state: plas.State, update: Callable) -> dict[str, float]:
    batches, knobs, moments = golden.batches(), golden.knobs(), golden.moments()
    errors: dict[str, float] = {}
    for step in range(len(batches.reward)):
        state, _ = update(state, jax.tree.map(lambda rows, i=step: rows[i], batches), None, knobs)
        if step + 1 in moments:
            moment = f"after_{step + 1}"
            errors |= _errors(f"{moment}/actor", state.policy.parameters, golden.policy(moment))
            errors |= _errors(f"{moment}/actor_target", state.policy_target, golden.policy(moment, "actor_target"))
            errors |= _errors(f"{moment}/critic", state.critics.parameters, golden.critics(moment))
            errors |= _errors(f"{moment}/critic_target", state.critic_targets, golden.critics(moment, "critic_target"))
    critics = TwinCritics(state.sizes, state.architecture.critic_widths)
    q_values = critics.apply(state.critics.parameters, batches.observation[0], batches.action[0])
    errors["actions_after"] = relative_error(
        plas.act(state, batches.observation[0], None, knobs), golden.array("actions_after")
    )
    errors["q_after"] = relative_error(q_values, golden.array("q_after"))
    return errors


def _errors(prefix: str, ours: Any, theirs: Any) -> dict[str, float]:
    """By tensor; ours may hold more, the perturbation layer that a run at ε = 0 does not have."""
    mine = dict(jax.tree.leaves_with_path(ours))
    return {
        f"{prefix}/{jax.tree_util.keystr(path, simple=True, separator='/')}": relative_error(mine[path], tensor)
        for path, tensor in jax.tree.leaves_with_path(theirs)
    }
