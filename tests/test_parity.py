"""The updates that train are the reference implementation's, number by number."""

import numpy as np
import pytest
from by_subprocess import ROOT, call_here

from plas_jax.verification.parity.golden import read
from plas_jax.verification.parity.updates import TOLERANCE, TRAININGS, relative_error, replay_updates

GOLDEN = ROOT / "tests" / "golden"
FILES = sorted(path for path in GOLDEN.glob("*.npz") if not path.name.startswith("dynamics"))
RECORDED = ("after_", "losses/", "vae_losses", "actions_after", "q_after", "max_q_actions_after")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_tensor_agrees(path):
    golden = read(path)
    errors = replay_updates(golden)
    assert set(errors) == {name for name in golden.arrays if name.startswith(RECORDED)}
    # 8.3e-6 at most: what float32 rounds, most of it the correction of bias in Adam's first steps
    assert max(errors.values()) <= TOLERANCE / 5


def test_every_method_is_there():
    assert {read(path).config["algorithm"] for path in FILES} == {*TRAININGS}


def test_relative_error_by_hand():
    assert relative_error([1.0, 2.0], [1.0, 4.0]) == 0.5
    assert relative_error([0.0], [0.0]) == 0.0
    assert relative_error([1.0], [0.0]) == np.inf
    assert relative_error([np.nan], [1.0]) == np.inf
    assert relative_error([1.0], [1.0, 1.0]) == np.inf


def test_the_command_prints_every_tensor_and_agrees():
    done = call_here("parity.py", *FILES)
    assert done.returncode == 0, done.stderr
    for moment in ("after_20", "after_10"):
        assert f"{moment}/critic_target/l6.weight" in done.stdout
    assert done.stdout.splitlines()[-1].startswith("agree: worst ")
