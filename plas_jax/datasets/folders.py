"""Where data files lie: the folder asked for, else D4RL's own, and files that appear there whole or not at all."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from plas_jax.datasets.catalogue import Dataset, url

VARIABLE = "D4RL_DATASET_DIR"  # d4rl/offline_env.py
PARTIAL = ".partial"


def search_path(data_dir: str | Path | None = None) -> list[Path]:
    """The folders to look in, first one first: `data_dir` alone if given, else $D4RL_DATASET_DIR, ~/.d4rl/datasets.

    Raises `NotADirectoryError`, one line, when `data_dir` is given and is no folder.
    """
    if data_dir is not None:
        if not Path(data_dir).is_dir():
            raise NotADirectoryError(f"the data folder {data_dir} does not exist")
        return [Path(data_dir)]
    chosen = os.environ.get(VARIABLE)
    return ([Path(chosen)] if chosen else []) + [Path.home() / ".d4rl" / "datasets"]


def writable_folder(data_dir: str | Path | None = None) -> Path:
    """The folder that recipes are written to: the first of `search_path`, created unless it is `data_dir`."""
    folder = search_path(data_dir)[0]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OSError(f"cannot create the data folder {folder}: {error.strerror}") from error
    return folder


def locate(dataset: Dataset, data_dir: str | Path | None = None) -> Path | None:
    """The file of a D4RL data set, under D4RL's own name or `<name>.hdf5`; None when no folder has it.

    For a mixture, ask for each of its `parts`. Raises `NotADirectoryError` when `data_dir` is given and is no folder.
    """
    files = [folder / name for folder in search_path(data_dir) for name in _file_names(dataset)]
    return next((file for file in files if file.is_file()), None)


def require(dataset: Dataset, data_dir: str | Path | None = None) -> Path:
    """The file of a D4RL data set; `FileNotFoundError` naming its address, its file name and the folders if none."""
    found = locate(dataset, data_dir)
    if found is None:
        looked = ", ".join(str(folder) for folder in search_path(data_dir))
        raise FileNotFoundError(
            f"{dataset.name} was not found: looked for {' or '.join(_file_names(dataset))} in {looked}; "
            f"fetch it (python -m plas_jax.datasets fetch {dataset.name}), or download {url(dataset)} and put it there"
        )
    return found


def _file_names(dataset: Dataset) -> list[str]:
    plain = f"{dataset.name}.hdf5"
    return [url(dataset).rpartition("/")[2], plain] if dataset.is_published else [plain]


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A temporary path beside `path`, renamed to it at the end, and removed on an error or Ctrl-C.

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
    """As `whole_file`, for a file that takes long to make.

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
    """The hash of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
