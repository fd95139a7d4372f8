"""On what, with which versions and with which code results are computed."""

import platform
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import TypedDict

import jax

import plas_jax
from plas_jax.training.processor import processor_name

PACKAGES = ("plas_jax", "jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "mujoco", "gymnasium", "h5py", "numpy")


class Circumstances(TypedDict):
    """What every record of a manifest says of its making."""

    matmul_precision: str
    device: str
    versions: dict[str, str]
    git_commit: str


def circumstances() -> Circumstances:
    """Return on what, with which versions and which code this process computes."""
    return {
        "matmul_precision": str(jax.config.values["jax_default_matmul_precision"] or "default"),
        "device": device(),
        "versions": {package: version(package) for package in PACKAGES} | {"python": platform.python_version()},
        "git_commit": git_commit(),
    }


def device() -> str:
    """Return what JAX computes on in words: kind and number of devices, and the processor where they are its cores."""
    devices, hosts = jax.devices(), jax.process_count()
    return _kind(devices) + (f", {hosts} processes" if hosts > 1 else "")


def _kind(devices: list[jax.Device]) -> str:
    if devices[0].platform != "cpu":
        return f"{len(devices)} × {devices[0].device_kind}"
    return f"{len(devices)} core{'s' if len(devices) > 1 else ''} of {processor_name()}"


def git_commit() -> str:
    """Return the commit of the code that runs, marked when it has uncommitted changes; "unknown" where nobody knows.

    It is what the build wrote down, or else the checkout's: a package may be installed in a virtual environment inside
    somebody's repository, so that only one that tracks the package's own files is asked.
    """
    package = Path(plas_jax.__file__).parent
    baked = package / "commit.txt"
    if baked.exists():
        return baked.read_text(encoding="utf-8").strip()
    return file_commit(package / "__init__.py")


def file_commit(path: Path) -> str:
    """Return the commit of the repository that a file is tracked in, marked where it has uncommitted changes.

    "unknown" where none tracks it.
    """
    if not _git(path.parent, "ls-files", "--error-unmatch", path.name):
        return "unknown"
    return _git(path.parent, "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*") or "unknown"


def _git(folder: Path, *words: str) -> str:
    """Return what git says in a folder; nothing where it fails or is not installed."""
    try:
        done = subprocess.run(["git", *words], cwd=folder, capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
