"""The rows of one group while it is trained: counted here, appended to a file of their own."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable
from math import isfinite

import numpy as np

from plas_jax.results.folder import OutputFolder
from plas_jax.results.rows import Row
from plas_jax.sweeps.groups import Group
from plas_jax.training.hosts import agreed, is_first


class Book:
    """What the evaluations of a group gave so far. Every process of a run keeps one; the first of them writes."""

    def __init__(self, folder: OutputFolder, group: Group, labels: Collection[str]):
        """Take up the rows that the folder has of the group's data sets and seeds under these labels."""
        self._folder, self._group, self._labels = folder, group, labels
        self._datasets = {dataset.name for dataset in group.datasets}
        self._controls = set(dict(group.method.controls))
        agreed(folder.merge_rows)
        self._take_up(folder.read_rows())
        agreed(lambda: None)  # nobody writes before all have read

    def _take_up(self, rows: Iterable[Row]) -> None:
        self._counts: Counter[tuple[bool, int]] = Counter()
        self._latest, self._scores = 0, list[float]()
        self._count(filter(self._is_ours, rows))

    def _is_ours(self, row: Row) -> bool:
        return row.dataset in self._datasets and row.algorithm in self._labels and row.seed in self._group.seeds

    def _evaluation(self, row: Row) -> tuple[bool, int]:
        """Return which evaluation a row is of: whether of the method's controls, and at which update."""
        return row.algorithm in self._controls, row.update

    def _count(self, rows: Iterable[Row]) -> None:
        for row in rows:
            self._counts[self._evaluation(row)] += 1
            if row.algorithm in self._controls:
                continue
            if row.update > self._latest:
                self._latest, self._scores = row.update, []
            if row.update == self._latest:
                self._scores.append(row.score)

    def lacks(self, is_control: bool, update: int, runs: int) -> bool:
        """Return whether an evaluation of so many runs has not all of its rows."""
        return self._counts[is_control, update] != runs * self._group.protocol.episodes

    def keep(self, is_wanted: Callable[[bool, int], bool]) -> None:
        """Drop the rows of every evaluation that is not wanted: it is made again. Controls are told from policies."""
        if all(is_wanted(*evaluation) for evaluation in self._counts):
            return
        kept = [row for row in self._folder.read_rows() if not self._is_ours(row) or is_wanted(*self._evaluation(row))]
        agreed(lambda: self._folder.replace_rows(kept))
        self._take_up(kept)

    def add(self, rows: Iterable[Row]) -> None:
        """Write down the rows of one more evaluation."""
        rows = list(rows)
        self._count(rows)
        if is_first():
            self._folder.append_rows(self._group.name, rows)

    def score_so_far(self) -> float | None:
        """Return the mean score of the latest evaluation; None where there is none."""
        scores = [score for score in self._scores if isfinite(score)]
        return float(np.mean(scores)) if scores else None
