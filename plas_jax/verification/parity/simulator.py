"""Transitions recorded from the real D4RL environments, replayed through this project's own."""

import numpy as np

from plas_jax.datasets.catalogue import ENVIRONMENTS, names, parse
from plas_jax.environments.adroit_tasks import ADROIT
from plas_jax.environments.lockstep import Lockstep
from plas_jax.environments.mended_contacts import mended_contacts
from plas_jax.environments.robot import Start
from plas_jax.files.npz_files import read_arrays
from plas_jax.verification.parity import hidden

TOLERANCE = 1e-6
HEADING = f"{'':36s}" + "".join(f"  {name:>19s}" for name in ("state", "observation", "reward")) + "  termination\n"
HEADING += f"{'environment':24s}{'transitions':>12s}" + 3 * f"  {'median':>10s} {'worst':>8s}" + f"{'mismatches':>12s}"
BLOCK = 64  # transitions replayed side by side; each costs the memory of one `MjData`
Recorded = dict[str, np.ndarray]  # single steps of one environment, a column for each quantity


def environment_of(recorded: str) -> str | None:
    """Return this project's name of a recorded environment: that of a robot, or of a data set as D4RL names it."""
    name = recorded.lower()
    if name in ENVIRONMENTS:
        return name
    return next((parse(known).environment.name for known in names() if known == name), None)


def load(path: str) -> dict[str, Recorded]:
    """Return the recordings in a `.npz` file by environment, `{"Hopper": {"qpos": [n, 6], …}, …}`; never unpickles.

    An environment is named as one of this project's, in whatever case, or as a data set of D4RL's.

    Raises `OSError` for a file that cannot be read and `ValueError` for one that is not such a recording.
    """
    arrays = {key: array for key, array in read_arrays(path).items() if "/model/" not in key}
    recordings: dict[str, Recorded] = {}
    for key, array in arrays.items():
        environment, _, column = key.partition("/")
        if environment_of(environment) is None:
            known = ", ".join(ENVIRONMENTS)
            raise ValueError(f"{path}: unknown environment {environment!r}, expected a data set's or one of {known}")
        recordings.setdefault(environment, {})[column] = array
    if not recordings:
        raise ValueError(f"{path}: holds no transitions")
    return recordings


def check(recorded: Recorded, lockstep: Lockstep, where: str) -> None:
    """Raise `ValueError` with one line that starts with `where` unless every column has its shape and is finite."""
    model, robot = lockstep.model, lockstep.robot
    widths: dict[str, tuple[int, ...]] = {"qpos": (model.nq,), "qvel": (model.nv,), "action": (robot.action_size,)}
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


def replay_steps(recorded: Recorded, lockstep: Lockstep, name: str) -> dict[str, np.ndarray]:
    """Replay each transition of the environment of this name from its recorded state, warm start cleared.

    Returns by "state", "observation" and "reward" the largest absolute error of each transition, float64 `[n]`,
    by "terminated" whether the terminations differ, bool `[n]`, and by "cause" why an error is large, as far as known.
    """
    blocks = []
    for start in range(0, len(recorded["qpos"]), lockstep.episodes):
        rows = {key: column[start : start + lockstep.episodes] for key, column in recorded.items()}
        index = np.arange(len(rows["qpos"]))
        observation, reward, terminated = hidden.step_as_seen(name, rows, lockstep)
        state = np.concatenate([lockstep.position[index], lockstep.velocity[index]], axis=1)
        next_state = np.concatenate([rows["next_qpos"], rows["next_qvel"]], axis=1)
        errors: dict[str, np.ndarray] = {
            "state": np.abs(state - next_state).max(axis=1),
            "observation": np.abs(observation - rows["next_observation"]).max(axis=1),
            "reward": np.abs(reward - rows["reward"]),
            "terminated": terminated != rows["terminated"],
        }
        off = np.flatnonzero(~(np.maximum(errors["state"], errors["reward"]) <= TOLERANCE))
        blocks.append(errors | {"cause": _causes(name, rows, lockstep, off)})
    return {key: np.concatenate([block[key] for block in blocks]) for key in blocks[0]}


def _causes(name: str, rows: Recorded, lockstep: Lockstep, off: np.ndarray) -> np.ndarray:
    """Return what is known of why these rows are off, an object array of words `[n]`, empty where nothing is."""
    causes = np.full(len(rows["qpos"]), "", object)
    if name in ADROIT:
        for place in off.tolist():
            start = Start(rows["qpos"][place], rows["qvel"][place], lockstep.memory[place])
            causes[place] = mended_contacts(ADROIT[name], lockstep.model, start, rows["action"][place])
    return causes


def explanations(environment: str, errors: dict[str, np.ndarray]) -> list[str]:
    """Return a line for each cause, with the rows that it explains."""
    causes = dict.fromkeys(cause for cause in errors["cause"] if cause)
    return [
        f"{environment}: rows {', '.join(map(str, np.flatnonzero(errors['cause'] == cause)))}: {cause}"
        for cause in causes
    ]


def row(environment: str, errors: dict[str, np.ndarray]) -> tuple[str, bool]:
    """Return one line of the table, and whether the environment is faithful."""
    measures = [errors[name] for name in ("state", "observation", "reward")]
    cells = "".join(f"  {np.median(error):10.1e} {np.max(error):8.1e}" for error in measures)
    # A comparison that NaN fails.
    faithful = all(np.max(error) <= TOLERANCE for error in measures) and not errors["terminated"].any()
    return f"{environment:24s}{len(measures[0]):12d}{cells}{errors['terminated'].sum():12d}", faithful
