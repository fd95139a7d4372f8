"""What is said of a training before its first evaluation: once, when it has taken long, and never written down."""

from contextlib import contextmanager
from types import SimpleNamespace

import numpy as np
import pytest

from plas_jax.datasets.catalogue import parse
from plas_jax.evaluation.returns import Returns
from plas_jax.methods.method import EvaluationProtocol
from plas_jax.methods.presets import SMOKE, plas_over
from plas_jax.sweeps import first_look
from plas_jax.sweeps.first_look import AFTER_SECONDS, FirstLook
from plas_jax.sweeps.groups import groups
from plas_jax.sweeps.interruption import Interrupted
from plas_jax.sweeps.rows import Played
from plas_jax.training import phases


@pytest.fixture
def looked(monkeypatch):
    """A look at two policies of two data sets, what it began to play and what it said."""
    method = plas_over(SMOKE, "perturbation_limit", (0.0, 0.1))
    datasets = [parse("hopper-random-r1"), parse("walker2d-random-r1")]
    (group,) = groups(method, EvaluationProtocol((40,), 5, 1), datasets, (0,), "d4rl")
    pairs = phases.pairs_of([dataset.name for dataset in datasets], (0,))
    begun, said = [], []

    @contextmanager
    def evaluator(of_one_episode, *_):
        def begin(batch, runs, update, name):
            begun.append((of_one_episode.protocol.episodes, batch, update))

        def played(behind):
            if isinstance(begun[-1][1], Exception):
                raise begun[-1][1]
            returns = Returns(np.array([[-20.272305], [3234.3], [1.629008], [2296.661]]), np.full((4, 1), 9))
            yield Played(returns, np.full(4, -1), begun[-1][2])

        yield SimpleNamespace(begin=begin, played=played)

    monkeypatch.setattr(first_look, "Evaluator", evaluator)
    journal = SimpleNamespace(watch=SimpleNamespace(say=said.append))
    look = FirstLook(group, phases.part_of(method, phases.LAST_PHASE, pairs), pairs, journal)
    return look, begun, said


def chunk(update, seconds, batch="batch"):
    return phases.Chunk(update, batch, {}, 8, seconds)


def test_it_comes_once_after_45_seconds_without_an_evaluation(looked):
    look, begun, said = looked
    assert AFTER_SECONDS + 9 + 30 < 90  # a chunk may end 9 s later, and 90 episodes take half a minute at the slowest
    look.after(chunk(8, AFTER_SECONDS - 1), None, is_evaluated=False)
    assert begun == []
    for update in (16, 24):
        look.after(chunk(update, 2.0), None, is_evaluated=False)
    assert begun == [(1, "batch", 16)]
    assert said == [
        "a first look at the policies after 16 of 40 updates, one episode of each, mean scores (none is written down)",
        "  hopper-random-r1: perturbation_limit=0 0.0, perturbation_limit=0.1 100.0",
        "  walker2d-random-r1: perturbation_limit=0 0.0, perturbation_limit=0.1 50.0",
    ]


@pytest.mark.parametrize(("update", "is_evaluated"), [(16, True), (40, False)])
def test_it_does_not_come_where_scores_are_there_or_about_to_be(looked, update, is_evaluated):
    look, begun, _ = looked
    look.after(chunk(update, 100.0), None, is_evaluated)
    assert begun == []


def test_a_stop_that_is_asked_for_meanwhile_is_left_to_the_training(looked):
    look, begun, said = looked
    look.after(chunk(8, 100.0, Interrupted()), None, is_evaluated=False)
    assert len(begun) == 1
    assert said == []
