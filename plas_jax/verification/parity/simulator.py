"""Transitions recorded from the real D4RL environments, replayed through this project's own."""

import numpy as np

from plas_jax.environments.lockstep import Lockstep
from plas_jax.files.npz_files import read_arrays

TOLERANCE = 1e-6
ENVIRONMENTS = ("Hopper", "Walker2d", "HalfCheetah")
HEADING = f"{'':24s}" + "".join(f"  {name:>19s}" for name in ("state", "observation", "reward")) + "  termination\n"
HEADING += f"{'environment':12s}{'transitions':>12s}" + 3 * f"  {'median':>10s} {'worst':>8s}" + f"{'mismatches':>12s}"
BLOCK = 64  # transitions replayed side by side; each costs the memory of one `MjData`
Recorded = dict[str, np.ndarray]  # single steps of one environment, a column for each quantity


def load(path: str) -> dict[str, Recorded]:
    """Return the recordings in a `.npz` file by environment, `{"Hopper": {"qpos": [n, 6], …}, …}`; never unpickles.

    Raises `OSError` for a file that cannot be read and `ValueError` for one that is not such a recording.
    """
    arrays = {key: array for key, array in read_arrays(path).items() if "/model/" not in key}
    recordings: dict[str, Recorded] = {}
    for key, array in arrays.items():
        environment, _, column = key.partition("/")
        if environment not in ENVIRONMENTS:
            raise ValueError(f"{path}: unknown environment {environment!r}, expected one of {', '.join(ENVIRONMENTS)}")
        recordings.setdefault(environment, {})[column] = array
    if not recordings:
        raise ValueError(f"{path}: holds no transitions")
    return recordings


def check(recorded: Recorded, lockstep: Lockstep, where: str) -> None:
    """Raise `ValueError` with one line that starts with `where` unless every column has its shape and is finite."""
    model, robot = lockstep.model, lockstep.locomotion
    widths: dict[str, tuple[int, ...]] = {"qpos": (model.nq,), "qvel": (model.nv,), "action": (model.nu,)}
    widths |= {"next_qpos": (model.nq,), "next_qvel": (model.nv,), "next_observation": (robot.observation_size,)}
    widths |= {"reward": (), "terminated": ()}
    missing = [name for name in widths if name not in recorded]
    if missing:
        raise ValueError(f"{where}: missing {', '.join(missing)}")
    rows = recorded["qpos"].shape[:1]
    if rows in ((), (0,)):
        raise ValueError(f"{where}: qpos holds no transitions")
    for name, width in widths.items():
        column = recorded[name]
        if column.shape != rows + width:
            raise ValueError(f"{where}: {name} has shape {column.shape}, expected {rows + width}")
        if column.dtype.kind not in ("b" if name == "terminated" else "fiu"):
            raise ValueError(f"{where}: {name} has type {column.dtype}")
        if not np.all(np.isfinite(column)):
            raise ValueError(f"{where}: {name} has values that are not finite")


def replay_steps(recorded: Recorded, lockstep: Lockstep) -> dict[str, np.ndarray]:
    """Replay each transition from its recorded state, warm start cleared.

    Returns by "state", "observation" and "reward" the largest absolute error of each transition, float64 `[n]`,
    and by "terminated" whether the terminations differ, bool `[n]`.
    """
    blocks = []
    for start in range(0, len(recorded["qpos"]), lockstep.episodes):
        rows = {name: column[start : start + lockstep.episodes] for name, column in recorded.items()}
        index = np.arange(len(rows["qpos"]))
        for episode in index.tolist():
            lockstep.set_state(episode, rows["qpos"][episode], rows["qvel"][episode])
        observation, reward, terminated = lockstep.step(rows["action"].astype(float), index)
        state = np.concatenate([lockstep.position[index], lockstep.velocity[index]], axis=1)
        next_state = np.concatenate([rows["next_qpos"], rows["next_qvel"]], axis=1)
        errors = {
            "state": np.abs(state - next_state).max(axis=1),
            "observation": np.abs(observation - rows["next_observation"]).max(axis=1),
            "reward": np.abs(reward - rows["reward"]),
            "terminated": terminated != rows["terminated"],
        }
        blocks.append(errors)
    return {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}


def row(environment: str, errors: dict[str, np.ndarray]) -> tuple[str, bool]:
    """Return one line of the table, and whether the environment is faithful."""
    measures = [errors[name] for name in ("state", "observation", "reward")]
    cells = "".join(f"  {np.median(error):10.1e} {np.max(error):8.1e}" for error in measures)
    # A comparison that NaN fails.
    faithful = all(np.max(error) <= TOLERANCE for error in measures) and not errors["terminated"].any()
    return f"{environment:12s}{len(measures[0]):12d}{cells}{errors['terminated'].sum():12d}", faithful
