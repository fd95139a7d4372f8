"""Every test sees the machine as the sweep does: one device for each core."""

import gc
import os
import shutil
import signal
import subprocess
from pathlib import Path

import jax
import pytest
from hypothesis import settings

from plas_jax.training import kept_programs
from plas_jax.training.layout import use_every_core
from plas_jax.training.soundness import refuse_unsound_machine

# Before any test touches JAX; two at least, so that batches are split between devices on every machine.
use_every_core(max(2, os.cpu_count() or 1))

# The same few examples of every property each time; `make test-all` asks for many others: --hypothesis-profile=full.
settings.register_profile("few", max_examples=25, derandomize=True, deadline=None)
settings.register_profile("full", max_examples=200, deadline=None)
settings.load_profile("few")

# A shell starts what runs in its background with Ctrl-C ignored, and the commands that tests stop would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Tests, the commands that they call and tomorrow's tests share what they compile, in a folder of their own.
PROGRAMS = Path(__file__).parents[1] / ".pytest_cache" / "programs"
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(PROGRAMS / kept_programs.folder().name))
os.environ.setdefault(kept_programs.SHORTEST, "0")  # a suite is thousands of small programs, most of them in many files
kept_programs.keep_programs()


def pytest_sessionstart(session):
    """Where the machine computes wrongly, no test is worth running. Of several processes the first asks."""
    if not hasattr(session.config, "workerinput"):
        try:
            refuse_unsound_machine()
        except ValueError as error:
            pytest.exit(f"error: {error}", returncode=2)


def pytest_collection_finish():
    """Leave what is imported out of every later garbage collection, which takes a twentieth of the time otherwise."""
    gc.freeze()


@pytest.fixture(scope="module", autouse=True)
def _forgotten_programs():
    """Free what a file has compiled behind it: a suite of programs is gigabytes, in as many maps as Linux allows."""
    yield
    jax.clear_caches()


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A folder for the data that the sweeps of a module make once and share."""
    return tmp_path_factory.mktemp("data")


@pytest.fixture
def small_disk(tmp_path):
    """A file system of a few kilobytes, and what mounts it again with as many as it is told."""
    if os.geteuid() != 0 or not shutil.which("mount"):
        pytest.skip("only root can mount a file system")
    disk = tmp_path / "disk"
    disk.mkdir()

    def mount(kilobytes, *options):
        words = ["mount", "-t", "tmpfs", "-o", ",".join([*options, f"size={kilobytes}k"]), "tmpfs", disk]
        return subprocess.run(words, check=False).returncode == 0

    if not mount(64):
        pytest.skip("no file system can be mounted here")
    yield disk, mount
    subprocess.run(["umount", "--lazy", disk], check=True)
