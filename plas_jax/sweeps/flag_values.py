"""What the words of flags mean: data sets, methods, seeds and limits, or one line that says which word is wrong."""

import math
from collections.abc import Sequence
from pathlib import Path

from plas_jax.datasets.catalogue import Dataset
from plas_jax.environments.own_data import find
from plas_jax.files.messages import unknown
from plas_jax.methods.method import Method
from plas_jax.methods.own import own_method
from plas_jax.methods.published import METHODS


def seeds_of_flags(text: str, first_seed: int) -> tuple[int, ...]:
    """Return the seeds of --seeds, how many or which, and --first_seed. Raises `ValueError` for impossible ones."""
    listed = text.split(",")
    try:
        seeds = [int(word) for word in listed]
    except ValueError:
        raise ValueError(f"--seeds takes how many, or which with commas between them, not {text!r}") from None
    if len(seeds) > 1 and first_seed:
        raise ValueError(
            f"--first_seed={first_seed} and --seeds={text}: which seeds is said already, leave --first_seed out"
        )
    if len(seeds) == 1:
        if seeds[0] < 1 or first_seed < 0:
            raise ValueError(f"--seeds must be at least 1 and --first_seed at least 0, not {text} and {first_seed}")
        return tuple(range(first_seed, first_seed + seeds[0]))
    return seeds_of(seeds)


def seeds_of(seeds: Sequence[int]) -> tuple[int, ...]:
    """Return these seeds in order. Raises `ValueError`, one line, for none, for one given twice and below 0."""
    if not seeds or min(seeds) < 0 or len(set(seeds)) < len(seeds):
        raise ValueError(f"--seeds takes different whole numbers of at least 0, not {', '.join(map(str, seeds))!r}")
    return tuple(sorted(seeds))


def datasets_of_flag(text: str, default: Sequence[str]) -> tuple[Dataset, ...]:
    """Return the data sets of --datasets. Raises `ValueError` or `OSError`, one line, for one that is none."""
    datasets = tuple(find(name) for name in words("--datasets", text, ",".join(default)))
    if twice := _first_repeated([dataset.name for dataset in datasets]):
        raise ValueError(f"--datasets has two of the name {twice}: rename one of the files")
    return datasets


def methods_of_flag(text: str, default: Sequence[str]) -> tuple[Method, ...]:
    """Return the published methods of --algorithms. Raises `ValueError` or `OSError`, one line, for what is none."""
    methods = tuple(published(word) for word in words("--algorithms", text, ",".join(default)))
    if twice := _first_repeated([method.name for method in methods]):
        raise ValueError(f"--algorithms has two methods of the name {twice}")
    return methods


def _first_repeated(names: Sequence[str]) -> str | None:
    return next((name for name in names if names.count(name) > 1), None)


def published(word: str) -> Method:
    """Return a method at its published size by its name, or one's own by its file's path.

    Raises `ValueError` for a name that is none, and as `own_method` does.
    """
    if word.endswith(".py"):
        method = own_method(Path(word).expanduser())
        if method.name in METHODS:
            raise ValueError(f"{word}: its METHOD is named {method.name}, as one of this project's is: choose another")
        return method
    if word not in METHODS:
        raise ValueError(
            f"--algorithms: {word!r} is {unknown(word, list(METHODS), 'method, nor a Python file with a METHOD')}"
        )
    return METHODS[word]


def limits(flag: str, text: str, default: Sequence[float]) -> tuple[float, ...]:
    """Return the limits of a flag, commas between them. Raises `ValueError` for what is no number of at least 0."""
    return tuple(_limit(flag, word) for word in words(flag, text, ",".join(map(str, default))))


def _limit(flag: str, text: str) -> float:
    try:
        limit = float(text)
    except ValueError:
        limit = math.nan
    if not 0 <= limit < math.inf:
        raise ValueError(f"{flag} takes numbers of at least 0 with commas between them, not {text!r}")
    return limit


def words(flag: str, text: str, default: str) -> list[str]:
    """Return the words of a flag, commas between them. Raises `ValueError` for empty and repeated ones."""
    separate = [word.strip() for word in (text or default).split(",")]
    if "" in separate or len(set(separate)) < len(separate):
        raise ValueError(f"{flag} takes different values with commas between them, not {text!r}")
    return separate
