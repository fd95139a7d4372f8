"""What is said: an error in one line, whatever another package or program has to say; names; times."""

import difflib
from collections.abc import Iterable, Sequence
from pathlib import Path

LONGEST = 2000  # characters of a line; the names of all data sets are 1,500


def one_line(error: object, longest: int = LONGEST) -> str:
    """Say an error in one line, without what would move a terminal's cursor, and cut where nobody reads on."""
    if isinstance(error, OSError) and error.filename is not None:
        error = f"{error.filename}: {error.strerror}"
    line = " ".join(str(error).split()) or type(error).__name__
    shown = "".join(char if char.isprintable() else ascii(char)[1:-1] for char in line[:longest])
    return shown if len(line) <= longest else f"{shown}…"


def nearest(name: str, names: Iterable[str]) -> str:
    """Return "; the nearest is 'x'" for the name that is most like it, and nothing where none is like it at all."""
    close = difflib.get_close_matches(name, names, n=1)
    return f"; the nearest is {close[0]!r}" if close else ""


def nearest_file(path: Path) -> str:
    """Return the same for a file that is not there, of those of its kind beside it."""
    beside = path.parent.iterdir() if path.parent.is_dir() else ()
    return nearest(path.name, [other.name for other in beside if other.suffix == path.suffix])


def unknown(name: str, known: Sequence[str], kind: str) -> str:
    """Say that a name is none of its kind, with the nearest ones, or else with all."""
    close = difflib.get_close_matches(name.lower(), known, n=3, cutoff=0.6)
    advice = f"did you mean {' or '.join(close)}?" if close else f"there are {', '.join(known)}"
    return f"no {kind}; {advice}"


def clock(seconds: float) -> str:
    """Return seconds as 1:02:03 or 2:03."""
    minutes, seconds = divmod(round(max(seconds, 0.0)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
