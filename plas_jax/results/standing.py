"""How far a sweep has come, read from its folder and nothing else."""

import numpy as np

from plas_jax.files.messages import clock
from plas_jax.methods.method import BEHAVIOUR, POLICY
from plas_jax.results.folder import OutputFolder
from plas_jax.results.manifest import Manifest, MethodRecord
from plas_jax.results.metrics import MetricsRow
from plas_jax.results.rows import Row

HEADER = ("method", "state", "done", "rows", "score", "diverged", "took", "left")


def state(manifest: Manifest) -> str:
    """Return whether a sweep has finished, or which methods have not, and which of them have not begun."""
    unfinished = {name: record for name, record in manifest.methods.items() if not record.complete}
    begun = [name for name, record in unfinished.items() if record.wall_seconds]
    waiting = [name for name in unfinished if name not in begun]
    parts = [f"{', '.join(begun)} not finished"] if begun else []
    return "; ".join(parts + ([f"{', '.join(waiting)} not begun"] if waiting else [])) or "finished"


def seconds_to_go(record: MethodRecord, phase: str) -> float | None:
    """Return what a method has still to go, as far as its sweep could tell when it last wrote; None before it could.

    In a first phase that is of this phase alone. Groups that wait take as long for each run as those before them.
    """
    left = record.seconds_left
    if left is None or phase == BEHAVIOUR:
        return left
    incomplete = [group.runs for group in record.groups.values() if not group.complete]
    begun = sum(group.runs for group in record.groups.values()) - sum(incomplete[1:])
    return left + (sum(record.wall_seconds.values()) + left) * sum(incomplete[1:]) / max(begun, 1)


def line(name: str, record: MethodRecord, rows: list[Row], metrics: list[MetricsRow]) -> list[str]:
    """Return the cells of a method's line, as `HEADER` has them."""
    labels = {name, "plas+p"} if name == "plas" else {name}
    ours = [row for row in rows if row.algorithm in labels]
    kept = [row for row in metrics if row.algorithm in labels]
    phase = kept[-1].phase if kept and not any(row.phase == POLICY for row in kept) else POLICY
    total = record.first_updates if phase == BEHAVIOUR else record.updates
    done = max((row.update for row in kept if row.phase == phase), default=0)
    groups = sum(group.complete for group in record.groups.values())
    several = f" {groups}/{len(record.groups)}" if len(record.groups) > 1 else ""
    begun = f"{phase}{several}" if record.wall_seconds else "waiting"
    last = max((row.update for row in ours), default=0)
    latest = [row.score for row in ours if row.update == last]
    score = f"{np.nanmean(latest):.1f}" if np.isfinite(latest).any() else ""
    diverged = len({(*row[:3], row.perturbation_limit, row.knobs) for row in ours if row.diverged_at is not None})
    left = None if record.complete else seconds_to_go(record, phase)
    shown_left = "" if left is None else f"{'> ' if phase == BEHAVIOUR else ''}{clock(left)}"
    return [
        name,
        "finished" if record.complete else begun,
        f"{100 * done / total:.0f} %" if total else "",
        f"{len(ours):,}",
        score,
        str(diverged),
        clock(sum(record.wall_seconds.values())),
        shown_left,
    ]


def last_written(folder: OutputFolder) -> float:
    """Return when a sweep last wrote to its folder, in seconds since the epoch."""
    files = [folder.manifest, folder.rows, folder.metrics, *folder.coming.glob("*"), *folder.metrics_parts.glob("*")]
    return max(path.stat().st_mtime for path in files if path.exists())
