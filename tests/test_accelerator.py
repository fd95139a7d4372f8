"""What a borrowed device is asked in eight minutes, in its smallest form: rows, kept parameters, stop and resume."""

import subprocess
import sys
import time
from contextlib import nullcontext

import jax
import numpy as np
import pytest
from flax import struct

from plas_jax.commands import accelerator, sweep_perturbation
from plas_jax.commands.invocation import invoke
from plas_jax.datasets.minibatch import Rows
from plas_jax.performance.accelerator import measuring, parity, sitting, speed, training
from plas_jax.performance.accelerator.programs import BEGUN, FLOAT32, PRECISIONS, Given, Way, begun, compiled, ways
from plas_jax.performance.accelerator.record import Record
from plas_jax.performance.accelerator.request import request
from plas_jax.performance.planning.targets import A100, H100, H200, V5E, chip_of
from plas_jax.results.folder import OutputFolder
from plas_jax.results.manifest import GroupRecord, Manifest, MethodRecord
from plas_jax.training.chunk import HEALTHY, Batch, Runs, Span
from plas_jax.training.compiler_options import PLAIN, Variant, variants
from plas_jax.training.layout import data_on, on_runs, run_mesh
from plas_jax.types import Algorithm, Sizes, Transition

UNOPTIMISED = Way(Variant("plain", (("xla_backend_optimization_level", 0),)))  # what compiles quickly is plain enough


def asked(tmp_path, *flags):
    accelerator.FLAGS.unparse_flags()
    accelerator.FLAGS(["", "--preset=smoke", f"--output={tmp_path / 'out'}", "--datasets=hopper-medium-v2", *flags])
    return request(accelerator.FLAGS)


# What is measured


def test_one_thing_is_changed_at_a_time():
    every = ways("gpu")
    assert [way.name for way in every] == [
        "plain, float32",
        "command buffers +WHILE, float32",
        "CONCURRENT_REGIONS, float32",
        "2 updates a pass, float32",
        "4 updates a pass, float32",
        "64 counted in a pass, float32",
        "plain, TF32",
        "plain, 3×TF32",
    ]
    assert all(
        way.variant == PLAIN or way.precision == FLOAT32 for platform in ("tpu", "cpu") for way in ways(platform)
    )
    assert variants("nothing") == (PLAIN,)


def test_this_xla_knows_every_option():
    for variant in (*variants("gpu"), *variants("tpu"), *variants("cpu")):
        assert quickly(lambda: 0, variant.options)() == 0, variant.name
    with pytest.raises(jax.errors.JaxRuntimeError, match="valid enum value"):
        quickly(lambda: 0, (("xla_gpu_enable_command_buffer", "+WHILE"),))()


def quickly(function, options):
    return jax.jit(function, compiler_options=dict(options))


@pytest.mark.parametrize("precision", [FLOAT32, *PRECISIONS["gpu"], *PRECISIONS["tpu"]], ids=lambda each: each.name)
def test_precisions_are_jaxs(precision):
    with jax.default_matmul_precision(precision.setting):
        assert jax.config.values["jax_default_matmul_precision"] == precision.setting
    assert precision.peak(H100) == {None: 67e12, 1: 494.7e12, 3: 164.9e12}[precision.passes]


def test_a_device_is_known_by_what_it_calls_itself():
    kinds = ("NVIDIA H100 80GB HBM3", "NVIDIA H200", "NVIDIA A100-SXM4-80GB", "TPU v5 lite", "cpu")
    assert [chip_of(kind) for kind in kinds] == [H100, H200, A100, V5E, None]
    assert H200.bandwidth > H100.bandwidth


@struct.dataclass
class Counted:
    """A run whose update is a few operations that rounding does not forgive another order of."""

    sizes: Sizes
    value: jax.Array
    architecture: object = struct.field(pytree_node=False)


@pytest.fixture(scope="module")
def given():
    """Two runs of a method that takes nothing to compile."""
    architecture = type("Architecture", (), {"batch_size": 4})()
    algorithm = Algorithm(
        init=lambda *_: None,
        noise=lambda key, architecture, sizes: jax.random.normal(key),
        update=lambda state, batch, noise, knobs: (
            state.replace(value=0.9 * state.value + noise * batch.reward.sum()),
            {"mean_q": noise},
        ),
        act=lambda *_: None,
    )
    mesh, two = run_mesh(2), np.zeros(2, np.int32)
    sizes = jax.tree.map(lambda size: np.full(2, size, np.int32), Sizes.of(3, 2))
    state = Counted(sizes, np.zeros(2, np.float32), architecture)
    keys = jax.random.split(jax.random.key(0), 2)
    batch, runs = on_runs(mesh, (Batch(state, two + HEALTHY), Runs(keys, two, two + 50, (np.zeros(2),))))
    columns = np.random.default_rng(0).normal(size=(50, 8)).astype(np.float32)
    transitions = Transition(columns[:, :3], columns[:, 3:5], columns[:, 5], columns[:, :3], columns[:, 6])
    return Given(algorithm, mesh, batch, runs, data_on(mesh, Rows(transitions, two[:1], two[:1] + 50), two))


