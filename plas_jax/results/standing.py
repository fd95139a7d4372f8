"""How far a sweep has come, read from its folder and nothing else."""

import numpy as np

from plas_jax.methods.method import BEHAVIOUR, POLICY
from plas_jax.results.folder import OutputFolder
from plas_jax.results.manifest import Manifest, MethodRecord
from plas_jax.results.metrics import MetricsRow
from plas_jax.results.rows import Row

HEADER = ("method", "state", "updates", "rows", "score", "diverged", "took")


def state(manifest: Manifest) -> str:
    """Return whether a sweep has finished, or which methods have not."""
    waiting = [name for name, record in manifest.methods.items() if not record.complete]
    return f"{', '.join(waiting)} not finished" if waiting else "finished"


def line(name: str, record: MethodRecord, rows: list[Row], metrics: list[MetricsRow]) -> list[str]:
    """Return the cells of a method's line, as `HEADER` has them."""
    labels = {name, "plas+p"} if name == "plas" else {name}
    ours = [row for row in rows if row.algorithm in labels]
    kept = [row for row in metrics if row.algorithm in labels]
    phase = kept[-1].phase if kept and not any(row.phase == POLICY for row in kept) else POLICY
    total = record.first_updates if phase == BEHAVIOUR else record.updates
    done = max((row.update for row in kept if row.phase == phase), default=0)
    groups = sum(group.complete for group in record.groups.values())
    begun = f"{phase}, {groups} of {len(record.groups)} groups done" if record.wall_seconds else "waiting"
    last = max((row.update for row in ours), default=0)
    latest = [row.score for row in ours if row.update == last]
    score = f"{np.nanmean(latest):.1f}" if np.isfinite(latest).any() else ""
    diverged = len({(*row[:3], row.perturbation_limit, row.knobs) for row in ours if row.diverged_at is not None})
    seconds = f"{sum(record.wall_seconds.values()):,.0f} s"
    updates = f"{done:,} of {total or 0:,}"
    return [name, "finished" if record.complete else begun, updates, f"{len(ours):,}", score, str(diverged), seconds]


def last_written(folder: OutputFolder) -> float:
    """Return when a sweep last wrote to its folder, in seconds since the epoch."""
    files = [folder.manifest, folder.rows, folder.metrics, *folder.coming.glob("*"), *folder.metrics_parts.glob("*")]
    return max(path.stat().st_mtime for path in files if path.exists())
