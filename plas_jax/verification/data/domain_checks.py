"""What rows of the mazes and the kitchen must be: paid by their environment's rule, and never without a flag elsewhere.

D4RL's files of these differ from locomotion's and from each other; docs/domains.md lists how, with sources.
"""

from collections.abc import Iterable

import numpy as np

from plas_jax.datasets.catalogue import Environment
from plas_jax.datasets.recordings import Recording
from plas_jax.environments.antmaze import ANTMAZE
from plas_jax.environments.kitchen import KITCHEN
from plas_jax.environments.maze2d import GOAL_RADIUS, MAZE2D
from plas_jax.verification.data.episode_checks import Episodes
from plas_jax.verification.data.stored_states import STATE, Extras, relative
from plas_jax.verification.data.validation import ROUNDING, Finding

# Metres of the way of one control step, which nothing there exceeds: the particle has 5 m/s at most, and an Ant that
# is thrown 10.
LONGEST_WAY = {"maze2d": 0.1, "antmaze": 1.0}
EDGE = 1e-5  # of the goal's disc, on which float32 decides


def knows(environment: Environment) -> bool:
    """Return whether there are checks of this environment here."""
    return environment.name in {**MAZE2D, **ANTMAZE, **KITCHEN}


def findings(environment: Environment, recording: Recording, extras: Extras, episodes: Episodes) -> Iterable[Finding]:
    """Check rewards and, in mazes, stored states and ways between rows, of an environment that is known here."""
    if environment.name in KITCHEN:
        return [elements(environment.name, recording, episodes)]
    states, ways = stored(recording, extras, episodes), jumps(environment.family, recording, episodes)
    if environment.name in ANTMAZE:
        return [states, visits(recording), ways]
    return [states, goal_rewards(environment.name, recording, episodes), ways, stale(recording, episodes)]


def elements(name: str, recording: Recording, episodes: Episodes) -> Finding:
    """Check that each reward of the kitchen is how many elements its row shows near their goals."""
    kitchen, check = KITCHEN[name], "rewards"
    done = kitchen.completed(recording.observations[:, : kitchen.observation_size // 2].astype(float)).sum(axis=-1)
    bad, rows = np.flatnonzero(done != recording.rewards), len(done)
    if not len(bad):
        return Finding(check, "ok", f"all {rows:,} are how many elements are done, {int(done.max())} at most")
    detail = f"{len(bad):,} of {rows:,} are not how many elements are done, first {int(bad[0]):,}"
    paid = np.flatnonzero(recording.rewards)
    last = int(np.searchsorted(episodes.starts, paid[-1], side="right")) if len(paid) else 0
    if last < len(episodes.starts) and done[episodes.starts[last] :].any():
        detail += f"; none is paid after episode {last:,} of {len(episodes.starts):,}"
    return Finding(check, "wrong", detail)


def goal_rewards(name: str, recording: Recording, episodes: Episodes) -> Finding:
    """Check that Maze2D's rewards are of the observation beside them: one row after the environment pays them."""
    maze, check = MAZE2D[name], "rewards"
    goal, xy = np.array(maze.goal, float), recording.observations[:, :2].astype(float)
    expected, sure = maze.reward(xy, goal), np.abs(np.linalg.norm(xy - goal, axis=-1) - GOAL_RADIUS) > EDGE
    bad = np.flatnonzero((expected != recording.rewards) & sure)
    if not len(bad):
        return Finding(check, "ok", f"all {len(xy):,} are of the observation beside them, {int(expected.sum()):,} paid")
    late = (expected[1:] != recording.rewards[:-1]) & sure[1:] & ~episodes.ends[:-1]
    if not late.any():
        return Finding(check, "warning", "they are of the observation after: D4RL's files pay a row later")
    return Finding(check, "wrong", f"{len(bad):,} of {len(xy):,} are not of this maze's goal, first {int(bad[0]):,}")


def visits(recording: Recording) -> Finding:
    """Check that AntMaze pays 1 on each row that is terminal, and tell in how many visits of the goal."""
    check, paid = "rewards", recording.rewards == 1
    bad = np.flatnonzero((recording.rewards != 0) & ~paid)
    if len(bad):
        return Finding(check, "wrong", f"{len(bad):,} are neither 0 nor 1, first {int(bad[0]):,}")
    unpaid = np.flatnonzero(recording.terminals & ~paid)
    if len(unpaid):
        return Finding(check, "warning", f"{len(unpaid):,} terminal rows are not paid, first {int(unpaid[0]):,}")
    visited = np.count_nonzero(np.diff(paid.astype(int), prepend=0) == 1)
    return Finding(check, "ok", f"{int(paid.sum()):,} rows are paid, in {visited:,} visits of the goal")


def jumps(family: str, recording: Recording, episodes: Episodes) -> Finding:
    """Check that no transition leads further than a step can: it would be from one episode to another."""
    check, longest = "jumps", LONGEST_WAY[family]
    way = np.linalg.norm(np.diff(recording.observations[:, :2].astype(float), axis=0), axis=-1)
    way[episodes.ends[:-1]] = 0
    bad = np.flatnonzero(way > longest)
    if len(bad):
        detail = f"{len(bad):,} rows lead more than {longest:g} m away, up to {way.max():.3g}, first {int(bad[0]):,}"
        return Finding(check, "wrong", f"{detail}: timeouts out of step (D4RL#77)?")
    return Finding(check, "ok", f"no row leads more than {longest:g} m away, {way.max(initial=0):.2g} at most")


def stale(recording: Recording, episodes: Episodes) -> Finding:
    """Check that no row is followed by its own observation, which D4RL's generator leaves behind a target."""
    same = (recording.observations[1:] == recording.observations[:-1]).all(axis=-1)
    taught = int(np.count_nonzero(same & ~episodes.ends[:-1]))
    if taught:
        return Finding("stale rows", "warning", f"{taught:,} rows without a flag are followed by their own observation")
    if not same.any():
        return Finding("stale rows", "ok", "no row is followed by its own observation")
    return Finding("stale rows", "ok", f"{int(same.sum()):,} rows are followed by their own observation, all flagged")


def stored(recording: Recording, extras: Extras, episodes: Episodes) -> Finding:
    """Check that a maze's rows observe the states stored beside them, or those of the row before, and say which."""
    check, rows = "stored states", recording.observations
    missing = [key for key in STATE if key not in extras]
    if missing:
        return Finding(check, "skipped", f"the file has no {' and no '.join(missing)}")
    if any(extras[key].ndim != 2 or len(extras[key]) != len(rows) for key in STATE):
        return Finding(check, "wrong", "their shapes are not those of the observations")
    states = np.concatenate([extras[key] for key in STATE], axis=1).astype(float)
    if states.shape != rows.shape:
        return Finding(check, "wrong", f"shape {list(states.shape)}, the observations have {list(rows.shape)}")
    if (relative(rows, states) <= ROUNDING).all():
        return Finding(check, "ok", f"all {len(rows):,} rows observe their state")
    on = np.flatnonzero(~episodes.ends[:-1])
    if (relative(rows[on + 1], states[on]) <= ROUNDING).all():
        return Finding(check, "ok", "they are the states after the steps, as D4RL's AntMaze has them")
    off = np.flatnonzero(~(relative(rows, states) <= ROUNDING).all(axis=-1))
    return Finding(check, "wrong", f"{len(off):,} rows observe another state, first {int(off[0]):,}")
