"""The diagnostics of a trained group, in rows of a file of their own."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from plas_jax.datasets.minibatch import Rows
from plas_jax.evaluation.diagnostics import Probes
from plas_jax.results.diagnostics import Diagnostic, replace_diagnostics
from plas_jax.results.runs import Run
from plas_jax.sweeps.groups import Group
from plas_jax.sweeps.rows import named_cell
from plas_jax.training import phases
from plas_jax.training.chunk import HEALTHY, Batch, Runs
from plas_jax.training.hosts import is_first, on_host


class DiagnosticsWriter:
    """What a sweep calls with a phase's trained runs: it measures those of the last phase."""

    def __init__(self, path: Path, group: Group, rows: Rows):
        self._path, self._group, self._rows = path, group, rows
        self._pairs = phases.pairs_of([dataset.name for dataset in group.datasets], group.seeds)

    def __call__(self, part: phases.Part, batch: Batch, runs: Runs) -> None:
        """Measure every run that did not diverge; of several processes the first one writes."""
        if part.draws != phases.LAST_PHASE:
            return
        state, knobs, diverged_at = on_host((batch.state, runs.knobs, batch.diverged_at))
        if is_first():
            measured = Probes(self._rows, self._pairs).measure(part, state, knobs)
            replace_diagnostics(self._path, self._diagnostics(part, diverged_at, measured))

    def _diagnostics(
        self, part: phases.Part, diverged_at: np.ndarray, measured: dict[str, np.ndarray]
    ) -> Iterator[Diagnostic]:
        for place, cell in enumerate(part.cells):
            if diverged_at[place] == HEALTHY:
                pair, knobs = self._pairs[cell.pair], part.knobs[place]
                run = Run(named_cell(self._group.method, pair.name, cell, knobs), pair.seed)
                for measure, values in measured.items():
                    yield Diagnostic(run, measure, float(values[place]))
