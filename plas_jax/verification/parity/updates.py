"""Replaying reference implementations' updates through the functions that train here.

Nothing is drawn: parameters, batches and noise are in the golden file, and so is what they must become.
"""

import numpy as np
from flax.errors import FlaxError
from numpy.typing import ArrayLike

from plas_jax.files.messages import one_line
from plas_jax.verification.parity.bcq import replay_bcq
from plas_jax.verification.parity.golden import BadGoldenFileError, Golden
from plas_jax.verification.parity.plas import replay_plas

TOLERANCE = 1e-4  # a faithful port stays near 3e-6 after twenty updates: float32 rounding, summed in another order
REPLAYS = {"Latent": replay_plas, "LatentPerturbation": replay_plas, "BCQ": replay_bcq}


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

    Raises `BadGoldenFileError` where the arrays of the file do not fit each other.
    """
    try:
        tensors = REPLAYS[str(golden.config["algorithm"])](golden)
    except (ArithmeticError, LookupError, StopIteration, TypeError, ValueError, FlaxError) as error:
        if isinstance(error, BadGoldenFileError):
            raise
        raise BadGoldenFileError(f"{golden.path}: its arrays do not fit each other ({one_line(error, 300)})") from error
    return {name: relative_error(ours, theirs) for name, (ours, theirs) in tensors.items()}
