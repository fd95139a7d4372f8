"""What a data file says of itself, without a simulator: whether it is the one published and its numbers plausible.

Each check is a function that returns a `Finding` and raises nothing. Those of episodes are in `episode_checks.py`,
of returns in `score_checks.py`, of repeated rows in `duplicates.py`; `alignment.py` asks the simulator.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from plas_jax.datasets.catalogue import Dataset
from plas_jax.datasets.recordings import Recording
from plas_jax.files.whole_files import sha256

Status = Literal["ok", "warning", "wrong", "skipped"]
BLOCK = 100_000  # rows looked at together: what a check needs at a time stays small beside the file
# The same float64 number rounded to float32 twice, once in each column, is the same to the last bit; one more rounding
# in between moves it by 2⁻²⁴ of its size, and both columns may have had one.
ROUNDING = 2.0**-23


class Finding(NamedTuple):
    """What one check has to say. Only "wrong" makes a file unfit; `detail` is one line."""

    check: str
    status: Status
    detail: str


def contents(path: Path, dataset: Dataset, manifest_sha256: str | None = None) -> Finding:
    """Check that the file's bytes are those published, or, with a manifest's hash, those of the recipe."""
    expected, author = (manifest_sha256, "its manifest") if manifest_sha256 else (dataset.sha256, "the published file")
    if not expected:
        return Finding("contents", "skipped", "no published hash to compare with")
    size = path.stat().st_size
    if not manifest_sha256 and dataset.bytes not in (None, size):
        return Finding("contents", "wrong", f"{size:,} bytes, the published file has {dataset.bytes:,}")
    actual = sha256(path)
    if actual != expected.lower():
        return Finding("contents", "wrong", f"sha256 {actual[:12]}…, {author} has {expected[:12]}…")
    return Finding("contents", "ok", f"{size:,} bytes, sha256 {actual[:12]}… as {author} has")


def actions(recording: Recording) -> Finding:
    """Tell the actions' range, and the share of numbers exactly on a bound; the reader has refused any beyond ±1."""
    values = recording.actions
    low, high = float(values.min()), float(values.max())
    bound = (np.count_nonzero(values == 1) + np.count_nonzero(values == -1)) / values.size
    if low == high:
        return Finding("actions", "warning", f"all are {low:g}")
    return Finding("actions", "ok", f"from {low:.3f} to {high:.3f}, {bound:.2%} exactly ±1")


def observations(recording: Recording) -> Finding:
    """Tell the largest number observed, and warn where a column never changes."""
    low, high = recording.observations.min(axis=0), recording.observations.max(axis=0)
    constant = np.flatnonzero(low == high)
    if len(constant):
        columns = ", ".join(map(str, constant.tolist()))
        return Finding("observations", "warning", f"the same in every row: column {columns}")
    return Finding("observations", "ok", f"up to {max(-low.min(), high.max()):.4g} in size, no column is constant")


def following(recording: Recording, extras: Mapping[str, np.ndarray], ends: np.ndarray) -> Finding:
    """Check that the file's own `next_observations` are the next row's observations wherever an episode goes on.

    `ends` is bool `[rows]`, true on the last row of each episode. What is trained on is always the next row.
    """
    check, key = "next observations", "next_observations"
    if key not in extras:
        return Finding(check, "skipped", f"the file has no {key}")
    stored, rows = extras[key], recording.observations
    if stored.shape != rows.shape:
        return Finding(check, "wrong", f"shape {list(stored.shape)}, the observations have {list(rows.shape)}")
    if not np.isfinite(stored).all():
        return Finding(check, "wrong", "some are not finite")
    bad, worst, first, last = 0, 0.0, -1, len(rows) - 1
    for start in range(0, last, BLOCK):
        stop = min(start + BLOCK, last)
        after = rows[start + 1 : stop + 1]
        error = np.abs(stored[start:stop] - after)
        error[ends[start:stop]] = 0
        missed = np.flatnonzero(np.any(error > ROUNDING * np.maximum(1, np.abs(after)), axis=1))
        bad, worst = bad + len(missed), max(worst, float(np.max(error)))
        first = start + int(missed[0]) if len(missed) and first < 0 else first
    if bad:
        return Finding(check, "wrong", f"{bad:,} rows are not the row after, by up to {worst:.2g}, first {first:,}")
    return Finding(check, "ok", f"{int(np.count_nonzero(~ends[:-1])):,} are the observation of the row after")
