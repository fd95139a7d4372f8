"""What a table command ends with on a screen: means in one table that fits 80 columns, and where the page is."""

import textwrap
from collections.abc import Sequence
from pathlib import Path

from plas_jax.reports import markdown
from plas_jax.reports.heading import score_marks, score_statistic
from plas_jax.reports.lines import Scores
from plas_jax.reports.page.document import NAME
from plas_jax.results.manifest import Manifest
from plas_jax.results.runs import across_seeds, mean
from plas_jax.sweeps.progress import table_text

WIDTH = 80
SYMBOLS = {"latent_limit=": "σ=", "clip_weight=": "λ="}
Layout = tuple[Sequence[str], Sequence[Sequence[str]]]  # a header and lines


def closing_screen(scores: Scores, manifest: Manifest, folder: Path) -> str:
    """Return what must be known of the scores, their means over seeds, and the path of the page.

    Methods are rows and data sets columns, or the other way round where only that fits; where neither does, each method
    has its mean over the data sets. Data none of which has a score are shown with their returns.
    """
    scored = [name for name in scores.datasets if manifest.dataset(name).score is not None]
    measure, what = ("mean_last", "score") if scored else ("mean_return", "return")
    names, spreads = scored or scores.datasets, across_seeds(scores.reported, measure)
    means: dict[str, list[float | None]] = {
        "data": [getattr(manifest.dataset(name), "score" if scored else "mean_return") for name in names]
    }
    marks, seeds = dict.fromkeys(means, ""), 0
    for label, lines in {**scores.controls(), **scores.columns()}.items():
        of_label = [spreads.get(lines[name].cell) if name in lines else None for name in names]
        means[label] = [None if spread is None else spread.mean for spread in of_label]
        present = [spread for spread in of_label if spread is not None]
        marks[label] = markdown.DIVERGED if any(spread.diverged for spread in present) else ""
        seeds = max([seeds, *(spread.seeds for spread in present)])
    layouts = _layouts(names, {_named(label) + marks[label]: each for label, each in means.items()})
    about = f"mean {what}, {score_statistic(scores, manifest)}, over {seeds} seed{'s' if seeds != 1 else ''}"
    parts = [
        *(textwrap.fill(mark, WIDTH) for mark in score_marks(scores, manifest)),
        table_text(*next((layout for layout in layouts if _width(layout) <= WIDTH), layouts[-1])),
        textwrap.fill(f"{about}; {markdown.DIVERGED} some run diverged" if any(marks.values()) else about, WIDTH),
        str(folder / NAME),
    ]
    return "\n".join(parts)


def _named(label: str) -> str:
    """Return a method's label with the paper's symbols for the constants of PLAS."""
    for name, symbol in SYMBOLS.items():
        label = label.replace(name, symbol) if label.startswith("plas") else label
    return label


def _layouts(names: Sequence[str], means: dict[str, list[float | None]]) -> list[Layout]:
    """Return the same numbers in the layouts that may be shown, the best first."""
    texts = {label: list(map(markdown.number, of_label)) for label, of_label in means.items()}
    by_name = [[name, *(of_label[place] for of_label in texts.values())] for place, name in enumerate(names)]
    over_all = []
    for label, of_label in means.items():
        present = [number for number in of_label if number is not None]
        # Over some of the data sets it could not be compared with the other methods.
        over_all.append([label, markdown.number(mean(present) if len(present) == len(names) else None)])
    return [
        (["method", *names], [[label, *of_label] for label, of_label in texts.items()]),
        (["data set", *(label.replace(" ", "\n") for label in texts)], by_name),
        (["method", f"mean over {len(names)} data sets"], over_all),
    ]


def _width(layout: Layout) -> int:
    header, lines = layout
    columns = zip(header, *lines, strict=True)
    return sum(2 + max(len(part) for cell in column for part in cell.split("\n")) for column in columns) - 2
