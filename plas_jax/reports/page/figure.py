"""What every figure of the page is: drawn without a script, in words, as data for the script, and as a table."""

from collections.abc import Iterable, Sequence
from math import isfinite
from typing import NamedTuple

from plas_jax.reports.page.curves import rounded
from plas_jax.reports.page.drawing import look
from plas_jax.reports.page.html import Html, element, folded, joined, name
from plas_jax.reports.page.loaded import Series
from plas_jax.results.intervals import Interval

FEW = 6  # curves whose seeds can be told apart


class Figure(NamedTuple):
    """A figure of the page: drawn without a script, in words, and as data for the script."""

    kind: str
    title: str
    says: str
    panels: Sequence[Html]
    tables: Sequence[Html]
    data: object
    is_open: bool = False  # whether its table is
    key: Html = Html("")  # which line is which

    def html(self) -> Html:
        """Return the section."""
        words = "Numbers as a table" if len(self.tables) == 1 else "Numbers as tables"
        numbers = joined(self.tables) if self.is_open else folded(words, *self.tables)
        panels = element("div", *self.panels, class_="panels")
        caption = element("figcaption", self.says)
        drawn = element("figure", caption, element("div", class_="controls"), panels, self.key, data_kind=self.kind)
        return element("section", element("h2", self.title), drawn, numbers, id=self.kind)


def key(entries: Iterable[tuple[str, int]]) -> Html:
    """Return which colours and dashes belong to which names, given each with its place."""
    items = []
    for text, place in entries:
        line = element("line", x1=0, y1=6, x2=28, y2=6, class_=f"swatch {look(place)}")
        items.append(element("li", element("svg", line, viewBox="0 0 28 12", aria_hidden="true"), name(text)))
    return element("ul", *items, class_="key")


def data_score(series: Sequence[Series], dataset: str) -> float | None:
    """Return what the data's own episodes score, as the first folder that has them knows it."""
    known = (one.folder.manifest.dataset(dataset).score for one in series)
    return next((score for score in known if score is not None), None)


def finite(value: float | None) -> float | None:
    """Return a number, or None where it is not finite."""
    return float(value) if value is not None and isfinite(value) else None


def pair(interval: Interval) -> list[float | None] | None:
    """Return an interval as JSON has it; None where there is none."""
    return [rounded(end) for end in interval] if isfinite(interval.low) else None
