"""Files that appear whole or not at all, and what a file may be."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PARTIAL = ".partial"


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`, renamed to it at the end, and removed on an error or Ctrl-C.

    The bytes are on the disk before the name is, so that a machine that loses power has the old file or the new one.
    An `OSError` that names no file gets this one's name.
    """
    # The process's number keeps two commands that make the same file from writing into each other's.
    temporary = path.with_name(f".{path.name}.{os.getpid()}{PARTIAL}")
    try:
        yield temporary
        _flush(temporary)
        temporary.replace(path)
        _flush(path.parent)
    except OSError as error:
        if error.errno is not None and error.filename is None:
            error.filename = str(path)
        raise
    finally:
        temporary.unlink(missing_ok=True)


def write_whole(path: Path, text: str) -> None:
    """Replace a file of text, whole or not at all, with the ends of lines as they are."""
    with whole_file(path) as partial:
        partial.write_text(text, encoding="utf-8", newline="")


def _flush(path: Path) -> None:
    """Wait until a file's bytes, or a folder's names, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove_partial(folder: Path) -> None:
    """Remove what `whole_file` had begun in a folder when its process was killed."""
    for left in folder.glob(f".*{PARTIAL}"):
        left.unlink(missing_ok=True)


@contextmanager
def appears_whole(path: Path) -> Iterator[Path]:
    """Yield as `whole_file` does, for a file that takes long to make.

    Raises `OSError`, one line, at once when the folder cannot be written to.
    """
    with whole_file(path) as temporary:
        try:
            temporary.touch()
        except OSError as error:
            raise OSError(f"cannot write to the data folder {path.parent}: {error.strerror}") from error
        yield temporary


def refuse_devices(path: Path) -> None:
    """Raise `OSError`, one line, for what is neither a file nor a folder: a pipe would be waited for."""
    if path.exists() and not path.is_file() and not path.is_dir():
        raise OSError(f"{path} is not a file")


def sha256(path: Path) -> str:
    """Return the hash of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
