"""The throughput benchmark: operations counted by hand, what it measures, its rows and lines, its complaints."""

import json
import os
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from by_subprocess import call

from plas_jax.algorithms import behaviour, plas
from plas_jax.commands.throughput import FLAGS, PRINTED, USAGE, run
from plas_jax.environments.lockstep import Lockstep
from plas_jax.methods.presets import PAPER, PAPER_POLICY
from plas_jax.methods.published import METHODS
from plas_jax.methods.scales import SCORE_PRESETS
from plas_jax.performance.throughput import evaluation, loading
from plas_jax.performance.throughput.cases import (
    ALGORITHMS,
    Case,
    first_batch,
    method_of,
    operations_per_update,
    random_rows,
)
from plas_jax.performance.throughput.evaluation import BarePhysics, evaluation_rates, recorded
from plas_jax.performance.throughput.operations import behaviour_operations, plas_operations, to_inputs
from plas_jax.performance.throughput.processes import Figures
from plas_jax.performance.throughput.rows import line, rows_of
from plas_jax.training.chunk import HEALTHY, Span, chunk_program
from plas_jax.training.layout import run_mesh

# By subprocess, since the processes that measure have devices of their own and would inherit this one's.
throughput = partial(call, "throughput.py", timeout=300)


def test_cvae_operations_by_hand():
    # Observation 3, action 2, latent 4, width 5, batch 7; multiply-adds of one row.
    encoder, heads, decoder = 5 * 5 + 5 * 5, 2 * 5 * 4, 7 * 5 + 5 * 5 + 5 * 2
    decoder_inputs, heads_inputs, encoder_inputs = 4 * 5 + 5 * 5 + 5 * 2, 2 * 5 * 4, 5 * 5
    by_hand = 2 * (encoder + heads + decoder) + decoder_inputs + heads_inputs + encoder_inputs
    assert behaviour_operations(behaviour.Architecture(5, 7), 3, 2, 4) == 2 * 7 * by_hand


def test_plas_operations_by_hand():
    # Observation 3, action 2, latent 4, policy widths 6 and 5, critic widths 8 and 9, CVAE width 10, batch 7.
    latent_policy, perturbation = 3 * 6 + 6 * 5 + 5 * 4, 5 * 6 + 6 * 5 + 5 * 2
    decoder, critic = 7 * 10 + 10 * 10 + 10 * 2, 5 * 8 + 8 * 9 + 9 * 1
    target = latent_policy + decoder + perturbation + 2 * critic
    critics = 2 * critic + 2 * critic + 2 * (8 * 9 + 9 * 1)
    policy = latent_policy + decoder + perturbation + critic
    policy += 2 * 8 + 8 * 9 + 9 * 1  # through the critic to the action
    policy += perturbation + 2 * 6 + 6 * 5 + 5 * 2  # its weights, and through it to the decoded action
    policy += 4 * 10 + 10 * 10 + 10 * 2  # through the decoder to the latent
    policy += latent_policy + 6 * 5 + 5 * 4  # its weights, and its inner layers
    architecture = plas.Architecture((6, 5), (8, 9), 10, 7)
    assert plas_operations(architecture, 3, 2, 4) == 2 * 7 * (target + critics + policy)


def test_gradients_of_no_inputs_still_pass_the_inner_layers():
    assert to_inputs((3, 5, 2), 0) == 5 * 2
    assert to_inputs((3, 5, 2), 3) == 3 * 5 + 5 * 2


def test_papers_policy_update_takes_0_81_gigaflop():
    assert plas_operations(PAPER_POLICY, 17, 6, 12) == pytest.approx(0.81e9, rel=0.005)


def test_xla_counts_the_cvaes_forward_pass_alike():
    """The compiler's own count of a network's products, all else being small beside them."""
    from plas_jax.models.cvae import CVAE
    from plas_jax.types import Sizes

    sizes, batch = Sizes.of(17, 6), 100
    module = CVAE(sizes, PAPER.policy.cvae_width)
    inputs = [jax.ShapeDtypeStruct((batch, width), jnp.float32) for width in (17, 6, 12)]
    parameters = jax.eval_shape(module.init, jax.random.key(0), *inputs)
    counted = jax.jit(module.apply).lower(parameters, *inputs).cost_analysis()["flops"]
    ahead = 23 * 750 + 750 * 750 + 2 * 750 * 12 + 29 * 750 + 750 * 750 + 750 * 6
    assert counted == pytest.approx(2 * batch * ahead, rel=0.02)


# What is measured


