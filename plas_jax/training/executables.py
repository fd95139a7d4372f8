"""Counting and timing what JAX compiles, through its own monitoring events."""

import jax

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
