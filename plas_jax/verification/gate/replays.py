"""Golden replays in a gate: updates of every method against its authors' code, also of those that it does not train."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from plas_jax.sweeps.progress import Watch
from plas_jax.verification.parity.golden import Golden, read
from plas_jax.verification.parity.updates import TOLERANCE, decisive, replay_updates

FOLDER = Path("tests") / "golden"
OF_SIMULATORS = "dynamics"  # how the names of golden files begin that hold no updates


class Replay(NamedTuple):
    """How far the replay of one golden file ends from its reference, and at which of its tensors."""

    file: str
    method: str  # by its authors' name
    error: float  # max|a − b| / max|b| of that tensor
    tensor: str

    @property
    def differs(self) -> bool:
        """Tell whether that is more than float32 rounds."""
        return not self.error <= TOLERANCE


def golden_files(folder: Path) -> tuple[Golden, ...]:
    """Open the golden files of updates in a folder. Raises `OSError` or `ValueError`, one line, also for none."""
    paths = sorted(path for path in folder.glob("*.npz") if not path.name.startswith(OF_SIMULATORS))
    if not paths:
        raise ValueError(f"--golden: {folder} has no golden file of updates (*.npz)")
    return tuple(read(path) for path in paths)


def replays(files: Sequence[Golden], watch: Watch) -> list[Replay]:
    """Replay every file, and return the worst tensor of each among those that must agree."""
    done = []
    for number, golden in enumerate(files, 1):
        errors = decisive(golden, replay_updates(golden))
        tensor = max(errors, key=errors.__getitem__, default="none can be compared")
        done.append(Replay(golden.path.name, golden.text("algorithm"), errors.get(tensor, 0.0), tensor))
        watch.phase("replay golden files", len(files)).show(number, golden.path.name)
    return done