def architectures(method):
    return [phase.architecture for phase in (method.first, method.phase) if phase]


def widths_in(architecture):
    fields = architecture._asdict()
    return {width for name, of in fields.items() if name.endswith("_widths") for width in of} | (
        {fields["cvae_width"]} if "cvae_width" in fields else set()
    )


@pytest.mark.parametrize("name", METHODS)
def test_a_number_is_the_width_of_every_layer_and_changes_no_other_shape(name):
    published = METHODS[name].for_dataset("walker2d-medium")
    for ours, theirs in zip(architectures(method_of(name, "24")), architectures(published), strict=True):
        assert widths_in(ours) == {24}
        assert [np.size(of) for of in ours] == [np.size(of) for of in theirs]  # as deep
        for field, value in theirs._asdict().items():
            assert field.endswith(("_widths", "cvae_width")) or getattr(ours, field) == value


@pytest.mark.parametrize("name", METHODS)
def test_named_widths_are_those_of_the_tables(name):
    published = METHODS[name].for_dataset("walker2d-medium")
    assert architectures(method_of(name, "paper")) == architectures(published)
    laptop = SCORE_PRESETS["laptop"].method(published)
    assert architectures(method_of(name, "laptop")) == architectures(laptop)
    assert laptop.phase.architecture.batch_size == 64


def test_plas_is_measured_with_perturbation_and_plas_p_is_the_same():
    assert method_of("plas", "paper").phase.knobs.perturbation_limit == 0.05
    assert method_of("plas+p", "paper").phase == method_of("plas", "paper").phase
    assert method_of("behaviour", "paper").phase.architecture == method_of("plas", "paper").first.architecture


@pytest.mark.parametrize("name", ALGORITHMS)
def test_every_algorithm_takes_its_first_batch_and_data(name):
    """Traced, not compiled: a wrong state, data set or knob does not get through the update."""
    method, mesh = method_of(name, "8"), run_mesh(3)
    batch, runs, transitions = first_batch(Case(name, "8", 3, mesh.size), mesh)
    assert (np.asarray(batch.diverged_at) == HEALTHY).all()
    assert (transitions.next_action is not None) == method.uses_next_actions
    assert all((leaf[0] == leaf[2]).all() for leaf in jax.tree.leaves(batch))
    assert len(set(map(bytes, np.asarray(jax.random.key_data(runs.key))[:3]))) == 3
    program = chunk_program(mesh, batch.state)
    trained, _ = program.eval_shape(method.phase.algorithm, mesh, batch, runs, transitions, Span(0, 1))
    assert jax.tree.structure(trained) == jax.tree.structure(batch)


def test_a_row_leads_to_the_next_one():
    transitions = random_rows(next_actions=False).transitions
    np.testing.assert_array_equal(transitions.observation[1:], transitions.next_observation[:-1])
    assert len(transitions.reward) == len(transitions.next_observation) == 100_000


def test_statistics_are_those_of_the_data():
    mesh = run_mesh(1)
    batch, _, transitions = first_batch(Case("td3+bc", "8", 1, 1), mesh)
    mean, std = batch.state.observation_mean[0], batch.state.observation_std[0]
    np.testing.assert_allclose(mean, np.mean(transitions.observation, axis=0), atol=1e-4)
    np.testing.assert_allclose(std, np.std(transitions.observation, axis=0), rtol=1e-4)
    batch, _, transitions = first_batch(Case("iql", "8", 1, 1), mesh)
    assert batch.state.reward_scale[0] == pytest.approx(1000 / np.ptp(transitions.reward), rel=1e-5)


def test_operations_are_counted_where_they_are_known_and_invented_nowhere():
    counts = {name: operations_per_update(Case(name, "64", 1, 1)) for name in ALGORITHMS}
    expected = plas_operations(plas.Architecture((64, 64), (64, 64), 64, 100), 17, 6, 12)
    assert counts.pop("plas") == counts.pop("plas+p") == expected
    assert counts.pop("behaviour") == behaviour_operations(behaviour.Architecture(64, 100), 17, 6, 12)
    assert set(counts.values()) == {None}


# What is printed


def figures(runs, devices, rates, algorithm="plas"):
    return Figures(Case(algorithm, "paper", runs, devices), 5.0, rates, 2**20)


