"""Rows and episodes that a recording holds more than once.

Rows are compared by 64-bit hashes of their bits: two different rows among 2,000,000 have the same one with a chance
of 10⁻⁷, and eight bytes a row are all the memory it takes.
"""

import numpy as np

from plas_jax.datasets.recordings import Recording
from plas_jax.verification.data.episode_checks import Episodes
from plas_jax.verification.data.validation import Finding

ODD = np.uint64(0x9E3779B97F4A7C15)  # 2⁶⁴ over the golden ratio, as in splitmix64
HALF = np.uint64(32)


def row_hashes(recording: Recording) -> np.ndarray:
    """Return uint64 `[rows]`, equal for rows of equal observation and action."""
    hashes = np.full(len(recording.observations), ODD)
    for array in (recording.observations, recording.actions):
        for column in range(array.shape[1]):
            bits = np.ascontiguousarray(array[:, column], np.float32).view(np.uint32)
            hashes = _mixed(hashes ^ bits)
    return hashes


def _mixed(hashes: np.ndarray) -> np.ndarray:
    """Spread the bits; a bijection, so that two hashes that differ still do."""
    hashes = hashes * ODD  # modulo 2⁶⁴
    return hashes ^ (hashes >> HALF)


def repeated_rows(hashes: np.ndarray) -> Finding:
    """Check that no row's observation and action stand in an earlier one; warn, for a few lines can be chance."""
    again = _repeats(hashes)
    if len(again):
        detail = f"{len(again):,} have an earlier row's observation and action, first {int(again.min()):,}"
        return Finding("repeated rows", "warning", detail)
    return Finding("repeated rows", "ok", f"{len(hashes):,} rows, no two of the same observation and action")


def repeated_episodes(hashes: np.ndarray, episodes: Episodes) -> Finding:
    """Check that no episode is an earlier one, row by row; warn if one is."""
    place = np.arange(len(hashes), dtype=np.uint64) - np.repeat(episodes.starts, episodes.lengths).astype(np.uint64)
    # The place is mixed in: a sum alone would not tell rows in another order apart.
    again = _repeats(np.add.reduceat(_mixed(hashes ^ _mixed(place + ODD)), episodes.starts))
    if len(again):
        first = int(again.min())
        detail = f"{len(again):,} are an earlier one row by row, first the one from row {int(episodes.starts[first]):,}"
        return Finding("repeated episodes", "warning", detail)
    return Finding("repeated episodes", "ok", f"{len(episodes.starts):,} episodes, no two the same")


def _repeats(hashes: np.ndarray) -> np.ndarray:
    """Return the places of those that stand at an earlier place already."""
    order = np.argsort(hashes, kind="stable")
    ranked = hashes[order]
    return order[1:][ranked[1:] == ranked[:-1]]