def copied(given):
    return given._replace(batch=on_runs(given.mesh, jax.tree.map(np.array, given.batch)))


def after(given, variant, updates):
    """What so many updates make of a copy, compiled in this way."""
    program = compiled(given, Way(variant))
    return np.asarray(program.advance(copied(given), Span(3, 3 + updates)).state.value)


@pytest.mark.parametrize("updates", [1, 7])
def test_passes_of_several_updates_change_no_bit(given, updates):
    quick = UNOPTIMISED.variant.options
    plain = after(given, UNOPTIMISED.variant, updates)
    assert (plain != 0).all()
    for variant in (Variant("2", quick, 2), Variant("3 counted", quick, 3, unrolled=False)):
        np.testing.assert_array_equal(after(given, variant, updates), plain)


def test_what_the_compiler_refuses_is_one_line(given):
    refused = compiled(given, Way(Variant("odd", (("xla_no_such_option", True),))))
    assert "xla_no_such_option" in refused
    assert "\n" not in refused


class Here:
    """A process that measures, in this one."""

    def __init__(self, rows):
        self.rows = rows

    def poll(self, seconds):
        return True

    def recv(self):
        return next(self.rows), 10**9

    def send(self, nothing):
        pass


def test_the_smallest_form_writes_its_rows_as_they_come_and_resumes(given, tmp_path, monkeypatch, capfd):
    """All of it but the training, in this process, of one method; a second call measures nothing that the first has.

    Fifty updates are those that were kept.
    """
    written = []

    def looked(rows):
        for row in rows:
            written.append(len(Record(tmp_path / "out", "", resume=True).rows))
            yield row

    monkeypatch.setattr(sitting, "starting_cold", lambda rows, devices: nullcontext(Here(looked(rows()))))
    monkeypatch.setattr(measuring, "ways", lambda platform: [UNOPTIMISED])
    monkeypatch.setattr(measuring, "refuse_unsound_machine", lambda: None)
    monkeypatch.setattr(parity, "METHODS", parity.METHODS[:1])
    monkeypatch.setattr(speed, "given", lambda widths, runs: copied(given))
    record = sitting.sit(asked(tmp_path, "--minutes=0.5"), "accelerator.py")
    assert written == [0, 1, 2, 2, 2, 3, 3, 3]
    assert [row["measure"] for row in record.rows.values()] == ["device", "parity", "speed", "training"]
    assert not record.differs
    again = sitting.sit(asked(tmp_path, "--minutes=0.5", "--resume"), "accelerator.py")
    assert written[8:] == [4, 4]
    measured = ("speed", "", "16", "2", "plain, float32")
    assert again.rows[measured] == record.rows[measured]
    page = record.markdown.read_text()
    assert "| bc_regression | plain, float32 |" in page
    assert "| 16 | 2 | plain, float32 |" in page
    assert "no time was left" in page
    assert "speed 16 2 plain, float32:" in capfd.readouterr().err


def test_what_a_process_dies_of_is_left_out_by_the_next_one(tmp_path, monkeypatch):
    def dying(extent, done):
        for way in ("first", "deadly", "last"):
            row = SPEED | {"way": way}
            if measuring.key(row) not in done:
                yield begun(row)
                if way == "deadly":
                    raise EOFError
                yield row | MEASURED
        yield measuring.END

    monkeypatch.setattr(sitting, "rows", dying)
    monkeypatch.setattr(sitting, "starting_cold", lambda rows, devices: nullcontext(Here(rows())))
    record = Record(tmp_path, "accelerator.py", resume=False)
    sitting.measure(asked(tmp_path), record, until=0.0)
    assert [(row["way"], row.get("refused")) for row in record.rows.values()] == [
        ("first", None), ("deadly", BEGUN), ("last", None)
    ]  # fmt: skip


# What is kept

DEVICE = {"measure": "device", "device": "1 × H100", "driver": "590", "host": "h", "versions": {"jax": "1"}}
DEVICE |= {"git_commit": "c", "platform": "gpu"}
SPEED = {"measure": "speed", "widths": "paper", "runs": 90, "way": "plain, float32"}
MEASURED = {"updates_per_second": 30_000.0, "lowest_and_highest": [29_000.0, 31_000.0], "compile_seconds": 9.0}
MEASURED |= {"kernels": 107.0, "bytes": 4.9e9, "predicted_seconds": 2.284e-3, "peak_memory": 5 * 10**9}


