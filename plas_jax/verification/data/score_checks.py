"""Returns of whole episodes beside the score's references and beside what D4RL's file of this level earned."""

import numpy as np

from plas_jax.datasets.catalogue import D4RL_MEAN_RETURN, Dataset, Environment, normalised_score
from plas_jax.verification.data.validation import Finding

SHARE = 0.15
# Uniform actions earn about the return that is worth 0, so a share of it says nothing. Half a point of the score is
# 16, 23 and 62 of return; a robot that never moves is 4.4, 2.0 and 2.2 points away from one that moves at random.
POINTS = 0.5
STANDARD_ERRORS = 3.0  # what a file of few episodes may be off by chance
LOWEST, HIGHEST = -20.0, 130.0  # D4RL's own files have means from −0.1 to 111 points


def score(returns: np.ndarray, environment: Environment, highest: float = HIGHEST) -> Finding:
    """Check that data of this environment could have the mean score; `returns` is `[episodes]`."""
    if not len(returns):
        return Finding("score", "skipped", "no episode ends")
    if environment.minimum is None:
        return Finding("score", "skipped", f"{environment.name} has no references; mean return {returns.mean():.5g}")
    scores = normalised_score(environment, returns)
    mean = float(scores.mean())
    detail = f"mean {mean:z.1f}, from {scores.min():z.1f} to {scores.max():z.1f} (random 0, expert 100)"
    if not LOWEST <= mean <= highest:
        return Finding("score", "wrong", f"{detail}: another task's rewards?")
    return Finding("score", "ok", detail)


def level(returns: np.ndarray, dataset: Dataset) -> Finding:
    """Check that a random, medium or expert file earns what D4RL's v2 file does; warn if not, for levels are a choice.

    The band is 15 % of D4RL's mean, for random half a point of the score, and three standard errors.
    """
    environment = dataset.environment
    expected = D4RL_MEAN_RETURN.get(environment.name, {}).get(dataset.level)
    if expected is None or dataset.version not in ("v2", "r1"):
        return Finding("level", "skipped", "no mean return is known for this data set")
    if len(returns) < 2:
        return Finding("level", "skipped", f"{len(returns)} whole episodes are too few to tell")
    width = SHARE * abs(expected)
    if dataset.level == "random" and environment.minimum is not None and environment.maximum is not None:
        width = POINTS / 100 * (environment.maximum - environment.minimum)
    mean, chance = float(returns.mean()), float(returns.std(ddof=1) / np.sqrt(len(returns)))
    detail = f"mean return {mean:.5g} ± {chance:.2g} of {len(returns):,} episodes, D4RL's v2 file {expected:.5g}"
    inside = abs(mean - expected) <= width + STANDARD_ERRORS * chance
    return Finding("level", "ok" if inside else "warning", detail)
