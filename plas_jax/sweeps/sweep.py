"""One method on one shape group, from first weights to rows: training, evaluating and a book of rows put together."""

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack

from plas_jax.methods.method import BEHAVIOUR, POLICY, Phase
from plas_jax.results.folder import OutputFolder
from plas_jax.results.runs import CONTROLS
from plas_jax.sweeps.book import Book
from plas_jax.sweeps.data import SweepData
from plas_jax.sweeps.evaluator import MOST_BEHIND, Evaluator
from plas_jax.sweeps.first_look import FirstLook
from plas_jax.sweeps.groups import Group
from plas_jax.sweeps.journal import Journal
from plas_jax.sweeps.phase_training import PhaseTraining
from plas_jax.sweeps.rows import label, rows_of
from plas_jax.training import phases
from plas_jax.training.chunk import HEALTHY, Batch, Runs
from plas_jax.training.hosts import on_host
from plas_jax.training.user_code import placed_errors

STATUS_SECONDS = 10.0  # between two manifests that say how much is left
Finished = Callable[[phases.Part, Batch, Runs], None]  # what to do with a phase's runs once they are trained

LEFT_OUT = "and evaluations, of which none has been timed yet"
Measure = Callable[[phases.Part, Batch, Runs, int], None]  # what else to measure of policies at an update


