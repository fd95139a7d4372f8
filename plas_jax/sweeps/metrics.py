"""The metrics of one phase while it is trained: a row for each run at fixed updates, in a file of their own."""

from collections.abc import Sequence

import numpy as np

from plas_jax.methods.method import BEHAVIOUR, POLICY
from plas_jax.results.folder import OutputFolder
from plas_jax.results.metrics import MetricsRow, append_metrics, on_the_disk
from plas_jax.sweeps.groups import Group
from plas_jax.sweeps.rows import columns, label, setting
from plas_jax.training import phases
from plas_jax.training.hosts import agreed, is_first, on_host
from plas_jax.types import Metrics

ROWS_OF_A_PHASE = 50
NAMES = {phases.FIRST_PHASE: BEHAVIOUR, phases.LAST_PHASE: POLICY}


def marks(updates: int) -> set[int]:
    """Return the updates after which metrics are kept: fifty of a phase, the last among them, and always the same."""
    return {updates * part // ROWS_OF_A_PHASE for part in range(1, ROWS_OF_A_PHASE + 1)} - {0}


class MetricsBook:
    """What a phase's updates returned so far. Every process of a run keeps one; the first of them writes."""

    def __init__(self, folder: OutputFolder, group: Group, part: phases.Part, pairs: Sequence[phases.Pair]):
        self._folder, self._name = folder, f"{group.name}-{NAMES[part.draws]}"
        self._runs = [_identity(group, part, pairs, place) for place in range(len(part.cells))]

    def keep_until(self, update: int) -> None:
        """Drop the rows of later updates: they are made again."""
        runs = set(self._runs)
        agreed(lambda: self._folder.keep_metrics(lambda row: row.update <= update or row[:-2] not in runs))

    def add(self, update: int, metrics: Metrics) -> None:
        """Write down what the update before `update` returned to every run."""
        values = on_host(metrics)
        if not is_first() or not values:
            return
        texts = {name: [f"{value:.9g}" for value in np.asarray(values[name]).tolist()] for name in sorted(values)}
        rows = [
            MetricsRow._make([*run, update, {name: of_runs[place] for name, of_runs in texts.items()}])
            for place, run in enumerate(self._runs)
        ]
        self._folder.metrics_parts.mkdir(exist_ok=True)
        append_metrics(self._folder.metrics_parts / f"{self._name}.csv", rows)

    def flush(self) -> None:
        """Wait until every row is on the disk: a checkpoint may not be of later updates than they are."""
        if is_first():
            on_the_disk(self._folder.metrics_parts / f"{self._name}.csv")


def _identity(group: Group, part: phases.Part, pairs: Sequence[phases.Pair], place: int) -> tuple[str, ...]:
    """Return the first fields of a run's rows, up to its phase."""
    method, cell = group.method, part.cells[place]
    pair = pairs[cell.pair]
    knobs = method.run_knobs(method.phase, pair.name, cell.swept)
    name = label(method, knobs) if part.draws == phases.LAST_PHASE else method.name
    limits = ("" if value is None else repr(value) for value in columns(knobs).values())
    return (pair.name, name, str(pair.seed), *limits, setting(cell), NAMES[part.draws])
