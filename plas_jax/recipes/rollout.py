"""Rolling a policy out for any number of rows: a fixed list of episodes, run side by side, kept in the list's order.

Whichever episodes finish first are the short ones, so keeping those would bias the data. Here episode k is fixed by
its seed alone, and the rows are those of episodes 0, 1, 2, … until there are enough, the last one cut. How many
run at a time changes only the speed.
"""

import hashlib
from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from plas_jax.environments.lockstep import Lockstep

Columns = dict[str, np.ndarray]  # by the keys of D4RL's v2 files
KINDS: dict[str, type] = {
    "observations": np.float32,
    "actions": np.float32,
    "rewards": np.float32,
    "terminals": bool,
    "timeouts": bool,
    "next_observations": np.float32,
    "infos/qpos": np.float64,
    "infos/qvel": np.float64,
}
SLOTS = 64  # episodes side by side; from 16 to 256 the speed is the same, and fewer waste less at the end


class Behaviour(NamedTuple):
    """How actions are drawn: `noise(generator, shape)` for a whole episode, then `act(observation, noise)`.

    `act` takes float32 `[episodes, observation]` and float64 `[episodes, action]` and returns float32 actions in
    [-1, 1]; a row of its result must depend on that row alone, bit for bit.
    """

    noise: Callable[[np.random.Generator, tuple[int, int]], np.ndarray]
    act: Callable[[np.ndarray, np.ndarray], np.ndarray]


class Series(NamedTuple):
    """Episodes 0, 1, 2, … in D4RL's dynamics: each is decided by these and its number."""

    environment: str
    horizon: int
    behaviour: Behaviour
    entropy: tuple[int, ...]  # what seeds them, each with its number behind it


def stream(name: str) -> int:
    """Return a number for a name, to seed its episodes apart from every other's."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "little")


def named(values: Iterable[ArrayLike]) -> Columns:
    """Return copies of the columns by their keys, in the order of `KINDS` and of these types."""
    return {key: np.array(column, kind) for (key, kind), column in zip(KINDS.items(), values, strict=True)}


class _Slots:
    """Episodes that run side by side, each with the columns of its rows so far."""

    def __init__(self, series: Series, slots: int):
        self.lockstep, self.series = Lockstep(series.environment, slots, dynamics="d4rl"), series
        robot, model, horizon = self.lockstep.robot, self.lockstep.model, series.horizon
        observation, action = robot.observation_size, robot.action_size
        tails = ((observation,), (action,), (), (), (), (observation,), (model.nq,), (model.nv,))
        self.columns: Columns = {
            key: np.zeros((slots, horizon, *tail), kind) for (key, kind), tail in zip(KINDS.items(), tails, strict=True)
        }
        self.noise = np.zeros((slots, horizon, action))
        self.observation = np.zeros((slots, observation), np.float32)
        self.episode = np.full(slots, -1)  # its place in the list, -1 where nothing runs
        self.length = np.zeros(slots, int)

    def begin(self, slot: int, episode: int) -> None:
        """Put an episode of the list into a slot; its start and its noise depend on nothing but its seed."""
        words = np.random.SeedSequence([*self.series.entropy, episode]).generate_state(4, np.uint64)
        start, noise = (int.from_bytes(half.tobytes(), "little") for half in np.split(words, 2))
        self.observation[slot] = self.lockstep.reset([start], [slot])[0]
        self.noise[slot] = self.series.behaviour.noise(np.random.default_rng(noise), self.noise.shape[1:])
        self.episode[slot], self.length[slot] = episode, 0

    def advance(self) -> np.ndarray:
        """Take one control step of every episode; return the slots whose episode ended."""
        running = np.flatnonzero(self.episode >= 0)
        step, observation = self.length[running], self.observation[running]
        action = self.series.behaviour.act(observation, self.noise[running, step])
        state = self.lockstep.position[running], self.lockstep.velocity[running]
        following, reward, terminated = self.lockstep.step(action, running)
        # As in D4RL's own collection (scripts/generation/mujoco/collect_data.py), never both on one row.
        timeout = step == self.series.horizon - 1
        row = (observation, action, reward, terminated & ~timeout, timeout, following, *state)
        for column, values in zip(self.columns.values(), row, strict=True):
            column[running, step] = values
        self.observation[running] = following
        self.length[running] += 1
        return running[terminated | timeout]

    def rows(self, slot: int) -> Columns:
        """Return a copy of the rows so far of the episode in a slot."""
        return {key: column[slot, : self.length[slot]].copy() for key, column in self.columns.items()}


class _Kept:
    """Episodes in the order of the list: whole ones wait until all before them are there."""

    def __init__(self, rows: int):
        self.rows, self.filled, self.following = rows, 0, 0
        self.waiting: dict[int, Columns] = {}
        self.columns: Columns = {}

    def add(self, episode: int, columns: Columns) -> None:
        """Take an episode, then write every episode whose turn has come."""
        self.waiting[episode] = columns
        while self.following in self.waiting and self.filled < self.rows:
            turn = self.waiting.pop(self.following)
            for key, values in turn.items():
                whole = self.columns.setdefault(key, np.zeros((self.rows, *values.shape[1:]), values.dtype))
                part = whole[self.filled : self.filled + len(values)]
                part[:] = values[: len(part)]
            self.filled = min(self.rows, self.filled + len(turn["rewards"]))
            self.following += 1

    def beyond(self, lengths: dict[int, int]) -> list[int]:
        """List those of the running episodes (number: rows so far) that start after the last row that will be kept."""
        known = lengths | {episode: len(columns["rewards"]) for episode, columns in self.waiting.items()}
        start, late = self.filled, []
        for episode in sorted(known):
            if start >= self.rows and episode in lengths:
                late.append(episode)
            start += known[episode]
        return late


def roll_out(series: Series, rows: int, progress: Callable[[int], None], slots: int = SLOTS) -> Columns:
    """Roll out the first `rows` rows of a series, as columns of D4RL's v2 layout.

    float32, flags bool, `infos/*` float64. The result for fewer rows is the beginning of the result for more, whatever
    `slots`, how many episodes run at a time. `progress` is called with the number of rows rolled out so far.
    """
    slots = max(1, min(slots, -(-rows // series.horizon)))  # a slot holds at least one whole episode's worth of rows
    running, kept = _Slots(series, slots), _Kept(rows)
    begun = rolled = 0  # episodes and rows, whether they turn out to be kept or not
    while kept.filled < rows:
        for slot in map(int, np.flatnonzero(running.episode < 0)):
            if rolled < rows:
                running.begin(slot, begun)
                begun += 1
        ended = running.advance()
        rolled += int(np.count_nonzero(running.episode >= 0))
        for slot in ended.tolist():
            kept.add(int(running.episode[slot]), running.rows(slot))
            running.episode[slot] = -1
        if rolled >= rows:
            _finish(running, kept)
        progress(min(rolled, rows))
    return kept.columns


def _finish(running: _Slots, kept: _Kept) -> None:
    """Stop the episodes that will not be kept, and cut the last one that will at the last row."""
    slot_of = {int(running.episode[slot]): int(slot) for slot in np.flatnonzero(running.episode >= 0)}
    lengths = {episode: int(running.length[slot]) for episode, slot in slot_of.items()}
    for episode in kept.beyond(lengths):
        running.episode[slot_of[episode]] = -1
    if kept.filled + lengths.get(kept.following, 0) >= kept.rows and kept.filled < kept.rows:
        kept.add(kept.following, running.rows(slot_of[kept.following]))
