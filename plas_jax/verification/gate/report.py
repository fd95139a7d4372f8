"""What a gate found: a verdict, a table of what moved from what to what, and the scores beside it."""

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


class Finding(NamedTuple):
    """What a comparison came to, in one line, with what moved and everything that was compared."""

    status: int
    line: str
    moved: Sequence[Movement]
    compared: Sequence[Movement]
    level: float
    notes: Sequence[str]


def is_regression(of: Movement) -> bool:
    """Whether a movement is for the worse, or of a measure that should not move at all."""
    return not (of.place.measure in BETTER_WHEN_LARGER and of.deviations > 0)


def finding(compared: Sequence[Movement], level: float, undecided: Sequence[str], notes: Sequence[str]) -> Finding:
    """The verdict on everything that was compared. `undecided` has the reasons why a pass would mean nothing."""
    moved = [movement for movement in compared if movement.p <= level]
    worse = [movement for movement in moved if is_regression(movement)]
    if worse:
        first, others = worse[0], len(worse) - 1
        more = f", and {others} other measure{'s' if others > 1 else ''}" if others else ""
        return Finding(REGRESSION, f"regression: {_moved(first)}{more}", moved, compared, level, [*undecided, *notes])
    if undecided or not compared:
        line = f"could not decide: {'; '.join(undecided) or 'nothing could be compared'}"
        return Finding(UNDECIDED, line, moved, compared, level, notes)
    line = f"pass: none of {len(compared)} measures moved" + " for the worse" * bool(moved)
    return Finding(PASS, line, moved, compared, level, notes)


def regression_report(of: Finding) -> str:
    """The finding in Markdown: for a terminal, a file and a pull request alike."""
    blocks = [f"## Score regression\n\n**{of.line}**"]
    if of.moved:
        left_out = len(of.moved) - SHOWN
        blocks.append(_movements("What moved", of.moved[:SHOWN]) + (f"\n\n… and {left_out} more." * (left_out > 0)))
    scores = sorted(each for each in of.compared if each.place.measure == "score" and each.place.dataset != EVERY)
    if scores:
        blocks.append(_movements("Scores", scores))
    said = (
        "Means over seeds with 95 % Student intervals. deviations: in standard deviations between seeds. p: family-wise"
        f" over all {len(of.compared)} measures (maxT permutation test); a measure has moved at p ≤ {of.level:g}."
    )
    return "\n\n".join([*blocks, said, *of.notes]) + "\n"


def with_interval(values: np.ndarray) -> str:
    """A mean over seeds with its 95 % interval."""
    spread = spread_of(values.tolist(), diverged=0)
    low, high = interval(spread)
    return f"{spread.mean:.4g} [{low:.4g}, {high:.4g}]"


def _moved(of: Movement) -> str:
    place = ", ".join(part for part in of.place[:2] if part != EVERY) or "everywhere"
    if EVERY in of.place:
        return f"{of.place.measure} of {place} by {of.deviations:+.2g} standard deviations"
    return f"{of.place.measure} of {place} from {with_interval(of.accepted)} to {with_interval(of.now)}"


def _movements(title: str, of: Sequence[Movement]) -> str:
    rows = []
    for each in of:
        both = each.accepted, each.now
        values = ["standardised"] * 2 if EVERY in each.place else map(with_interval, both)
        rows.append([*each.place, *values, f"{each.deviations:+.2g}", f"{each.p:.2g}"])
    heads = ["data set", "method", "measure", "accepted", "now", "deviations", "p"]
    return f"### {title}\n\n" + table(heads, rows)
