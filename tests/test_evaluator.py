"""Evaluations beside training: what leaves them early does not wait for episodes to end."""

import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest

from plas_jax.datasets.catalogue import parse
from plas_jax.methods.method import EvaluationProtocol
from plas_jax.methods.presets import SMOKE, plas_over
from plas_jax.sweeps import evaluator
from plas_jax.sweeps.evaluator import Evaluator
from plas_jax.sweeps.groups import groups
from plas_jax.training import phases
from plas_jax.training.chunk import HEALTHY

PROTOCOL = EvaluationProtocol((40,), 1, 1, horizon=1000)


@pytest.fixture
def playing(monkeypatch):
    """An evaluator of one run whose episodes never end early, the steps that it has played, and its first."""
    method = plas_over(SMOKE, "perturbation_limit", (0.0,))
    (group,) = groups(method, PROTOCOL, [parse("halfcheetah-random-r1")], (0,), "d4rl")
    pairs, steps = phases.pairs_of(["halfcheetah-random-r1"], (0,)), []
    begun = threading.Event()

    def act(observation, step):
        steps.append(step)
        begun.set()
        time.sleep(0.005)
        return np.zeros((*observation.shape[:-1], 6), np.float32)

    monkeypatch.setattr(evaluator, "policy_of", lambda *_: act)
    monkeypatch.setattr(phases, "own", lambda *part_batch_runs: part_batch_runs)
    monkeypatch.setattr(Evaluator, "_copy", lambda _, *part_batch_runs: part_batch_runs)
    journal = SimpleNamespace(overlap=True, phase=lambda *_: None, watched=lambda policy, _: policy)
    return Evaluator(group, phases.part_of(method, phases.LAST_PHASE, pairs), pairs, journal), steps, begun


def test_what_leaves_early_ends_what_is_played_at_its_next_step(playing):
    beside, steps, begun = playing
    with beside:
        beside.begin(SimpleNamespace(diverged_at=np.full(1, HEALTHY)), None, 2, "evaluate")
        assert begun.wait(60)
    assert 0 < len(steps) < PROTOCOL.horizon
