"""Plans for accelerators that are not here: targets, roofline, evaluation, arguments, what is printed and refused."""

import importlib.util
import json
import math
import os
import re
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

from plas_jax.commands.plan import TARGETS
from plas_jax.datasets.minibatch import Rows
from plas_jax.methods.presets import SMOKE
from plas_jax.performance.planning import compiler
from plas_jax.performance.planning.evaluation import STEPS_PER_SECOND, evaluation
from plas_jax.performance.planning.figures import Plan, Planned, as_json, program_rows, sweep_row
from plas_jax.performance.planning.kernels import Kernel
from plas_jax.performance.planning.programs import abstract_arguments, compile_work, works
from plas_jax.performance.planning.report import kernel_lines, lines
from plas_jax.performance.planning.request import PlanRequest
from plas_jax.performance.planning.roofline import Peaks, kernel_seconds, update_time
from plas_jax.performance.planning.targets import H100, environment_of, target_of_flag
from plas_jax.performance.throughput.operations import behaviour_operations, plas_operations
from plas_jax.sweeps.groups import true_sizes
from plas_jax.training import phases
from plas_jax.training.layout import data_on, run_mesh
from plas_jax.types import Transition

ROOT = Path(__file__).parents[1]
ASKED = PlanRequest("h100", "smoke", "hopper-medium-r1,walker2d-medium-r1", "0,0.1", 1)


def plan(*arguments):
    words = [sys.executable, "-c", "import sys\nfrom plas_jax.commands.plas_jax import main\nsys.exit(main())"]
    words += ["plan", *arguments]
    return subprocess.run(words, capture_output=True, text=True, check=False, timeout=600)


def is_here(module):
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


COMPILERS = {"h100": is_here("jax_plugins.xla_cuda13"), "v5e-2x2": is_here("libtpu")}


# The roofline, by hand


def kernel(operations=0, size=0, times=1, kind="product", part="step"):
    return Kernel("k", kind, part, "", operations, size, times, None)


PEAKS = Peaks(operations=100.0, bandwidth=10.0, launch_seconds=0.5)


def test_a_kernel_takes_its_launch_and_the_longer_of_arithmetic_and_traffic():
    assert kernel_seconds(kernel(200, 10), PEAKS) == 0.5 + 2.0
    assert kernel_seconds(kernel(200, 30), PEAKS) == 0.5 + 3.0
    assert kernel_seconds(kernel(), PEAKS) == 0.5


def test_an_update_is_its_kernels_one_after_another():
    time = update_time([kernel(200, 10), kernel(0, 30, times=2)], PEAKS)
    assert time == (2.0, 7.0, 1.5, 2.5 + 2 * 3.5)


def test_transfers_cost_no_launch_but_their_traffic_is_waited_for():
    both = [kernel(200, 10), kernel(0, 100, kind="transfer")]
    assert update_time(both, PEAKS) == (2.0, 11.0, 0.5, 11.0)
    assert update_time([kernel(200, 10), kernel(0, 1, kind="transfer")], PEAKS).predicted == 2.5


# Targets


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
def test_targets_are_possible(target):
    chip = target.chip
    assert target.devices == math.prod(int(length) for length in re.findall(r"\d+", target.topology.split(":")[-1]))
    assert 0 < chip.float32_peak < chip.fast_peak
    assert 0 < chip.usable <= 1
    assert 1e9 < chip.memory < 1e12 < chip.float32_peak
    assert 1e11 < chip.bandwidth < 1e13
    assert bool(chip.description) == (chip.platform == "cuda")
    assert chip.description.count("{") == chip.description.count("}")


@pytest.mark.parametrize("name", ["h100", "a100"])
def test_the_description_of_a_gpu_reaches_the_peaks_of_its_data_sheet(name):
    chip = TARGETS[name].chip
    facts = {key: float(value) for key, value in re.findall(r"(\w+): ([\d.]+)", chip.description)}
    cores = facts["core_count"] * facts["fpus_per_core"]
    assert 2 * cores * facts["clock_rate_ghz"] * 1e9 == pytest.approx(chip.float32_peak, rel=0.01)
    assert (facts["memory_bandwidth"], facts["device_memory_size"]) == (chip.bandwidth, chip.memory)


def test_full_float32_on_a_tpu_is_six_passes():
    assert 6 * TARGETS["v5e-2x2"].chip.float32_peak == TARGETS["v5e-2x2"].chip.fast_peak


