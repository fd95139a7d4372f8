"""Compiled programs: kept between processes by JAX's persistent cache, and counted where they are compiled anew."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import jax

from plas_jax.training.processor import instruction_set

SHORTEST = "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"  # JAX's own name
SECONDS = 0.5  # what takes less to compile is not worth a file, unless that variable says otherwise
COMPILED = "/jax/core/compile/backend_compile_duration"  # the event that tells of a compilation


def cache_folder() -> Path:
    """Return where to keep what can be made again: under $XDG_CACHE_HOME, which is ~/.cache if it is not set."""
    chosen = os.environ.get("XDG_CACHE_HOME", "")
    # A relative one is to be ignored, says the XDG base directory specification.
    return (Path(chosen) if Path(chosen).is_absolute() else Path.home() / ".cache") / "plas_jax"


def folder() -> Path:
    """Return $JAX_COMPILATION_CACHE_DIR or, by default, a folder of the user's cache for this kind of processor.

    A program for a processor's cores may use whatever instructions that one has, and a home may be shared by several.
    """
    chosen = os.environ.get("JAX_COMPILATION_CACHE_DIR")
    if chosen:
        return Path(chosen)
    return cache_folder() / "programs" / instruction_set()


def keep_programs() -> None:
    """Keep what is compiled from now on, and take what was; where nothing can be written, compile as ever."""
    kept = folder()
    try:
        kept.mkdir(parents=True, exist_ok=True)
    except OSError:
        return
    jax.config.update("jax_compilation_cache_dir", str(kept))
    jax.config.update(SHORTEST.lower(), float(os.environ.get(SHORTEST, SECONDS)))
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", 0)


@contextmanager
def keeping_everything() -> Iterator[None]:
    """Keep also what compiles quickly: for what every start of every command needs."""
    with _while(SHORTEST.lower(), 0.0):
        yield


@contextmanager
def under_its_names() -> Iterator[None]:
    """Take only what was kept of this very source: for what reads a program's names, of functions and of files.

    Without this, JAX takes what is computed alike, with the names and lines of whatever source was compiled first.
    """
    with _while("jax_compilation_cache_include_metadata_in_key", True):
        yield


@contextmanager
def _while(option: str, value: bool | float) -> Iterator[None]:
    before = getattr(jax.config, option)
    jax.config.update(option, value)
    try:
        yield
    finally:
        jax.config.update(option, before)


class Executables:
    """How many executables of a jitted function have been compiled since this was made, and in how many seconds."""

    def __init__(self, function: str):
        self.count, self.seconds = 0, 0.0
        self._name = f"jit({function})"
        jax.monitoring.register_event_duration_secs_listener(self._listen)

    def _listen(self, event: str, duration_secs: float, **facts: str | int) -> None:
        if event == COMPILED and facts.get("fun_name") == self._name:
            self.count += 1
            self.seconds += duration_secs
