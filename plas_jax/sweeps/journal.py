"""Where a sweep of one method writes down how far it has come, and shows it."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import jax
import numpy as np

from plas_jax.evaluation.returns import Act
from plas_jax.results.manifest import MethodRecord
from plas_jax.sweeps.interruption import Interruption
from plas_jax.sweeps.progress import Phase, Watch


class Journal(NamedTuple):
    """What the trainings and evaluations of one group share beside its runs."""

    record: MethodRecord  # of the method, in the manifest
    save: Callable[[], None]  # writes the manifest
    watch: Watch
    title: Callable[[str], str]  # makes of a phase's name the one that a user watches
    interruption: Interruption
    overlap: bool | None = None  # whether evaluations run beside training; None: where there is an accelerator

    def phase(self, name: str, total: float) -> Phase:
        """Return the phase of this name, as a user watches it."""
        return self.watch.phase(self.title(name), total)

    def watched(self, policy: Act, shown: Phase) -> Act:
        """Return a policy that shows each control step, and stops at one where a stop was asked for."""

        def act(observation: np.ndarray, step: int) -> np.ndarray:
            if jax.process_count() == 1:  # several stop together, which they cannot while each plays
                self.interruption.check()
            shown.show(step)
            return policy(observation, step)

        return act

    @contextmanager
    def timed(self, phase: str) -> Iterator[None]:
        """Add the wall seconds of what is done meanwhile to those of a phase of the record."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self.record.add_seconds(phase, time.perf_counter() - started)
