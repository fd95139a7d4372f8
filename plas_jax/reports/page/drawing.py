"""Small SVG panels: what a page shows where no script runs, in print, and until one has run.

Colours and dashes are the style sheet's, by the place of a series, so that they follow the reader's theme.
"""

from collections.abc import Sequence
from math import ceil, floor, isfinite, log10
from typing import NamedTuple

from plas_jax.reports.page.html import Html, cut, element

WIDTH, HEIGHT = 340, 210
LEFT, RIGHT, TOP, BOTTOM = 46, 10, 24, 34
ROW = 15  # of a panel of dots
NAMES = 120  # pixels for the names beside dots
COLOURS, DASHES = 8, 3

LARGEST = 1e100  # number that is drawn: products of it stay finite

Range = tuple[float, float]
Points = Sequence[tuple[float, float | None]]


class Stroke(NamedTuple):
    """A line of a panel, with small dots around it or none. A value of None breaks it."""

    series: int
    points: Points
    dots: Points = ()


class Dot(NamedTuple):
    """A row of a panel of dots: a value with its interval, or nothing but its name."""

    series: int
    label: str
    value: float | None
    low: float | None = None
    high: float | None = None
    reference: float | None = None  # the paper's number, a hollow diamond


class Frame(NamedTuple):
    """What stands around the lines of a panel."""

    title: str
    x: Range
    y: Range
    x_label: str


def look(series: int) -> str:
    """Return the classes that give a series its colour and its dashes."""
    return f"s{series % COLOURS} k{series // COLOURS % DASHES}"


def spanned(values: Sequence[float | None]) -> Range:
    """Return the range of values, wide enough to be drawn and within ±`LARGEST`; of none at all 0 to 1."""
    finite = [min(max(value, -LARGEST), LARGEST) for value in values if value is not None and isfinite(value)]
    low, high = (min(finite), max(finite)) if finite else (0.0, 1.0)
    room = 1e-9 * max(1.0, abs(low), abs(high))  # of less, floats have too few steps
    return (low, high) if high - low > room else (low - max(0.5, room), high + max(0.5, room))


def ticks(span: Range, about: int = 4) -> list[float]:
    """Return round numbers inside a range, about so many."""
    low, high = span
    rough = (high - low) / about
    power = 10.0 ** floor(log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)
    return [index * step for index in range(ceil(low / step), floor(high / step) + 1)]


def written(value: float) -> str:
    """Return a tick's number: thousands as k, millions as M, with a real minus."""
    for size, suffix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.4g}{suffix}".replace("-", "−")
    return f"{value:.4g}".replace("-", "−")


def lines_panel(frame: Frame, strokes: Sequence[Stroke], level: float | None = None) -> Html:
    """Return a panel of lines with their dots; `level` draws the score of the data."""
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
    x, y = _scale(frame.x, (LEFT, right)), _scale(frame.y, (bottom, TOP))
    parts = [_text(frame.title, WIDTH / 2, 14, "title")]
    for tick in ticks(frame.y):
        parts += [_line(LEFT, y(tick), right, y(tick), "grid"), _text(written(tick), LEFT - 5, y(tick) + 3, "end")]
    parts += [_text(written(tick), x(tick), bottom + 13, "middle") for tick in ticks(frame.x)]
    parts += [_text(frame.x_label, (LEFT + right) / 2, HEIGHT - 4, "middle")]
    if level is not None and frame.y[0] <= level <= frame.y[1]:
        parts.append(_line(LEFT, y(level), right, y(level), "data"))
    for stroke in strokes:
        for at, value in stroke.dots:
            if value is not None:
                kind = f"seed {look(stroke.series)}"
                parts.append(element("circle", cx=f"{x(at):.1f}", cy=f"{y(value):.1f}", r=1.6, class_=kind))
        for piece in _pieces(stroke.points):
            shape = " ".join(f"{x(at):.1f},{y(value):.1f}" for at, value in piece)
            parts.append(element("polyline", points=shape, class_=f"line {look(stroke.series)}"))
    return _svg(parts, HEIGHT, frame.title)


