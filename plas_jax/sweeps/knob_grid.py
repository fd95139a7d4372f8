"""The grid of --knobs: which values of which knobs are trained."""

import math

from plas_jax.files.messages import unknown
from plas_jax.methods.method import Method
from plas_jax.sweeps.request import Grid


def knob_grid(text: str) -> Grid:
    """Return the knobs of "name=1,2;other=3". Raises `ValueError`, one line, for any other text."""
    grid = []
    for part in filter(None, (part.strip() for part in text.split(";"))):
        name, _, values = part.partition("=")
        try:
            numbers = tuple(float(value) for value in values.split(","))
        except ValueError:
            numbers = ()
        if not name.isidentifier() or not numbers or not all(map(math.isfinite, numbers)):
            raise ValueError(f"--knobs takes name=number,number with semicolons between knobs, not {part!r}")
        if len(set(numbers)) < len(numbers):
            raise ValueError(f"--knobs has a value twice: {part!r}")
        grid.append((name, numbers))
    if len({name for name, _ in grid}) < len(grid):
        raise ValueError(f"--knobs has a knob twice: {text!r}")
    return tuple(grid)


def swept(method: Method, grid: Grid) -> Method:
    """Return the method with these values for its knobs, instead of its own grid's where that has the same.

    Raises `ValueError`, one line, for a knob that it does not have.
    """
    known = method.phase.knobs._fields
    for name, _ in grid:
        if name not in known:
            nearest = unknown(name, known, f"knob {name!r}")
            raise ValueError(f"--knobs: {method.name} has {nearest} (of several methods each must have it)")
    given = {name for name, _ in grid}
    kept = tuple((name, values) for name, values in method.grid if name not in given)
    return method._replace(grid=(*kept, *grid))
