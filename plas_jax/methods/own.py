"""A method of one's own: a Python file with a `METHOD`."""

import importlib.util
import re
import sys
from pathlib import Path

from plas_jax.files.messages import nearest_file
from plas_jax.methods.method import Method, Source

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_+.-]{0,99}")


def own_method(path: Path) -> Method:
    """Return the `METHOD` of a Python file, which is run as any module is when it is imported.

    Raises `FileNotFoundError` where there is no such file, `ValueError`, one line, where it fails or has no METHOD.
    """
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}{nearest_file(path)}")
    name = f"own_method_{path.stem}"  # a file may be called copy.py, and the library's module must stay what it is
    specification = importlib.util.spec_from_file_location(name, path)
    if specification is None or specification.loader is None:
        raise ValueError(f"{path} cannot be imported")
    module = importlib.util.module_from_spec(specification)
    written = path.read_bytes()
    # Flax and dataclasses look a class's module up by its name.
    sys.modules[name] = module
    try:
        specification.loader.exec_module(module)
    except Exception as error:  # whatever somebody else's file may raise
        raise ValueError(f"{path} fails on import: {type(error).__name__}: {error}") from error
    method = getattr(module, "METHOD", None)
    if not isinstance(method, Method):
        raise ValueError(f"{path} has no METHOD: a method's file sets METHOD to a plas_jax.methods.method.Method")
    if not NAME.fullmatch(method.name):
        raise ValueError(
            f"{path} names its METHOD {method.name[:60]!r}, and a folder of checkpoints is named for it: "
            "use letters, digits and _+-."
        )
    return method._replace(source=Source(str(path), importlib.util.decode_source(written)))
