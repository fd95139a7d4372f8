"""Data sets by name, one's own and Minari's among them, each with its environment."""

import re
import unicodedata
from pathlib import Path

from gymnasium.envs.registration import EnvSpec

from plas_jax.datasets import d4rl_files, minari_files
from plas_jax.datasets.catalogue import ENVIRONMENTS, Dataset, parse
from plas_jax.environments import own
from plas_jax.files.messages import nearest_file

MINARI = "minari:"
UNREADABLE = ("Cc", "Cs", "Zl", "Zp")  # Unicode's categories of what ends a line or is half a character
MINARI_ID = re.compile(r"[\w-][\w/-]*-v\d+")  # so that no folder's path passes for an id
SYNTAX = "a file of one's own is named PATH.hdf5@ENVIRONMENT, where ENVIRONMENT is an id of Gymnasium's, with its "
SYNTAX += f"module (my_module:MyEnv-v0) where that registers it, or one of {', '.join(ENVIRONMENTS)}"


def find(name: str) -> Dataset:
    """Find the data set of this name: the catalogue's, `PATH.hdf5@ENVIRONMENT`, `minari:ID` or `minari:ID@ENVIRONMENT`.

    An own file's name, as results bear it, is `<file's stem>@<id>`: neither folders nor module.

    Raises `FileNotFoundError` for a file or Minari data set that is not there, `ValueError` for a name or environment
    that cannot be used, always with one line that says what to do.
    """
    refuse_unreadable(name)
    if name.startswith(MINARI):
        return _minari(name)
    # A path may hold an @, an id may not.
    path, at, identifier = name.rpartition("@")
    if at:
        return _own(name, path, identifier)
    if name.endswith((".hdf5", ".h5")):
        raise ValueError(f"{name!r} does not say which environment it is of: {SYNTAX}")
    return parse(name)


def refuse_unreadable(name: str) -> None:
    """Raise `ValueError`, one line, for a name that cannot stand in a list or a table."""
    if "," in name:
        raise ValueError(f"{name!r}: a name has no comma, which would separate two data sets")
    if any(unicodedata.category(char) in UNREADABLE for char in name):
        raise ValueError(f"{name!r}: a name stands in tables, on one line: rename the file")


def _own(name: str, folder_and_file: str, identifier: str) -> Dataset:
    if not folder_and_file or not identifier:
        raise ValueError(f"{name!r} lacks a path or an environment: {SYNTAX}")
    try:
        path = Path(folder_and_file).expanduser()
    except RuntimeError as error:  # a user that is none
        raise ValueError(f"{name!r}: {error}") from error
    if not path.is_file():
        raise FileNotFoundError(f"{name!r}: there is no file {path}{nearest_file(path)}")
    if identifier == own.NOWHERE:
        environment = own.nowhere(*d4rl_files.widths(path), d4rl_files.count_rows(path))
    else:
        environment = ENVIRONMENTS.get(identifier) or own.environment(identifier)
    return Dataset(f"{path.stem}@{environment.name}", environment, version="own", path=path)


def _minari(name: str) -> Dataset:
    identifier, at, chosen = name.removeprefix(MINARI).partition("@")
    if not MINARI_ID.fullmatch(identifier):
        raise ValueError(f"{name!r} is no name of a Minari data set, which looks like minari:mujoco/hopper/medium-v0")
    scores = minari_files.references(identifier) or (None, None)
    if at and not minari_files.has_spaces(identifier):
        raise ValueError(f"{name} does not say what its observations and actions are: it cannot be read")
    source = chosen if at else _recorded(identifier, name)
    minari_files.count_rows(identifier)  # whether Minari can open it: a specification is called from here on
    try:
        environment = own.scored(own.environment(source), *scores)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error
    return Dataset(f"{MINARI}{identifier}", environment, version="minari", source=identifier)


def _recorded(identifier: str, name: str) -> EnvSpec:
    """Return the environment that a Minari data set is to be evaluated in, where it may be called at all."""
    specifications = [own.trusted(text, name) for text in minari_files.specifications(identifier)]
    if not specifications:
        raise ValueError(f"{name} does not say which environment it is of: name it, as in {name}@GYMNASIUM_ID")
    return specifications[0]
