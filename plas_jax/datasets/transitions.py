"""From a recording to transitions: which rows survive, and where the bootstrap is masked.

The semantics are those of D4RL's `qlearning_dataset` (d4rl/__init__.py), which the official PLAS code trains on
(`main.py:93`): a time limit is never a terminal, and the row it falls on is dropped, since the row after it
belongs to another episode. A terminal row is kept; its next observation is wrong too, but masked.
"""

from typing import NamedTuple

import numpy as np

from plas_jax.datasets.catalogue import Environment
from plas_jax.datasets.recordings import Recording
from plas_jax.types import Transition


class Description(NamedTuple):
    """What a recording holds; a last episode without an end is not counted."""

    rows: int
    terminals: int
    timeouts: int
    returns: np.ndarray  # float64 [episodes], undiscounted

    @property
    def episodes(self) -> int:
        """Return how many episodes ended."""
        return len(self.returns)

    @property
    def return_mean(self) -> float:
        """Return the mean return of the episodes that ended; NaN when none did."""
        return float(self.returns.mean()) if len(self.returns) else float("nan")

    @property
    def return_std(self) -> float:
        """Return the standard deviation (over n) of those returns; NaN when no episode ended."""
        return float(self.returns.std()) if len(self.returns) else float("nan")


def qlearning_transitions(recording: Recording, horizon: int, next_actions: bool = False) -> Transition:
    """Return the transitions of a recording, float32 `[transitions, …]`, in the recording's order.

    Row i gives (observation i, action i, reward i, observation i + 1, 1 − terminal i), and action i + 1 with
    `next_actions`. Rows on a time limit are dropped, also terminal ones, and so is the last row of all. Where the
    file has no `timeouts`, a row is on the time limit when D4RL's step counter says `horizon` − 1. There may be no
    transition left.
    """
    final = recording.timeouts
    if final is None:
        final = _counted_timeouts(recording.terminals, horizon, after_terminal=1)
    kept = np.flatnonzero(~final[:-1])
    return Transition(
        np.asarray(recording.observations[kept], np.float32),
        np.asarray(recording.actions[kept], np.float32),
        np.asarray(recording.rewards[kept], np.float32),
        np.asarray(recording.observations[kept + 1], np.float32),
        1.0 - recording.terminals[kept].astype(np.float32),
        # Of the recording, not of what is kept: the row before a dropped time limit is followed by that row's action.
        np.asarray(recording.actions[kept + 1], np.float32) if next_actions else None,
    )


def _counted_timeouts(terminals: np.ndarray, horizon: int, after_terminal: int) -> np.ndarray:
    """Return time limits of a file without `timeouts`, bool `[rows]`: where a counter of steps reaches `horizon` − 1.

    The counter starts at 0 in the file and after a time limit, and at `after_terminal` after a terminal row that is
    not on one. D4RL's loop adds 1 to the counter that a terminal row has just reset, so that there it is 1 (and an
    episode after a terminal loses its last but one row instead of its last); 0 would be the true count.
    """
    starts = np.concatenate([[0], np.flatnonzero(terminals) + 1, [len(terminals)]])
    lengths = np.diff(starts)
    firsts, first = [], 0
    for length in lengths.tolist():
        firsts.append(first)
        first = 0 if length and (first + length) % horizon == 0 else after_terminal
    count = np.arange(len(terminals)) + np.repeat(np.asarray(firsts) - starts[:-1], lengths)
    return count % horizon == horizon - 1


def describe(recording: Recording, environment: Environment) -> Description:
    """Sum up rows, flags and returns. Without `timeouts`, an episode ends after a horizon's rows at the latest."""
    timeouts = recording.timeouts
    if timeouts is None:
        timeouts = _counted_timeouts(recording.terminals, environment.horizon, after_terminal=0)
    returns = _returns(recording, timeouts, environment)
    return Description(len(recording.rewards), int(recording.terminals.sum()), int(timeouts.sum()), returns)


def _returns(recording: Recording, timeouts: np.ndarray, environment: Environment) -> np.ndarray:
    """Return what whole episodes earned by their environment's rules, float64 `[episodes]`; mostly sums of rewards.

    Three families' files pay otherwise. Maze2D's particle goes on behind every flag: each stretch of a horizon's rows
    is an episode. AntMaze pays while the Ant is at the goal, until the time is over, and the kitchen on every row for
    all elements that are done there: the environments pay once, so that an episode's return is its largest reward.
    """
    family, ends = environment.family, recording.terminals | timeouts
    if family == "maze2d":
        ends = np.arange(1, len(ends) + 1) % environment.horizon == 0
    elif family == "antmaze" and timeouts.any():
        ends = timeouts
    last = np.flatnonzero(ends)
    if not len(last):
        return np.zeros(0)
    paid = np.maximum if family in ("antmaze", "kitchen") else np.add
    starts = np.concatenate([[0], last[:-1] + 1])
    return paid.reduceat(recording.rewards[: last[-1] + 1].astype(np.float64), starts)
