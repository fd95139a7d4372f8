"""What a machine is and has: versions, devices, whether it computes rightly, drawing, folders and disks."""

import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import jax
import jax.numpy as jnp

from plas_jax.datasets.folders import search_path
from plas_jax.files.messages import one_line
from plas_jax.results.circumstances import PACKAGES, device, git_commit
from plas_jax.training.kept_programs import folder as programs_folder
from plas_jax.training.soundness import refuse_unsound_machine

OPTIONAL = ("minari", "imageio", "flatbuffers", "pandas")
WIDE, PRODUCTS = 1024, 10
DRAWS = "import mujoco; mujoco.Renderer(mujoco.MjModel.from_xml_string('<mujoco/>'), 16, 16)"
Line = tuple[str, str, str]  # what, "ok", "no" or "wrong", and how


def examined(data_dir: str | None) -> list[Line]:
    """Return a line for each thing that was looked at; data are looked for in `data_dir`, or where commands do."""
    return [*_versions(), *_devices(), _soundness(), _drawing(), *_folders(data_dir)]


def _versions() -> Iterator[Line]:
    yield "python", "ok", platform.python_version()
    for package in PACKAGES:
        yield package, "ok", version(package) + (f", commit {git_commit()[:12]}" if package == "plas_jax" else "")
    for package in OPTIONAL:
        try:
            yield package, "ok", version(package)
        except PackageNotFoundError:
            yield package, "no", "optional"


def _devices() -> Iterator[Line]:
    yield "devices", "ok", device()
    matrix = jnp.ones((WIDE, WIDE))
    product = jax.jit(lambda left: left @ left)
    product(matrix).block_until_ready()
    started = time.perf_counter()
    for _ in range(PRODUCTS):
        product(matrix).block_until_ready()
    rate = 2 * WIDE**3 * PRODUCTS / (time.perf_counter() - started)
    yield "product rate", "ok", f"{rate / 1e9:,.0f} GFLOP/s of one device, float32, {WIDE} × {WIDE}"


def _soundness() -> Line:
    started = time.perf_counter()
    try:
        refuse_unsound_machine()
    except ValueError as error:
        return "correctness", "wrong", one_line(error)
    return "correctness", "ok", f"programs come to NumPy's numbers, checked in {time.perf_counter() - started:.1f} s"


def _drawing() -> Line:
    """Ask in another process: MuJoCo decides how it draws when it is imported, and a driver may crash."""
    for library in ("egl", "osmesa"):
        words = [sys.executable, "-c", DRAWS]
        done = subprocess.run(words, env=os.environ | {"MUJOCO_GL": library}, capture_output=True, check=False)
        if done.returncode == 0:
            return "drawing", "ok", f"off screen with MUJOCO_GL={library}"
    return "drawing", "no", "neither EGL nor OSMesa: no videos"


def _folders(data_dir: str | None) -> Iterator[Line]:
    for path in search_path(data_dir):
        there = path.is_dir()
        yield (
            "data",
            "ok" if there else "no",
            f"{path}, {len(list(path.glob('*.hdf5')))} files" if there else f"{path}, not there",
        )
    for what, path in (("results", Path.cwd()), ("programs", programs_folder())):
        yield what, *_disk(path)


def _disk(path: Path) -> tuple[str, str]:
    there = next(each for each in (path, *path.absolute().parents) if each.exists())
    free = f"{path}, {shutil.disk_usage(there).free / 1e9:,.1f} GB free"
    return ("ok", free) if os.access(there, os.W_OK) else ("wrong", f"{path} cannot be written to")
