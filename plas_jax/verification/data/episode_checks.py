"""Episodes and the flags that end them: a time limit must be a time limit, and a terminal a fall."""

from typing import NamedTuple

import numpy as np

from plas_jax.datasets.catalogue import Dataset, Environment
from plas_jax.datasets.recordings import Recording
from plas_jax.verification.data.validation import Finding, Status

# A robot may fall on its very last step, about as often as on any other: D4RL's hopper does so every 500 steps or less
# often once it lasts that long at all. A time limit recorded as terminals ends nearly all of the longest episodes.
FALLS_ON_THE_LAST_STEP = 0.01
ANT_ROWS = 1_001  # of AntMaze's episodes, in every maze: generate_ant_maze_datasets.py ends one behind its 1,000th step


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


class Ending(NamedTuple):
    """How episodes of a data set's file end beside terminals."""

    longest: int | None  # rows; None for demonstrations, which last as long as their makers took
    reason: str = ""  # for a timeout before that; without one it is worth a warning
    goes_on: bool = False  # behind a terminal, too
    uncounted: str = ""  # what is wrong where a file has no timeouts and they are counted


def ending(dataset: Dataset) -> Ending:
    """Return how episodes end in files of D4RL's and in recipes; docs/domains.md has the sources."""
    environment = dataset.environment
    if environment.family == "maze2d":
        # Given up by the row behind the one that is counted as the horizon's (generate_maze2d_datasets.py).
        return Ending(environment.horizon + 1, "where a target was reached", uncounted="which say where targets change")
    if environment.family == "antmaze":
        return Ending(ANT_ROWS, goes_on=True, uncounted=f"though episodes have {ANT_ROWS:,} rows")
    if environment.family == "kitchen" or (environment.family == "adroit" and dataset.level != "expert"):
        return Ending(None, "where a demonstration ends")
    return Ending(environment.horizon)


def lengths(episodes: Episodes, longest: int | None) -> Finding:
    """Check that no episode has more rows than it may."""
    long = np.flatnonzero(episodes.lengths > (longest or np.inf))
    if len(long):
        first = int(long[0])
        detail = f"{len(long):,} are longer than {longest} rows, first from row {int(episodes.starts[first]):,}"
        return Finding("episodes", "wrong", f"{detail}: {int(episodes.lengths[first]):,} rows")
    ending = "" if episodes.finished else f", the last one cut after {int(episodes.lengths[-1])}"
    shortest, longest = int(episodes.lengths.min()), int(episodes.lengths.max())
    return Finding("episodes", "ok", f"{len(episodes.starts):,} of {shortest} to {longest} rows{ending}")


def time_limits(recording: Recording, episodes: Episodes, horizon: int, ending: Ending | None = None) -> Finding:
    """Check that a timeout stands where an episode reaches its longest and nowhere else, or for a known reason."""
    check, ending = "time limits", ending or Ending(horizon)
    if recording.timeouts is None:
        detail = f"the file has no timeouts, {ending.uncounted}".removesuffix(", ")
        status: Status = "warning" if ending.uncounted else "skipped"
        return Finding(check, status, f"{detail}: counted, every {horizon} rows")
    rows = episodes.lengths[recording.timeouts[episodes.starts + episodes.lengths - 1]]
    if ending.goes_on:
        rows = np.diff(np.flatnonzero(recording.timeouts), prepend=-1)
    longest, total = ending.longest or horizon, f"{len(rows):,}"
    early = int(np.count_nonzero(rows < longest))
    if ending.reason:
        return Finding(check, "ok", f"{total} timeouts, {early:,} before row {longest}, {ending.reason}")
    if early:
        why = "" if ending.goes_on else ", as a replay buffer's do"
        return Finding(check, "warning", f"{early:,} of {total} cut an episode before row {longest}{why}")
    return Finding(check, "ok", f"{total} timeouts, none before row {longest} of its episode")


def both_flags(recording: Recording) -> Finding:
    """Check that no row is both terminal and timeout; such a row is not trained on, and a fall on it is lost."""
    timeouts = recording.timeouts
    both = 0 if timeouts is None else int(np.count_nonzero(recording.terminals & timeouts))
    if both:
        return Finding("both flags", "warning", f"{both:,} rows are terminal and timeout: they are dropped")
    return Finding("both flags", "ok", "no row is terminal and timeout at once")


def terminals(recording: Recording, episodes: Episodes, environment: Environment, longest: int | None) -> Finding:
    """Check that terminals are ends and not time limits, as far as their places show."""
    total = int(np.count_nonzero(recording.terminals))
    if total and not environment.terminates:
        first = int(recording.terminals.argmax())
        detail = f"{total:,} terminals, first in row {first:,}, but {environment.name} never terminates"
        return Finding("terminals", "wrong", detail)
    if longest is None:
        return Finding("terminals", "ok", f"{total:,}, in episodes of any length")
    whole = episodes.starts[episodes.lengths == longest] + longest - 1
    fallen = (
        recording.terminals[whole] if recording.timeouts is None else (recording.terminals & ~recording.timeouts)[whole]
    )
    late = int(np.count_nonzero(fallen))
    if late:
        detail = f"{late:,} of {len(whole):,} episodes of {longest} rows end in a terminal"
        many = late > 1 and late > FALLS_ON_THE_LAST_STEP * len(whole)
        return Finding("terminals", "wrong" if many else "warning", f"{detail}: a time limit?")
    return Finding("terminals", "ok", f"{total:,}, none of them on row {longest} of an episode")
