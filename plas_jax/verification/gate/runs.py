"""The runs of a gate: the sweep that users run, in a folder that is thrown away, and every measure of its runs."""

import tempfile
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import product
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

from plas_jax.datasets.catalogue import Dataset, normalised_score
from plas_jax.evaluation.probe_rows import one_by_one, probe_rows
from plas_jax.evaluation.returns import Act, Stage, episode_seeds
from plas_jax.methods.method import BEHAVIOUR
from plas_jax.results.folder import OutputFolder
from plas_jax.sweeps.data import SweepData
from plas_jax.sweeps.groups import Group
from plas_jax.sweeps.interruption import Interruption
from plas_jax.sweeps.journal import Journal
from plas_jax.sweeps.manifest import method_record
from plas_jax.sweeps.progress import Watch
from plas_jax.sweeps.rows import label, setting
from plas_jax.sweeps.sweep import Sweep
from plas_jax.training import phases
from plas_jax.training.acting import policy_of
from plas_jax.training.chunk import HEALTHY, Batch, Runs
from plas_jax.types import Array, Parameters
from plas_jax.verification.gate.data_measures import data_measures, minibatch_measures, reward_weights, rows_of_dataset
from plas_jax.verification.gate.draws import draw_measures
from plas_jax.verification.gate.gradients import gradient_measures
from plas_jax.verification.gate.movement import Place
from plas_jax.verification.gate.run_measures import DISCOUNT, Trained, critics_of, policy_action, run_measures
from plas_jax.verification.gate.visits import Visit, replay_visit, visit

DATA = "data"  # in the place of a method: what every method is fed
VISIT_STEPS, COMPARED_STEPS = 300, 20
SeedValues = dict[Place, dict[int, float]]  # of every measure, by seed


def gate_values(group: Group, data: SweepData, watch: Watch) -> SeedValues:
    """Train and evaluate a group and measure every run. Raises `Interrupted` as `Sweep.run` does."""
    with tempfile.TemporaryDirectory() as folder:
        return _Gate(group, data, OutputFolder(Path(folder)), watch).values()


def values_of_data(data: SweepData, datasets: Sequence[Dataset], seeds: Sequence[int]) -> SeedValues:
    """Return the measures of the data sets, as a whole and as each seed draws minibatches."""
    values: SeedValues = {}
    for place, dataset in enumerate(datasets):
        whole = rows_of_dataset(data.rows, place)
        weights = reward_weights(whole)
        # Other references move scores, which may rise, and no return.
        measures = data_measures(whole, weights) | {
            "score_of_1000": float(normalised_score(dataset.environment, 1000.0))
        }
        for seed in seeds:
            drawn = minibatch_measures(data.rows, place, phases.run_key(seed, dataset.name), weights)
            for measure, value in (measures | drawn).items():
                values.setdefault(Place(dataset.name, DATA, measure), {})[seed] = value
    return values


