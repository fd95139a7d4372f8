"""A virtual environment for d3rlpy alone: it pins a Gymnasium that is not ours, and needs torch."""

import os
import shlex
import shutil
import subprocess
import sys
import venv
from collections.abc import Callable
from pathlib import Path

from plas_jax.training.kept_programs import cache_folder

# The last release of d3rlpy, which pins gymnasium==1.0.0 itself, and the torch that was seen to work with it.
PINS = ("d3rlpy==2.8.1", "torch==2.13.0")
# PyPI has torch's build for CPUs alone for macOS and ARM; for Linux on x86-64 it has the one that brings CUDA.
SIZE = (
    "0.3 GB to download and 1 GB on disk, or 3 GB to download where pip finds torch's CUDA build alone "
    "(PIP_EXTRA_INDEX_URL may name an index with its build for CPUs)"
)
PROGRESS = ("Collecting", "Downloading", "Building", "Installing")  # the lines of pip that are progress


def environment_folder() -> Path:
    """Return the folder of the environment with these pins, for this Python, whether or not it has been made."""
    python = f"python{sys.version_info.major}.{sys.version_info.minor}"
    return cache_folder() / "-".join([*(pin.replace("==", "-") for pin in PINS), python])


def interpreter(folder: Path) -> Path:
    """Return the Python of a virtual environment."""
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def peer_python(tell: Callable[[str], None]) -> Path:
    """Return the Python that has d3rlpy: that of the environment in the cache folder, which is made if it is not there.

    It appears whole or not at all. `tell` gets a line before the download, with what and how large it is, and lines
    of progress. Raises `OSError`, one line, when it cannot be made.
    """
    folder = environment_folder()
    if not folder.exists():
        tell(f"make {folder} for {' and '.join(PINS)}, once: {SIZE}")
        _make(folder, tell)
        tell(f"made {folder}; to be rid of it: rm -r {shlex.quote(str(folder))}")
    return interpreter(folder)


def _make(folder: Path, tell: Callable[[str], None]) -> None:
    partial = folder.with_name(f".{folder.name}.{os.getpid()}.partial")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        venv.create(partial, with_pip=True, symlinks=os.name != "nt")
        _called(partial, ["-m", "pip", "install", "--no-compile", "--no-input", *PINS], tell)
        tell("import d3rlpy for the first time")
        _called(partial, ["-c", "import d3rlpy"], tell)
        # A virtual environment that has moved still works where it is called as `bin/python -m …`.
        partial.rename(folder)
    except (OSError, subprocess.CalledProcessError) as error:
        if not folder.exists():  # another command may have made it meanwhile
            raise OSError(f"cannot make {folder} for {' and '.join(PINS)}: {error}") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _called(folder: Path, words: list[str], tell: Callable[[str], None]) -> None:
    """Call the environment's Python. Raises `OSError` with its last complaint when it fails."""
    # Isolated (-I), or our own packages would be seen through PYTHONPATH.
    command = [str(interpreter(folder)), "-I", *words]
    complaint = "it said nothing"
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None  # a pipe was asked for
        for line in process.stdout:
            if line.strip().startswith(PROGRESS):
                tell(f"install d3rlpy: {line.strip()[:100]}")
            if line.startswith("ERROR") or not complaint.startswith("ERROR"):
                complaint = line.strip() or complaint
    if process.returncode != 0:
        raise OSError(f"{' '.join(words[:3])} failed: {complaint}")