def test_nothing_is_asked_of_a_device_and_nothing_of_the_users_is_lost(monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", "--xla_dump_to=here")
    of = environment_of(TARGETS["h100"])
    assert of["XLA_FLAGS"] == "--xla_dump_to=here --xla_gpu_autotune_level=0"
    assert (of["JAX_PLATFORMS"], of["CUDA_VISIBLE_DEVICES"]) == ("cpu", "-1")
    assert environment_of(TARGETS["v5e-2x2"])["XLA_FLAGS"] == "--xla_dump_to=here"
    assert os.environ["XLA_FLAGS"] == "--xla_dump_to=here"


# What is evaluated


def test_rates_of_evaluation_are_those_that_were_measured():
    measured = (ROOT / "docs" / "performance.md").read_text("utf-8")
    for environment, steps in STEPS_PER_SECOND.items():
        assert re.search(rf"\| {environment} \| \d+ \| {steps} \|", measured)


def test_evaluation_by_hand():
    [(group, _)] = ASKED.groups()
    found = evaluation([group], cores=4)
    # a data set: smoke's 2 evaluations of 2 ε and of 2 controls, an episode of 100 steps each
    assert (found.episodes, found.steps) == (2 * 8, 2 * 8 * 100)
    assert found.seconds == pytest.approx(800 / (21_978 / 2 * 4) + 800 / (17_555 / 2 * 4))


def test_table_1_is_the_450_000_episodes_of_the_paper_and_those_of_its_controls():
    groups = [group for group, _ in PlanRequest("h100", "paper", "", "", 3).groups()]
    assert evaluation(groups, 2).episodes == 90 * 500 * 10 + 18 * 2 * 10 * 10


# What is compiled


def abstract(tree):
    return jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype, leaf.sharding), tree)


def test_arguments_are_those_of_a_sweep():
    """Shape, type and sharding of every leaf that a real sweep hands to the chunk: three runs on two devices."""
    [(group, _)] = ASKED._replace(datasets="walker2d-medium-r1", perturbation_limits="0.1", seeds=3).groups()
    pairs = phases.pairs_of(["walker2d-medium-r1"], group.seeds)
    columns = (np.zeros((50, *width), np.float32) for width in ((17,), (6,), (), (17,), ()))
    rows = Rows(Transition(*columns), np.zeros(1, np.int32), np.full(1, 50, np.int32))
    sizes = phases.stacked_sizes([true_sizes(group.datasets[0]) for _ in pairs])
    first = phases.part_of(group.method, phases.FIRST_PHASE, pairs)
    behaviours = phases.first_batch(first, rows, pairs, (sizes,))
    last = phases.part_of(group.method, phases.LAST_PHASE, pairs)
    inputs = group.method.inputs(sizes, jax.tree.map(lambda leaf: leaf[:3], behaviours[0].state), None)
    policies = phases.first_batch(last, rows, pairs, inputs)
    mesh, data = run_mesh(len(pairs)), data_on(first.mesh, rows, np.zeros(len(pairs), int))
    assert mesh.size > 1
    for work, real in zip(works(group, (50,)), (behaviours, policies), strict=True):
        assert abstract(abstract_arguments(work, mesh)) == abstract((*real, data))


def test_programs_are_the_phases_in_order():
    [(group, rows)] = ASKED.groups()
    assert rows == (1_000, 1_000)
    of = works(group, rows)
    assert [(work.phase.trains, work.runs, work.phase.updates) for work in of] == [
        ("CVAEs", 2, 50),
        ("policies", 4, 40),
    ]


def test_rows_are_the_recipes_and_otherwise_nominal():
    [(_, rows)] = ASKED._replace(preset="paper", datasets="hopper-medium-v0").groups()
    assert rows == (1_000_000,)


@pytest.fixture(scope="module")
def compiled():
    """A plan of policies, compiled for this machine's processor, which is no target but a real compiler."""
    [(group, rows)] = ASKED.groups()
    return works(group, rows)[1], compile_work(works(group, rows)[1], jax.devices())


def planned(*programs, target="h100"):
    [(group, _)] = ASKED.groups()
    peaks = Peaks(H100.float32_peak, H100.bandwidth, 3e-6)
    of = [Planned(*program) for program in programs]
    return Plan("plas-jax plan", {"jax": "1"}, TARGETS[target], peaks, of, evaluation([group], 2), 2)


def test_a_program_is_counted(compiled):
    work, found = compiled
    assert found.collectives == {}
    assert found.full_float32 == found.products > 0
    # on a processor a pass of the loop is an update of one run after another
    needed = plas_operations(SMOKE.policy, 17, 6, 12)
    assert sum(kernel.operations * kernel.times for kernel in found.kernels) == pytest.approx(needed, rel=0.1)
    state = sum(math.prod(leaf.shape) * 4 for leaf in jax.tree.leaves(abstract_arguments(work, run_mesh(4))[0]))
    assert found.memory["arguments"] >= state // run_mesh(4).size


