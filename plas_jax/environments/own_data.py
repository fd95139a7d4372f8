"""Data sets by name, one's own and Minari's among them, each with its environment."""

import re
from pathlib import Path

from gymnasium.envs.registration import EnvSpec

from plas_jax.datasets import minari_files
from plas_jax.datasets.catalogue import ENVIRONMENTS, Dataset, parse
from plas_jax.environments import own

MINARI = "minari:"
MINARI_ID = re.compile(r"[\w-][\w/-]*-v\d+")  # so that no folder's path passes for an id
SYNTAX = "a file of one's own is named PATH.hdf5@ENVIRONMENT, where ENVIRONMENT is an id of Gymnasium's, with its "
SYNTAX += f"module (my_module:MyEnv-v0) where that registers it, or one of {', '.join(ENVIRONMENTS)}"


def find(name: str) -> Dataset:
    """The data set of this name: the catalogue's, `PATH.hdf5@ENVIRONMENT` or `minari:ID`.

    An own file's name, as results bear it, is `<file's stem>@<id>`: neither folders nor module.

    Raises `FileNotFoundError` for a file or Minari data set that is not there, `ValueError` for a name or environment
    that cannot be used, always with one line that says what to do.
    """
    if "," in name:
        raise ValueError(f"{name!r}: a name has no comma, which would separate two data sets")
    if name.startswith(MINARI):
        return _minari(name)
    # A path may hold an @, an id may not.
    path, at, identifier = name.rpartition("@")
    if at:
        return _own(name, path, identifier)
    if name.endswith((".hdf5", ".h5")):
        raise ValueError(f"{name!r} does not say which environment it is of: {SYNTAX}")
    return parse(name)


def _own(name: str, folder_and_file: str, identifier: str) -> Dataset:
    if not folder_and_file or not identifier:
        raise ValueError(f"{name!r} lacks a path or an environment: {SYNTAX}")
    path = Path(folder_and_file).expanduser()
    if not path.is_file():
        raise FileNotFoundError(f"{name!r}: there is no file {path}; {SYNTAX}")
    environment = ENVIRONMENTS.get(identifier) or own.environment(identifier)
    return Dataset(f"{path.stem}@{environment.name}", environment, version="own", path=path)


def _minari(name: str) -> Dataset:
    identifier = name.removeprefix(MINARI)
    if not MINARI_ID.fullmatch(identifier):
        raise ValueError(f"{name!r} is no name of a Minari data set, which looks like minari:mujoco/hopper/medium-v0")
    text, scores = minari_files.specification(identifier), minari_files.references(identifier) or (None, None)
    try:
        environment = own.scored(own.environment(EnvSpec.from_json(text)), *scores)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error
    return Dataset(name, environment, version="minari", source=identifier)
