"""Statistics over tasks and seeds: Agarwal et al. 2021, "Deep RL at the Edge of the Statistical Precipice".

The scores of a method are a sequence with one array for each task, `[seeds]`; tasks may differ in how many they have.
Arrays `[..., seeds]` give a statistic for each of the leading axes, which is how resamples are handed in. Results are
float64, NaN where any score is not finite: a run that diverged is never dropped. `ValueError` where there is no task,
or a task without a score.
"""

from collections.abc import Sequence

import numpy as np
from scipy import stats

Scores = Sequence[np.ndarray] | np.ndarray

PERFECT = 100.0  # γ of the optimality gap: what an expert scores on D4RL's normalised scale
TRIMMED = 0.25  # of the scores at either end


def mean(scores: Scores) -> np.ndarray:
    """Return the mean of the tasks' means: every task counts the same, however many seeds it has (section 4.3)."""
    return _task_means(_tasks(scores)).mean(axis=0)


def median(scores: Scores) -> np.ndarray:
    """Return the median of the tasks' means (section 4.3)."""
    means = _task_means(_tasks(scores))
    return np.where(np.isnan(means).any(axis=0), np.nan, np.median(np.nan_to_num(means), axis=0))


def interquartile_mean(scores: Scores) -> np.ndarray:
    """Return the IQM, the mean of the middle half of all runs of all tasks, pooled (section 4.3).

    As `scipy.stats.trim_mean`, and so the paper's code, takes a fraction: of N scores the ⌊N/4⌋ lowest and the ⌊N/4⌋
    highest are left out whole, and what remains counts equally. Of 1 to 3 scores none is.
    """
    pooled = _pooled(_tasks(scores))
    # a NaN is sorted to the end, where it would be trimmed away
    return np.where(np.isnan(pooled).any(axis=-1), np.nan, stats.trim_mean(np.nan_to_num(pooled), TRIMMED, axis=-1))


def optimality_gap(scores: Scores, perfect: float = PERFECT) -> np.ndarray:
    """Return γ less the mean of min(score, γ): by how much runs fall short of `perfect` (section 4.3).

    Every task counts the same, as in `mean`; what is above γ makes up for nothing.
    """
    if not np.isfinite(perfect):
        raise ValueError(f"the optimality gap needs a finite γ, not {perfect}")
    return perfect - _task_means([np.minimum(task, perfect) for task in _tasks(scores)]).mean(axis=0)


def probability_of_improvement(scores: Scores, over: Scores) -> np.ndarray:
    """Return how likely a run of a method is to beat another's on the same task, averaged over tasks (section 4.3).

    Of a task it is the Mann-Whitney U over the number of pairs, in which a tie counts half. `ValueError` where the
    methods differ in how many tasks they have.
    """
    first, second = _tasks(scores), _tasks(over)
    if len(first) != len(second):
        raise ValueError(f"methods are compared on the same tasks, not on {len(first)} and {len(second)}")
    return np.stack([_wins(x, y) for x, y in zip(first, second, strict=True)]).mean(axis=0)


def performance_profile(scores: Scores, thresholds: np.ndarray) -> np.ndarray:
    """Return the share of runs that score above each τ of `thresholds`, as `[..., thresholds]` (section 4.2).

    The paper's run-score distribution: the share of each task's runs, averaged over tasks. It falls from 1 to 0 as τ
    rises, and the area below it is a mean. `ValueError` where a threshold is not finite.
    """
    levels = np.atleast_1d(np.asarray(thresholds, np.float64))
    if levels.ndim > 1 or not np.isfinite(levels).all():
        raise ValueError("the thresholds of a performance profile are a list of finite numbers")
    shares = [
        np.where(np.isnan(task).any(axis=-1)[..., None], np.nan, (task[..., None] > levels).mean(axis=-2))
        for task in _tasks(scores)
    ]
    return np.stack(np.broadcast_arrays(*shares)).mean(axis=0)


def _tasks(scores: Scores) -> list[np.ndarray]:
    tasks = [np.asarray(task, np.float64) for task in scores]
    if not tasks:
        raise ValueError("there is no task to take a statistic over")
    for place, task in enumerate(tasks):
        if task.ndim == 0 or task.shape[-1] == 0:
            raise ValueError(f"task {place} has no list of scores: one array for each task is wanted")
    return [np.where(np.isfinite(task), task, np.nan) for task in tasks]


def _task_means(tasks: list[np.ndarray]) -> np.ndarray:
    return np.stack(np.broadcast_arrays(*(task.mean(axis=-1) for task in tasks)))


def _pooled(tasks: list[np.ndarray]) -> np.ndarray:
    leading = np.broadcast_shapes(*(task.shape[:-1] for task in tasks))
    return np.concatenate([np.broadcast_to(task, (*leading, task.shape[-1])) for task in tasks], axis=-1)


def _wins(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the share of one task's pairs that x wins, ties counted half."""
    ours, theirs = x[..., :, None], y[..., None, :]
    share = ((ours > theirs) + 0.5 * (ours == theirs)).mean(axis=(-2, -1))
    return np.where(np.isnan(x).any(axis=-1) | np.isnan(y).any(axis=-1), np.nan, share)