def dots_panel(title: str, dots: Sequence[Dot], span: Range, level: float | None = None) -> Html:
    """Return a panel with a row for each dot, its interval as a bar; `level` draws the score of the data."""
    height = TOP + ROW * len(dots) + 20
    x = _scale(span, (NAMES, WIDTH - RIGHT))
    parts = [_text(title, WIDTH / 2, 14, "title")]
    for tick in ticks(span):
        parts += [
            _line(x(tick), TOP, x(tick), height - 18, "grid"),
            _text(written(tick), x(tick), height - 5, "middle"),
        ]
    if level is not None and span[0] <= level <= span[1]:
        parts.append(_line(x(level), TOP, x(level), height - 18, "data"))
    for place, dot in enumerate(dots):
        y = TOP + ROW * (place + 0.5)
        parts.append(_row_name(dot.label, y + 3))
        if dot.low is not None and dot.high is not None:
            parts.append(_line(x(dot.low), y, x(dot.high), y, f"bar {look(dot.series)}"))
        if dot.reference is not None:
            at = x(dot.reference)
            shape = f"{at - 4:.1f},{y} {at:.1f},{y - 4} {at + 4:.1f},{y} {at:.1f},{y + 4}"
            parts.append(element("polygon", points=shape, class_="paper"))
        if dot.value is not None:
            parts.append(element("circle", cx=f"{x(dot.value):.1f}", cy=y, r=3.5, class_=f"dot {look(dot.series)}"))
    return _svg(parts, height, title)


def bars_panel(title: str, bars: Sequence[tuple[str, Sequence[float]]], unit: str) -> Html:
    """Return a panel with a row for each bar, made of parts behind each other."""
    height = TOP + ROW * len(bars) + 34
    span = spanned([0.0, *(sum(parts) for _, parts in bars)])
    x = _scale(span, (NAMES, WIDTH - RIGHT))
    parts = [_text(title, WIDTH / 2, 14, "title")]
    for place, (label, lengths) in enumerate(bars):
        y, start = TOP + ROW * place + 2, 0.0
        parts.append(_row_name(label, y + 9))
        for series, length in enumerate(lengths):
            left, wide, kind = f"{x(start):.1f}", f"{length * x.factor:.1f}", f"bar-part {look(series)}"
            parts.append(element("rect", x=left, y=y, width=wide, height=ROW - 4, class_=kind))
            start += length
    for tick in ticks(span):
        parts.append(_text(written(tick), x(tick), height - 18, "middle"))
    parts.append(_text(unit, (NAMES + WIDTH - RIGHT) / 2, height - 4, "middle"))
    return _svg(parts, height, title)


def _pieces(points: Points) -> list[list[tuple[float, float]]]:
    """Return the stretches of a line between values that are none."""
    pieces: list[list[tuple[float, float]]] = [[]]
    for at, value in points:
        if value is None:
            pieces.append([])
        else:
            pieces[-1].append((at, value))
    return [piece for piece in pieces if piece]


class _Scale(NamedTuple):
    start: float
    factor: float
    offset: float

    def __call__(self, value: float) -> float:
        return self.offset + (value - self.start) * self.factor


def _scale(span: Range, pixels: Range) -> _Scale:
    return _Scale(span[0], (pixels[1] - pixels[0]) / (span[1] - span[0]), pixels[0])


def _text(text: str, x: float, y: float, kind: str) -> Html:
    return element("text", cut(text), x=f"{x:.1f}", y=f"{y:.1f}", class_=kind)


def _row_name(label: str, y: float) -> Html:
    """Return the name beside a row, cut to the room that is there."""
    return _text(label if len(label) < 24 else f"{label[:22]}…", NAMES - 6, y, "end")


def _line(x_1: float, y_1: float, x_2: float, y_2: float, kind: str) -> Html:
    ends = {"x1": f"{x_1:.1f}", "y1": f"{y_1:.1f}", "x2": f"{x_2:.1f}", "y2": f"{y_2:.1f}"}
    return element("line", **ends, class_=kind)


def _svg(parts: Sequence[str], height: float, title: str) -> Html:
    return element("svg", *parts, viewBox=f"0 0 {WIDTH} {height}", role="img", aria_label=cut(title), class_="panel")
