"""What moved between folders: scores seed by seed, and what the manifests say differently."""

from collections.abc import Sequence
from typing import NamedTuple

from plas_jax.reports.page.loaded import Loaded
from plas_jax.results.choices import Difference, paired_difference
from plas_jax.results.runs import Cell, Run, RunStatistics

FIELDS = ("preset", "dynamics", "matmul_precision", "device", "git_commit", "seeds", "episodes", "rows", "horizon")


class Move(NamedTuple):
    """One label on one data set, in a later folder less the first."""

    dataset: str
    label: str
    folder: str
    difference: Difference


def moves(folders: Sequence[Loaded]) -> list[Move]:
    """Return the differences of every later folder from the first, where both have runs of the same seed."""
    first, found = folders[0], list[Move]()
    columns = first.columns()
    for folder in folders[1:]:
        for label, column in folder.columns().items():
            for dataset, line in column.items():
                before = columns.get(label, {}).get(dataset)
                if before is None:
                    continue
                after, prior = _named(line.cell, "after"), _named(before.cell, "before")
                runs = _apart(folder, line.cell, after) | _apart(first, before.cell, prior)
                difference = paired_difference(runs, after, prior)
                if difference is not None:
                    found.append(Move(dataset, label, folder.name, difference))
    return found


def _named(cell: Cell, side: str) -> Cell:
    return cell._replace(algorithm=f"{side} {cell.algorithm}")


def _apart(folder: Loaded, cell: Cell, called: Cell) -> dict[Run, RunStatistics]:
    """Return the runs of a cell under a name that no cell of the other folder has."""
    runs = folder.scores.reported.items()
    return {Run(called, run.seed): numbers for run, numbers in runs if run.cell == cell}


def changes(first: Loaded, other: Loaded) -> list[tuple[str, str, str]]:
    """Return what the manifests of two folders say differently: a name, and what each says."""
    pairs = [(name, getattr(first.manifest, name), getattr(other.manifest, name)) for name in FIELDS]
    pairs += [(f"version of {key}", *both) for key, *both in _both(first.manifest.versions, other.manifest.versions)]
    pairs += [(f"argument {key}", *both) for key, *both in _both(first.manifest.arguments, other.manifest.arguments)]
    prints = [{name: record.fingerprint for name, record in each.manifest.datasets.items()} for each in (first, other)]
    pairs += [(f"data of {key}", *both) for key, *both in _both(*prints)]
    return [(name, _shown(before), _shown(after)) for name, before, after in pairs if before != after]


def _both(before: dict, after: dict) -> list[tuple[str, object, object]]:
    return [(key, before.get(key), after.get(key)) for key in {**before, **after}]


def _shown(value: object) -> str:
    return "—" if value is None else str(value)
