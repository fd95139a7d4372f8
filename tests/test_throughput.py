"""The throughput benchmark: its count of operations by hand, its rows, its lines of JSON and its complaints."""

import json
import os
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import pytest

from plas_jax.algorithms import behaviour, plas
from plas_jax.algorithms.operations import behaviour_operations, plas_operations, to_inputs
from plas_jax.algorithms.presets import PAPER, PAPER_POLICY
from plas_jax.commands.throughput import rows_of
from plas_jax.commands.throughput_processes import Case, Figures

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "throughput.py"


def throughput(*flags):
    return subprocess.run(
        [sys.executable, str(SCRIPT), *flags], capture_output=True, text=True, check=False, timeout=300
    )


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


def test_json_lines():
    flags = ("--widths=16", "--runs=1,4", "--algorithms=behaviour", "--seconds=0.2", "--rounds=1")
    done = throughput("--json", *flags)
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["runs"] for line in lines] == [1, 4]
    for line in lines:
        assert (line["algorithm"], line["widths"], line["against_d3rlpy"]) == ("behaviour", 16, None)
        assert line["updates_per_second"] > 0
        assert 0 < line["share_of_matmul_rate"] < 1
        assert line["ratio_to_alone"] > 0
        assert line["compile_seconds"] > 0
        assert line["peak_memory"] > 2**20
        assert line["devices"] in (1, os.cpu_count())
        assert line["device"]
        assert line["versions"]["jax"] == jax.__version__


@pytest.mark.parametrize(
    ("flag", "complaint"),
    [
        ("--widths=wide", "--widths: 'wide' is neither"),
        ("--widths=0", "--widths: '0' is neither"),
        ("--runs=1,-4", "--runs: '-4' is not a positive number"),
        ("--runs=", "need a value each"),
        ("--seconds=nan", "finite"),
        ("--seconds=0", "--seconds"),
        ("--rounds=none", "--rounds"),
        ("--algorithms=sac", "--algorithms: 'sac' is none of behaviour, plas"),
        ("more", "unexpected 'more'"),
    ],
)
def test_bad_input_is_one_line_before_any_measurement(flag, complaint, capsys):
    from plas_jax.commands.invocation import invoke
    from plas_jax.commands.throughput import FLAGS, USAGE, run

    assert invoke(run, FLAGS, USAGE, [flag]) in (1, 2)
    output, errors = capsys.readouterr()
    assert output == ""
    assert errors.count("\n") == 1
    assert complaint in errors