class _Gate:
    """One group's sweep, and the values of its runs as they come."""

    def __init__(self, group: Group, data: SweepData, folder: OutputFolder, watch: Watch):
        self.group, self.data, self.watch, self.measured = group, data, watch, SeedValues()
        self.cvae: Parameters = None
        self.folder, self.title = folder, partial("{}: {}".format, group.method.name)
        record = method_record([group], [dataset.name for dataset in group.datasets])
        journal = Journal(record, lambda: None, watch, self.title, Interruption())
        self.sweep = Sweep(group, data, folder, journal, (self._finished,))

    def values(self) -> SeedValues:
        """Train, evaluate, measure; return every measure of every run."""
        self.sweep.run()
        rows = self.folder.read_rows()
        self._keep_metrics()
        last = max(row.update for row in rows)
        for row in (row for row in rows if row.update == last):
            dataset = next(each for each in self.group.datasets if each.name == row.dataset)
            apart = abs(row.score - float(normalised_score(dataset.environment, row.episode_return)))
            name = _name(row.algorithm, row.knobs)
            measures = {"score": row.score, "episode_return": row.episode_return, "episode_length": row.episode_length}
            for measure, value in (measures | {"score_apart": apart}).items():
                by_seed = self.measured.setdefault(Place(row.dataset, name, measure), {})
                # Every run has the same number of episodes: their mean is a sum of shares.
                by_seed[row.seed] = by_seed.get(row.seed, 0.0) + value / self.group.protocol.episodes
        return self.measured

    def _keep_metrics(self) -> None:
        """Keep what `update` returned in the last tenth of each phase: its mean, since a row is of one minibatch."""
        rows = self.folder.read_metrics()
        ends = {phase: max(row.update for row in rows if row.phase == phase) for phase in {row.phase for row in rows}}
        everyone = {place.algorithm for place in self.measured}  # who shares what a first phase trained
        values: dict[tuple[Place, int], list[float]] = {}
        for row in (row for row in rows if row.update > 0.9 * ends[row.phase]):
            trained = everyone if row.phase == BEHAVIOUR else {_name(row.algorithm, row.knobs)}
            for algorithm, (name, text) in product(trained, row.metrics.items()):
                place = Place(row.dataset, algorithm, f"{row.phase}.{name}")
                values.setdefault((place, int(row.seed)), []).append(float(text))
        for (place, seed), column in values.items():
            # Not NumPy's mean, which warns where inf and -inf make NaN.
            self.measured.setdefault(place, {})[seed] = sum(column) / len(column)

    def _finished(self, part: phases.Part, batch: Batch, runs: Runs) -> None:
        method, count = self.group.method, len(part.cells)
        if part.draws == phases.FIRST_PHASE and method.first is not None:
            inherited = method.inherit(batch.state) if method.inherit else None
            if hasattr(batch.state, "cvae"):
                self.cvae = jax.tree.map(lambda leaf: np.asarray(leaf)[: len(self.sweep.pairs)], inherited)
            return
        pair_of = np.array([cell.pair for cell in part.cells])
        # All on one device: a chunk's layout has runs that are there twice.
        state, knobs = jax.tree.map(lambda leaf: np.asarray(leaf)[:count], (batch.state, runs.knobs))
        _, keys = phases.phase_keys(self.sweep.pairs, phases.LAST_EVALUATION)
        before = jax.tree.map(lambda leaf: leaf[pair_of], self.cvae)
        trained = Trained(state, knobs, keys[pair_of], before)
        probes = probe_rows(self.data.rows)
        dataset_of = [self.sweep.pairs[pair].dataset for pair in pair_of]
        algorithm = part.phase.algorithm
        probes_of_runs = jax.tree.map(lambda leaf: leaf[dataset_of], probes)
        for measures in (run_measures, gradient_measures):
            measure = one_by_one(lambda run, measures=measures: measures(algorithm, *run))
            self._keep(part, measure((trained, probes_of_runs)))
        self._keep(part, draw_measures(part, batch, runs, self.data.rows, self.sweep.pairs))
        diverged = np.asarray(batch.diverged_at)[:count] != HEALTHY
        self._keep(part, {"diverged": diverged})
        self._keep(part, self._visited(part, trained, policy_of(part, batch, runs, keys, 0), ~diverged))

    def _visited(self, part: phases.Part, trained: Trained, act: Act, active: np.ndarray) -> Mapping[str, ArrayLike]:
        """Return the measures of a few more episodes of every run."""
        group, pairs = self.group, [self.sweep.pairs[cell.pair] for cell in part.cells]
        environments = [group.datasets[pair.dataset].environment for pair in pairs]
        steps = min(VISIT_STEPS, group.protocol.horizon or VISIT_STEPS)
        # As many episodes as an evaluation has, so that acting is not compiled again.
        episodes = group.protocol.episodes
        seeds = [episode_seeds(pair.seed, 0, episodes) for pair in pairs]
        stage = Stage(environments, episodes, steps, group.dynamics)
        shown = self.watch.phase(self.title("visit"), steps)
        visited = visit(stage, act, seeds, active, self.sweep.sizes.observation.padded)
        stage.close()
        again = replay_visit(visited, environments, seeds, group.dynamics, DISCOUNT)
        shown.show(steps)
        apart, first_q = _visit_measures(part, trained, visited)
        return {
            "return_apart": np.abs(visited.returns.episode_return - again.episode_return).mean(axis=1),
            "action_apart": apart,
            "q_minus_return": first_q - again.discounted_return.mean(axis=1),
        }

    def _keep(self, part: phases.Part, measures: Mapping[str, ArrayLike]) -> None:
        for measure, values in measures.items():
            for place, value in enumerate(np.asarray(values, np.float64)):
                cell = part.cells[place]
                pair = self.sweep.pairs[cell.pair]
                name = _name(label(self.group.method, part.knobs[place]), setting(cell))
                self.measured.setdefault(Place(pair.name, name, measure), {})[pair.seed] = float(value)


def _name(algorithm: str, knobs: str) -> str:
    return f"{algorithm} {knobs}".strip()


def _visit_measures(part: phases.Part, trained: Trained, visited: Visit) -> tuple[Array, Array]:
    """Return how far the actions are from `Algorithm.act`'s, and Q of the first of them, `[runs]` each."""
    moments = np.linspace(0, len(visited.observation) - 1, COMPARED_STEPS).astype(int)

    def one_run(run: tuple[Trained, Array, Array]) -> tuple[Array, Array]:
        trained, observation, action = run
        answer = policy_action(part.phase.algorithm, trained, observation)
        apart = trained.state.sizes.action.mean(abs(answer - action)).mean()
        critics = critics_of(trained.state)
        if critics is None:
            return apart, jnp.array(jnp.nan)
        return apart, critics.values(observation[:starts], action[:starts]).mean()

    starts = visited.observation.shape[2]  # the first moment of each episode
    seen, done = (
        np.moveaxis(array[moments], 0, 1).reshape(array.shape[1], -1, array.shape[-1])
        for array in (visited.observation, visited.action)
    )
    return one_by_one(one_run)((trained, seen, done))
