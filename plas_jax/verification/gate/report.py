"""What a gate has to say: a verdict, a table of what moved from what to what, and the scores beside it."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from plas_jax.reports.markdown import table
from plas_jax.results.choices import interval
from plas_jax.results.runs import spread_of
from plas_jax.verification.gate.movement import EVERY, Movement

PASS, REGRESSION, UNDECIDED = 0, 1, 2  # exit statuses
# Where more is better: a rise of these alone is no regression.
BETTER_WHEN_LARGER = ("score", "episode_return", "episode_length")
SHOWN = 40  # lines of what moved; a large mistake moves everything


class Verdict(NamedTuple):
    """What a comparison came to, in one line, with what moved and everything that was compared."""

    status: int
    line: str
    moved: Sequence[Movement]
    compared: Sequence[Movement]
    level: float
    notes: Sequence[str]


def is_regression(movement: Movement) -> bool:
    """Tell whether a movement is for the worse, or of a measure that should not move at all."""
    return not (movement.place.measure in BETTER_WHEN_LARGER and movement.deviations > 0)


def verdict(compared: Sequence[Movement], level: float, undecided: Sequence[str], notes: Sequence[str]) -> Verdict:
    """Return the verdict on everything that was compared. `undecided` has the reasons why a pass would mean nothing."""
    moved = [movement for movement in compared if movement.p <= level]
    worse = [movement for movement in moved if is_regression(movement)]
    if worse:
        first, others = worse[0], len(worse) - 1
        more = f", and {others} other measure{'s' if others > 1 else ''}" if others else ""
        return Verdict(REGRESSION, f"regression: {_moved(first)}{more}", moved, compared, level, [*undecided, *notes])
    if undecided or not compared:
        line = f"could not decide: {'; '.join(undecided) or 'nothing could be compared'}"
        return Verdict(UNDECIDED, line, moved, compared, level, notes)
    line = f"pass: none of {len(compared)} measures moved" + " for the worse" * bool(moved)
    return Verdict(PASS, line, moved, compared, level, notes)


def regression_report(verdict: Verdict) -> str:
    """Return the verdict in Markdown: for a terminal, a file and a pull request alike."""
    blocks = [f"## Score regression\n\n**{verdict.line}**"]
    if verdict.moved:
        left_out = len(verdict.moved) - SHOWN
        blocks.append(
            _movements("What moved", verdict.moved[:SHOWN]) + (f"\n\n… and {left_out} more." * (left_out > 0))
        )
    scores = sorted(each for each in verdict.compared if each.place.measure == "score" and each.place.dataset != EVERY)
    if scores:
        blocks.append(_movements("Scores", scores))
    explanation = (
        "Means over seeds with 95 % Student intervals. deviations: in standard deviations between seeds. p: family-wise"
        f" over all {len(verdict.compared)} measures (maxT permutation test); a measure has moved at p ≤ "
        f"{verdict.level:g}."
    )
    return "\n\n".join([*blocks, explanation, *verdict.notes]) + "\n"


def with_interval(values: np.ndarray) -> str:
    """Return a mean over seeds with its 95 % interval."""
    spread = spread_of(values.tolist(), diverged=0)
    low, high = interval(spread)
    return f"{spread.mean:.4g} [{low:.4g}, {high:.4g}]"


def _moved(movement: Movement) -> str:
    place = ", ".join(part for part in movement.place[:2] if part != EVERY) or "everywhere"
    if EVERY in movement.place:
        return f"{movement.place.measure} of {place} by {movement.deviations:+.2g} standard deviations"
    return (
        f"{movement.place.measure} of {place} from {with_interval(movement.accepted)} to {with_interval(movement.now)}"
    )


def _movements(title: str, movements: Sequence[Movement]) -> str:
    rows = []
    for each in movements:
        both = each.accepted, each.now
        values = ["standardised"] * 2 if EVERY in each.place else map(with_interval, both)
        rows.append([*each.place, *values, f"{each.deviations:+.2g}", f"{each.p:.2g}"])
    heads = ["data set", "method", "measure", "accepted", "now", "deviations", "p"]
    return f"### {title}\n\n" + table(heads, rows)
