"""Methods as records: which there are, their constants, how a preset scales them, what a batch makes of them."""

import ast
from importlib import import_module
from pathlib import Path

import jax
import numpy as np
import pytest

from plas_jax.algorithms import bcq, behaviour, brac, cloning, deterministic_cloning
from plas_jax.datasets.minibatch import concatenate
from plas_jax.datasets.statistics import padded, statistics
from plas_jax.methods.method import Method, Phase, with_fields
from plas_jax.methods.presets import PRESETS, plas_method
from plas_jax.methods.published import METHODS
from plas_jax.methods.scales import SCHEDULES, SCORE_PRESETS
from plas_jax.training import phases
from plas_jax.training.acting import Acting, act_runs, values_of
from plas_jax.training.chunk import HEALTHY
from plas_jax.types import Algorithm, Sizes, Transition

ALGORITHMS = Path(import_module("plas_jax.algorithms").__file__).parent
LAPTOP, PAPER = SCORE_PRESETS["laptop"], SCORE_PRESETS["paper"]
SIZES = [Sizes.of(17, 6), Sizes.of(11, 3)]


def records(module):
    return [
        value for value in vars(import_module(f"plas_jax.algorithms.{module}")).values() if isinstance(value, Algorithm)
    ]


def algorithm_files():
    """The files that define a record."""
    return [path.stem for path in sorted(ALGORITHMS.glob("*.py")) if "= Algorithm(" in path.read_text("utf-8")]


def test_every_record_is_a_method_of_the_tables_a_phase_or_a_control_of_one():
    used = {phase.algorithm for method in METHODS.values() for phase in (method.phase, method.first) if phase}
    used |= {algorithm for method in METHODS.values() for _, algorithm in method.controls}
    assert len(algorithm_files()) == 13
    for name in algorithm_files():
        assert set(records(name)) <= used, name


def test_no_algorithm_imports_another():
    files = set(algorithm_files())
    for name in files:
        imported = {
            node.module.rpartition(".")[2]
            for node in ast.walk(ast.parse((ALGORITHMS / f"{name}.py").read_text("utf-8")))
            if isinstance(node, ast.ImportFrom)
        }
        assert not imported & files, name


def test_the_methods_and_their_lengths_are_the_published_ones():
    lengths = {
        "bc": 500_000, "bc_regression": 10**6, "td3": 10**6, "sac": 500_000, "bcq": 10**6, "bear": 500_000,
        "brac_v": 500_000, "brac_p": 500_000, "plas": 500_000, "plas+p": 500_000, "td3+bc": 10**6, "cql": 10**6,
        "iql": 10**6, "rebrac": 10**6,
    }  # fmt: skip
    assert {name: method.phase.updates for name, method in METHODS.items()} == lengths
    firsts = {name: method.first.updates for name, method in METHODS.items() if method.first}
    assert firsts == {"brac_v": 300_000, "brac_p": 300_000, "plas": 500_000, "plas+p": 500_000}
    # D4RL's run_primal_vp.sh and run_primal_pr.sh: the penalty on values, and α
    bracs = [METHODS[name].phase.knobs for name in ("brac_v", "brac_p")]
    assert [(knobs.value_penalty, knobs.divergence_weight) for knobs in bracs] == [(1, 0.3), (0, 1.0)]
    assert METHODS["plas+p"].grid == (("perturbation_limit", (0.01, 0.05, 0.1, 0.2, 0.5)),)