def test_alone_is_the_faster_layout_and_ratios_are_taken_by_round():
    product = figures(1, 1, [100e9, 120e9], "product")
    measured = [product, figures(1, 1, [50.0, 100.0, 60.0]), figures(1, 2, [40.0, 40.0, 40.0])]
    alone, batch = rows_of([*measured, figures(90, 2, [100.0, 300.0, 60.0])])
    assert (alone["runs"], alone["devices"], alone["updates_per_second"]) == (1, 1, 60.0)
    assert (batch["updates_per_second"], batch["lowest_and_highest"]) == (100.0, [60.0, 300.0])
    assert batch["ratio_to_alone"] == 2.0  # of 2, 3 and 1
    assert batch["share_of_matmul_rate"] == pytest.approx(0.81e9 * 100 / 120e9, rel=0.005)


def test_without_one_run_there_is_nothing_to_compare_with():
    [batch] = rows_of([figures(1, 1, [1e9], "product"), figures(90, 2, [100.0])])
    assert batch["ratio_to_alone"] is None


def test_a_peers_faster_threads_count_and_ours_is_compared_by_round():
    product = figures(1, 1, [100e9], "product")
    theirs = [figures(1, threads, rates)._replace(compile_seconds=None) for threads, rates in THEIR_RATES.items()]
    theirs = [one._replace(case=one.case._replace(library="d3rlpy")) for one in theirs]
    peer, alone, batch = rows_of([product, *theirs, figures(1, 1, [100.0] * 3), figures(15, 2, [100.0, 300.0, 90.0])])
    assert (peer["algorithm"], peer["devices"], peer["updates_per_second"]) == ("d3rlpy plas", 1, 30.0)
    assert peer["against_d3rlpy"] is peer["ratio_to_alone"] is None
    assert batch["against_d3rlpy"] == 5.0  # of 5, 10 and 3
    assert alone["against_d3rlpy"] == pytest.approx(10 / 3)
    assert len(line(peer)) == len(line(alone)) == len(line(batch))
    assert line(batch).endswith(" 5.00")


THEIR_RATES = {1: [20.0, 30.0, 30.0], 2: [9.0, 99.0, 9.0]}  # by threads


def test_a_share_that_nobody_counted_is_null_and_leaves_its_column_empty():
    product = figures(1, 1, [100e9], "product")
    [counted], [uncounted] = (rows_of([product, figures(90, 2, [100.0], name)]) for name in ("plas", "bc_regression"))
    assert uncounted["share_of_matmul_rate"] is uncounted["operations_per_update"] is None
    assert "%" in line(counted)
    assert "%" not in line(uncounted)
    assert len(line(counted)) == len(line(uncounted))
    assert line(uncounted).startswith("bc_regression ")


@pytest.mark.slow
def test_methods_of_every_kind_are_measured():
    """One with a first phase, and one that asks for next actions."""
    assert METHODS["brac_v"].first
    assert METHODS["rebrac"].uses_next_actions
    names = ["brac_v", "rebrac"]
    flags = ("--widths=8", "--runs=3", f"--algorithms={','.join(names)}", "--seconds=0.05", "--rounds=1")
    done = throughput("--json", *flags)
    assert done.returncode == 0, done.stderr
    rows = [json.loads(printed) for printed in done.stdout.splitlines()]
    assert [row["algorithm"] for row in rows] == names
    for row in rows:
        assert (row["widths"], row["runs"], row["devices"]) == (8, 3, os.cpu_count())
        assert row["updates_per_second"] > 0
        assert row["share_of_matmul_rate"] is row["ratio_to_alone"] is None


@pytest.mark.slow
def test_json_lines():
    flags = ("--widths=16", "--runs=1,4", "--algorithms=behaviour", "--seconds=0.05", "--rounds=1")
    done = throughput("--json", *flags)
    assert done.returncode == 0, done.stderr
    rows = [json.loads(printed) for printed in done.stdout.splitlines()]
    assert [row["runs"] for row in rows] == [1, 4]
    for row in rows:
        assert (row["algorithm"], row["widths"], row["against_d3rlpy"]) == ("behaviour", 16, None)
        assert row["updates_per_second"] > 0
        assert 0 < row["share_of_matmul_rate"] < 1
        assert row["ratio_to_alone"] > 0
        assert row["compile_seconds"] > 0
        assert row["peak_memory"] > 2**20
        assert row["devices"] in (1, os.cpu_count())
        assert row["device"]
        assert row["versions"]["jax"] == jax.__version__


# Evaluation, loading, starting


