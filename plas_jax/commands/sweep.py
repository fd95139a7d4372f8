"""A sweep from first weights to rows: both phases, their evaluations, checkpoints between chunks."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import chex
import jax
import numpy as np

from plas_jax.algorithms import behaviour
from plas_jax.algorithms.behaviour import BEHAVIOUR
from plas_jax.algorithms.draws import padded_normal
from plas_jax.algorithms.plas import PLAS
from plas_jax.algorithms.presets import latent_limit
from plas_jax.commands.interruption import Interruption
from plas_jax.commands.output_folder import OutputFolder
from plas_jax.commands.progress import Watch
from plas_jax.commands.sweep_data import SweepData
from plas_jax.commands.sweep_groups import Group
from plas_jax.datasets.catalogue import normalised_score
from plas_jax.evaluation.returns import Returns, Stage, episode_seeds
from plas_jax.evaluation.rows import Row, read_rows, write_rows
from plas_jax.training import sweep
from plas_jax.training.acting import act_runs
from plas_jax.training.checkpoints import Checkpoints
from plas_jax.training.chunk import HEALTHY, Batch, Runs
from plas_jax.training.executables import Executables
from plas_jax.training.layout import on_all, on_runs, run_mesh
from plas_jax.types import Algorithm, Array

CHECKPOINT_SECONDS = 120.0


class PriorKnobs(NamedTuple):
    """What the CVAE's own policy needs: where its latents come from, and σ."""

    key: chex.Array
    step: chex.Array
    latent_limit: chex.Array


def act_from_prior(state: behaviour.State, observation: Array, knobs: PriorKnobs) -> Array:
    """The CVAE's prior policy: latents from N(0, 1), clipped at ±σ."""
    noise = padded_normal(jax.random.fold_in(knobs.key, knobs.step), len(observation), state.sizes.latent)
    return behaviour.prior_action(state, observation, noise, knobs.latent_limit)