@pytest.mark.parametrize(
    ("method", "dataset", "knobs"),
    [
        ("bear", "halfcheetah-medium-v2", {"gaussian_kernel": 1.0}),
        ("bear", "hopper-medium-replay-trained-r1", {"gaussian_kernel": 0.0}),
        ("bear", "walker2d-random-v0", {"gaussian_kernel": 0.0}),
        ("bear", "pen-human-v1", {"gaussian_kernel": 0.0}),
        ("bear", "mine@HalfCheetah-v4", {"gaussian_kernel": 1.0}),
        ("bear", "minari:mujoco/halfcheetah/simple-v0", {"gaussian_kernel": 1.0}),
        ("rebrac", "hopper-medium-replay-r1", {"policy_penalty": 0.05, "critic_penalty": 0.5}),
        ("rebrac", "walker2d-random-v2", {"policy_penalty": 0.01, "critic_penalty": 0.0}),
        ("rebrac", "hopper-medium-replay-v2@Hopper-v5", {"policy_penalty": 0.05, "critic_penalty": 0.5}),
        ("rebrac", "minari:D4RL/pen/human-v2", {"policy_penalty": 0.1, "critic_penalty": 0.5}),
        ("rebrac", "hopper-medium-expert-a-r1", {"policy_penalty": 0.01, "critic_penalty": 0.01}),
        ("rebrac", "mine@Arm-v0", {"policy_penalty": 0.01, "critic_penalty": 0.01}),
        ("plas", "halfcheetah-medium-expert-r1", {"latent_limit": 0.5}),
        ("plas", "minari:mujoco/halfcheetah/medium-expert-v0", {"latent_limit": 0.5}),
        ("plas", "hopper-medium-replay-v2@hopper", {"latent_limit": 0.5}),
        ("plas", "hopper-medium-expert-a-r1", {"latent_limit": 2.0}),
        ("plas+p", "hopper-medium-v0", {"latent_limit": 2.0}),
        ("td3+bc", "antmaze-medium-play-r1", {"reward_shift": -1.0}),
        ("td3+bc", "maze2d-umaze-r1", {"reward_shift": 0.0}),
        ("rebrac", "antmaze-large-play-v2", {"policy_penalty": 0.002, "discount": 0.999, "reward_scale": 100.0}),
        ("rebrac", "maze2d-large-r1", {"policy_penalty": 0.003, "discount": 0.99, "reward_scale": 1.0}),
        ("iql", "antmaze-umaze-r1", {"expectile": 0.9, "inverse_temperature": 10.0, "reward_shift": -1.0}),
        ("iql", "pen-cloned-r1", {"expectile": 0.7, "inverse_temperature": 0.5, "scales_returns": 0.0}),
        ("iql", "maze2d-umaze-v1", {"expectile": 0.7, "inverse_temperature": 3.0, "scales_returns": 0.0}),
        ("iql", "mine@kitchen-mixed", {"inverse_temperature": 0.5, "scales_returns": 0.0, "reward_shift": 0.0}),
        ("cql", "door-human-v1", {"conservative_weight": 1.0}),
        ("cql", "hopper-medium-v2", {"conservative_weight": 10.0, "gap_threshold": -1.0}),
        ("cql", "maze2d-large-v1", {"conservative_weight": 10.0, "gap_threshold": 5.0}),
        ("cql", "antmaze-umaze-r1", {"conservative_weight": 5.0, "gap_threshold": 0.8, "smallest_gap": -200.0}),
    ],
)
def test_constants_follow_the_data_set_at_every_size(method, dataset, knobs):
    for preset in SCORE_PRESETS.values():
        found = preset.method(METHODS[method]).for_dataset(dataset).phase.knobs._asdict()
        assert {name: found[name] for name in knobs} == knobs


def test_the_cvaes_own_policy_knows_its_data_sets_sigma():
    first = METHODS["plas"].for_dataset("hopper-medium-replay-r1").first
    assert first.knobs == behaviour.Knobs(1e-4, latent_limit=0.5)
    assert first.architecture == behaviour.Architecture(128, 100)
    assert METHODS["plas"].for_dataset("hopper-medium-r1").first.architecture.cvae_width == 750
    assert METHODS["plas"].for_dataset("hopper-medium-replay-v2@Hopper-v5").first.architecture.cvae_width == 128