@pytest.mark.parametrize("robot", ["hopper", "halfcheetah"])
def test_bare_physics_are_those_of_the_very_same_episodes(robot):
    episodes = recorded(robot, runs=2, horizon=40)
    bare = BarePhysics(episodes)
    for _ in range(2):  # it starts afresh each time
        assert bare.seconds() > 0
    lockstep = Lockstep(robot, episodes.lengths.size)
    lockstep.reset([seed for seeds in episodes.seeds for seed in seeds])
    for step, action in enumerate(episodes.actions):
        alive = np.flatnonzero(step < episodes.lengths.ravel())
        lockstep.step(action.reshape(episodes.lengths.size, -1)[alive], alive)
    np.testing.assert_array_equal(lockstep.position, [data.qpos for data in bare.data])
    np.testing.assert_array_equal(lockstep.velocity, [data.qvel for data in bare.data])
    assert len({tuple(position) for position in lockstep.position}) == episodes.lengths.size


def test_evaluation_calls_the_batchs_policy_at_every_step_of_the_recorded_episodes(monkeypatch):
    called = []
    monkeypatch.setattr(evaluation, "acting_batch", lambda _: lambda *of: called.append(of[1]))
    rates = evaluation_rates(Case("plas", "8", 2, 1), "walker2d", horizon=20)
    next(rates)
    called.clear()
    ours, physics = next(rates)
    assert called == list(range(20))
    assert ours > 0
    assert physics > 0


def test_loading_reads_what_was_written():
    rates = loading.loading_rates(3000)
    (_, written), (seconds, size) = next(rates), next(rates)
    rates.close()
    assert seconds > 0
    assert size == written > 3000 * 4 * (17 + 6 + 1 + 17)


@pytest.mark.slow
def test_every_measure_prints_its_rows():
    flags = ("--algorithms=plas", "--widths=8", "--runs=2", "--seconds=0.05", "--rounds=2")
    done = throughput("--json", "--measure=compile,evaluation,loading", *flags)
    assert done.returncode == 0, done.stderr
    rows = [json.loads(printed) for printed in done.stdout.splitlines()]
    assert [row["measure"] for row in rows] == ["compile", *["evaluation"] * 3, "loading"]
    assert all(row["updates_per_second"] is row["against_d3rlpy"] is None for row in rows)
    start, *evaluations, loading = rows
    assert 0 < start["second_compile_seconds"] < start["compile_seconds"] < start["start_seconds"]
    assert [row["environment"] for row in evaluations] == ["hopper", "walker2d", "halfcheetah"]
    for row in evaluations:
        assert 0 < row["share_of_physics"] < 1.2
        assert row["evaluation_steps_per_second"] > 0
    assert loading["rows"] == 1_000_000
    assert loading["file_megabytes_per_second"] == pytest.approx(loading["file_bytes"] / 1e6 / loading["load_seconds"])
    for row in rows:
        measure = PRINTED[row["measure"]]
        names = next(text for text in measure.HEADING.splitlines() if text)
        assert abs(len(measure.line(row)) - len(names)) <= 1
    assert "1,000,000" in measure.line(loading)


@pytest.mark.parametrize(
    ("flag", "complaint"),
    [
        ("--widths=wide", "--widths: 'wide' is neither paper nor laptop nor a positive number"),
        ("--widths=quick", "--widths: 'quick' is neither"),
        ("--widths=0", "--widths: '0' is neither"),
        ("--runs=1,-4", "--runs: '-4' is not a positive number"),
        ("--runs=", "need a value each"),
        ("--seconds=nan", "finite"),
        ("--seconds=0", "--seconds"),
        ("--rounds=none", "--rounds"),
        (
            "--algorithms=ppo",
            "--algorithms: 'ppo' is no algorithm; there are behaviour, bc, bc_regression, td3, sac, bcq,",
        ),
        ("--algorithms=plas,cvae", "--algorithms: 'cvae' is no algorithm"),
        ("--algorithms=", "need a value each"),
        ("more", "unexpected 'more'"),
        ("--measure=speed", "--measure: 'speed' is no measure; there are training, compile, evaluation, loading"),
        ("--measure=", "--measure: '' is no measure"),
        ("--against=rlkit", "--against"),
        ("--against=d3rlpy --algorithms=behaviour,bc", "ask for one of them"),
        ("--against=d3rlpy --measure=loading", "--measure leaves out"),
    ],
)
def test_bad_input_is_one_line_before_any_measurement(flag, complaint, capsys):
    from plas_jax.commands.invocation import invoke

    assert invoke(run, FLAGS, USAGE, flag.split()) in (1, 2)
    output, errors = capsys.readouterr()
    assert output == ""
    assert errors.count("\n") == 1
    assert complaint in errors
