"""Batches of runs through the real chunk: padded equals unpadded, batched equals looped, divergence is contained.

Programs of different shapes add up in different orders, and training makes rounding errors grow, so their results are
compared in float64 (test_padded_updates.py says more). What one program does twice is compared in float32, bit by bit.
"""

from functools import cache, partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from padding import assert_padding_is_untouched, relative_errors, worst
from small_runs import computing_in, in_float64, in_precision, quickly_compiled

from plas_jax.algorithms import behaviour, plas
from plas_jax.algorithms.behaviour import BEHAVIOUR
from plas_jax.algorithms.plas import PLAS
from plas_jax.datasets.minibatch import concatenate, minibatch
from plas_jax.training import chunk
from plas_jax.training.balance import run_balanced
from plas_jax.training.chunk import HEALTHY, Batch, Runs, Span, is_divergent
from plas_jax.training.kept_programs import Executables
from plas_jax.training.layout import data_on, on_runs, run_mesh
from plas_jax.training.phases import stacked_sizes
from plas_jax.types import Sizes, Transition

UPDATES, TOLERANCE = 50, 1e-12
WIDE, SMALL = (17, 6), (11, 3)  # observations and actions
BATCH = 32


def random_rows(dimensions, rows, seed):
    generator = np.random.default_rng(seed)
    observation, action = dimensions
    columns = (
        generator.normal(size=(rows, observation)),
        np.tanh(generator.normal(size=(rows, action))),
        generator.normal(size=rows),
        generator.normal(size=(rows, observation)),
        generator.random(rows) > 0.1,
    )
    return Transition(*(column.astype(np.float32) for column in columns))


ROOM = 1000  # rows
DATASETS = [random_rows(WIDE, 300, 0), random_rows(SMALL, 200, 1)]
ROWS = concatenate(DATASETS, ROOM, *WIDE)
OF_WIDE, OF_SMALL = 0, 1


class Run(NamedTuple):
    """One run: its data set and its knobs; its keys are made of its place."""

    dataset: int
    knobs: object


class Case(NamedTuple):
    """An algorithm with its runs; `init` takes a key and sizes."""

    algorithm: object
    init: object
    runs: tuple


BEHAVIOUR_ARCHITECTURE = behaviour.Architecture(32, BATCH)
POLICY_ARCHITECTURE = plas.Architecture((32, 32), (32, 32), 32, BATCH)
# ε, σ, λ, γ, τ and two learning rates
PLAIN = plas.Knobs(0.0, 2.0, 1.0, 0.99, 0.005, 1e-4, 1e-3)


def init_policy(key, sizes):
    """A policy around the CVAE that the ordinary initialiser makes."""
    key_cvae, key_policy = jax.random.split(key)
    cvae = behaviour.init(key_cvae, BEHAVIOUR_ARCHITECTURE, sizes).cvae.parameters
    return plas.init(key_policy, POLICY_ARCHITECTURE, sizes, cvae)


CASES = {
    "behaviour": Case(
        BEHAVIOUR,
        lambda key, sizes: behaviour.init(key, BEHAVIOUR_ARCHITECTURE, sizes),
        (
            Run(OF_SMALL, behaviour.Knobs(1e-4)),
            Run(OF_WIDE, behaviour.Knobs(1e-3)),
            Run(OF_SMALL, behaviour.Knobs(1e-3)),
        ),
    ),
    "plas": Case(
        PLAS,
        init_policy,
        (
            Run(OF_SMALL, PLAIN),
            Run(OF_WIDE, PLAIN._replace(perturbation_limit=0.5)),
            Run(OF_SMALL, PLAIN._replace(perturbation_limit=0.05, latent_limit=0.5, clip_weight=0.75)),
            Run(OF_WIDE, PLAIN._replace(clip_weight=0.0, discount=0.9, polyak=0.1)),
            Run(OF_SMALL, PLAIN._replace(perturbation_limit=0.5, policy_learning_rate=1e-3)),
        ),
    ),
}
each_case = pytest.mark.parametrize("name", CASES)


