"""The policies of a trained group, each in a file of its own that outlives the sweep's folder."""

from collections.abc import Iterable, Mapping
from math import inf
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

import numpy as np

from plas_jax.evaluation.policy import About, acting_leaves, leaves_by_path
from plas_jax.evaluation.policy_files import read_about, write_policy
from plas_jax.methods.method import plain
from plas_jax.results.folder import OutputFolder
from plas_jax.results.manifest import DatasetRecord, MethodRecord
from plas_jax.results.rows import Row
from plas_jax.results.runs import Run, results
from plas_jax.sweeps.groups import Group, true_sizes, widest
from plas_jax.sweeps.rows import label, named_cell
from plas_jax.training import phases
from plas_jax.training.chunk import HEALTHY, Batch, Runs
from plas_jax.training.hosts import is_first, on_host
from plas_jax.types import Array


class Copied(NamedTuple):
    """What acting needs of every run, on the host, and when runs diverged."""

    arrays: dict[str, Array]  # `[runs, …]`, by the paths of the leaves
    diverged_at: np.ndarray


class PolicyWriter:
    """What a sweep calls with a phase's trained runs: it keeps the last phase's policies in `folder`."""

    def __init__(self, folder: Path, group: Group, described: Mapping[str, DatasetRecord], record: MethodRecord):
        self._folder, self._group, self._described, self._record = folder, group, described, record
        self._pairs = phases.pairs_of([dataset.name for dataset in group.datasets], group.seeds)

    def __call__(self, part: phases.Part, batch: Batch, runs: Runs) -> None:
        """Write the policy of every run; of several processes the first one does."""
        if part.draws == phases.LAST_PHASE:
            copied = self.copy(batch)
            for place in range(len(part.cells)) if is_first() else ():
                self.write(part, place, copied, part.phase.updates)

    def copy(self, batch: Batch) -> Copied:
        """Return what acting needs of every run, on every process."""
        kept = acting_leaves(self._group.method, widest(self._group.datasets))
        arrays = {name: leaf for name, leaf in leaves_by_path(batch.state).items() if name in kept}
        return Copied(*on_host((arrays, batch.diverged_at)))

    def write(self, part: phases.Part, place: int, copied: Copied, update: int) -> None:
        """Write the policy of one run as it was after `update` updates."""
        about = self._about(part, place, int(copied.diverged_at[place]), update)
        self._folder.mkdir(parents=True, exist_ok=True)
        arrays = {name: np.asarray(leaf[place]) for name, leaf in copied.arrays.items()}
        write_policy(self._folder / file_name(about), about, arrays)

    def written(self, part: phases.Part, place: int) -> int | None:
        """Return the update of the policy that the folder has of a run; None where it has none."""
        path = self._folder / file_name(self._about(part, place, HEALTHY, 0))
        return read_about(path).update if path.exists() else None

    def places(self, part: phases.Part) -> dict[Run, int]:
        """Return the place of every run."""
        places: dict[Run, int] = {}
        for place, (cell, knobs) in enumerate(zip(part.cells, part.knobs, strict=True)):
            pair = self._pairs[cell.pair]
            places[Run(named_cell(self._group.method, pair.name, cell, knobs), pair.seed)] = place
        return places

    def _about(self, part: phases.Part, place: int, diverged_at: int, update: int) -> About:
        group, method, cell = self._group, self._group.method, part.cells[place]
        pair, first = self._pairs[cell.pair], group.method.first
        dataset = group.datasets[pair.dataset]
        sizes = true_sizes(dataset).padded_to(widest(group.datasets))
        axes = {"observation": sizes.observation, "action": sizes.action, "latent": sizes.latent}
        knobs = part.knobs[place]
        return About(
            method=method.name,
            label=label(method, knobs),
            architecture=plain(part.phase.architecture),
            first_architecture={} if first is None else plain(first.architecture),
            knobs={name: float(value) for name, value in knobs._asdict().items()},
            swept={name: float(value) for name, value in cell.swept},
            sizes={name: [int(axis.true), axis.padded] for name, axis in axes.items()},
            dataset=dataset.name,
            seed=pair.seed,
            update=update,
            diverged_at=None if diverged_at == HEALTHY else diverged_at,
            environment=dataset.environment,
            dynamics=group.dynamics,
            horizon=group.horizon,
            source_sha256="" if method.source is None else method.source.sha256,
            provenance=self._provenance(dataset.name),
        )

    def _provenance(self, dataset: str) -> dict[str, object]:
        record, described = self._record, self._described[dataset]
        return {
            "versions": dict(record.versions),
            "git_commit": record.git_commit,
            "device": record.device,
            "matmul_precision": record.matmul_precision,
            "fingerprint": described.fingerprint,
            "version": described.version,
        }


class BestPolicies:
    """What keeps the policy of each run's best evaluation so far, by the mean return of its episodes.

    `offer` is called before each evaluation, and `see` is told of its rows by the process that writes.
    """

    def __init__(self, writer: PolicyWriter, folder: OutputFolder):
        self._writer, self._folder = writer, folder
        self._offered: dict[int, tuple[phases.Part, Copied]] = {}
        self._best: dict[Run, float] | None = None

    def offer(self, part: phases.Part, batch: Batch, runs: Runs, update: int) -> None:
        """Keep a copy of the policies that are about to be evaluated."""
        copied = self._writer.copy(batch)
        if is_first():
            self._offered[update] = part, copied

    def see(self, rows: Iterable[Row]) -> None:
        """Write the policies of those runs whose evaluation is their best so far."""
        for update, returns in _mean_returns(rows).items():
            if update not in self._offered:  # an evaluation of controls
                continue
            part, copied = self._offered.pop(update)
            places = self._writer.places(part)
            self._best = self._best_before(part, places) if self._best is None else self._best
            for run in places.keys() & returns.keys():
                if returns[run] > self._best.get(run, -inf):
                    self._best[run] = returns[run]
                    self._writer.write(part, places[run], copied, update)

    def _best_before(self, part: phases.Part, places: dict[Run, int]) -> dict[Run, float]:
        """Return what the policies returned that a sweep which goes on has kept already."""
        written = {run: self._writer.written(part, place) for run, place in places.items()}
        returns = _mean_returns(self._folder.read_rows()) if any(written.values()) else {}
        return {run: returns[at][run] for run, at in written.items() if at in returns and run in returns[at]}


def _mean_returns(rows: Iterable[Row]) -> dict[int, dict[Run, float]]:
    """Return the mean return of every evaluation, by update and run."""
    returns: dict[int, dict[Run, float]] = {}
    for run, evaluations in results(rows).evaluations.items():
        for evaluation in evaluations:
            returns.setdefault(evaluation.update, {})[run] = evaluation.episode_return
    return returns


def file_name(about: About) -> str:
    """Return the name of a policy's file: no two policies of a sweep share one, and none leads elsewhere."""
    return quote(about.name, safe="@+=,") + ".npz"
