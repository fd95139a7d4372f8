"""Whether a recording follows from the simulator, where the file holds the state before each step."""

from typing import NamedTuple

import numpy as np

from plas_jax.datasets.recordings import Recording
from plas_jax.environments.d4rl_dynamics import DYNAMICS
from plas_jax.environments.lockstep import Lockstep
from plas_jax.environments.locomotion import LOCOMOTION
from plas_jax.verification.data.episode_checks import Episodes
from plas_jax.verification.data.stored_states import STATE, Extras, holds_single, observed, relative, rewarded
from plas_jax.verification.data.validation import Finding

SAMPLED = (1500, 500)  # rows stepped: spread evenly over all of them, and over those flagged terminal, which are few
SLOTS = 64  # stepped side by side; each costs the memory of one `MjData`


class Precision(NamedTuple):
    """How closely steps from stored states must agree."""

    tolerance: float  # relative to the larger of 1 and the number itself
    chance: float  # share of the rows that may disagree for no reason
    doubtful: float  # share that is worth a warning; more are wrong


# From a float64 state a step repeats the recorded one up to the rounding of the file's float32 columns and the solver's
# tolerance: 1e-7 was the worst of 127,000 rows of recipes. From a float32 state (D4RL's own files) each number starts
# 2⁻²⁴ of its size away, and a foot that presses on the floor multiplies that within the four or five substeps: median
# 1e-7, worst 2e-4, but for one row of the 127,000 that was 9e-2 away, since a contact began a substep earlier. With
# the other dynamics the median is 3e-3 and more.
DOUBLE = Precision(1e-5, 0.0, 0.0)
SINGLE = Precision(1e-3, 0.001, 0.01)


class StepErrors(NamedTuple):
    """What single steps gave beside what the file says; errors are relative to the larger of 1 and the number."""

    state: np.ndarray  # [rows whose episode goes on]: of the next observation and of x, the worst number
    reward: np.ndarray  # [rows]
    terminal: np.ndarray  # [rows], bool: it disagrees, though no rounding explains it
    disagrees: np.ndarray  # [rows], bool: any of the three


def findings(
    name: str, recording: Recording, extras: Extras, episodes: Episodes, dynamics: str = "d4rl"
) -> list[Finding]:
    """Check every row against the stored states, then some by single steps; `name` is the robot's."""
    states = observed(name, recording, extras)
    if states.status != "ok":
        why = states.detail if states.status == "skipped" else "the stored states are not those observed"
        return [states, Finding("rewards", "skipped", why), Finding("single steps", "skipped", why)]
    return [
        states,
        rewarded(name, recording, extras, episodes),
        single_steps(name, recording, extras, episodes, dynamics),
    ]


def single_steps(
    name: str, recording: Recording, extras: Extras, episodes: Episodes, dynamics: str = "d4rl"
) -> Finding:
    """Check that a step of the simulator from each of some rows gives the next row, the reward and the terminal."""
    check, accuracy = "single steps", SINGLE if holds_single(extras) else DOUBLE
    errors = step_errors(name, recording, extras, episodes, dynamics, accuracy.tolerance)
    detail = _in_words(errors)
    share = np.mean(errors.disagrees)
    if share <= accuracy.doubtful:
        return Finding(check, "ok" if share <= accuracy.chance else "warning", detail)
    for other in sorted(set(DYNAMICS) - {dynamics}):
        again = step_errors(name, recording, extras, episodes, other, accuracy.tolerance)
        if np.mean(again.disagrees) <= accuracy.doubtful:
            return Finding(check, "warning", f"recorded with {other}'s dynamics, not {dynamics}'s: {detail}")
    return Finding(check, "wrong", detail)


def _in_words(errors: StepErrors) -> str:
    """Say how many rows disagree, with median and worst errors."""
    count, rows = int(np.count_nonzero(errors.disagrees)), len(errors.disagrees)
    who = f"{count:,} of {rows:,} disagree, {int(errors.terminal.sum()):,} on terminals" if count else f"{rows:,} agree"
    return f"{who}; state {_span(errors.state)}; reward {_span(errors.reward)}"


def step_errors(
    name: str,
    recording: Recording,
    extras: Extras,
    episodes: Episodes,
    dynamics: str,
    tolerance: float,
) -> StepErrors:
    """Compare one control step from each of at most 2,000 rows, the same ones every time, with the file.

    Where the file says timeout, the terminal is not compared: D4RL never sets both.
    """
    among = np.arange(len(recording.rewards)), np.flatnonzero(recording.terminals)
    rows = np.unique(np.concatenate([_spread(*pair) for pair in zip(among, SAMPLED, strict=True)]))
    after, reward, terminated, unsure = _stepped(name, recording, extras, rows, dynamics, tolerance)
    on = ~episodes.ends[rows]
    following = np.column_stack([extras[STATE[0]][rows[on] + 1, 0], recording.observations[rows[on] + 1]])
    state = relative(after[on], following).max(axis=1)
    reward_error = relative(reward, recording.rewards[rows])
    ended = np.zeros(len(rows), bool) if recording.timeouts is None else recording.timeouts[rows]
    terminal = (terminated != recording.terminals[rows]) & ~unsure & ~ended
    disagrees = terminal | (reward_error > tolerance)
    disagrees[on] |= state > tolerance
    return StepErrors(state, reward_error, terminal, disagrees)


def _stepped(
    name: str,
    recording: Recording,
    extras: Extras,
    rows: np.ndarray,
    dynamics: str,
    tolerance: float,
) -> tuple[np.ndarray, ...]:
    """Return x and observation after the step, reward, termination, and whether rounding could turn the last."""
    position, velocity = (extras[key] for key in STATE)
    blocks = []
    with Lockstep(name, min(SLOTS, len(rows)), dynamics) as lockstep:
        for start in range(0, len(rows), lockstep.episodes):
            block = rows[start : start + lockstep.episodes]
            index = np.arange(len(block))
            for slot, row in enumerate(block.tolist()):
                lockstep.set_state(slot, position[row], velocity[row])
            observation, reward, terminated = lockstep.step(recording.actions[block], index)
            after = lockstep.position[index], lockstep.velocity[index]
            moved = [~LOCOMOTION[name].healthy(*(part + by for part in after)) for by in (-tolerance, tolerance)]
            unsure = (moved[0] != terminated) | (moved[1] != terminated)
            blocks.append((np.column_stack([after[0][:, 0], observation]), reward, terminated, unsure))
    return tuple(np.concatenate(columns) for columns in zip(*blocks, strict=True))


def _spread(rows: np.ndarray, count: int) -> np.ndarray:
    """Return at most `count` of these rows, the first and the last among them."""
    return rows[np.linspace(0, max(0, len(rows) - 1), min(count, len(rows))).astype(int)]


def _span(errors: np.ndarray) -> str:
    return f"{np.median(errors):.0e}, worst {errors.max():.0e}" if len(errors) else "none"
