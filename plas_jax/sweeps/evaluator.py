"""The evaluations of one phase's runs: episodes in lock-step, each process those of its runs."""

import time
from types import TracebackType

import jax
import numpy as np

from plas_jax.evaluation.returns import Stage, episode_seeds
from plas_jax.sweeps.groups import Group, widest
from plas_jax.sweeps.journal import Journal
from plas_jax.sweeps.rows import Played
from plas_jax.training import phases
from plas_jax.training.acting import policy_of
from plas_jax.training.chunk import HEALTHY, Batch, Runs
from plas_jax.training.hosts import joined, on_host, own_runs

KEYS = {phases.FIRST_PHASE: phases.FIRST_EVALUATION, phases.LAST_PHASE: phases.LAST_EVALUATION}


class Evaluator:
    """The environments in which a phase's policies are played, kept between evaluations. Use as a context manager."""

    def __init__(self, group: Group, part: phases.Part, pairs: list[phases.Pair], journal: Journal):
        self.seconds = 0.0  # that the latest evaluation took
        self._group, self._part, self._pairs, self._journal = group, part, pairs, journal
        self._width = widest(group.datasets).observation.padded
        self._own = own_runs(part.mesh, len(part.cells))
        environments = [group.datasets[pairs[cell.pair].dataset].environment for cell in part.cells[self._own]]
        protocol = group.protocol
        self._stage = Stage(environments, protocol.episodes, protocol.horizon, group.dynamics)

    def __enter__(self) -> "Evaluator":
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stage.close()

    def play(self, batch: Batch, runs: Runs, update: int, name: str) -> Played:
        """Play the episodes of one evaluation under this name: every run's returns, on every process."""
        part, journal, stage = self._part, self._journal, self._stage
        shown = journal.phase(name, stage.horizon)
        _, keys = phases.phase_keys(self._pairs, KEYS[part.draws])
        ours, own_batch, own_runs_of_batch = phases.own(part, batch, runs)
        policy = policy_of(ours, own_batch, own_runs_of_batch, keys, update * self._group.horizon)

        def act(observation: np.ndarray, step: int) -> np.ndarray:
            if jax.process_count() == 1:  # several stop together, which they cannot while each plays
                journal.interruption.check()
            shown.show(step)
            return policy(observation, step)

        diverged = on_host(batch.diverged_at)[: len(part.cells)]
        episodes = self._group.protocol.episodes
        seeds = [episode_seeds(self._pairs[cell.pair].seed, update, episodes) for cell in ours.cells]
        started = time.perf_counter()
        with journal.timed("evaluate"):
            played = stage.play(act, seeds, diverged[self._own] == HEALTHY, self._width)
            returns = joined(part.mesh, len(part.cells), played)
        self.seconds = time.perf_counter() - started
        shown.show(stage.horizon, f"{returns.episode_length.sum() / self.seconds:,.0f} steps/s")
        return Played(returns, diverged, update)