def true_sizes(run):
    return Sizes.of(*(WIDE if run.dataset == OF_WIDE else SMALL))


def keys(case, offset=0):
    """For each run the key of its first weights and that of its updates."""
    pairs = [jax.random.split(jax.random.key(100 * place + offset)) for place in range(len(case.runs))]
    return jnp.stack([pair[0] for pair in pairs]), jnp.stack([pair[1] for pair in pairs])


@cache
def first_states(name, dtype=np.float32):
    """The states of all runs by the vmapped initialiser, padded."""
    case = CASES[name]
    with computing_in(dtype):
        sizes = stacked_sizes([true_sizes(run) for run in case.runs])
        return in_precision(quickly_compiled(jax.vmap(case.init))(keys(case)[0], sizes), dtype)


def batch_and_runs(name, places=None, knobs=None, offset=0, dtype=np.float32):
    """The chunk's arguments for the runs at `places`, all of them unless told."""
    case = CASES[name]
    places = np.arange(len(case.runs)) if places is None else np.asarray(places)
    knobs = [run.knobs for run in case.runs] if knobs is None else knobs
    dataset = np.array([run.dataset for run in case.runs])[places]
    stacked = jax.tree.map(lambda *leaves: np.array(leaves, dtype)[places], *knobs)
    runs = Runs(keys(case, offset)[1][places], ROWS.start[dataset], ROWS.size[dataset], stacked)
    state = jax.tree.map(lambda leaf: leaf[places], first_states(name, dtype))
    return Batch(state, np.full(len(places), HEALTHY, np.int32)), runs


def in_chunks(name, ends, batch, runs, transitions=ROWS.transitions):
    """The batch after chunks that end at `ends`, and the last metrics; padding runs are cut off."""
    mesh = run_mesh(len(runs.start))
    count, (batch, runs), data = (
        len(runs.start),
        on_runs(mesh, (batch, runs)),
        data_on(mesh, ROWS._replace(transitions=transitions), np.zeros(len(runs.start), int)),
    )
    first = 0
    for last in ends:
        batch, metrics = run_balanced(CASES[name].algorithm, mesh, batch, runs, data, Span(first, last))
        first = last
    return jax.tree.map(lambda leaf: np.asarray(leaf)[:count], (batch, metrics))


def trained(name):
    """All runs of a case after fifty updates in their chunk, and the last metrics, as a sweep has them: in float32."""
    return trained_and_counted(name)[0]


@cache
def trained_exactly(name, places=None):
    """The runs of a case at these places after fifty updates in a chunk of theirs, and the last metrics, in float64."""
    with computing_in(np.float64):
        batch_of_runs = batch_and_runs(name, places, dtype=np.float64)
        return in_chunks(name, [UPDATES], *batch_of_runs, in_float64(ROWS.transitions))


@cache
def trained_and_counted(name):
    """The same, and how many executables it took: no update, then two chunks, each fed the last one's output."""
    executables = Executables("run_chunk")
    return in_chunks(name, [0, 20, UPDATES], *batch_and_runs(name)), executables.count


@cache
def side_by_side(algorithm):
    """The layout that the chunk uses on accelerators, compiled for whatever is here."""
    one_run = partial(chunk._updates_of_one_run, algorithm, chunk.PLAIN)
    return quickly_compiled(jax.vmap(one_run, in_axes=(0, 0, None, None, None)))


@partial(quickly_compiled, static_argnums=0)
def one_update(algorithm, state, key, update, transitions, knobs):
    """What an update of a run that is alone and unpadded is: nothing of the chunk's is used."""
    key_rows, key_noise = jax.random.split(jax.random.fold_in(key, update))
    batch = minibatch(key_rows, transitions, 0, len(transitions.reward), BATCH)
    return algorithm.update(state, batch, algorithm.noise(key_noise, state.architecture, state.sizes), knobs)


@cache
def first_state_alone(name, place):
    """A run's first state by the ordinary initialiser at its true sizes, in float64."""
    case = CASES[name]
    with computing_in(np.float64):
        return in_float64(case.init(keys(case)[0][place], true_sizes(case.runs[place])))