def test_a_plan_says_what_it_found(compiled):
    plan = planned(compiled)
    [row] = program_rows(plan)
    whole = sweep_row(plan)
    assert plan.is_sound
    assert row["memory_total"] == sum(compiled[1].memory.values())
    assert row["seconds"] == pytest.approx(40 * row["seconds_per_update"]["predicted"])
    assert whole["in_turn_seconds"] == pytest.approx(row["seconds"] + plan.evaluation.seconds)
    # Of smoke's two evaluations one has nothing to run beside, and neither has the first half of training.
    in_half = row["seconds"] / 2, plan.evaluation.seconds / 2
    assert whole["total_seconds"] == pytest.approx(sum(in_half) + max(in_half))
    for sums in (row["by_kind"], row["by_part"]):
        assert sum(of["launches"] for of in sums.values()) == row["launches"]
        assert sum(of["operations"] for of in sums.values()) == row["operations"]
    assert {"target", "polyak_average", "critic_loss", "policy_loss, backward"} <= set(row["by_part"])
    text = "\n".join(lines(plan) + kernel_lines(plan))
    assert re.search(r"collectives +none", text)
    assert re.search(r"fits +yes", text)
    assert "3 µs from one kernel to the next" in text
    assert "67.0 TFLOP/s" in text
    assert "polyak_average: " in text
    assert "kernels" not in as_json(plan, with_kernels=False)["programs"][0]
    assert len(as_json(plan, with_kernels=True)["programs"][0]["kernels"]) == len(compiled[1].kernels)


def test_a_sweep_that_waits_or_does_not_fit_is_not_sound(compiled):
    work, found = compiled
    assert not planned((work, found._replace(collectives={"all-reduce": 1}))).is_sound
    large = found._replace(memory={**found.memory, "temporaries": 10**11})
    assert not planned((work, large)).is_sound
    assert "NO" in "\n".join(lines(planned((work, large))))
    refused = planned((work, "RESOURCE_EXHAUSTED: too much"), compiled)
    assert not refused.is_sound
    assert sweep_row(refused)["total_seconds"] is None
    assert "does not fit: RESOURCE_EXHAUSTED" in "\n".join(lines(refused) + kernel_lines(refused))
    assert json.loads(json.dumps(as_json(refused, with_kernels=True)))["programs"][0]["fits"] is False


def test_only_want_of_memory_is_a_refusal(monkeypatch, compiled):
    def fails(work, devices):
        raise RuntimeError(message)

    monkeypatch.setattr(compiler, "compile_work", fails)
    message = "RESOURCE_EXHAUSTED: Ran out of memory in memory space hbm"
    assert compiler._outcome(compiled[0], []) == {"refused": message}
    message = "INTERNAL: something else"
    with pytest.raises(RuntimeError, match="something else"):
        compiler._outcome(compiled[0], [])


# What is refused


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (("--target=h1000",), "--target: 'h1000' is no target; did you mean h100"),
        (("--target=h100", "words"), "'words'"),
        (("--target=h100", "--preset=none"), "preset"),
    ],
)
def test_bad_input_is_one_line(flags, says):
    done = plan(*flags)
    assert done.returncode != 0
    assert done.stdout == ""
    assert len(done.stderr.strip().splitlines()) == 1
    assert says in done.stderr


@pytest.mark.parametrize(("name", "extra"), [("h100", "[cuda-plan]"), ("v5e-2x2", "[tpu-plan]")])
def test_a_missing_compiler_is_one_line_that_says_what_to_install(name, extra):
    if COMPILERS[name]:
        assert target_of_flag(name) == TARGETS[name]
        return
    with pytest.raises(ValueError, match=re.escape(extra)):
        target_of_flag(name)
    with pytest.raises(ValueError, match="--target must be one of h100, "):
        target_of_flag(None)
    setup = (ROOT / "setup.py").read_text("utf-8")
    assert f'"{extra[1:-1]}": [' in setup


def test_the_death_of_the_compiling_process_is_one_line():
    missing = [name for name, is_installed in COMPILERS.items() if not is_installed]
    if not missing:
        pytest.skip("both compilers are installed")
    with pytest.raises(OSError, match=f"compiles for {missing[0]} died: ."):
        next(compiler.compiled_elsewhere(ASKED._replace(target=missing[0]), TARGETS[missing[0]]))


# With a real compiler, where there is one


@pytest.mark.parametrize(
    ("name", "module"),
    [("h100", "jax_plugins.xla_cuda13"), pytest.param("v5e-2x2", "libtpu", marks=pytest.mark.slow)],
)
def test_a_small_table_is_planned_for_what_is_not_here(name, module):
    if not is_here(module):
        pytest.skip(f"{module} is not installed")
    done = plan(
        f"--target={name}", "--preset=smoke", "--json", "--seeds=2", "--cpu_cores=16", "--launch_microseconds=5"
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert "compile plas-16 CVAEs" in done.stderr
    behaviours, policies = found["programs"]
    assert (behaviours["runs"], policies["runs"]) == (12, 60)
    assert found["peaks"]["launch_seconds"] == pytest.approx(5e-6)
    devices = TARGETS[name].devices
    sizes = 17, 6, 12
    for row, needed in (
        (behaviours, behaviour_operations(SMOKE.behaviour_architecture(), *sizes)),
        (policies, plas_operations(SMOKE.policy, *sizes)),
    ):
        assert row["fits"]
        assert row["collectives"] == {}
        assert row["products_in_full_float32"] == row["products"] > 0
        assert row["runs_per_device"] == -(-row["runs"] // devices)
        assert row["operations"] == pytest.approx(needed * row["runs_per_device"], rel=0.1)
        assert 30 < row["launches"] < 300
