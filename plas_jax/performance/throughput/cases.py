"""What the throughput benchmark trains: any method's last phase, at any widths, on random data of Walker2d's sizes."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh

from plas_jax.algorithms import behaviour, plas
from plas_jax.datasets.minibatch import Rows
from plas_jax.datasets.statistics import statistics
from plas_jax.methods.method import Method, Phase, with_fields
from plas_jax.methods.presets import PAPER
from plas_jax.methods.published import METHODS
from plas_jax.methods.scales import SCORE_PRESETS, Scale, scaled
from plas_jax.performance.throughput import operations
from plas_jax.training import phases
from plas_jax.training.acting import policy_of
from plas_jax.training.chunk import Batch, Runs
from plas_jax.training.layout import data_on, on_runs, run_mesh
from plas_jax.types import Algorithm, Array, Sizes, Transition

OBSERVATION, ACTION, ROWS = 17, 6, 100_000
DATASET = "walker2d-medium"  # whose constants a method takes that has them by data set
# PLAS+P's for every method that perturbs, which BCQ's own Φ is too. One ε, not a grid: a knob does not change speed.
PERTURBATION_LIMIT = 0.05
# The CVAE's training, which is PLAS's first phase.
_BEHAVIOUR = Method(
    "behaviour",
    Phase(behaviour.BEHAVIOUR, PAPER.behaviour_architecture(), PAPER.behaviour_knobs, PAPER.behaviour_updates),
)
ALGORITHMS = {method.name: method for method in (_BEHAVIOUR, *METHODS.values())}
NAMED_WIDTHS = ("paper", "laptop")
OPERATIONS: dict[Algorithm, Callable[..., int]] = {
    behaviour.BEHAVIOUR: operations.behaviour_operations,
    plas.PLAS: operations.plas_operations,
}
OURS = "plas_jax"


class Case(NamedTuple):
    """What one process measures: an algorithm or a matrix product, on the cores divided into so many devices."""

    algorithm: str  # of ALGORITHMS, or the product
    widths: str  # of NAMED_WIDTHS, or a number
    runs: int
    devices: int  # of a peer, threads
    library: str = OURS  # whose implementation


def method_of(algorithm: str, widths: str) -> Method:
    """Return the method with this name, as published, at a preset's size or with every layer as wide as `widths` says.

    A number leaves batch sizes and sampled counts as published. Raises `KeyError` for a name that is none.
    """
    published = ALGORITHMS[algorithm].for_dataset(DATASET)
    if widths.isdecimal():
        method = published.changed(lambda phase: _as_wide(phase, int(widths)))
    else:
        method = SCORE_PRESETS[widths].method(published)
    knobs = with_fields(method.phase.knobs, {"perturbation_limit": PERTURBATION_LIMIT})
    return method._replace(phase=method.phase._replace(knobs=knobs), grid=())


def _as_wide(phase: Phase, width: int) -> Phase:
    batch_size = phase.architecture._asdict()["batch_size"]
    return scaled(phase, Scale(width, width, batch_size, phase.updates, lowest_learning_rate=0.0, lowest_polyak=0.0))


def operations_per_update(case: Case) -> int | None:
    """Return the least floating-point operations of one update of one run; None where nobody has counted them."""
    phase = method_of(case.algorithm, case.widths).phase
    count = OPERATIONS.get(phase.algorithm)
    return None if count is None else count(phase.architecture, OBSERVATION, ACTION, 2 * ACTION)


def random_rows(next_actions: bool) -> Rows:
    """Return one data set of standard normal observations and rewards and uniform actions, with next actions if asked.

    A row's next observation is the following row's observation, so that the rows can also be taken as episodes.
    """
    generator = np.random.default_rng(0)
    stream = generator.standard_normal((ROWS + 1, OBSERVATION), np.float32)
    observation, next_observation = stream[:-1], stream[1:]
    action, next_action = generator.uniform(-1, 1, (2, ROWS, ACTION)).astype(np.float32)
    reward = generator.standard_normal(ROWS, np.float32)
    transitions = Transition(observation, action, reward, next_observation, np.ones(ROWS, np.float32))
    if next_actions:
        transitions = transitions._replace(next_action=next_action)
    return Rows(transitions, np.zeros(1, np.int32), np.full(1, ROWS, np.int32))


def first_batch(case: Case, mesh: Mesh) -> tuple[Batch, Runs, Transition]:
    """Return the runs before their first update and their data, laid out as a sweep lays them out.

    Every run starts from the first weights of one, around an untrained network of the first phase where there is one:
    speed does not depend on them. Each has a key of its own, so that no two draw the same rows.
    """
    method = method_of(case.algorithm, case.widths)
    rows, pairs = random_rows(method.uses_next_actions), [phases.Pair(0, DATASET, seed=0)]
    sizes, untrained = phases.stacked_sizes([Sizes.of(OBSERVATION, ACTION)]), None
    if method.first is not None:
        untrained = phases.first_batch(phases.part_of(method, phases.FIRST_PHASE, pairs), rows, pairs, (sizes,))[
            0
        ].state
    # As if every transition were an episode.
    known = statistics(rows.transitions, rows.transitions.reward)
    inputs = method.inputs(sizes, untrained, jax.tree.map(lambda leaf: np.asarray(leaf)[None], known))
    batch, run = phases.first_batch(phases.part_of(method, phases.LAST_PHASE, pairs), rows, pairs, inputs)

    def repeated(leaf: Array) -> np.ndarray:
        return np.broadcast_to(leaf, (case.runs, *leaf.shape[1:]))

    keys = jax.random.split(run.key[0], case.runs)
    runs = Runs(keys, *jax.tree.map(repeated, tuple(run[1:])))
    return *on_runs(mesh, (jax.tree.map(repeated, batch), runs)), data_on(mesh, rows, np.zeros(case.runs, int))


def acting_batch(case: Case) -> Callable[[np.ndarray, int], np.ndarray]:
    """Return what an evaluation calls at each control step for the runs of `first_batch`: `act(observation, step)`."""
    pairs = [phases.Pair(0, DATASET, seed=0)]
    part = phases.part_of(method_of(case.algorithm, case.widths), phases.LAST_PHASE, pairs)
    part = part._replace(cells=part.cells * case.runs, mesh=run_mesh(case.runs))
    batch, runs, _ = first_batch(case, part.mesh)
    _, keys = phases.phase_keys(pairs, phases.LAST_EVALUATION)
    return policy_of(part, batch, runs, keys, first_moment=0)
