"""Saved policies in Python: loaded, and played anywhere."""

import os
from pathlib import Path
from typing import TypeGuard

from plas_jax.evaluation.playing import Evaluation, Playable, environment_of, play, play_in
from plas_jax.evaluation.policy import Policy
from plas_jax.evaluation.policy_files import read_policy
from plas_jax.methods.method import Method
from plas_jax.methods.own import own_method
from plas_jax.training.layout import use_every_core


def load(path: str | Path, method: str | Path | Method | None = None) -> Policy:
    """Return the policy in a file; `method` is its method, or the Python file that has it, where it is one's own.

    Raises `OSError` or `ValueError`, one line, for a file that is no policy or of another method.
    """
    start()
    own = own_method(Path(method)) if isinstance(method, str | Path) else method
    return read_policy(Path(path), own)


def evaluate(
    policy: Policy, environment: str | Playable | None = None, episodes: int = 10, seed: int | None = None
) -> Evaluation:
    """Return what a policy gets in so many episodes, whose start states go by `seed`, by default the policy's own.

    `environment` is a robot's name, a Gymnasium id (`Id-v0`, `module:Id-v0`) or a Gymnasium environment; without it the
    one that the policy was trained for. Raises `ValueError`, one line, where they do not fit.
    """
    chosen = policy.about.seed if seed is None else seed
    if _is_made(environment):
        return play_in(policy, environment, episodes, chosen)
    return play(policy, environment_of(policy.about, str(environment or "")), episodes, chosen)


def _is_made(environment: object) -> TypeGuard[Playable]:
    return hasattr(environment, "reset") and hasattr(environment, "step")


def start() -> None:
    """Let each core be a device, as commands do, where nothing has touched JAX yet."""
    use_every_core(os.cpu_count() or 1)