class Sweep:
    """One shape group of a sweep. `run` trains, evaluates and writes rows until it is done or interrupted."""

    def __init__(self, group: Group, data: SweepData, folder: OutputFolder, manifest: dict, watch: Watch):
        self.name, self.request = group.name, group.request
        request, self.preset = group.request, group.request.preset
        self.folder, self.manifest, self.watch = folder, manifest, watch
        names = [dataset.name for dataset in request.datasets]
        self.pairs = sweep.pairs(names, request.seeds)
        self.cells = sweep.cells(self.pairs, request.perturbation_limits)
        self.rows = data.rows
        self.sizes = sweep.stacked_sizes([data.sizes[pair.dataset] for pair in self.pairs])
        rows = read_rows(folder.rows) if folder.rows.exists() else []
        self.results = [row for row in rows if row.dataset in names]
        self.results_of_other_groups = [row for row in rows if row.dataset not in names]
        self.interruption = Interruption()
        self.evaluation_seconds = 0.0

    def run(self) -> None:
        """Both phases. Raises `Interrupted` once what was finished is on disk."""
        with self.interruption:
            self._train_policies(self._train_cvaes())
        self.manifest["groups"][self.name]["complete"] = True
        self._note()

    def _train_cvaes(self) -> Batch:
        mesh = run_mesh(len(self.pairs))
        batch, runs = sweep.behaviour_phase(self.preset, mesh, self.rows, self.sizes, self.pairs)
        checkpoints = Checkpoints(self.folder.checkpoints / self.name / "behaviour", keep=1)
        ends = (self.preset.behaviour_updates,)
        for _, trained in self._train("behaviour", BEHAVIOUR, mesh, batch, runs, checkpoints, ends):
            batch = trained
        checkpoints.close()
        if not any(row.algorithm == "cvae_prior" for row in self.results):
            self._evaluate_prior(mesh, batch)
        return batch

    def _train_policies(self, cvaes: Batch) -> None:
        mesh = run_mesh(len(self.cells))
        batch, runs = sweep.policy_phase(self.preset, mesh, self.rows, cvaes, self.pairs, self.cells)
        del cvaes  # each policy has its own copy by now; at the paper's widths these are half a gigabyte
        checkpoints = Checkpoints(self.folder.checkpoints / self.name / "policy", keep=1)
        stage = self._stage([self.pairs[cell.pair] for cell in self.cells])
        for update, trained in self._train("policy", PLAS, mesh, batch, runs, checkpoints, self.preset.evaluations):
            if not any(row.update == update and row.algorithm != "cvae_prior" for row in self.results):
                self._evaluate_policies(mesh, trained, runs, stage, update)
        checkpoints.close()

    def _train(
        self,
        phase: str,
        algorithm: Algorithm,
        mesh: Any,
        batch: Batch,
        runs: Runs,
        checkpoints: Checkpoints,
        ends: tuple[int, ...],
    ) -> Iterator[tuple[int, Batch]]:
        """Train to each of `ends` in turn and yield there, from the newest checkpoint if there is one."""
        update = checkpoints.latest() or 0
        if update:
            batch = checkpoints.restore(update, batch)
        self.results = [row for row in self.results if phase == "behaviour" or row.update <= update]
        executables = Executables("run_chunk")
        data = on_all(mesh, self.rows.transitions)
        with self._timed("compile"):
            batch = sweep.compile_only(algorithm, mesh, batch, runs, data)
        name, count = ("train CVAEs", len(self.pairs)) if phase == "behaviour" else ("train policies", len(self.cells))
        shown = self.watch.phase(self._titled(name), ends[-1])
        saved = time.monotonic()
        for end in ends:
            for chunk in sweep.train(algorithm, mesh, batch, runs, data, update, end):
                batch, update = chunk.batch, chunk.update
                self._spent("train", chunk.seconds)
                self._show(shown, chunk, count, ends)
                if update == end or self.interruption.requested or time.monotonic() - saved > CHECKPOINT_SECONDS:
                    checkpoints.save(update, batch)
                    saved = time.monotonic()
                self.interruption.check()
            if end >= update:
                yield end, batch
        groups = self.manifest["groups"]
        groups[self.name]["executables"][phase] = executables.count
        self.manifest["executables"][phase] = sum(group["executables"].get(phase, 0) for group in groups.values())
        self._note()

    def _titled(self, phase: str) -> str:
        """A phase's name, with the group's where there are several."""
        return phase if len(self.manifest["groups"]) == 1 else f"{phase} ({self.name})"

    def _show(self, shown: Any, chunk: sweep.Chunk, runs: int, ends: tuple[int, ...]) -> None:
        rate = chunk.updates / chunk.seconds
        to_come = sum(end > chunk.update for end in ends) if len(ends) > 1 else 0
        left = (ends[-1] - chunk.update) / rate + to_come * self.evaluation_seconds
        facts = f"{runs * rate:,.0f} run-updates/s" + self._score_so_far()
        diverged = int((np.asarray(chunk.batch.diverged_at)[:runs] != HEALTHY).sum())
        shown.show(chunk.update, facts + (f", {diverged} diverged" if diverged else ""), left)

    def _score_so_far(self) -> str:
        last = max((row.update for row in self.results), default=0)
        scores = [row.score for row in self.results if row.update == last and np.isfinite(row.score)]
        return f", mean score {np.mean(scores):.1f}" if scores else ""

    def _stage(self, of: list[sweep.Pair]) -> Stage:
        environments = [self.request.datasets[pair.dataset].environment for pair in of]
        return Stage(environments, self.preset.episodes, self.preset.horizon, self.request.dynamics)

    def _evaluate_prior(self, mesh: Any, cvaes: Batch) -> None:
        _, keys = sweep.phase_keys(self.pairs, sweep.PRIOR_EVALUATION)
        limits = np.array([latent_limit(self.preset, pair.name) for pair in self.pairs], np.float32)
        knobs = on_runs(mesh, PriorKnobs(keys, np.zeros(len(limits), np.int32), limits))

        def act(observation: np.ndarray, step: int) -> np.ndarray:
            now = knobs._replace(step=np.full(len(knobs.latent_limit), step, np.int32))
            return act_runs(act_from_prior, mesh, cvaes.state, observation, now)

        cells = [sweep.Cell(place, 0.0) for place in range(len(self.pairs))]
        played = self._play("evaluate CVAE priors", act, self._stage(self.pairs), cells, cvaes, 0)
        # The policies' first evaluation takes about as much longer as there are more of them.
        self.evaluation_seconds *= len(self.cells) / len(self.pairs)
        self._record(played, cells, cvaes, 0, "cvae_prior")

    def _evaluate_policies(self, mesh: Any, batch: Batch, runs: Runs, stage: Stage, update: int) -> None:
        def act(observation: np.ndarray, step: int) -> np.ndarray:
            return act_runs(PLAS.act, mesh, batch.state, observation, None, runs.knobs)

        played = self._play(f"evaluate at {update:,}", act, stage, self.cells, batch, update)
        self._record(played, self.cells, batch, update, None)

    def _play(self, name: str, act: Any, stage: Stage, cells: list[sweep.Cell], batch: Batch, update: int) -> Returns:
        shown = self.watch.phase(self._titled(name), stage.horizon)
        active = np.asarray(batch.diverged_at)[: len(cells)] == HEALTHY
        seeds = [episode_seeds(self.pairs[cell.pair].seed, update, self.preset.episodes) for cell in cells]

        def watched(observation: np.ndarray, step: int) -> np.ndarray:
            self.interruption.check()
            shown.show(step)
            return act(observation, step)

        started = time.perf_counter()
        with self._timed("evaluate"):
            played = stage.play(watched, seeds, active, self.sizes.observation.padded)
        self.evaluation_seconds = time.perf_counter() - started
        shown.show(stage.horizon, f"{played.episode_length.sum() / self.evaluation_seconds:,.0f} steps/s")
        return played

    def _record(
        self, played: Returns, cells: list[sweep.Cell], batch: Batch, update: int, algorithm: str | None
    ) -> None:
        diverged = np.asarray(batch.diverged_at)
        for place, cell in enumerate(cells):
            pair = self.pairs[cell.pair]
            environment = self.request.datasets[pair.dataset].environment
            scores = normalised_score(environment, played.episode_return[place])
            for episode in range(self.preset.episodes):
                self.results.append(
                    Row(
                        dataset=pair.name,
                        algorithm=algorithm or ("plas" if cell.perturbation_limit == 0 else "plas+p"),
                        seed=pair.seed,
                        perturbation_limit=cell.perturbation_limit,
                        latent_limit=latent_limit(self.preset, pair.name),
                        clip_weight=float(self.preset.knobs.clip_weight),
                        dynamics="own" if environment.specification else self.request.dynamics,
                        update=update,
                        episode=episode,
                        episode_length=int(played.episode_length[place, episode]),
                        episode_return=float(played.episode_return[place, episode]),
                        score=float(scores[episode]),
                        diverged_at=None if diverged[place] == HEALTHY else int(diverged[place]),
                    )
                )
        write_rows(self.folder.rows, self.results_of_other_groups + self.results)
        self._note()

    @contextmanager
    def _timed(self, what: str) -> Iterator[None]:
        started = time.perf_counter()
        try:
            yield
        finally:
            self._spent(what, time.perf_counter() - started)

    def _spent(self, what: str, seconds: float) -> None:
        wall = self.manifest["wall_seconds"]
        wall[what] = round(wall.get(what, 0.0) + seconds, 2)

    def _note(self) -> None:
        self.folder.write_manifest(self.manifest)
