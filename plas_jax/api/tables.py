"""The scores of a folder as a table that prints, and as rows for whatever reads rows."""

from collections.abc import Iterable
from typing import NamedTuple

from plas_jax.methods.method import POLICY
from plas_jax.reports import markdown
from plas_jax.reports.lines import REJECTED, scores
from plas_jax.results.folder import OutputFolder
from plas_jax.results.manifest import Manifest
from plas_jax.results.metrics import MetricsRow
from plas_jax.results.runs import Spread, across_seeds

Cell = str | int | float


class Table(NamedTuple):
    """Methods as rows, data sets as columns: `print` it, or hand `rows` to `pandas.DataFrame`."""

    rows: list[dict[str, Cell]]  # one for each method, setting and data set
    text: str  # Markdown

    def __str__(self) -> str:
        return self.text

    def _repr_markdown_(self) -> str:
        return self.text


def score_table(folder: OutputFolder, manifest: Manifest) -> Table:
    """Return the scores of a folder; of data without an environment, the last metrics, means over seeds."""
    rows = folder.read_rows()
    if not rows:
        return _offline(folder.read_metrics())
    of_rows = scores(rows, manifest)
    spreads = across_seeds(of_rows.reported)
    lines = [line for line in of_rows.lines if line.choice != REJECTED]
    labels, names = list(dict.fromkeys(line.label for line in lines)), of_rows.datasets
    cells = {(line.label, line.cell.dataset): spreads.get(line.cell) for line in lines}
    seeds = max((spread.seeds for spread in spreads.values()), default=0)
    body = [[label, *(markdown.mean_interval(cells.get((label, name)), seeds) for name in names)] for label in labels]
    table = [_row(*place, spread) for place, spread in cells.items() if spread is not None]
    return Table(table, markdown.table(["method", *names], body))


def _row(label: str, dataset: str, spread: Spread) -> dict[str, Cell]:
    low, high = spread.interval
    numbers = {"score": spread.mean, "std": spread.std, "low": low, "high": high, "seeds": spread.seeds}
    return {"method": label, "dataset": dataset, **numbers}


def _offline(metrics: Iterable[MetricsRow]) -> Table:
    """Return what the last updates returned, means over seeds, a row for each method, setting and data set."""
    runs: dict[tuple[str, ...], dict[str, MetricsRow]] = {}
    for row in metrics:
        if row.phase == POLICY:
            of_run = runs.setdefault((row.algorithm, row.knobs, row.perturbation_limit, row.dataset), {})
            if row.seed not in of_run or row.update > of_run[row.seed].update:
                of_run[row.seed] = row
    rows: list[dict[str, Cell]] = []
    for (algorithm, knobs, limit, dataset), of_run in sorted(runs.items()):
        names = next(iter(of_run.values())).metrics
        means = {name: sum(float(row.metrics[name]) for row in of_run.values()) / len(of_run) for name in names}
        several = len({key[2] for key in runs if key[0] == algorithm}) > 1
        setting = ([knobs] if knobs else []) + ([f"ε = {float(limit):g}"] if several else [])
        rows.append({"method": " ".join([algorithm, *setting]), "dataset": dataset, "seeds": len(of_run), **means})
    header = list(dict.fromkeys(name for row in rows for name in row))
    shown = [[_shown(row.get(name, "")) for name in header] for row in rows]
    return Table(rows, markdown.table(header, shown) if rows else "nothing has been trained yet")


def _shown(cell: Cell) -> str:
    return f"{cell:.4g}" if isinstance(cell, float) else str(cell)
