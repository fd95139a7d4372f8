"""Table 1's ninety runs in one batch, one of which is made to diverge."""

import jax
import numpy as np
import pytest

from plas_jax.performance.throughput.cases import Case, first_batch, method_of
from plas_jax.training.balance import run_balanced
from plas_jax.training.chunk import HEALTHY, Span
from plas_jax.training.layout import on_runs, run_mesh

CASE = Case("plas", "20", runs=90, devices=2)
SICK, UPDATES = 37, 50


def trained(critic_learning_rate):
    """States, NumPy, and when runs diverged, where run 37 has this critic's learning rate."""
    mesh = run_mesh(CASE.runs)
    batch, runs, data = first_batch(CASE, mesh)
    rates = np.array(runs.knobs.critic_learning_rate)
    rates[SICK] = critic_learning_rate
    runs = runs._replace(knobs=runs.knobs._replace(critic_learning_rate=on_runs(mesh, rates)))
    algorithm = method_of(CASE.algorithm, CASE.widths).phase.algorithm
    batch, metrics = run_balanced(algorithm, mesh, batch, runs, data, Span(0, UPDATES))
    return jax.tree.map(np.asarray, (batch.state, metrics)), np.asarray(batch.diverged_at)


@pytest.mark.slow
@pytest.mark.parametrize("rate", [1e6, np.nan], ids=["explodes", "not a number"])
def test_eighty_nine_runs_do_not_notice_that_one_diverges(rate):
    healthy, none = trained(1e-4)
    sick, diverged_at = trained(rate)
    others = np.delete(np.arange(CASE.runs), SICK)
    assert (none == HEALTHY).all()
    assert 0 < diverged_at[SICK] <= UPDATES
    assert (diverged_at[others] == HEALTHY).all()
    for ours, theirs in zip(jax.tree.leaves(sick), jax.tree.leaves(healthy), strict=True):
        np.testing.assert_array_equal(ours[others], theirs[others])
    assert not all(
        np.array_equal(a[SICK], b[SICK]) for a, b in zip(*map(jax.tree.leaves, (sick, healthy)), strict=True)
    )
