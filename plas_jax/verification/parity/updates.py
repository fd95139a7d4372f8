"""Replaying reference implementations' updates through the functions that train here.

Nothing is drawn: parameters, batches and noise are in the golden file, and so is what they must become.
"""

from collections.abc import Callable, Mapping

import numpy as np
from flax.errors import FlaxError
from numpy.typing import ArrayLike

from plas_jax.files.messages import nearest, one_line
from plas_jax.verification.parity.brac import behaviour_cloning, behaviour_regularized
from plas_jax.verification.parity.deterministic import decoupled_penalties, implicit, td3, td3_with_cloning
from plas_jax.verification.parity.gaussian import conservative, soft_actor_critic, support_constrained
from plas_jax.verification.parity.golden import BadGoldenFileError, Golden
from plas_jax.verification.parity.latent import batch_constrained, cvae_of_plas, policy_of_plas
from plas_jax.verification.parity.training import Training, replayed

TOLERANCE = 1e-4  # a faithful port stays near 3e-6 after twenty updates: float32 rounding, summed in another order

# By the authors' name of the method, which the file's configuration has: how its training is read.
TRAININGS: Mapping[str, Callable[[Golden], tuple[Training, ...]]] = {
    "Latent": lambda golden: (cvae_of_plas(golden), policy_of_plas(golden, ("latent_policy",))),
    "LatentPerturbation": lambda golden: (
        cvae_of_plas(golden),
        policy_of_plas(golden, ("latent_policy", "perturbation")),
    ),
    "BCQ": lambda golden: (batch_constrained(golden),),
    "TD3": lambda golden: (td3(golden),),
    "TD3_BC": lambda golden: (td3_with_cloning(golden),),
    "ReBRAC": lambda golden: (decoupled_penalties(golden),),
    "IQL": lambda golden: (implicit(golden),),
    "CQL": lambda golden: (conservative(golden),),
    "SAC": lambda golden: (soft_actor_critic(golden),),
    "BEAR": lambda golden: (support_constrained(golden),),
    "BRAC": lambda golden: (behaviour_regularized(golden),),
    "BRAC-BC": lambda golden: (behaviour_cloning(golden),),
}


# Whose policy's gradient files of these methods may have taken on other critics than those just updated.
RLKIT = ("SAC", "BEAR")
GRADIENTS = {
    "new critics": None,
    "old critics": "on the critics before their step",
    "published": "half on the old critics, half on the new, an accident of torch before 1.5",
}


def other_gradient(golden: Golden) -> str | None:
    """Say how the run's gradient of the policy differs from ours by intention, None where it does not."""
    variant = golden.config.get("variant", "published")
    return GRADIENTS.get(str(variant), f"of the variant {variant!r}") if golden.text("algorithm") in RLKIT else None


def decisive(golden: Golden, errors: Mapping[str, float]) -> dict[str, float]:
    """Return the errors that must be small: all, or what another gradient of the policy has not reached.

    That is what the first update made of all but the policy itself.
    """
    if other_gradient(golden) is None:
        return dict(errors)
    first, policy = "after_1/", "after_1/actor/"
    return {name: error for name, error in errors.items() if name.startswith(first) and not name.startswith(policy)}


def relative_error(ours: ArrayLike, theirs: ArrayLike) -> float:
    """Return max|a − b| / max|b| of one tensor; infinite where ours is not finite, or not zero where theirs is."""
    a, b = np.asarray(ours, np.float64), np.asarray(theirs, np.float64)
    if a.shape != b.shape:
        return float("inf")
    error, scale = np.abs(a - b).max(initial=0.0), np.abs(b).max(initial=0.0)
    if error == 0:
        return 0.0
    return float(error / scale) if np.isfinite(error) and scale > 0 else float("inf")


def replay_updates(golden: Golden) -> dict[str, float]:
    """Return the relative error of every tensor of the file after replaying its updates, by the tensor's name.

    Raises `BadGoldenFileError` where the method is unknown or the arrays of the file do not fit each other.
    """
    algorithm = golden.text("algorithm")
    if algorithm not in TRAININGS:
        known = f"{', '.join(TRAININGS)} can{nearest(algorithm, TRAININGS)}"
        raise BadGoldenFileError(f"{golden.path}: algorithm {algorithm!r} cannot be replayed, {known}")
    try:
        tensors = replayed(golden, TRAININGS[algorithm](golden))
        for name, (ours, theirs) in tensors.items():
            if np.shape(ours) != np.shape(theirs):
                raise ValueError(f"{name} has shape {list(np.shape(ours))}, the file's {list(np.shape(theirs))}")
    except (ArithmeticError, LookupError, StopIteration, TypeError, ValueError, FlaxError) as error:
        if isinstance(error, BadGoldenFileError):
            raise
        raise BadGoldenFileError(f"{golden.path}: its arrays do not fit each other ({one_line(error, 300)})") from error
    return {name: relative_error(ours, theirs) for name, (ours, theirs) in tensors.items()}
