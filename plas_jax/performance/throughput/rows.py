"""What the throughput benchmark prints of training: a row for each number of runs, and one for each peer."""

import statistics
from collections.abc import Iterator
from typing import Any

from plas_jax.performance.throughput.cases import OURS, Case, operations_per_update
from plas_jax.performance.throughput.processes import Figures, measured
from plas_jax.performance.throughput.request import ThroughputRequest

HEADING = """
algorithm      widths  runs  devices  updates/s    lowest to highest  /alone   share   product  compile  memory  /d3rlpy
                                                                                         GF/s        s     MiB"""
Row = dict[str, Any]  # what `--json` prints, less what every row says


def rows(request: ThroughputRequest) -> Iterator[Row]:
    """Measure training. Raises `OSError` when a measuring process dies."""
    for figures in measured(request.groups(), request.seconds, request.rounds):
        yield from rows_of(figures)


def rows_of(figures: list[Figures]) -> list[Row]:
    """Return one row for each number of runs and one for a peer, of one run the faster layout.

    The first figures are the product's.
    """
    product_rate = max(figures[0].rates)
    fastest: dict[tuple[bool, int], Figures] = {}
    for one in sorted(figures[1:], key=lambda one: statistics.median(one.rates)):
        fastest[one.case.library == OURS, one.case.runs] = one
    alone, peer = fastest.get((True, 1)), fastest.get((False, 1))
    return [row(fastest[which], alone, peer, product_rate) for which in sorted(fastest)]


def row(figures: Figures, alone: Figures | None, peer: Figures | None, product_rate: float) -> Row:
    """Return the row of one measurement."""
    case, rates = figures.case, figures.rates
    updates_per_second, per_update = statistics.median(rates), operations_per_update(case)
    is_ours = case.library == OURS
    return {
        "measure": "training",
        **case_columns(case),
        "devices": case.devices,
        "updates_per_second": updates_per_second,
        "lowest_and_highest": [min(rates), max(rates)],
        "ratio_to_alone": _ratio(figures, alone) if is_ours else None,
        "operations_per_update": per_update,
        "matmul_rate": product_rate,
        "share_of_matmul_rate": None if per_update is None else per_update * updates_per_second / product_rate,
        "compile_seconds": figures.compile_seconds,
        "peak_memory": figures.peak_memory,
        "against_d3rlpy": _ratio(figures, peer) if is_ours else None,
    }


def case_columns(case: Case) -> Row:
    """Return what a row says of its case; widths are a number, or the name of a preset."""
    return {
        "algorithm": case.algorithm if case.library == OURS else f"{case.library} {case.algorithm}",
        "widths": int(case.widths) if case.widths.isdecimal() else case.widths,
        "runs": case.runs,
    }


def case_cells(row: Row) -> str:
    """Return the beginning of a line of every table: its case."""
    return f"{row['algorithm']:14s}{row['widths']!s:>7s}{row['runs']:>6d}"


def _ratio(figures: Figures, baseline: Figures | None) -> float | None:
    """Return the median ratio by round, so that what slows a whole round down slows both down."""
    if baseline is None:
        return None
    return statistics.median(ours / theirs for ours, theirs in zip(figures.rates, baseline.rates, strict=True))


def line(row: Row) -> str:
    """Return one line of the table."""
    lowest, highest = row["lowest_and_highest"]
    share = "" if row["share_of_matmul_rate"] is None else f"{row['share_of_matmul_rate']:.1%}"
    compiled = "" if row["compile_seconds"] is None else f"{row['compile_seconds']:.1f}"
    return (
        f"{case_cells(row)}{row['devices']:>9d}"
        f"{row['updates_per_second']:>11.1f}{f'{lowest:.1f} to {highest:.1f}':>21s}{_times(row['ratio_to_alone']):>8s}"
        f"{share:>8s}{row['matmul_rate'] / 1e9:>10.1f}{compiled:>10s}"
        f"{row['peak_memory'] / 2**20:>10.0f}{_times(row['against_d3rlpy']):>9s}"
    )


def _times(ratio: float | None) -> str:
    return "" if ratio is None else f"{ratio:.2f}"
