"""Where data files lie: the folder asked for, else D4RL's own, and files that appear there whole or not at all."""

import os
from pathlib import Path

from plas_jax.datasets.catalogue import Dataset, url

VARIABLE = "D4RL_DATASET_DIR"  # d4rl/offline_env.py


def search_path(data_dir: str | Path | None = None) -> list[Path]:
    """List the folders to look in, first one first: `data_dir` alone, or else $D4RL_DATASET_DIR, ~/.d4rl/datasets.

    Raises `NotADirectoryError`, one line, when `data_dir` is given and is no folder.
    """
    if data_dir is not None:
        if not Path(data_dir).is_dir():
            raise NotADirectoryError(
                f"the data folder {data_dir} does not exist: make it, or choose another --data_dir"
            )
        return [Path(data_dir)]
    chosen = os.environ.get(VARIABLE)
    return ([Path(chosen)] if chosen else []) + [Path.home() / ".d4rl" / "datasets"]


def writable_folder(data_dir: str | Path | None = None) -> Path:
    """Return the folder that recipes are written to: the first of `search_path`, created unless it is `data_dir`."""
    folder = search_path(data_dir)[0]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OSError(f"cannot create the data folder {folder}: {error.strerror}") from error
    return folder


def locate(dataset: Dataset, data_dir: str | Path | None = None) -> Path | None:
    """Find the file of a D4RL data set, under D4RL's own name or `<name>.hdf5`; None when no folder has it.

    For a mixture, ask for each of its `parts`. Raises `NotADirectoryError` when `data_dir` is given and is no folder.
    """
    files = [folder / name for folder in search_path(data_dir) for name in _file_names(dataset)]
    return next((file for file in files if file.is_file()), None)


def require(dataset: Dataset, data_dir: str | Path | None = None) -> Path:
    """Find a D4RL data set's file, or raise `FileNotFoundError` with its address, its file name and the folders."""
    file = locate(dataset, data_dir)
    if file is None:
        looked = ", ".join(str(folder) for folder in search_path(data_dir))
        raise FileNotFoundError(
            f"{dataset.name} was not found: looked for {' or '.join(_file_names(dataset))} in {looked}; "
            f"fetch it (python -m plas_jax.datasets fetch {dataset.name}), or download {url(dataset)} and put it there"
        )
    return file


def _file_names(dataset: Dataset) -> list[str]:
    plain = f"{dataset.name}.hdf5"
    return [url(dataset).rpartition("/")[2], plain] if dataset.is_published else [plain]