@pytest.mark.parametrize("name", METHODS)
def test_laptop_changes_sizes_lengths_rates_and_schedules_and_nothing_else(name):
    published, scaled = METHODS[name], LAPTOP.method(METHODS[name])
    assert PAPER.method(published) == published
    pairs = [(published.phase, scaled.phase)] + ([(published.first, scaled.first)] if published.first else [])
    for before, after in pairs:
        assert after.updates == 50_000
        for field, value in before.architecture._asdict().items():
            expected = {"batch_size": 64, "cvae_width": 128}.get(field, value)
            expected = (64,) * len(value) if field.endswith("_widths") else expected
            assert getattr(after.architecture, field) == expected, field
        for field, value in before.knobs._asdict().items():
            expected = max(value, 3e-4) if field.endswith("learning_rate") else value
            expected = 0.01 if field == "polyak" else expected
            expected = value * 50_000 / before.updates if field in SCHEDULES else expected
            assert getattr(after.knobs, field) == pytest.approx(expected), field


def test_a_schedule_keeps_its_share_of_the_training():
    assert LAPTOP.method(METHODS["bear"]).phase.knobs.warm_up == 4_000
    assert LAPTOP.method(METHODS["brac_v"]).phase.knobs.warm_start == 2_000
    assert LAPTOP.method(METHODS["iql"]).phase.knobs.policy_updates == 50_000
    counted = {
        name for method in METHODS.values() for name, value in method.phase.knobs._asdict().items() if value > 200
    }
    assert counted == set(SCHEDULES)  # whoever adds a knob that counts updates must say so


def test_rates_and_batches_of_a_family_are_scaled_as_those_of_all_are():
    mazes = [preset.method(METHODS["rebrac"]).for_dataset("antmaze-umaze-r1").phase for preset in (PAPER, LAPTOP)]
    assert [phase.knobs.critic_learning_rate for phase in mazes] == [5e-5, 3e-4]
    assert [phase.architecture.batch_size for phase in mazes] == [256, 64]
    ants = [preset.method(METHODS["cql"]).for_dataset("antmaze-umaze-r1").phase for preset in (PAPER, LAPTOP)]
    assert [phase.architecture.critic_widths for phase in ants] == [(256,) * 5, (64,) * 5]
    assert [phase.architecture.backup_candidates for phase in ants] == [10, 10]


def test_the_policies_of_hands_and_of_the_kitchen_are_trained_with_dropout():
    for preset in SCORE_PRESETS.values():
        method = preset.method(METHODS["iql"])
        dropouts = [
            method.for_dataset(name).phase.architecture.policy_dropout
            for name in ("pen-human-v1", "kitchen-mixed-v0", "hopper-medium-v2", "antmaze-umaze-v2")
        ]
        assert dropouts == [0.1, 0.1, 0.0, 0.0]


def test_protocols():
    protocol = PAPER.protocol(METHODS["iql"])
    assert protocol.evaluations[:2] == (1000, 2000)
    assert (len(protocol.evaluations), protocol.episodes, protocol.evaluations_in_mean) == (1000, 10, 10)
    laptop = LAPTOP.protocol(LAPTOP.method(METHODS["iql"]))
    assert laptop.evaluations[-1] == 50_000
    assert (laptop.episodes, laptop.evaluations_in_mean) == (10, 3)
    assert [each.of_family("antmaze").episodes for each in (protocol, laptop)] == [100, 34]
    assert protocol.of_family("maze2d") == protocol
    asked = LAPTOP.with_sizes({"episodes": 5}).protocol(LAPTOP.method(METHODS["iql"]))
    assert asked.of_family("antmaze").episodes == 5


def test_the_sweep_over_epsilon_trains_the_same_method():
    paper = plas_method(PRESETS["paper"])
    assert (paper.phase, paper.first) == (METHODS["plas"].phase, METHODS["plas"].first)


# From a method to a batch of runs


NAMES, SEEDS = ("walker2d-random-r1", "hopper-random-r1"), (0, 1)


