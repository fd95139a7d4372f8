"""One method on one shape group, from first weights to rows: phases, evaluations, checkpoints between chunks."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import jax
import numpy as np

from plas_jax.evaluation.returns import Stage, episode_seeds
from plas_jax.methods.method import Phase
from plas_jax.results.folder import OutputFolder
from plas_jax.results.rows import read_rows, write_rows
from plas_jax.sweeps.data import Shelf, SweepData
from plas_jax.sweeps.groups import Group
from plas_jax.sweeps.interruption import Interrupted, Interruption
from plas_jax.sweeps.progress import Watch
from plas_jax.sweeps.rows import Played, label, rows_of
from plas_jax.training import phases
from plas_jax.training.acting import policy_of
from plas_jax.training.checkpoints import Checkpoints
from plas_jax.training.chunk import HEALTHY, Batch, Runs
from plas_jax.training.hosts import is_first, joined, largest, on_host, own_runs
from plas_jax.training.kept_programs import Executables
from plas_jax.training.layout import data_on, on_runs

CHECKPOINT_SECONDS = 120.0
NAMES = {phases.FIRST_PHASE: "behaviour", phases.LAST_PHASE: "policy"}  # of checkpoints and executables


Finished = Callable[[phases.Part, Batch, Runs], None]  # what to do with a phase's runs once they are trained


def nothing(part: phases.Part, batch: Batch, runs: Runs) -> None:
    """What most sweeps do with trained runs beside evaluating them."""


def run_groups(
    of: Sequence[Group],
    shelf: Shelf,
    folder: OutputFolder,
    manifest: dict[str, Any],
    record: dict[str, Any],
    watch: Watch,
    title: Callable[[str, str], str],
) -> None:
    """Run those of a method's groups that its record, a part of the manifest, does not have as complete.

    `title(group, phase)` is a phase's name as a user watches it. Raises `Interrupted` as `Sweep.run` does.
    """
    note = partial(folder.write_manifest, manifest)
    for group in of:
        if not record["groups"][group.name]["complete"]:
            Sweep(group, shelf.of(group.datasets), folder, record, note, watch, partial(title, group.name)).run()
    record["complete"] = True


class Sweep:
    """One method on one shape group. `run` trains, evaluates and writes rows until it is done or interrupted.

    `record` is the part of the manifest that is about the method, and `note` writes the manifest; `title` makes of a
    phase's name the one that a user watches. `finished` is called after the last evaluation of each phase.
    """

    def __init__(
        self,
        group: Group,
        data: SweepData,
        folder: OutputFolder,
        record: dict[str, Any],
        note: Callable[[], None],
        watch: Watch,
        title: Callable[[str], str],
        finished: Finished = nothing,
    ):
        self.group, self.method, self.protocol = group, group.method, group.protocol
        self.data, self.folder, self.watch = data, folder, watch
        self.record, self.note, self.title, self.finished = record, note, title, finished
        names = [dataset.name for dataset in group.datasets]
        self.pairs = phases.pairs_of(names, group.seeds)
        self.sizes = phases.stacked_sizes([data.sizes[pair.dataset] for pair in self.pairs])
        self.last = phases.part_of(group.method, phases.LAST_PHASE, self.pairs)
        rows = read_rows(folder.rows) if folder.rows.exists() else []
        ours = {label(group.method, each) for each in self.last.knobs} | {group.method.first_name}
        kinds = {(name, algorithm, seed) for name in names for algorithm in ours for seed in group.seeds}
        self.results = [row for row in rows if (row.dataset, row.algorithm, row.seed) in kinds]
        self.other_results = [row for row in rows if (row.dataset, row.algorithm, row.seed) not in kinds]
        self.interruption = Interruption()
        self.open = ExitStack()  # checkpoints that may still be written
        self.evaluation_seconds = 0.0

    def run(self) -> None:
        """Every phase. Raises `Interrupted` once what was finished is on disk."""
        with self.interruption, self.open:
            self._train_last(None if self.method.first is None else self._train_first(self.method.first))
        self.record["groups"][self.group.name]["complete"] = True
        self.note()

    def _train_first(self, phase: Phase) -> Batch:
        part = phases.part_of(self.method, phases.FIRST_PHASE, self.pairs)
        batch, runs = phases.first_batch(part, self.data.rows, self.pairs, (self.sizes,))
        for _, trained in self._train(part, batch, runs, (phase.updates,)):
            batch = trained
        name = self.method.first_name
        if name and self._lacks_rows(part, 0):
            stage = self._stage(part)
            self._evaluate(part, batch, runs, stage, 0, f"evaluate {phase.trains}", phases.FIRST_EVALUATION)
            stage.close()
            # The policies' first evaluation takes about as much longer as there are more of them.
            self.evaluation_seconds *= len(self.last.cells) / len(part.cells)
        self.finished(part, batch, runs)
        return batch

    def _train_last(self, first: Batch | None) -> None:
        inputs = self.method.inputs(
            self.sizes,
            None if first is None else first.state,
            self.data.statistics_of([pair.dataset for pair in self.pairs]),
        )
        diverged = None if first is None else on_host(first.diverged_at)[: len(self.pairs)]
        batch, runs = phases.first_batch(self.last, self.data.rows, self.pairs, on_host(inputs), diverged)
        del first, inputs  # each run has its own copy by now; at the paper's widths CVAEs are half a gigabyte
        stage, trained = self._stage(self.last), batch
        for update, trained in self._train(self.last, batch, runs, self.protocol.evaluations):
            if self._lacks_rows(self.last, update):
                name = f"evaluate at {update:,}"
                self._evaluate(self.last, trained, runs, stage, update, name, phases.LAST_EVALUATION)
        stage.close()
        self.finished(self.last, trained, runs)

    def _train(self, part: phases.Part, batch: Batch, runs: Runs, ends: tuple[int, ...]) -> Iterator[tuple[int, Batch]]:
        """Train to each of `ends` in turn and yield there, from the newest checkpoint if there is one."""
        name = NAMES[part.draws]
        folder, of = self.folder.checkpoints / self.group.name / name, f"{self.group.name}'s {part.phase.trains}"
        checkpoints = self.open.enter_context(Checkpoints(folder, of, self.watch.say))
        update, batch = self._restored(part, batch, checkpoints, ends)
        executables = Executables("run_chunk")
        data = data_on(part.mesh, self.data.rows, phases.datasets_of(part, self.pairs))
        with self._timed("compile"):
            batch = phases.compile_only(part.phase.algorithm, part.mesh, batch, runs, data)
        self._check()
        shown = self.watch.phase(self.title(f"train {part.phase.trains}"), ends[-1])
        saved = time.monotonic()
        for end in ends:
            for chunk in phases.train(part, batch, runs, data, update, end):
                batch, update = chunk.batch, chunk.update
                self._spent("train", chunk.seconds)
                self._show(shown, chunk, len(part.cells), ends)
                due = largest(self.interruption.requested or time.monotonic() - saved > CHECKPOINT_SECONDS)
                if update == end or due:
                    checkpoints.save(update, batch, len(part.cells))
                    saved = time.monotonic()
                self._check()
            if end >= update:
                yield end, batch
        checkpoints.wait()
        groups = self.record["groups"]
        groups[self.group.name]["executables"][name] = executables.count
        self.record["executables"][name] = sum(of["executables"].get(name, 0) for of in groups.values())
        self.note()

    def _restored(
        self, part: phases.Part, batch: Batch, checkpoints: Checkpoints, ends: tuple[int, ...]
    ) -> tuple[int, Batch]:
        """The newest whole checkpoint of a phase whose evaluations have their rows, or 0 and the batch given.

        Rows that come after it are dropped: they are made again.
        """
        lacking = None if part is not self.last else next((end for end in ends if self._lacks_rows(part, end)), None)
        found = checkpoints.newest(batch, len(part.cells), lacking)
        update, batch = (0, batch) if found is None else (found[0], on_runs(part.mesh, found[1]))
        self.results = [row for row in self.results if part is not self.last or row.update <= update]
        return update, batch

    def _lacks_rows(self, part: phases.Part, update: int) -> bool:
        """Whether an evaluation has not all of its rows; those that it has are dropped, since it is made again."""
        place = (update, part is not self.last)
        others = [row for row in self.results if (row.update, row.algorithm == self.method.first_name) != place]
        if len(self.results) - len(others) == len(part.cells) * self.protocol.episodes:
            return False
        self.results = others
        return True

    def _show(self, shown: Any, chunk: phases.Chunk, runs: int, ends: tuple[int, ...]) -> None:
        rate = chunk.updates / chunk.seconds
        to_come = sum(end > chunk.update for end in ends) if len(ends) > 1 else 0
        left = (ends[-1] - chunk.update) / rate + to_come * self.evaluation_seconds
        facts = f"{runs * rate:,.0f} run-updates/s" + self._score_so_far()
        diverged = int((on_host(chunk.batch.diverged_at)[:runs] != HEALTHY).sum())
        shown.show(chunk.update, facts + (f", {diverged} diverged" if diverged else ""), left)

    def _score_so_far(self) -> str:
        last = max((row.update for row in self.results), default=0)
        scores = [row.score for row in self.results if row.update == last and np.isfinite(row.score)]
        return f", mean score {np.mean(scores):.1f}" if scores else ""

    def _stage(self, part: phases.Part) -> Stage:
        cells = part.cells[own_runs(part.mesh, len(part.cells))]
        environments = [self.group.datasets[self.pairs[cell.pair].dataset].environment for cell in cells]
        return Stage(environments, self.protocol.episodes, self.protocol.horizon, self.group.dynamics)

    def _evaluate(
        self, part: phases.Part, batch: Batch, runs: Runs, stage: Stage, update: int, name: str, evaluation: int
    ) -> None:
        """Play the episodes of one evaluation, each process those of its runs, and write their rows."""
        shown = self.watch.phase(self.title(name), stage.horizon)
        _, keys = phases.phase_keys(self.pairs, evaluation)
        ours, own_batch, told_apart = phases.own(part, batch, runs)
        policy = policy_of(ours, own_batch, told_apart, keys, update * self.group.horizon)

        def act(observation: np.ndarray, step: int) -> np.ndarray:
            if jax.process_count() == 1:  # several stop together, which they cannot while each plays
                self.interruption.check()
            shown.show(step)
            return policy(observation, step)

        diverged = on_host(batch.diverged_at)[: len(part.cells)]
        healthy = diverged[own_runs(part.mesh, len(part.cells))] == HEALTHY
        seeds = [episode_seeds(self.pairs[cell.pair].seed, update, self.protocol.episodes) for cell in ours.cells]
        started = time.perf_counter()
        with self._timed("evaluate"):
            played = stage.play(act, seeds, healthy, self.sizes.observation.padded)
            returns = joined(part.mesh, len(part.cells), played)
        self.evaluation_seconds = time.perf_counter() - started
        shown.show(stage.horizon, f"{returns.episode_length.sum() / self.evaluation_seconds:,.0f} steps/s")
        self.results += rows_of(self.group, self.pairs, part, Played(returns, diverged, update))
        if is_first():
            write_rows(self.folder.rows, self.other_results + self.results)
        self.note()

    def _check(self) -> None:
        """Raise `Interrupted` on every process if a stop was asked for on any."""
        number = largest(self.interruption.requested or 0)
        if number:
            raise Interrupted(number)

    @contextmanager
    def _timed(self, what: str) -> Iterator[None]:
        started = time.perf_counter()
        try:
            yield
        finally:
            self._spent(what, time.perf_counter() - started)

    def _spent(self, what: str, seconds: float) -> None:
        wall = self.record["wall_seconds"]
        wall[what] = round(wall.get(what, 0.0) + seconds, 2)
