"""The figures of whole folders: where the time went, and what moved between two of them."""

from collections.abc import Mapping, Sequence

from plas_jax.reports import markdown
from plas_jax.reports.page.curves import rounded
from plas_jax.reports.page.drawing import Dot, bars_panel, dots_panel, spanned
from plas_jax.reports.page.figure import Figure, finite, key, pair
from plas_jax.reports.page.html import Html, cut, name, table
from plas_jax.reports.page.loaded import Loaded
from plas_jax.reports.page.movement import Move, changes

PHASES = ("data", "compile", "train", "evaluate")


def times_figure(folders: Sequence[Loaded]) -> Figure:
    """Return where the wall seconds of each folder went, by method and phase."""
    spent, peaks = _spent(folders)
    used = list(dict.fromkeys([*PHASES, *(phase for seconds in spent.values() for phase in seconds)]))[:8]
    bars = [(label, [max(0.0, seconds.get(phase, 0.0)) for phase in used]) for label, seconds in spent.items()]
    body = [
        [name(label), *map(_seconds, lengths), f"{sum(lengths):,.1f}", peaks.get(label, markdown.DASH)]
        for label, lengths in bars
    ]
    if len(bars) > 1:
        totals = [sum(column) for column in zip(*(lengths for _, lengths in bars), strict=True)]
        body.append(["all", *map(_seconds, totals), f"{sum(totals):,.1f}", markdown.DASH])
    return Figure(
        "time",
        "Where time and memory went",
        "Wall seconds by method and phase: making or reading data, compiling, training, evaluating. The peak of memory"
        " is the process's, or the device's where that counts its own, from its start to the method's end.",
        [bars_panel("wall seconds", bars, "seconds")] if bars else [],
        [table("Wall seconds and memory", ["method", *used, "all", "peak memory"], body)],
        [
            {"l": label, "p": phase, "k": place, "v": rounded(length)}
            for label, lengths in bars
            for place, (phase, length) in enumerate(zip(used, lengths, strict=True))
            if length
        ],
        key=key((phase, place) for place, phase in enumerate(used) if bars),
    )


def _spent(folders: Sequence[Loaded]) -> tuple[dict[str, Mapping[str, float]], dict[str, str]]:
    """Return by method the seconds of each phase, and the peak of memory in words where it is recorded."""
    spent: dict[str, Mapping[str, float]] = {}
    peaks: dict[str, str] = {}
    for folder in folders:
        before = f"{cut(folder.name)}: " if len(folders) > 1 else ""
        data = folder.manifest.wall_seconds.get("data")
        if data:
            spent[f"{before}data"] = {"data": data}
        for method, record in folder.manifest.methods.items():
            spent[f"{before}{cut(method)}"] = record.wall_seconds
            if record.peak_memory:
                peaks[f"{before}{cut(method)}"] = f"{record.peak_memory / 1e9:.3g} GB"
    return spent, peaks


def _seconds(length: float) -> str:
    return f"{length:,.1f}" if length else markdown.DASH


def moves_figure(moves: Sequence[Move], folders: Sequence[Loaded]) -> Figure:
    """Return what moved between the first folder and the others."""
    dots = [
        Dot(
            place,
            ", ".join([cut(move.label), cut(move.dataset), *[cut(move.folder)] * (len(folders) > 2)]),
            finite(move.difference.mean),
            *map(finite, move.difference.interval),
        )
        for place, move in enumerate(moves)
    ]
    numbers = [number for dot in dots for number in (dot.value, dot.low, dot.high)]
    return Figure(
        "moves",
        "What moved",
        f"Scores less those of {cut(folders[0].name)} on the same seeds; bars: 95 % intervals. Moved: the interval"
        " excludes 0, which one in twenty does by chance where nothing differs.",
        [dots_panel("difference of scores", dots, spanned([0.0, *numbers]), 0.0)] if dots else [],
        _moves_tables(moves, folders),
        [
            {"l": dot.label, "m": rounded(dot.value), "i": pair(move.difference.interval)}
            for dot, move in zip(dots, moves, strict=True)
        ],
        is_open=True,
    )


def _moves_tables(moves: Sequence[Move], folders: Sequence[Loaded]) -> list[Html]:
    body = [
        [
            name(move.dataset),
            name(move.label),
            name(move.folder),
            markdown.estimate(move.difference.mean, move.difference.interval),
            f"{move.difference.seeds}",
            "yes" if move.difference.interval.excludes_zero() else "no",
        ]
        for move in moves
    ]
    header = ["data set", "method", "folder", f"less {cut(folders[0].name)}", "seeds", "moved"]
    tables = [table("Differences of scores, seed by seed, with 95 % intervals", header, body, words=3)]
    for other in folders[1:]:
        told = [[field, name(before), name(after)] for field, before, after in changes(folders[0], other)]
        header = ["what", cut(folders[0].name), cut(other.name)]
        tables.append(table(f"What {cut(other.name)} says differently", header, told, words=3))
    return tables