def random_rows(sizes, seed):
    generator = np.random.default_rng(seed)
    observation, action = sizes.observation.padded, sizes.action.padded
    columns = (
        generator.normal(seed, 2, (50, observation)),
        generator.uniform(-1, 1, (50, action)),
        generator.normal(size=50),
        generator.normal(size=(50, observation)),
        np.ones(50),
    )
    return Transition(*(column.astype(np.float32) for column in columns))


DATASETS = [random_rows(sizes, seed) for seed, sizes in enumerate(SIZES)]
ROWS = concatenate(DATASETS, 100, 17, 6)
PAIRS = phases.pairs_of(NAMES, SEEDS)
STACKED = phases.stacked_sizes([SIZES[pair.dataset] for pair in PAIRS])


def wide(sizes):
    return sizes.padded_to(SIZES[0])


def test_cells_are_every_pair_with_every_combination_of_the_grid():
    cells = phases.cells_of(PAIRS[:2], (("discount", (0.9, 0.99)), ("polyak", (0.1, 0.2))))
    assert [cell.pair for cell in cells] == [0] * 4 + [1] * 4
    assert [dict(cell.swept) for cell in cells[:4]] == [
        {"discount": discount, "polyak": polyak} for discount in (0.9, 0.99) for polyak in (0.1, 0.2)
    ]
    assert phases.cells_of(PAIRS, ()) == [phases.Cell(place) for place in range(4)]


def test_a_runs_knobs_are_the_methods_then_the_data_sets_then_the_swept():
    method = Method(
        "bcq",
        Phase(bcq.BCQ, bcq.Architecture(), bcq.Knobs(discount=0.5, latent_limit=0.1, clip_weight=0.2), 10),
        knobs_of=lambda dataset: {"latent_limit": 7.0, "clip_weight": 0.3} if dataset.startswith("hopper") else {},
        grid=(("clip_weight", (0.8, 0.9)),),
    )
    part = phases.part_of(method, phases.LAST_PHASE, PAIRS)
    values = [(knobs.discount, knobs.latent_limit, knobs.clip_weight) for knobs in part.knobs]
    assert values == 2 * [(0.5, 0.1, 0.8), (0.5, 0.1, 0.9)] + 2 * [(0.5, 7.0, 0.8), (0.5, 7.0, 0.9)]
    _, runs = phases.first_batch(part, ROWS, PAIRS, (STACKED,))
    np.testing.assert_array_equal(runs.knobs.clip_weight, np.float32([0.8, 0.9] * 4))
    np.testing.assert_array_equal(runs.start, [0] * 4 + [50] * 4)


def assert_equal(ours, theirs):
    for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        np.testing.assert_array_equal(a, b)


def test_each_run_starts_as_its_init_alone_with_its_own_statistics():
    known = [padded(statistics(rows, np.array([0.0, seed + 1.0])), 17) for seed, rows in enumerate(DATASETS)]
    architecture = deterministic_cloning.Architecture((8,), 4)
    phase = Phase(deterministic_cloning.DETERMINISTIC_CLONING, architecture, deterministic_cloning.Knobs(), 10)
    method = Method("bc_regression", phase, uses_statistics=True)
    of_pairs = jax.tree.map(lambda *of: np.stack(of), *(known[pair.dataset] for pair in PAIRS))
    batch, _ = phases.first_batch(phases.part_of(method, phases.LAST_PHASE, PAIRS), ROWS, PAIRS, (STACKED, of_pairs))
    keys, _ = phases.phase_keys(PAIRS, phases.LAST_PHASE)
    for place, pair in enumerate(PAIRS):
        alone = deterministic_cloning.init(keys[place], architecture, wide(SIZES[pair.dataset]), known[pair.dataset])
        run = jax.tree.map(lambda leaf, place=place: leaf[place], batch.state)
        assert_equal(run.policy.moments, alone.policy.moments)
        for a, b in zip(jax.tree.leaves(run), jax.tree.leaves(alone), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-6)
    assert (batch.state.observation_mean[0] != batch.state.observation_mean[2]).any()


