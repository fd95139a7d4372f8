"""What learning curves are drawn from, in every figure and on the page."""

from collections.abc import Iterable, Sequence

from plas_jax.results.runs import Evaluation

DOTTED = 20  # updates at most at which every seed has a dot


def scores_by_update(seeds: Iterable[Sequence[Evaluation]]) -> dict[int, list[float]]:
    """Return the scores of all seeds at each update, rising, from the evaluations of each seed.

    Only where every seed was evaluated: a mean over those that have not diverged would flatter the method.
    """
    scores = [{evaluation.update: evaluation.score for evaluation in evaluations} for evaluations in seeds]
    updates = sorted(set.intersection(*map(set, scores))) if scores else []
    return {update: [seed[update] for seed in scores] for update in updates}


def thinned(updates: Sequence[int], most: int) -> tuple[list[int], int]:
    """Return at most `most` of the updates, evenly spaced and with the last, and how many one stands for."""
    each = -(-len(updates) // most)
    return list(updates[::-1][::each])[::-1], each
