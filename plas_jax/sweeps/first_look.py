"""A first look at a training that is long before its first evaluation: scores of all runs within ninety seconds.

When it is looked depends on the machine, so that nothing of it is written down: rows are of the protocol's evaluations
and of nothing else. It draws from keys that no training draws from, and changes no later number.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress

import jax
import numpy as np

from plas_jax.datasets.catalogue import normalised_score
from plas_jax.sweeps.evaluator import Evaluator
from plas_jax.sweeps.groups import Group
from plas_jax.sweeps.interruption import Interrupted
from plas_jax.sweeps.journal import Journal
from plas_jax.sweeps.rows import Played
from plas_jax.training import phases
from plas_jax.training.chunk import Runs

AFTER_SECONDS = 45.0  # of a phase's training, in which nothing was evaluated


class FirstLook:
    """What looks once at a phase's runs while they are trained: one episode of each."""

    def __init__(self, group: Group, part: phases.Part, pairs: Sequence[phases.Pair], journal: Journal):
        self._group = group._replace(protocol=group.protocol._replace(episodes=1))
        self._part, self._pairs, self._journal = part, list(pairs), journal
        # What the clock of one process says, the others would have to be told.
        self._is_due, self._seconds = group.played and jax.process_count() == 1, 0.0

    def after(self, chunk: phases.Chunk, runs: Runs, is_evaluated: bool) -> None:
        """Play and say the scores once training has taken long enough, unless there are scores or some are coming."""
        self._seconds += chunk.seconds
        self._is_due = self._is_due and not is_evaluated
        if not self._is_due or self._seconds < AFTER_SECONDS or chunk.update == self._part.phase.updates:
            return
        self._is_due = False
        # Where a stop was asked for, training comes to its safe point first.
        with suppress(Interrupted), Evaluator(self._group, self._part, self._pairs, self._journal) as evaluator:
            evaluator.begin(chunk.batch, runs, chunk.update, f"look at {chunk.update:,}")
            for played in evaluator.played(0):
                for line in self._lines(played):
                    self._journal.watch.say(line)

    def _lines(self, played: Played) -> Iterator[str]:
        """Yield a line for each data set: the mean score over seeds of every setting."""
        part, updates = self._part, self._part.phase.updates
        yield (
            f"a first look at the {part.phase.trains} after {played.update:,} of {updates:,} updates, one episode of "
            "each, mean scores (none is written down)"
        )
        scores: dict[str, dict[str, list[float]]] = {}
        for place, cell in enumerate(part.cells):
            dataset = self._group.datasets[self._pairs[cell.pair].dataset]
            score = normalised_score(dataset.environment, played.returns.episode_return[place])
            setting = " ".join(f"{name}={value:g}" for name, value in cell.swept)
            scores.setdefault(dataset.name, {}).setdefault(setting, []).append(float(np.mean(score)))
        for name, settings in scores.items():
            shown = (f"{setting} {np.mean(values):.1f}".strip() for setting, values in settings.items())
            yield f"  {name}: {', '.join(shown)}"
