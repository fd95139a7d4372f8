"""One phase of a group in training: from its newest checkpoint, chunk by chunk, with checkpoints between."""

import time
from collections.abc import Callable, Iterator
from types import TracebackType

from plas_jax.datasets.minibatch import Rows
from plas_jax.results.folder import OutputFolder
from plas_jax.sweeps.groups import Group
from plas_jax.sweeps.interruption import Interrupted
from plas_jax.sweeps.journal import Journal
from plas_jax.sweeps.metrics import NAMES, MetricsBook, marks
from plas_jax.training import phases
from plas_jax.training.checkpoints import Checkpoints
from plas_jax.training.chunk import Batch, Runs
from plas_jax.training.hosts import largest
from plas_jax.training.kept_programs import Executables
from plas_jax.training.layout import data_on, on_runs

CHECKPOINT_SECONDS = 120.0
# Between those of the ends, where evaluations run beside training: an accelerator comes to an end every few seconds.
END_SECONDS = 20.0


class PhaseTraining:
    """The training of a phase's runs. Use as a context manager: a checkpoint may still be written at its end."""

    def __init__(
        self, group: Group, part: phases.Part, pairs: list[phases.Pair], folder: OutputFolder, journal: Journal
    ):
        self._part, self._pairs, self._journal, self._group = part, pairs, journal, group
        self._metrics = MetricsBook(folder, group, part, pairs)
        self._name = NAMES[part.draws]
        # The updates at which the phase's policies are evaluated.
        self.ends = (part.phase.updates,) if part.draws == phases.FIRST_PHASE else group.protocol.evaluations
        trained = f"{group.name}'s {part.phase.trains}"
        self._checkpoints = Checkpoints(folder.checkpoints / group.name / self._name, trained, journal.watch.say)

    def __enter__(self) -> "PhaseTraining":
        self._checkpoints.__enter__()
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._checkpoints.__exit__(kind, error, trace)

    def restored(self, batch: Batch, latest: int | None) -> tuple[int, Batch]:
        """Return the newest whole checkpoint, none after the update `latest`; 0 and the batch given where none is."""
        newest = self._checkpoints.newest(batch, len(self._part.cells), latest)
        return (0, batch) if newest is None else (newest[0], on_runs(self._part.mesh, newest[1]))

    def run(
        self,
        start: tuple[int, Batch],
        runs: Runs,
        rows: Rows,
        show: Callable[[phases.Chunk], None],
        unwritten: Callable[[], int | None] | None = None,
    ) -> Iterator[tuple[int, Batch]]:
        """Train from an update to each of `ends` in turn and yield there; `show` is called after each chunk.

        `unwritten`, where evaluations run beside training, returns the update of the oldest that has no rows yet. A
        sweep that is killed goes back to it, so that no checkpoint pushes out the last one before it. Raises
        `Interrupted` once a checkpoint of what was trained is on the way to the disk, where one is of use.
        """
        (update, batch), part, journal = start, self._part, self._journal
        kept, spacing = update, 0.0 if unwritten is None else END_SECONDS
        executables = Executables("run_chunk")
        data = data_on(part.mesh, rows, phases.datasets_of(part, self._pairs))
        journal.watch.say(f"{journal.title(f'compiling {part.phase.trains}')}…")
        with journal.timed("compile"):
            batch = phases.compile_only(part.phase.algorithm, part.mesh, batch, runs, data)
        self._check()
        saved, stops = time.monotonic(), marks(self.ends[-1]) | set(self.ends)
        self._metrics.keep_until(update)
        if update in self.ends:
            yield update, batch
        for chunk in phases.train(part, batch, runs, data, update, sorted(stops)):
            batch, update = chunk.batch, chunk.update
            journal.record.add_seconds("train", chunk.seconds)
            show(chunk)
            if update in stops:
                self._metrics.add(update, chunk.metrics)
            longest = spacing if update in self.ends else CHECKPOINT_SECONDS
            is_due = time.monotonic() - saved >= longest or update == self.ends[-1]
            oldest = None if unwritten is None else unwritten()
            if largest(journal.interruption.requested or is_due):
                self._metrics.flush()
                if oldest is None or kept <= oldest:
                    self._checkpoints.save(update, batch, len(part.cells))
                    saved, kept = time.monotonic(), update
            self._check()
            if update in self.ends:
                yield update, batch
        self._checkpoints.wait()
        journal.record.count_executables(self._group.name, self._name, executables.count)
        journal.save()

    def _check(self) -> None:
        """Raise `Interrupted` on every process if a stop was asked for on any."""
        number = largest(self._journal.interruption.requested or 0)
        if number:
            raise Interrupted(number)
