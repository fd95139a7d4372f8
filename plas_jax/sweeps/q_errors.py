"""Q errors of a group's policies at each evaluation, in rows of their own: rollouts beside those that are scored."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from plas_jax.evaluation.q_error import QError, Rollouts, lengthened, q_errors
from plas_jax.evaluation.returns import Stage, episode_seeds
from plas_jax.methods.method import discount_of
from plas_jax.results.q_rows import QRow, append_q_rows
from plas_jax.sweeps.groups import Group, widest
from plas_jax.sweeps.journal import Journal
from plas_jax.sweeps.progress import Phase
from plas_jax.sweeps.rows import named_cell
from plas_jax.training import phases
from plas_jax.training.acting import policy_of, values_of
from plas_jax.training.chunk import HEALTHY, Batch, Runs
from plas_jax.training.hosts import is_first, joined, on_host, own_runs

AT_THE_END = 5  # times as many episodes: 50 where there are 10 otherwise (eval_functions.py of the official code)


class QErrors:
    """What a sweep calls with the policies of each evaluation; a method without a critic has no errors."""

    def __init__(self, path: Path, group: Group, journal: Journal):
        self._path, self._group, self._journal = path, group, journal
        self._pairs = phases.pairs_of([dataset.name for dataset in group.datasets], group.seeds)

    def __call__(self, part: phases.Part, batch: Batch, runs: Runs, update: int) -> None:
        """Roll out every run's policy past the time limit and append the errors of its critic."""
        if part.phase.algorithm.value is None:
            return
        group = self._group
        episodes = group.protocol.episodes * (AT_THE_END if update == group.protocol.evaluations[-1] else 1)
        mine = own_runs(part.mesh, len(part.cells))
        limits, stage = self._stage(part, mine, episodes)
        seeds = [episode_seeds(self._pairs[cell.pair].seed, update, episodes) for cell in part.cells[mine]]
        shown = self._journal.phase(f"Q errors at {update:,}", stage.horizon)
        rollouts = self._rollouts(part, batch, runs, (limits, update, shown))
        try:
            with self._journal.timed("q_errors"):
                told = q_errors(stage, rollouts, seeds, widest(group.datasets).observation.padded)
        finally:
            stage.close()
        shown.show(stage.horizon)
        table = np.array([QError(0, *[np.nan] * 9) if error is None else error for error in told], np.float64)
        table = joined(part.mesh, len(part.cells), table.reshape(-1, len(QError._fields)))
        if is_first():
            append_q_rows(self._path, self._rows(part, table, update, episodes))

    def _stage(self, part: phases.Part, mine: slice, episodes: int) -> tuple[np.ndarray, Stage]:
        """Return the time limit of each of our runs, and environments with twice of it."""
        group = self._group
        environments = [group.datasets[self._pairs[cell.pair].dataset].environment for cell in part.cells[mine]]
        shortest = group.protocol.horizon
        limits = [min(each.horizon, shortest or each.horizon) for each in environments]
        longer = [lengthened(each, limit) for each, limit in zip(environments, limits, strict=True)]
        return np.array(limits, int), Stage(longer, episodes, None, group.dynamics)

    def _rollouts(self, part: phases.Part, batch: Batch, runs: Runs, when: tuple[np.ndarray, int, Phase]) -> Rollouts:
        limits, update, shown = when
        _, keys = phases.phase_keys(self._pairs, phases.LAST_EVALUATION)
        own = phases.own(part, batch, runs)
        act = self._journal.watched(policy_of(*own, keys, update * self._group.horizon), shown)
        diverged = on_host(batch.diverged_at)[: len(part.cells)][own_runs(part.mesh, len(part.cells))]
        discounts = list(map(discount_of, own[0].knobs))
        return Rollouts(act, values_of(*own), np.array(discounts), limits, diverged == HEALTHY)

    def _rows(self, part: phases.Part, table: np.ndarray, update: int, episodes: int) -> Iterator[QRow]:
        for cell, knobs, (transitions, *errors) in zip(part.cells, part.knobs, table.tolist(), strict=True):
            if transitions:
                pair = self._pairs[cell.pair]
                named = named_cell(self._group.method, pair.name, cell, knobs)
                yield QRow(named, pair.seed, update, episodes, QError(int(transitions), *errors))
