"""What the states stored in a file say of its other columns, row by row and with no simulator.

`infos/qpos [rows, nq]` and `infos/qvel [rows, nv]`, the state before each step, are keys of D4RL's v2 files; a recipe
writes them too.
"""

from collections.abc import Mapping

import numpy as np

from plas_jax.datasets.recordings import Recording
from plas_jax.environments.locomotion import LOCOMOTION
from plas_jax.verification.data.episode_checks import Episodes
from plas_jax.verification.data.validation import BLOCK, ROUNDING, Finding

STATE = ("infos/qpos", "infos/qvel")
Extras = Mapping[str, np.ndarray]  # columns that only some files have, by their keys


def observed(name: str, recording: Recording, extras: Extras) -> Finding:
    """Check that each row's observation is what its stored state shows, to float32's rounding."""
    check = "stored states"
    if name not in LOCOMOTION:
        return Finding(check, "skipped", f"{name} is not simulated by this check")
    missing = [key for key in STATE if key not in extras]
    if missing:
        return Finding(check, "skipped", f"the file has no {' and no '.join(missing)}")
    position, velocity = (extras[key] for key in STATE)
    rows, width = recording.observations.shape
    degrees = (width + 1) // 2  # the observation lacks x; these robots have as many velocities as positions
    for key, values in zip(STATE, (position, velocity), strict=True):
        if values.shape != (rows, degrees):
            return Finding(check, "wrong", f"{key} has shape {list(values.shape)}, expected {[rows, degrees]}")
        if not np.isfinite(values).all():
            return Finding(check, "wrong", f"{key} has values that are not finite")
    bad, worst, first = 0, 0.0, -1
    for start in range(0, rows, BLOCK):
        block = slice(start, start + BLOCK)
        seen = LOCOMOTION[name].observation(position[block].astype(float), velocity[block].astype(float))
        error = relative(seen, recording.observations[block]).max(axis=1)
        missed = np.flatnonzero(error > ROUNDING)
        bad, worst = bad + len(missed), max(worst, float(error.max()))
        first = start + int(missed[0]) if len(missed) and first < 0 else first
    if bad:
        return Finding(check, "wrong", f"{bad:,} rows observe another state, by up to {worst:.1e}, first {first:,}")
    return Finding(check, "ok", f"all {rows:,} rows observe their state, to {worst:.0e}")


def rewarded(name: str, recording: Recording, extras: Extras, episodes: Episodes) -> Finding:
    """Check that each reward is that of the way from its row's x to the next row's, where the episode goes on."""
    robot, position = LOCOMOTION[name], extras[STATE[0]][:, 0].astype(float)
    on = np.flatnonzero(~episodes.ends)
    expected = robot.reward(position[on], position[on + 1], recording.actions[on])
    stored = recording.rewards[on]
    # The file's reward was rounded to float32, and so was the cost of control before. A float32 x is off by 2⁻²⁴ of
    # its size: 3e-6 m at 50 m, which over a step of 0.05 s is an error of 1e-4 in the speed.
    allowed = 4 * ROUNDING * np.maximum(1.0, np.abs(stored))
    if holds_single(extras):
        allowed += ROUNDING * (np.abs(position[on]) + np.abs(position[on + 1])) / (robot.timestep * robot.frame_skip)
    error = np.abs(expected - stored)
    bad = on[~(error <= allowed)]
    worst = float(error.max(initial=0.0))
    if len(bad):
        detail = f"{len(bad):,} are not those of the way along x, by up to {worst:.2g}, first {int(bad[0]):,}"
        return Finding("rewards", "wrong", detail)
    return Finding("rewards", "ok", f"{len(on):,} are those of the way along x, to {worst:.0e}")


def holds_single(extras: Extras) -> bool:
    """Tell whether float32 holds every number of the stored states, whatever their type in the file."""
    with np.errstate(over="ignore"):
        return all(np.array_equal(extras[key], extras[key].astype(np.float32)) for key in STATE)


def relative(values: np.ndarray, stored: np.ndarray) -> np.ndarray:
    """Return the error relative to the larger of 1 and the number itself."""
    return np.abs(values - stored) / np.maximum(1.0, np.abs(stored))