class Sweep:
    """One method on one shape group. `run` trains, evaluates and writes rows until it is done or interrupted.

    `finished` are called after the last evaluation of each phase, `measures` before each evaluation of the last one.
    """

    def __init__(
        self,
        group: Group,
        data: SweepData,
        folder: OutputFolder,
        journal: Journal,
        finished: Sequence[Finished] = (),
        measures: Sequence[Measure] = (),
    ):
        self.group, self.method = group, group.method
        self.data, self.folder, self.journal, self.finished = data, folder, journal, finished
        self.measures = measures
        self.pairs = phases.pairs_of([dataset.name for dataset in group.datasets], group.seeds)
        self.sizes = phases.stacked_sizes([data.sizes[pair.dataset] for pair in self.pairs])
        self.last = phases.part_of(group.method, phases.LAST_PHASE, self.pairs)
        labels = {label(group.method, knobs) for knobs in self.last.knobs} | set(dict(group.method.controls))
        self.book = Book(folder, group, labels)
        self.open = ExitStack()  # environments, and checkpoints that may still be written
        self.seconds_of_evaluation = 0.0

    def run(self) -> None:
        """Run every phase. Raises `Interrupted` once what was finished is on disk."""
        with self.journal.interruption, self.open:
            with placed_errors(self.method, BEHAVIOUR):
                first = None if self.method.first is None else self._train_first(self.method.first)
            with placed_errors(self.method, POLICY):
                self._train_last(first)
        self.journal.record.groups[self.group.name].complete = True
        self.journal.record.seconds_left = None
        self.journal.save()

    def _train_first(self, phase: Phase) -> Batch:
        part = phases.part_of(self.method, phases.FIRST_PHASE, self.pairs)
        batch, runs = phases.first_batch(part, self.data.rows, self.pairs, (self.sizes,))
        training = self._training(part)
        start, shown = training.restored(batch, None), self._shown(part, runs, training.ends)
        for _, trained in training.run(start, runs, self.data.rows, shown):
            batch = trained
        self._evaluate_controls(part, (batch, runs))
        self._finish(part, batch, runs)
        return batch

    def _evaluate_controls(self, part: phases.Part, trained: tuple[Batch, Runs]) -> None:
        """Play every control on the start states of the policies' last evaluations."""
        controls, updates = self.method.controls, self.group.protocol.last
        runs = len(controls) * len(part.cells)
        if not self.group.played or not any(self.book.lacks(True, update, runs) for update in updates):
            return
        self.book.keep(lambda is_control, update: not is_control)
        for name, algorithm in controls:
            acting = part._replace(phase=part.phase._replace(algorithm=algorithm))
            with self._evaluator(acting) as evaluator:
                for update in updates:
                    evaluator.begin(*trained, update, f"evaluate {CONTROLS[name]}")
                    self._write(evaluator, acting, 0, name)
        # The policies' first evaluation takes about as much longer as there are more of them.
        self.seconds_of_evaluation *= len(self.last.cells) / len(part.cells)

    def _train_last(self, first: Batch | None) -> None:
        part = self.last
        inputs = self.method.inputs(
            self.sizes,
            None if first is None else first.state,
            self.data.statistics_of([pair.dataset for pair in self.pairs]),
        )
        diverged = None if first is None else on_host(first.diverged_at)[: len(self.pairs)]
        batch, runs = phases.first_batch(part, self.data.rows, self.pairs, on_host(inputs), diverged)
        del first, inputs  # each run has its own copy by now; at the paper's widths CVAEs are half a gigabyte
        training, trained = self._training(part), batch
        lacking = next((end for end in training.ends if self._lacks(end)), None)
        start = training.restored(batch, lacking)
        # Rows that come after the checkpoint, and those of an evaluation that was cut short, are made again.
        self.book.keep(lambda is_control, update: is_control or (update <= start[0] and not self._lacks(update)))
        with ExitStack() as stage:
            evaluator = stage.enter_context(self._evaluator(part)) if self.group.played else None
            unwritten = evaluator.oldest if evaluator is not None and evaluator.is_beside else None
            shown = self._shown(part, runs, training.ends, evaluator)
            for update, trained in training.run(start, runs, self.data.rows, shown, unwritten):
                if evaluator is not None and self._lacks(update):
                    for measure in self.measures:
                        measure(part, trained, runs, update)
                    self._write(evaluator, part, MOST_BEHIND - 1)
                    evaluator.begin(trained, runs, update, f"evaluate at {update:,}")
                    self._write(evaluator, part, MOST_BEHIND)
            if evaluator is not None:
                self._write(evaluator, part, 0)
        self._finish(part, trained, runs)

    def _finish(self, part: phases.Part, batch: Batch, runs: Runs) -> None:
        for finished in self.finished:
            finished(part, batch, runs)

    def _training(self, part: phases.Part) -> PhaseTraining:
        return self.open.enter_context(PhaseTraining(self.group, part, self.pairs, self.folder, self.journal))

    def _evaluator(self, part: phases.Part) -> Evaluator:
        return Evaluator(self.group, part, self.pairs, self.journal)

    def _lacks(self, update: int) -> bool:
        return self.group.played and self.book.lacks(False, update, len(self.last.cells))

    def _write(self, evaluator: Evaluator, part: phases.Part, behind: int, control: str = "") -> None:
        """Write down the evaluations that are over, and wait until no more than `behind` are not."""
        for played in evaluator.played(behind):
            self.seconds_of_evaluation = evaluator.seconds
            self.book.add(rows_of(self.group, self.pairs, part, played._replace(control=control)))
            self.journal.save()

    def _shown(
        self, part: phases.Part, runs: Runs, ends: tuple[int, ...], evaluator: Evaluator | None = None
    ) -> Callable[[phases.Chunk], None]:
        """Return what shows a chunk: its speed, the score so far, runs that diverged, the time left.

        What was evaluated meanwhile is written down before it. A phase that has nothing to show for a while is looked
        at once.
        """
        shown = self.journal.phase(f"train {part.phase.trains}", ends[-1])
        count, look = len(part.cells), FirstLook(self.group, part, self.pairs, self.journal)
        written = time.monotonic()

        def show(chunk: phases.Chunk) -> None:
            nonlocal written
            if evaluator is not None:
                self._write(evaluator, part, MOST_BEHIND)
            rate = chunk.updates / chunk.seconds
            evaluations = sum(end > chunk.update for end in ends) if len(ends) > 1 else 0
            training, evaluating = (ends[-1] - chunk.update) / rate, evaluations * self.seconds_of_evaluation
            is_beside = evaluator is not None and evaluator.is_beside
            left = max(training, evaluating) if is_beside else training + evaluating
            score = self.book.score_so_far()
            diverged = int((on_host(chunk.batch.diverged_at)[:count] != HEALTHY).sum())
            facts = [f"{count * rate:,.0f} run-updates/s"]
            facts += [LEFT_OUT] if evaluator and evaluations and not self.seconds_of_evaluation else []
            facts += [f"then {len(self.last.cells)} {self.last.phase.trains}"] if part is not self.last else []
            facts += [f"mean score {score:.1f}"] if score is not None else []
            facts += [f"{diverged} diverged"] if diverged else []
            shown.show(chunk.update, ", ".join(facts), left)
            is_coming = evaluator is not None and evaluator.oldest() is not None
            look.after(chunk, runs, is_coming or score is not None)
            self.journal.record.seconds_left = round(left, 1)
            if time.monotonic() - written >= STATUS_SECONDS:
                self.journal.save()
                written = time.monotonic()

        return show