@cache
def trained_alone(name, place):
    """One run at its true sizes after fifty updates, and its last metrics, in float64."""
    case = CASES[name]
    run, state = case.runs[place], first_state_alone(name, place)
    rows, knobs = in_float64(DATASETS[run.dataset]), jax.tree.map(np.float64, run.knobs)
    with computing_in(np.float64):
        for update in range(UPDATES):
            state, metrics = one_update(case.algorithm, state, keys(case)[1][place], update, rows, knobs)
        return jax.tree.map(np.asarray, (state, metrics))


def assert_same_run(padded, alone):
    """The true part of one run's padded state is that of the state alone, and its padding holds zeros."""
    assert {leaf.dtype for leaf in jax.tree.leaves(padded) if leaf.dtype.kind == "f"} == {np.dtype(np.float64)}
    is_padded = padded.sizes.observation.true < padded.sizes.observation.padded
    assert (assert_padding_is_untouched(padded, alone) > 10) == is_padded
    path, error = worst(relative_errors(padded, alone))
    assert error <= TOLERANCE, path


def run_of(tree, place):
    return jax.tree.map(lambda leaf: leaf[place], tree)


EVERY_RUN = [(name, place) for name, case in CASES.items() for place in range(len(case.runs))]


@pytest.mark.parametrize(("name", "place"), EVERY_RUN)
def test_fifty_updates_in_a_padded_batch_equal_those_of_a_run_alone_at_its_true_sizes(name, place):
    batch, metrics = trained_exactly(name)
    state, alone_metrics = trained_alone(name, place)
    assert_same_run(run_of(batch.state, place), state)
    # Means over true dimensions, not padded ones: a factor that Adam would hide from the parameters.
    path, error = worst(relative_errors(run_of(metrics, place), alone_metrics))
    assert error <= TOLERANCE, path


@each_case
def test_batched_equals_looped(name):
    together, _ = trained_exactly(name)
    for place in range(len(CASES[name].runs)):
        alone, _ = trained_exactly(name, (place,))
        path, error = worst(relative_errors(run_of(together, place), run_of(alone, 0)))
        assert error <= TOLERANCE, path


@each_case
def test_the_length_of_chunks_does_not_change_results(name):
    parts = trained(name)
    for ends in ([UPDATES], [7, 20, UPDATES]):
        for a, b in zip(
            jax.tree.leaves(in_chunks(name, ends, *batch_and_runs(name))), jax.tree.leaves(parts), strict=True
        ):
            np.testing.assert_array_equal(a, b)


# Divergence


def assert_same_but(place, ours, theirs):
    """All runs but one are equal bit for bit, and that one is not."""
    others = np.delete(np.arange(len(ours.diverged_at)), place)
    for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        np.testing.assert_array_equal(a[others], b[others])
    assert (ours.diverged_at[others] == HEALTHY).all()


@pytest.mark.parametrize(
    ("mean_absolute_q", "loss", "diverged"),
    [(1e6, 1.0, False), (1.01e6, 1.0, True), (np.nan, 1.0, True), (1.0, np.nan, True), (1.0, -np.inf, True)],
)
def test_a_run_has_diverged_when_q_passes_a_million_or_anything_is_not_finite(mean_absolute_q, loss, diverged):
    metrics = {"loss": jnp.asarray(loss), "mean_absolute_q": jnp.asarray(mean_absolute_q), "mean_q": jnp.asarray(-9e9)}
    assert bool(is_divergent(metrics)) is diverged
    del metrics["mean_absolute_q"]
    assert bool(is_divergent(metrics)) is not bool(np.isfinite(loss))


