"""Experiment trackers that are told of every evaluation: TensorBoard, Weights & Biases, Trackio.

They read the rows that results.csv has anyway, so that a sweep with them computes what it does without. None is used
unless it is named, and each is imported only then.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from math import isfinite
from operator import methodcaller
from pathlib import Path
from typing import Protocol

from plas_jax.files.messages import nearest, one_line
from plas_jax.results.folder import OutputFolder
from plas_jax.results.rows import Row
from plas_jax.results.runs import Run, results

LONGEST = 200  # characters of a run's name


class Logger(Protocol):
    """What a tracker is here."""

    def log(self, run: str, update: int, values: Mapping[str, float], /) -> None:
        """Take the means of one evaluation of a run, by name; the name of a run is one word."""

    def close(self) -> None:
        """Write what is not yet written."""


class TensorBoard:
    """Event files in the folder's `tensorboard`, one tag for each number and run, over policy updates."""

    package = "tensorboardX"

    def __init__(self, folder: Path):
        from tensorboardX import SummaryWriter  # noqa: PLC0415

        self._writer = SummaryWriter(str(folder / "tensorboard"))

    def log(self, run: str, update: int, values: Mapping[str, float]) -> None:
        """Write the numbers."""
        for name, value in values.items():
            self._writer.add_scalar(f"{name}/{run}", value, update)

    def close(self) -> None:
        """Write what is not yet written."""
        self._writer.close()


class WeightsAndBiases:
    """One run of the project plas_jax for each sitting; WANDB_MODE=offline keeps it on this machine."""

    package = "wandb"

    def __init__(self, folder: Path):
        import wandb  # noqa: PLC0415

        self._run = wandb.init(project="plas_jax", name=folder.resolve().name, dir=str(folder), reinit="create_new")
        self._known: set[str] = set()

    def log(self, run: str, update: int, values: Mapping[str, float]) -> None:
        """Log the numbers over the run's own updates: those of two runs do not rise together."""
        if run not in self._known:
            self._known.add(run)
            self._run.define_metric(f"{run}/*", step_metric=f"{run}/update")
        self._run.log({f"{run}/update": update, **{f"{run}/{name}": value for name, value in values.items()}})

    def close(self) -> None:
        """Write what is not yet written."""
        self._run.finish()


class Trackio:
    """One run of the project plas_jax for each sitting, in Trackio's own folder on this machine."""

    package = "trackio"

    def __init__(self, folder: Path):
        import trackio  # noqa: PLC0415

        self._run = trackio.init(project="plas_jax", name=folder.resolve().name, resume="allow", embed=False)

    def log(self, run: str, update: int, values: Mapping[str, float]) -> None:
        """Log the numbers, the update among them."""
        self._run.log({f"{run}/update": update, **{f"{run}/{name}": value for name, value in values.items()}})

    def close(self) -> None:
        """Write what is not yet written."""
        self._run.finish()


LOGGERS: dict[str, type[TensorBoard] | type[WeightsAndBiases] | type[Trackio]] = {
    "tensorboard": TensorBoard,
    "wandb": WeightsAndBiases,
    "trackio": Trackio,
}


def loggers_of_flag(text: str) -> tuple[str, ...]:
    """Return the trackers that --log names, none where it is empty.

    Raises `ValueError`, one line, for a name that is none and for one whose package is not installed.
    """
    names = tuple(dict.fromkeys(word.strip() for word in text.split(","))) if text else ()
    for name in names:
        if name not in LOGGERS:
            raise ValueError(f"--log takes {', '.join(LOGGERS)}, not {name!r}{nearest(name, LOGGERS)}")
        package = LOGGERS[name].package
        if find_spec(package) is None:
            raise ValueError(f"--log={name} needs the package {package}: pip install 'plas_jax[logging]'")
    return names


class Log:
    """The trackers of one sitting. One that fails is left behind with a word: it must not end a training."""

    def __init__(self, loggers: Sequence[Logger], say: Callable[[str], None]):
        self._loggers, self._say = list(loggers), say

    def __call__(self, rows: Iterable[Row]) -> None:
        """Tell every tracker of the evaluations that these rows are of."""
        evaluated = results(rows)
        for run, evaluations in evaluated.evaluations.items():
            for evaluation in evaluations:
                values = {"score": evaluation.score, "return": evaluation.episode_return}
                numbers = {name: value for name, value in values.items() if isfinite(value)}
                numbers["diverged"] = float(run in evaluated.diverged)
                self._each(methodcaller("log", word(run), evaluation.update, numbers))

    def close(self) -> None:
        """Close every tracker."""
        self._each(methodcaller("close"))

    def _each(self, call: Callable[[Logger], None]) -> None:
        for logger in tuple(self._loggers):
            try:
                call(logger)
            except Exception as error:  # whatever a library of somebody else's may raise
                self._loggers.remove(logger)
                self._say(f"warning: {type(logger).__name__} is left behind: {one_line(error)}")


@contextmanager
def told(names: Sequence[str], folder: OutputFolder, say: Callable[[str], None]) -> Iterator[None]:
    """Tell these trackers of every evaluation whose rows the folder gets meanwhile.

    Raises `ValueError`, one line, for one that cannot begin: it may want an account, or the network.
    """
    log = Log([_begun(name, folder.path) for name in names], say)
    folder.watchers += [log] * bool(names)
    try:
        yield
    finally:
        log.close()


def _begun(name: str, folder: Path) -> Logger:
    try:
        return LOGGERS[name](folder)
    except Exception as error:  # whatever a library of somebody else's may raise
        raise ValueError(f"--log={name} cannot begin: {one_line(error)}") from error


def word(run: Run) -> str:
    """Return a run's name in one word of letters, digits and _ . -, whatever its data set is called."""
    dataset, algorithm, limit, knobs = run.cell
    text = " ".join([dataset, algorithm, *[f"perturbation_limit={limit:g}"] * (limit > 0), knobs, f"seed={run.seed}"])
    return re.sub(r"[^A-Za-z0-9_.-]+", "_", text)[-LONGEST:]