def test_a_run_is_built_around_its_pairs_first_phase_and_diverges_with_it():
    method = Method(
        "brac_v",
        Phase(brac.BRAC, brac.Architecture((8,), (8,), 4), brac.Knobs(), 10),
        first=Phase(cloning.CLONING, cloning.Architecture((8,), 4), cloning.Knobs(), 10),
        inherit=lambda state: state.policy.parameters,
        grid=(("discount", (0.9, 0.99)),),
    )
    clones, _ = phases.first_batch(phases.part_of(method, phases.FIRST_PHASE, PAIRS), ROWS, PAIRS, (STACKED,))
    diverged = np.array([HEALTHY, 5, HEALTHY, HEALTHY])
    inputs = (STACKED, method.inherit(clones.state))
    batch, _ = phases.first_batch(phases.part_of(method, phases.LAST_PHASE, PAIRS), ROWS, PAIRS, inputs, diverged)
    pair_of = np.repeat(np.arange(4), 2)
    assert_equal(batch.state.behaviour, jax.tree.map(lambda leaf: leaf[pair_of], clones.state.policy.parameters))
    np.testing.assert_array_equal(batch.diverged_at, [HEALTHY, HEALTHY, 0, 0, *[HEALTHY] * 4])
    # One pair's runs start alike, whatever their knobs are.
    assert_equal(*(jax.tree.map(lambda leaf, i=i: leaf[i], batch.state.policy) for i in (0, 1)))


def three_runs_of_bcq(algorithm=bcq.BCQ):
    """Runs before their first update, with padding behind them on two devices: part, batch and runs."""
    method = Method("bcq", Phase(algorithm, bcq.Architecture((8,), (8,), 8, 4), bcq.Knobs(), 1))
    part = phases.part_of(method, 1, PAIRS[:3])
    return part, *phases.first_batch(part, ROWS, PAIRS[:3], (jax.tree.map(lambda leaf: leaf[:3], STACKED),))


def test_what_a_policy_draws_depends_on_its_run_and_on_the_moment_alone():
    def act(state, observation, noise, knobs):
        return noise + 0 * observation[:, :1]

    def draw(key, architecture, sizes, states):
        return jax.random.normal(key, (states, 1))

    algorithm = bcq.BCQ._replace(act=act, acting_noise=draw)
    part, batch, runs = three_runs_of_bcq(algorithm)
    keys, observation = (
        phases.phase_keys([*PAIRS[:3], PAIRS[2]], phases.LAST_EVALUATION)[1],
        np.zeros((3, 5, 17), np.float32),
    )

    def drawn(moment):
        acting = Acting(keys, np.full(4, moment, np.uint32), runs.knobs)
        return act_runs(algorithm, part.mesh, batch.state, observation, acting)

    assert drawn(0).shape == (3, 5, 1)
    np.testing.assert_array_equal(drawn(7), drawn(7))
    assert len({*drawn(0).ravel(), *drawn(1).ravel()}) == 2 * 15
    for place in range(3):
        alone = jax.random.normal(jax.random.fold_in(keys[place], 7), (5, 1))
        np.testing.assert_allclose(drawn(7)[place], alone, rtol=1e-6)


def test_a_critic_of_many_runs_gives_each_the_values_of_its_own():
    part, batch, runs = three_runs_of_bcq()
    draws = np.random.default_rng(0)
    observation, action = (draws.normal(size=(3, 5, width)).astype(np.float32) for width in (17, 6))
    values = values_of(part, batch, runs)(observation, action)
    assert values.shape == (3, 5)
    for place in range(3):
        state, knobs = jax.tree.map(lambda leaf, place=place: leaf[place], (batch.state, runs.knobs))
        alone = bcq.BCQ.value(state, observation[place], action[place], knobs)
        np.testing.assert_allclose(values[place], alone, rtol=1e-5, atol=1e-6)


def test_fields_that_a_record_does_not_have_are_left_out():
    assert with_fields(cloning.Knobs(0.1), {"learning_rate": 0.2, "discount": 0.3}) == cloning.Knobs(0.2)
