"""What a gate has to say: a verdict, a table of what moved from what to what, and the scores beside it."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from plas_jax.reports.markdown import table
from plas_jax.results.choices import interval
from plas_jax.results.runs import spread_of
from plas_jax.verification.gate.movement import EVERY, Movement
from plas_jax.verification.gate.replays import Replay
from plas_jax.verification.parity.updates import TOLERANCE

PASS, FAIL, UNDECIDED = 0, 1, 2  # exit statuses
# Where more is better: a rise of these alone fails nothing.
BETTER_WHEN_LARGER = ("score", "episode_return", "episode_length")
# Where more is worse: nothing should diverge, and these distances should be 0. Of all others a step says no more than
# that something changed.
WORSE_WHEN_LARGER = ("diverged", "score_apart", "return_apart", "action_apart", "cvae_drift")
SHOWN = 40  # lines of what moved; a large mistake moves everything


class Verdict(NamedTuple):
    """What a comparison came to, in one line, with what moved and everything that was compared."""

    status: int
    line: str
    moved: Sequence[Movement]
    compared: Sequence[Movement]
    level: float
    notes: Sequence[str]
    replays: Sequence[Replay] = ()


def fails(movement: Movement) -> bool:
    """Tell whether a movement is for the worse, or of a measure that should not move at all."""
    return not _is_larger_of(BETTER_WHEN_LARGER, movement) and not _is_smaller_of(WORSE_WHEN_LARGER, movement)


def is_worse(movement: Movement) -> bool:
    """Tell whether a movement is known to be for the worse."""
    return _is_smaller_of(BETTER_WHEN_LARGER, movement) or _is_larger_of(WORSE_WHEN_LARGER, movement)


def _is_larger_of(measures: Sequence[str], movement: Movement) -> bool:
    return movement.place.measure in measures and movement.deviations > 0


def _is_smaller_of(measures: Sequence[str], movement: Movement) -> bool:
    return movement.place.measure in measures and movement.deviations < 0


def verdict(
    compared: Sequence[Movement],
    level: float,
    undecided: Sequence[str],
    notes: Sequence[str],
    replays: Sequence[Replay] = (),
) -> Verdict:
    """Return the verdict on everything that was compared. `undecided` has the reasons why a pass would mean nothing."""
    moved = [movement for movement in compared if movement.p <= level]
    failed, differing = [each for each in moved if fails(each)], [each for each in replays if each.differs]
    if failed or differing:
        line = _failure(failed, differing)
        return Verdict(FAIL, line, moved, compared, level, [*undecided, *notes], replays)
    if undecided or not compared:
        line = f"could not decide: {'; '.join(undecided) or 'nothing could be compared'}"
        return Verdict(UNDECIDED, line, moved, compared, level, notes, replays)
    line = f"pass: none of {len(compared)} measures moved" + " for the worse" * bool(moved)
    line += f", and {len(replays)} golden replays agree" * bool(replays)
    return Verdict(PASS, line, moved, compared, level, notes, replays)


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
    if verdict.replays:
        blocks.append(_replays(verdict.replays))
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


def _failure(failed: Sequence[Movement], differing: Sequence[Replay]) -> str:
    """Say what moved: a regression where something got worse, and a change where nothing is known to have."""
    if differing:
        worst = max(differing, key=lambda replay: replay.error)
        more = f"; {len(differing)} replays differ" * (len(differing) > 1) + "; measures moved" * bool(failed)
        return f"regression: the replay of {worst.file} is {worst.error:.2g} from its reference at {worst.tensor}{more}"
    worse, others = [movement for movement in failed if is_worse(movement)], len(failed) - 1
    more = f", and {others} other measure{'s' if others > 1 else ''}" if others else ""
    if worse:
        return f"regression: {_moved(worse[0])}{more}"
    return f"changed: {_moved(failed[0])}{more}; nothing is known to be worse"


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


def _replays(replays: Sequence[Replay]) -> str:
    rows = [
        [each.file, each.method, f"{each.error:.2g}" + " **differs**" * each.differs, each.tensor] for each in replays
    ]
    heads = ["file", "method", f"max\\|a − b\\| / max\\|b\\|, at most {TOLERANCE:g}", "of its worst tensor"]
    return "### Golden replays\n\n" + table(heads, rows)
