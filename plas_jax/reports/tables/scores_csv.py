"""Scores as a CSV file: a line for each data set, method and setting."""

import csv
import io
from collections.abc import Iterator
from math import isfinite
from pathlib import Path

from plas_jax.files.whole_files import write_whole
from plas_jax.reports.heading import score_statistic
from plas_jax.reports.lines import CHOSEN, CLONING, ONLY, Line, Scores
from plas_jax.reports.provenance import version
from plas_jax.results.choices import paired_difference
from plas_jax.results.intervals import NO_INTERVAL
from plas_jax.results.manifest import Manifest
from plas_jax.results.runs import RunStatistics, Spread, across_seeds

NONE = Spread(float("nan"), float("nan"), 0, 0)


def score_csv(scores: Scores, manifest: Manifest, path: Path | str) -> None:
    """Write numbers in full; an empty field where there is no such number.

    `chosen` is "only" for a method's only setting and "yes" for the one chosen on other seeds; "no" stands for a
    setting that lost there, and for each of several settings that no seeds were there to choose among. Written whole
    or not at all.
    """
    lines = list(_lines(scores, manifest))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(lines[0] if lines else ())
    writer.writerows(map(_field, line.values()) for line in lines)
    write_whole(Path(path), text.getvalue())


def _lines(scores: Scores, manifest: Manifest) -> Iterator[dict[str, object]]:
    measures = (name for name in RunStatistics._fields if name != "diverged_at")
    reported = {measure: across_seeds(scores.reported, measure) for measure in measures}
    choosing, clones = across_seeds(scores.choosing), scores.columns().get(CLONING, {})
    for line in scores.lines:
        numbers = {measure: spreads.get(line.cell, NONE) for measure, spreads in reported.items()}
        yield (
            _settings(line, manifest)
            | _numbers(numbers, choosing.get(line.cell, NONE))
            | _over_cloning(scores, line, clones.get(line.cell.dataset))
            | {
                "data_score": manifest.dataset(line.cell.dataset).score,
                "updates": manifest.method(line.cell.algorithm).updates,
                "preset": manifest.preset,
                "dynamics": scores.dynamics[line.cell.dataset],
                "statistic": score_statistic(scores, manifest),
            }
        )


def _settings(line: Line, manifest: Manifest) -> dict[str, object]:
    return {
        "dataset": line.cell.dataset,
        "version": version(manifest, line.cell.dataset),
        "algorithm": line.cell.algorithm,
        "setting": line.setting,
        "chosen": {ONLY: "only", CHOSEN: "yes"}.get(line.choice, "no"),
    }


def _numbers(spreads: dict[str, Spread], choosing: Spread) -> dict[str, object]:
    score, returns = spreads["mean_last"], spreads["mean_return"]
    low, high = score.interval
    return_low, return_high = returns.interval
    return {
        "selection_seeds": choosing.seeds,
        "selection_score_mean": choosing.mean,
        "seeds": score.seeds,
        "score_mean": score.mean,
        "score_std": score.std,
        "score_low": low,
        "score_high": high,
        "last": spreads["last"].mean,
        "best": spreads["best"].mean,
        "mean_return": returns.mean,
        "return_low": return_low,
        "return_high": return_high,
        "diverged": score.diverged,
    }


def _over_cloning(scores: Scores, line: Line, clone: Line | None) -> dict[str, object]:
    is_other = clone is not None and line.cell != clone.cell
    difference = paired_difference(scores.reported, line.cell, clone.cell) if clone and is_other else None
    low, high = difference.interval if difference else NO_INTERVAL
    return {"over_bc": difference.mean if difference else None, "over_bc_low": low, "over_bc_high": high}


def _field(value: object) -> str:
    if isinstance(value, float):
        return repr(float(value)) if isfinite(value) else ""  # NumPy's own repr is `np.float64(…)`
    return "" if value is None else str(value)
