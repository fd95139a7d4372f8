"""The policies of a trained group, each in a file of its own that outlives the sweep's folder."""

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

from plas_jax.evaluation.policy import About, acting_leaves, leaves_by_path
from plas_jax.evaluation.policy_files import write_policy
from plas_jax.methods.method import plain
from plas_jax.results.manifest import DatasetRecord, MethodRecord
from plas_jax.sweeps.groups import Group, true_sizes, widest
from plas_jax.sweeps.rows import label
from plas_jax.training import phases
from plas_jax.training.chunk import HEALTHY, Batch, Runs
from plas_jax.training.hosts import is_first, on_host


class PolicyWriter:
    """What a sweep calls with a phase's trained runs: it keeps the last phase's policies in `folder`."""

    def __init__(self, folder: Path, group: Group, described: Mapping[str, DatasetRecord], record: MethodRecord):
        self._folder, self._group, self._described, self._record = folder, group, described, record
        self._pairs = phases.pairs_of([dataset.name for dataset in group.datasets], group.seeds)

    def __call__(self, part: phases.Part, batch: Batch, runs: Runs) -> None:
        """Write the policy of every run; of several processes the first one does."""
        if part.draws != phases.LAST_PHASE:
            return
        diverged_at = on_host(batch.diverged_at)
        abouts = [self._about(part, place, int(diverged_at[place])) for place in range(len(part.cells))]
        kept = acting_leaves(self._group.method, widest(self._group.datasets))
        arrays = on_host({name: leaf for name, leaf in leaves_by_path(batch.state).items() if name in kept})
        if not is_first():
            return
        self._folder.mkdir(exist_ok=True)
        for place, about in enumerate(abouts):
            write_policy(self._folder / file_name(about), about, {name: leaf[place] for name, leaf in arrays.items()})

    def _about(self, part: phases.Part, place: int, diverged_at: int) -> About:
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
            update=method.phase.updates,
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


def file_name(about: About) -> str:
    """Return the name of a policy's file: no two policies of a sweep share one, and none leads elsewhere."""
    return quote(about.name, safe="@+=,") + ".npz"
