"""The check at a start: jaxlib 0.10.2's mistake is seen and cured, and a planted one is refused in one line."""

import os
import platform
from types import SimpleNamespace

import jax
import jaxlib
import numpy as np
import pytest
from by_subprocess import call_here
from flax import struct

from plas_jax.training import soundness
from plas_jax.training.compiler_options import (
    EIGEN,
    FUSIONS,
    LARGE_BATCH,
    MISCOMPILES_MANY_ROWS,
    PLAIN_REDUCTIONS,
    WIDE,
    compiler_options,
    many_rows_options,
    training_options,
)
from plas_jax.training.layout import run_mesh
from plas_jax.training.soundness import FEW_ROWS, MANY_ROWS, in_numpy, inputs, miscomputed, refuse_unsound_machine

# What other processors' kernels do is not known, and $XLA_FLAGS may hold the cure already.
is_affected = pytest.mark.skipif(
    jaxlib.__version__ != MISCOMPILES_MANY_ROWS
    or jax.default_backend() != "cpu"
    or platform.machine() != "x86_64"
    or FUSIONS in os.environ.get("XLA_FLAGS", ""),
    reason=f"only jaxlib {MISCOMPILES_MANY_ROWS} is known to miscompile this, on x86-64, as it comes",
)


@struct.dataclass
class Weights:
    """A state with one array."""

    weights: np.ndarray
    architecture: SimpleNamespace = struct.field(pytree_node=False)


@is_affected
def test_a_miscompilation_is_seen_and_what_is_asked_for_cures_it():
    assert miscomputed(MANY_ROWS, ()) == ["reductions of products"]
    for cure in ((PLAIN_REDUCTIONS,), (EIGEN,)):
        assert miscomputed(MANY_ROWS, cure) == []
    # Behind that row alone, so that the published trainings, which have fewer, were never wrong.
    assert miscomputed(32_768, ()) == []


@is_affected
def test_the_cure_goes_where_there_are_many_rows_and_nowhere_else():
    assert many_rows_options(on_cpu=True) == (PLAIN_REDUCTIONS,)
    assert PLAIN_REDUCTIONS not in training_options(True, 1, LARGE_BATCH)
    assert PLAIN_REDUCTIONS in training_options(True, 1, LARGE_BATCH + 1)
    # Eigen's reductions are plain ones already.
    assert training_options(True, WIDE, LARGE_BATCH + 1) == training_options(True, WIDE, 1)


def test_products_are_as_wide_as_the_narrower_side_of_weights():
    """Of `[runs, inputs, outputs]`; biases, `[runs, outputs]`, are no product's."""

    def options(*shape):
        return compiler_options(run_mesh(2), Weights(np.zeros(shape, np.float32), SimpleNamespace(batch_size=1)))

    assert EIGEN in options(2, WIDE, WIDE)
    for narrow in ((2, WIDE - 1, WIDE), (2, WIDE, WIDE - 1), (WIDE, WIDE)):
        assert EIGEN not in options(*narrow)


def test_a_sound_machine_is_not_refused():
    """Nor is one on which XLA's defaults are wrong and what is used in their place is right."""
    refuse_unsound_machine()
    assert many_rows_options(on_cpu=False) == training_options(False, WIDE, LARGE_BATCH + 1) == ()


@pytest.fixture(params=list(in_numpy(inputs(FEW_ROWS))))
def planted(request, monkeypatch):
    """The last number of one result is wrong."""

    def mistaken(given):
        results = in_numpy(given)
        results[request.param].flat[-1] += 1.0
        return results

    monkeypatch.setattr(soundness, "in_numpy", mistaken)
    return request.param


def test_whatever_is_wrong_is_named(planted, monkeypatch):
    assert miscomputed(FEW_ROWS, ()) == [planted]
    says = rf"jaxlib {jaxlib.__version__} computes {planted} of [\d,]+ rows wrongly .*: install another version of jax"
    monkeypatch.delenv("XLA_FLAGS", raising=False)
    with pytest.raises(ValueError, match=says + "$"):
        refuse_unsound_machine()
    monkeypatch.setenv("XLA_FLAGS", "--xla_cpu_something=1")
    with pytest.raises(ValueError, match=says + ", or start without XLA_FLAGS=--xla_cpu_something=1"):
        refuse_unsound_machine()


def test_nan_is_no_agreement(monkeypatch):
    monkeypatch.setattr(soundness, "in_numpy", lambda given: in_numpy(given) | {"sums": np.full(3, np.nan)})
    assert miscomputed(FEW_ROWS, ()) == ["sums"]


@pytest.mark.parametrize("planted", ["products"], indirect=True)
@pytest.mark.parametrize(
    ("script", "words", "status"),
    [
        ("sweep_perturbation.py", ["--preset=smoke"], 1),
        ("d4rl_scores.py", ["--preset=smoke", "--algorithms=bc"], 1),
        ("score_regression.py", ["--preset=smoke", "--accept", "--reason=none"], 2),
        ("throughput.py", ["--seconds=0.01"], 1),
    ],
)
def test_a_command_refuses_in_one_line_before_there_is_a_folder(planted, script, words, status, tmp_path):
    outputs = [] if script == "throughput.py" else [f"--output={tmp_path / 'out'}", f"--data_dir={tmp_path}"]
    done = call_here(script, *words, *outputs, cwd=tmp_path)
    assert done.returncode == status
    assert done.stderr.startswith(f"error: jaxlib {jaxlib.__version__} computes {planted} of 1,000 rows wrongly")
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""
    assert list(tmp_path.iterdir()) == []
