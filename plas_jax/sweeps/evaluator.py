"""The evaluations of one phase's runs, at once or beside training: episodes in lock-step, each process its runs'.

Beside training a thread plays copies of the policies on the host's cores, and training waits once two evaluations are
behind. Whatever meets other processes or is written down happens in the thread that trains.
"""

import threading
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cached_property, partial
from types import TracebackType
from typing import NamedTuple

import jax
import numpy as np

from plas_jax.evaluation.policy import acting_leaves, leaves_by_path
from plas_jax.evaluation.returns import Act, Returns, Stage, episode_seeds
from plas_jax.sweeps.groups import Group, widest
from plas_jax.sweeps.interruption import Interrupted
from plas_jax.sweeps.journal import Journal
from plas_jax.sweeps.progress import Phase
from plas_jax.sweeps.rows import Played
from plas_jax.training import phases
from plas_jax.training.acting import policy_of
from plas_jax.training.chunk import HEALTHY, Batch, Runs
from plas_jax.training.compiler_options import is_cpu
from plas_jax.training.hosts import joined, largest, on_host, own_runs
from plas_jax.training.layout import host_mesh, on_runs
from plas_jax.types import Array

KEYS = {phases.FIRST_PHASE: phases.FIRST_EVALUATION, phases.LAST_PHASE: phases.LAST_EVALUATION}
MOST_BEHIND = 2  # each has a copy of every policy, and of a killed sweep they are played again


class _Begun(NamedTuple):
    """One evaluation that has begun."""

    future: Future[tuple[Returns, float]]  # of this process's runs, and the seconds that they took
    diverged_at: np.ndarray  # `[runs]`, as it was when the evaluation began
    update: int
    shown: Phase


class Evaluator:
    """The environments in which a phase's policies are played, kept between evaluations. Use as a context manager.

    What leaves it early ends what is being played at its next control step.
    """

    def __init__(self, group: Group, part: phases.Part, pairs: list[phases.Pair], journal: Journal):
        self.seconds = 0.0  # that the latest evaluation took
        self._group, self._part, self._pairs, self._journal = group, part, pairs, journal
        self._width = widest(group.datasets).observation.padded
        self._own = own_runs(part.mesh, len(part.cells))
        environments = [group.datasets[pairs[cell.pair].dataset].environment for cell in part.cells[self._own]]
        protocol = group.protocol
        self._stage = Stage(environments, protocol.episodes, protocol.horizon, group.dynamics)
        self._begun, self._left = deque[_Begun](), threading.Event()
        self._copied: dict[str, Array] = {}
        is_device = not is_cpu(part.mesh)
        self.is_beside = is_device if journal.overlap is None else journal.overlap
        # Returns of a device's products are not those of the host's: an accelerator's policies are copied either way.
        self._copies = self.is_beside or is_device
        self._thread = ThreadPoolExecutor(1, "evaluation") if self.is_beside else None

    def __enter__(self) -> "Evaluator":
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._left.set()
        if self._thread is not None:
            self._thread.shutdown(cancel_futures=True)
        self._stage.close()

    def oldest(self) -> int | None:
        """Return the update of the oldest evaluation that `played` has not yielded yet; None where there is none."""
        return self._begun[0].update if self._begun else None

    def begin(self, batch: Batch, runs: Runs, update: int, name: str) -> None:
        """Play the episodes of one evaluation under this name, or begin to: the batch may be donated afterwards."""
        shown = self._journal.phase(name, self._stage.horizon)
        diverged_at = on_host(batch.diverged_at)[: len(self._part.cells)]
        _, keys = phases.phase_keys(self._pairs, KEYS[self._part.draws])
        ours = phases.own(self._part, batch, runs)
        part, own_batch, own_runs_of_batch = self._copy(*ours) if self._copies else ours
        policy = policy_of(part, own_batch, own_runs_of_batch, keys, update * self._group.horizon)
        play = partial(self._play, policy, update, diverged_at[self._own] == HEALTHY, shown)
        if self._thread is not None:
            future = self._thread.submit(play)
        else:
            future = Future()
            future.set_result(play())
        self._begun.append(_Begun(future, diverged_at, update, shown))

    def played(self, behind: int) -> Iterator[Played]:
        """Yield every evaluation that is over, in order; wait until no more than `behind` are not.

        On every process: every run's returns. Raises `Interrupted` where one was cut short.
        """
        while self._begun:
            begun = self._begun[0]
            if len(self._begun) <= behind and largest(not begun.future.done()):
                return
            returns, self.seconds = begun.future.result()
            self._journal.record.add_seconds("evaluate", self.seconds)
            returns = joined(self._part.mesh, len(self._part.cells), returns)
            begun.shown.show(self._stage.horizon, f"{returns.episode_length.sum() / self.seconds:,.0f} steps/s")
            self._begun.popleft()
            yield Played(returns, begun.diverged_at, begun.update)

    def _copy(self, part: phases.Part, batch: Batch, runs: Runs) -> tuple[phases.Part, Batch, Runs]:
        """Return what acting needs of these runs on the host's cores; what acting does not read is copied only once."""
        mesh = part.mesh if is_cpu(part.mesh) else host_mesh(len(part.cells))
        leaves, count = leaves_by_path(batch.state), max(1, len(part.cells))
        kept = {name: leaf for name, leaf in leaves.items() if not self._copied or name in self._read}
        # Other devices may have other padding: what says how many slots there are comes along.
        told = kept, runs.start, runs.knobs
        copied, start, knobs = on_runs(mesh, jax.tree.map(lambda leaf: np.array(leaf)[:count], told))
        self._copied |= copied
        state = jax.tree.unflatten(jax.tree.structure(batch.state), [self._copied[name] for name in leaves])
        return part._replace(mesh=mesh), batch._replace(state=state), runs._replace(start=start, knobs=knobs)

    @cached_property
    def _read(self) -> set[str]:
        """Return the paths of the leaves that acting reads: of a first phase none again, for its runs are trained."""
        is_trained = self._part.draws == phases.FIRST_PHASE
        return set() if is_trained else set(acting_leaves(self._group.method, widest(self._group.datasets)))

    def _play(self, policy: Act, update: int, active: np.ndarray, shown: Phase) -> tuple[Returns, float]:
        """Play this process's runs; return what they gave, and the seconds."""
        watched = self._journal.watched(policy, shown)

        def act(observation: np.ndarray, step: int) -> np.ndarray:
            if self._left.is_set():
                raise Interrupted
            return watched(observation, step)

        episodes, started = self._group.protocol.episodes, time.perf_counter()
        cells = self._part.cells[self._own]
        seeds = [episode_seeds(self._pairs[cell.pair].seed, update, episodes) for cell in cells]
        played = self._stage.play(act, seeds, active, self._width)
        return played, time.perf_counter() - started