def test_a_single_bad_row_marks_its_run_when_it_is_first_drawn_and_no_other():
    bad_row = 17
    wide = [place for place, run in enumerate(CASES["plas"].runs) if run.dataset == OF_WIDE]
    # A row of its own: the bad data set stands behind the others and belongs to one run.
    reward = DATASETS[OF_WIDE].reward.copy()
    reward[bad_row] = np.nan
    healthy = concatenate([*DATASETS, DATASETS[OF_WIDE]], ROOM, *WIDE)
    broken = concatenate([*DATASETS, DATASETS[OF_WIDE]._replace(reward=reward)], ROOM, *WIDE)
    batch, runs = batch_and_runs("plas")
    start = runs.start.copy()
    start[wide[0]] = healthy.start[2]
    runs = runs._replace(start=start)
    expected, _ = in_chunks("plas", [10, UPDATES], batch, runs, healthy.transitions)
    marked, _ = in_chunks("plas", [10, UPDATES], batch, runs, broken.transitions)

    def draws_it(update):
        key_rows, _ = jax.random.split(jax.random.fold_in(runs.key[wide[0]], update))
        return bad_row in jax.random.randint(key_rows, (BATCH,), 0, len(reward))

    first_drawn = next(update for update in range(UPDATES) if draws_it(update))
    assert 0 < first_drawn < UPDATES - 1
    assert marked.diverged_at[wide[0]] == first_drawn + 1
    assert np.isnan(marked.state.critics.parameters["params"]["first_critic"]["Linear_0"]["kernel"][wide[0]]).any()
    assert (expected.diverged_at == HEALTHY).all()
    assert_same_but(wide[0], marked, expected)


def test_a_run_whose_q_explodes_is_marked_at_the_update_whose_q_did_and_no_other_is_touched():
    knobs = [run.knobs for run in CASES["plas"].runs]
    knobs[2] = knobs[2]._replace(critic_learning_rate=30.0)
    batch, runs = batch_and_runs("plas", knobs=knobs)
    healthy, _ = trained("plas")
    history = [in_chunks("plas", [update], batch, runs)[1]["mean_absolute_q"][2] for update in range(1, 16)]
    first = int(np.argmax(np.array(history) > 1e6)) + 1
    assert 1 < first < 15
    exploded, _ = in_chunks("plas", [UPDATES], batch, runs)
    assert exploded.diverged_at[2] == first
    assert_same_but(2, exploded, healthy)


@each_case
def test_runs_side_by_side_equal_runs_alone_and_are_untouched_by_one_that_explodes(name):
    rows = in_float64(ROWS.transitions)

    def after_fifty(batch, runs):
        with computing_in(np.float64):
            trained, _ = side_by_side(CASES[name].algorithm)(batch, runs, rows, 0, UPDATES)
            return jax.tree.map(np.asarray, trained)

    batch, runs = batch_and_runs(name, dtype=np.float64)
    healthy = after_fifty(batch, runs)
    for place in range(len(CASES[name].runs)):
        assert_same_run(run_of(healthy.state, place), trained_alone(name, place)[0])
    rates = {field: leaf.copy() for field, leaf in runs.knobs._asdict().items() if field.endswith("learning_rate")}
    for rate in rates.values():
        rate[1] = np.inf
    runs = runs._replace(knobs=runs.knobs._replace(**rates))
    exploded = after_fifty(batch, runs)
    assert 0 < exploded.diverged_at[1] <= 2
    assert_same_but(1, exploded, healthy)


# Compilation


@each_case
def test_other_knobs_keys_and_updates_compile_nothing(name):
    trained(name)  # compiles the chunk of this batch, if nothing has
    executables = Executables("run_chunk")
    knobs = [jax.tree.map(lambda leaf: 0.5 * leaf + 0.01, run.knobs) for run in CASES[name].runs]
    batch, _ = in_chunks(name, [3, 4, 11], *batch_and_runs(name, knobs=knobs, offset=50))
    assert (executables.count, executables.seconds) == (0, 0.0)
    kernels = [tree.state.cvae if name == "behaviour" else tree.state.critics for tree in (batch, trained(name)[0])]
    assert any((a != b).any() for a, b in zip(*map(jax.tree.leaves, kernels), strict=True))


@each_case
def test_a_phase_is_one_executable(name):
    assert trained_and_counted(name)[1] == 1
