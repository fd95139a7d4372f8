"""How far a critic is off: its values along rollouts of its policy, less what the rollouts then earn (section 5.4).

The errors are those of the official evaluation: Q is the online critic's first head at the action that is executed,
and the true return is that of the next H steps, H the time limit, for which rollouts go on past it. The paper's mean
squared error is printed without its 1/N; here it is the mean over the N transitions.
"""

import json
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from plas_jax.datasets.catalogue import Environment
from plas_jax.evaluation.returns import Act, Stage

Values = Callable[[np.ndarray, np.ndarray], np.ndarray]  # [runs, episodes, …] observations and actions to values


class Rollouts(NamedTuple):
    """What is rolled out: the policies and critics of a batch, and what each run's returns are made with."""

    act: Act
    values: Values
    discounts: np.ndarray  # γ, `[runs]`
    limits: np.ndarray  # H, `[runs]`
    active: np.ndarray  # bool, `[runs]`


class QError(NamedTuple):
    """The errors Q − G of one run over N transitions; NaN where there is none, and 0 for the mean of no errors."""

    transitions: int  # N
    mean_squared_error: float
    positive_share: float  # of the transitions, 0 to 1
    positive_mean: float
    positive_std: float
    negative_mean: float
    negative_std: float
    mean_q: float
    mean_return: float  # discounted
    mean_reward: float


def lengthened(environment: Environment, limit: int) -> Environment:
    """Return the environment with twice this time limit: a return of H steps begins at each of the first H."""
    if not environment.is_own:
        return environment._replace(horizon=2 * limit)
    specification = json.loads(environment.specification) | {"max_episode_steps": 2 * limit}
    return environment._replace(horizon=2 * limit, specification=json.dumps(specification))


def q_errors(stage: Stage, rollouts: Rollouts, seeds: Sequence[Sequence[int]], width: int) -> list[QError | None]:
    """Return the errors of every run, None for one that is not active.

    `stage` has `lengthened` environments; `seeds` and `width` are as in `Stage.play`.
    """
    first = int(rollouts.limits.max(initial=0))
    rewards = np.zeros((*stage.shape, 2 * first))
    q_values = np.zeros((*stage.shape, first))

    def watched(observation: np.ndarray, step: int) -> np.ndarray:
        action = rollouts.act(observation, step)
        if step < first:
            q_values[..., step] = rollouts.values(observation, action)
        return action

    lengths = stage.play(watched, seeds, rollouts.active, width, rewards).episode_length
    errors: list[QError | None] = []
    for run, is_active in enumerate(rollouts.active):
        limit = int(rollouts.limits[run])
        taken = np.arange(limit) < np.minimum(lengths[run], limit)[:, None]
        earned = returns_ahead(rewards[run, :, : 2 * limit], float(rollouts.discounts[run]))
        q, early = q_values[run, :, :limit], rewards[run, :, :limit]
        errors.append(error_of(q[taken], earned[taken], early[taken]) if is_active else None)
    return errors


def returns_ahead(rewards: np.ndarray, discount: float) -> np.ndarray:
    """Return G_t = Σ_{k<H} γ^k r_{t+k} for each t < H, `[episodes, H]`, from rewards `[episodes, 2H]`, 0 at the end."""
    limit = rewards.shape[1] // 2
    ahead = np.zeros((len(rewards), 2 * limit + 1))
    for step in range(2 * limit - 1, -1, -1):
        ahead[:, step] = rewards[:, step] + discount * ahead[:, step + 1]
    return ahead[:, :limit] - discount**limit * ahead[:, limit : 2 * limit]


def error_of(q: np.ndarray, earned: np.ndarray, rewards: np.ndarray) -> QError:
    """Return the errors of one run's transitions, `[N]` each."""
    error = np.asarray(q, np.float64) - earned
    (over, over_std), (under, under_std) = map(_mean_and_std, (error[error > 0], error[error < 0]))
    return QError(
        transitions=len(error),
        mean_squared_error=float(np.square(error).mean()),
        positive_share=float((error > 0).mean()),
        positive_mean=over,
        positive_std=over_std,
        negative_mean=under,
        negative_std=under_std,
        mean_q=float(np.mean(q, dtype=np.float64)),
        mean_return=float(earned.mean()),
        mean_reward=float(rewards.mean()),
    )


def _mean_and_std(errors: np.ndarray) -> tuple[float, float]:
    return (float(errors.mean()), float(errors.std())) if len(errors) else (0.0, 0.0)
