"""Offline reinforcement learning in JAX that runs whole tables at once: `import plas_jax as pj`, see docs/python.md.

Nothing is imported before it is asked for.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from plas_jax.api.data import Dataset as Dataset
    from plas_jax.api.folders import Folder as Folder
    from plas_jax.api.folders import open as open  # noqa: A004
    from plas_jax.api.policies import evaluate as evaluate
    from plas_jax.api.policies import load as load
    from plas_jax.api.training import compare as compare
    from plas_jax.api.training import train as train
    from plas_jax.evaluation.policy import Policy as Policy
    from plas_jax.methods.method import Method as Method

    __version__: str

_HOMES = {
    "Dataset": "plas_jax.api.data",
    "Folder": "plas_jax.api.folders",
    "open": "plas_jax.api.folders",
    "evaluate": "plas_jax.api.policies",
    "load": "plas_jax.api.policies",
    "compare": "plas_jax.api.training",
    "train": "plas_jax.api.training",
    "Policy": "plas_jax.evaluation.policy",
    "Method": "plas_jax.methods.method",
}


def __getattr__(name: str) -> object:
    if name == "__version__":
        return import_module("importlib.metadata").version("plas_jax")
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"plas_jax has no {name!r}: it has {', '.join(_HOMES)}")


def __dir__() -> list[str]:
    return [*_HOMES, "__version__"]
