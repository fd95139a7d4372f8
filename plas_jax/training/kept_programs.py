"""Compiled programs kept between processes, so that a second start does not compile again: JAX's persistent cache."""

import os
from pathlib import Path

import jax

from plas_jax.training.processor import instruction_set

SECONDS = 0.5  # what takes less to compile is not worth a file


def cache_folder() -> Path:
    """Where this project keeps what it can make again: under $XDG_CACHE_HOME, which is ~/.cache if it is not set."""
    chosen = os.environ.get("XDG_CACHE_HOME", "")
    # A relative one is to be ignored, says the XDG base directory specification.
    return (Path(chosen) if Path(chosen).is_absolute() else Path.home() / ".cache") / "plas_jax"


def folder() -> Path:
    """Where programs are kept: $JAX_COMPILATION_CACHE_DIR, or a folder of the user's cache for this kind of processor.

    A program for a processor's cores may use whatever instructions that one has, and a home may be shared by several.
    """
    asked = os.environ.get("JAX_COMPILATION_CACHE_DIR")
    if asked:
        return Path(asked)
    return cache_folder() / "programs" / instruction_set()


def keep_programs() -> None:
    """Keep what is compiled from now on, and take what was; where nothing can be written, compile as ever."""
    kept = folder()
    try:
        kept.mkdir(parents=True, exist_ok=True)
    except OSError:
        return
    jax.config.update("jax_compilation_cache_dir", str(kept))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", SECONDS)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", 0)


COMPILED = "/jax/core/compile/backend_compile_duration"


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