def test_a_table_has_what_was_measured_beside_what_was_predicted(tmp_path):
    record = Record(tmp_path, "accelerator.py", resume=False)
    faster = SPEED | MEASURED | {"way": "4 updates a pass, float32", "updates_per_second": 45_000.0, "kernels": None}
    for row in (DEVICE, SPEED | MEASURED, faster, SPEED | {"way": "plain, TF32", "refused": "no | such"}):
        record.add(row)
    lines = record.markdown.read_text().splitlines()
    cells = "| paper | 90 | plain, float32 | 30,000 | 29,000–31,000 | 1.00 | 3,000 | 2,284 | 107 | 4,900 | 9.0 | 5.00 |"
    assert cells in lines
    assert any("4 updates a pass" in line and "| 1.50 | 2,000 | 2,284 | — |" in line for line in lines)
    assert any("plain, TF32 | refused: no \\| such | —" in line for line in lines)
    assert len({line.replace("\\|", "").count("|") for line in lines if line.startswith("|")}) == 1


def test_what_was_refused_is_measured_again_and_another_device_is_refused(tmp_path):
    record = Record(tmp_path, "accelerator.py", resume=False)
    record.add(DEVICE)
    record.add(SPEED | {"refused": "busy"})
    assert len(record.done) == 1
    with pytest.raises(FileExistsError, match="--resume goes on"):
        Record(tmp_path, "accelerator.py", resume=False)
    resumed = Record(tmp_path, "accelerator.py", resume=True)
    assert resumed.rows == record.rows
    resumed.add(SPEED | MEASURED)
    assert len(resumed.done) == len(resumed.rows) == 2
    with pytest.raises(ValueError, match=r"is of 1 × H100, and this is 1 × A100: give a new --output"):
        resumed.add(DEVICE | {"device": "1 × A100"})


# Training with what is left


def test_a_training_is_stopped_as_ctrl_c_stops_it(monkeypatch):
    monkeypatch.setattr(training, "STOPPING_SECONDS", 5.0)
    started = time.monotonic()
    sleeping = "import time\ntry:\n time.sleep(60)\nexcept KeyboardInterrupt:\n pass"
    calls = ["pass", "raise SystemExit(3)", sleeping]
    ended = [training.trained_until([sys.executable, "-S", "-E", "-c", call], time.monotonic() + 5.3) for call in calls]
    assert ended == ["finished", "ended with exit status 3", "stopped in time"]
    assert time.monotonic() - started < 5


def test_it_does_not_wait_for_data_for_ever(tmp_path):
    request = asked(tmp_path, "--datasets=hopper-medium-v2,hopper-random-r1,hopper-medium-r1,walker2d-random-r1")
    sleeping = subprocess.Popen([sys.executable, "-S", "-E", "-c", "import time; time.sleep(60)"])
    failed = subprocess.Popen([sys.executable, "-S", "-E", "-c", "raise SystemExit(1)"])
    making = {"hopper-random-r1": sleeping, "hopper-medium-r1": failed}
    assert training.made_by(time.monotonic() + 0.2, request, making) == ["hopper-medium-v2", "walker2d-random-r1"]
    sleeping.kill()
    sleeping.wait()


def test_it_is_an_ordinary_sweep_of_the_papers_size(tmp_path):
    request = asked(tmp_path, "--preset=paper", "--data_dir=d", "--datasets=")
    words = training.words(request, request.words.split(","))
    sweep_perturbation.FLAGS.unparse_flags()
    sweep_perturbation.FLAGS(words)
    flags = sweep_perturbation.FLAGS
    assert (flags.preset, flags.seeds, flags.resume, flags.overlap, flags.data_dir) == ("paper", "3", True, True, "d")
    assert flags.datasets == "hopper-medium-r1,halfcheetah-medium-expert-r1"


def test_how_far_it_has_come_is_read_from_its_folder(tmp_path):
    assert training.standing(tmp_path) == {}
    groups = {"a": GroupRecord(runs=30), "b": GroupRecord(runs=10)}
    record = MethodRecord(updates=1000, first_updates=500, groups=groups, wall_seconds={"train": 3.0, "evaluate": 2.0})
    words = dict.fromkeys(("preset", "dynamics", "matmul_precision", "device", "git_commit"), "as it was")
    OutputFolder(tmp_path).write_manifest(Manifest(methods={"plas": record}, episodes=1, **words))
    for phase, update in (("behaviour", 500), ("policy", 90), ("policy", 200), ("policy", "7.tmp")):
        (tmp_path / "checkpoints" / "a" / phase / str(update)).mkdir(parents=True)
    stands = training.standing(tmp_path)
    assert stands["share"] == {"behaviour": 0.75, "policy": pytest.approx(0.15)}
    assert (stands["runs"], stands["episodes"], stands["evaluation_steps_per_second"]) == (40, 0, 0.0)


@pytest.mark.parametrize(
    ("flag", "says"),
    [
        ("--preset=laptop", "--preset"),
        ("--minutes=0", "--minutes"),
        ("--minutes=nan", "--minutes takes a finite number"),
        ("--datasets=hopper-medium-r9", "hopper-medium-r9"),
        ("more", "unexpected 'more'"),
    ],
)
def test_bad_input_is_one_line_before_anything_is_made(tmp_path, monkeypatch, capsys, flag, says):
    monkeypatch.chdir(tmp_path)
    assert invoke(accelerator.run, accelerator.FLAGS, accelerator.USAGE, [flag]) in (1, 2)
    assert says in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
