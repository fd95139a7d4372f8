"""Measures that show when a method cannot work on its data, taken of trained runs on probe rows.

Every method: `action_saturation`, the share of its actions' components beyond 0.99. With a `value`: `return_to_go`, the
discounted return that the data's own actions have from the rows on, and `q_minus_return`, Q(s, a) less that; means over
the rows where the data tell it. What else a method shows, such as its active latents, is its own:
`Algorithm.diagnose`.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from plas_jax.datasets.minibatch import Rows
from plas_jax.evaluation.probe_rows import one_by_one, probe_rows, return_to_go
from plas_jax.methods.method import discount_of
from plas_jax.training import phases
from plas_jax.training.acting import actions_of
from plas_jax.types import Algorithm, Array, Metrics, State, Transition

SATURATED = 0.99


class Diagnosed(NamedTuple):
    """One run: its state and knobs, the key that sampling policies act with, and the rows it is measured on."""

    state: State
    knobs: NamedTuple
    key: Array
    rows: Transition
    return_to_go: Array  # [rows], NaN where the data do not tell it


def diagnose(algorithm: Algorithm, run: Diagnosed) -> Metrics:
    """Return every measure of one run, scalars; pure, so that runs can be mapped over."""
    state, rows = run.state, run.rows
    action = actions_of(algorithm, state, rows.observation, run.key, run.knobs)
    measures = {"action_saturation": state.sizes.action.mean(jnp.abs(action) > SATURATED).mean()}
    if algorithm.value is not None:
        q = algorithm.value(state, rows.observation, rows.action, run.knobs)
        measures |= {
            "return_to_go": jnp.nanmean(run.return_to_go),
            "q_minus_return": jnp.nanmean(q - run.return_to_go),
        }
    return measures if algorithm.diagnose is None else measures | algorithm.diagnose(state, rows, run.knobs)


class Probes:
    """The probe rows of a sweep's data sets, and what their returns are."""

    def __init__(self, rows: Rows, pairs: list[phases.Pair]):
        self._rows, self._pairs, self._probes = rows, pairs, probe_rows(rows).rows
        self._returns: dict[tuple[int, float], np.ndarray] = {}

    def measure(self, part: phases.Part, state: State, knobs: NamedTuple) -> dict[str, np.ndarray]:
        """Return every measure of the runs of a part, float64 `[runs]` each; states and knobs are on the host."""
        count, pair_of = len(part.cells), np.array([cell.pair for cell in part.cells])
        datasets = [self._pairs[pair].dataset for pair in pair_of]
        # All on one device: a chunk's layout has runs that are there twice.
        state, knobs = jax.tree.map(lambda leaf: np.asarray(leaf)[:count], (state, knobs))
        _, keys = phases.phase_keys(self._pairs, phases.LAST_EVALUATION)
        discounts = map(discount_of, part.knobs)
        known = np.stack([self._return_to_go(*place) for place in zip(datasets, discounts, strict=True)])
        rows = jax.tree.map(lambda leaf: leaf[datasets], self._probes)
        measured = one_by_one(partial(diagnose, part.phase.algorithm))(
            Diagnosed(state, knobs, keys[pair_of], rows, jnp.asarray(known, jnp.float32))
        )
        return {name: np.asarray(values, np.float64) for name, values in measured.items()}

    def _return_to_go(self, dataset: int, discount: float) -> np.ndarray:
        if (dataset, discount) not in self._returns:
            self._returns[dataset, discount] = return_to_go(self._rows, dataset, discount)
        return self._returns[dataset, discount]
