"""Errors in a user's code keep their place: file, line and function of the method, and the phase."""

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from plas_jax.files.messages import one_line
from plas_jax.methods.method import Method


class MethodError(ValueError):
    """An error in a method's own code, in one line that says where."""


@contextmanager
def placed_errors(method: Method, phase: str, whatever: bool = False) -> Iterator[None]:
    """Turn what the code of a method of one's own raises into one line with file, line, function and phase.

    What this project's methods raise is a mistake of the project, and stays as it is. With `whatever` also
    what is raised where nothing of the method's file is on the way: it returned what cannot be used.
    """
    try:
        yield
    except (OSError, MemoryError, MethodError):
        raise
    except Exception as error:  # whatever somebody else's code may raise, and JAX in its name
        place = _place(error, method, whatever)
        if place is None:
            raise
        raise MethodError(f"{place}, in the {phase} phase of {method.name}: {_said(error)}") from error


def _place(error: Exception, method: Method, whatever: bool) -> str | None:
    """Return where in the method's file an error comes from, the deepest frame there; None where it is none of it."""
    if method.source is None:
        return None
    own = Path(method.source.path).resolve()
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename).resolve() == own]
    if not frames:
        return method.source.path if whatever else None
    return f"{method.source.path}:{frames[-1].lineno}, in {frames[-1].name}"


def _said(error: Exception) -> str:
    kind = "" if type(error) is ValueError else f"{type(error).__name__}: "
    return kind + one_line(str(error).partition("\n\n")[0], 400)
