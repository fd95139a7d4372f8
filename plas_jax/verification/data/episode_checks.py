"""Episodes and the flags that end them: a time limit must be a time limit, and a terminal a fall."""

from typing import NamedTuple

import numpy as np

from plas_jax.datasets.catalogue import Environment
from plas_jax.datasets.recordings import Recording
from plas_jax.verification.data.validation import Finding

# A robot may fall on its very last step, about as often as on any other: D4RL's hopper does so every 500 steps or less
# often once it lasts that long at all. A time limit recorded as terminals ends nearly all of the longest episodes.
FALLS_ON_THE_LAST_STEP = 0.01


class Episodes(NamedTuple):
    """Where episodes lie in a recording; the last one may lack its end."""

    starts: np.ndarray  # [episodes], the first row
    lengths: np.ndarray  # [episodes], in rows
    ends: np.ndarray  # [rows], bool: the last row of an episode, also of one cut by the end of the file
    finished: bool  # whether the last row of the file is flagged


def episodes(recording: Recording, horizon: int) -> Episodes:
    """Return the episodes between the flags; without `timeouts`, cut after every `horizon` rows as well."""
    flags = recording.terminals | (_counted(recording, horizon) if recording.timeouts is None else recording.timeouts)
    ends = flags.copy()
    ends[-1] = True
    last = np.flatnonzero(ends)
    starts = np.concatenate([[0], last[:-1] + 1])
    return Episodes(starts, last + 1 - starts, ends, bool(flags[-1]))


def _counted(recording: Recording, horizon: int) -> np.ndarray:
    """Return bool `[rows]`: every `horizon`-th row after a terminal."""
    starts = np.concatenate([[0], np.flatnonzero(recording.terminals[:-1]) + 1])
    step = np.arange(len(recording.terminals)) - np.repeat(starts, np.diff([*starts, len(recording.terminals)]))
    return step % horizon == horizon - 1


def lengths(episodes: Episodes, horizon: int) -> Finding:
    """Check that no episode goes on beyond the horizon."""
    long = np.flatnonzero(episodes.lengths > horizon)
    if len(long):
        first = int(long[0])
        detail = f"{len(long):,} are longer than {horizon} rows, first from row {int(episodes.starts[first]):,}"
        return Finding("episodes", "wrong", f"{detail}: {int(episodes.lengths[first]):,} rows")
    ending = "" if episodes.finished else f", the last one cut after {int(episodes.lengths[-1])}"
    shortest, longest = int(episodes.lengths.min()), int(episodes.lengths.max())
    return Finding("episodes", "ok", f"{len(episodes.starts):,} of {shortest} to {longest} rows{ending}")


def time_limits(recording: Recording, episodes: Episodes, horizon: int) -> Finding:
    """Check that a timeout stands where an episode reaches the horizon and nowhere else."""
    if recording.timeouts is None:
        return Finding("time limits", "skipped", f"the file has no timeouts: counted, every {horizon} rows")
    flagged = recording.timeouts[episodes.starts + episodes.lengths - 1]
    early = int(np.count_nonzero(flagged & (episodes.lengths < horizon)))
    total = int(np.count_nonzero(flagged))
    if early:
        detail = f"{early:,} of {total:,} cut an episode before row {horizon}, as a replay buffer's do"
        return Finding("time limits", "warning", detail)
    return Finding("time limits", "ok", f"{total:,} timeouts, none before row {horizon} of its episode")


def both_flags(recording: Recording) -> Finding:
    """Check that no row is both terminal and timeout; such a row is not trained on, and a fall on it is lost."""
    timeouts = recording.timeouts
    both = 0 if timeouts is None else int(np.count_nonzero(recording.terminals & timeouts))
    if both:
        return Finding("both flags", "warning", f"{both:,} rows are terminal and timeout: they are dropped")
    return Finding("both flags", "ok", "no row is terminal and timeout at once")


def terminals(recording: Recording, episodes: Episodes, environment: Environment) -> Finding:
    """Check that terminals are falls and not time limits, as far as their places show."""
    total = int(np.count_nonzero(recording.terminals))
    if total and not environment.terminates:
        first = int(recording.terminals.argmax())
        detail = f"{total:,} terminals, first in row {first:,}, but {environment.name} never terminates"
        return Finding("terminals", "wrong", detail)
    whole = episodes.starts[episodes.lengths == environment.horizon] + environment.horizon - 1
    fallen = (
        recording.terminals[whole] if recording.timeouts is None else (recording.terminals & ~recording.timeouts)[whole]
    )
    late = int(np.count_nonzero(fallen))
    if late:
        detail = f"{late:,} of {len(whole):,} episodes of {environment.horizon} rows end in a terminal"
        many = late > 1 and late > FALLS_ON_THE_LAST_STEP * len(whole)
        return Finding("terminals", "wrong" if many else "warning", f"{detail}: a time limit?")
    return Finding("terminals", "ok", f"{total:,}, none of them on row {environment.horizon} of an episode")
