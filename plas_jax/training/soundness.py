"""Whether this machine computes what NumPy does: a check of what trainings are made of, in a second before they start.

A compiler may be silently wrong (jaxlib 0.10.2 is, see `compiler_options`), and then every result is worth nothing.
"""

import os
from typing import NamedTuple

import jax
import jax.numpy as jnp
import jaxlib
import numpy as np

from plas_jax.training.compiler_options import WIDE, Options, many_rows_options, training_options
from plas_jax.training.kept_programs import keeping_everything
from plas_jax.types import Array

FEW_ROWS, MANY_ROWS = 1_000, 36_000  # jaxlib 0.10.2 is wrong with 32,769 to about 42,000
LIMIT = 1e-4  # of max|a − b| / max|b|


class Inputs(NamedTuple):
    """What the check computes with: numbers within ±1."""

    rows: np.ndarray  # float32 [rows, 3]
    matrix: np.ndarray  # float32 [3, 3]
    wide: np.ndarray  # float32 [WIDE, WIDE]
    chosen: np.ndarray  # int32 [rows], which rows are gathered


def inputs(rows: int) -> Inputs:
    """Return the inputs with so many rows."""
    generator = np.random.default_rng(0)
    shapes = (rows, 3), (3, 3), (WIDE, WIDE)
    thin, matrix, wide = (generator.uniform(-1, 1, shape).astype(np.float32) for shape in shapes)
    return Inputs(thin, matrix, wide, generator.integers(0, rows, rows, np.int32))


def in_jax(given: Inputs) -> dict[str, Array]:
    """Compute everything by JAX."""

    def step(place: Array, carry: tuple[Array, Array]) -> tuple[Array, Array]:
        total = 0.9 * carry[0] + given.rows[place]
        return total, carry[1].at[place].set(total)

    start = jnp.zeros(3), jnp.zeros_like(given.rows[:FEW_ROWS])
    return {
        "products": given.wide @ given.wide,
        "reductions of products": jax.vmap(lambda row: jnp.sum((given.matrix @ row) ** 2))(given.rows),
        "sums": given.rows.sum(axis=0),
        "maxima": given.rows.max(axis=1),
        "loops": jax.lax.fori_loop(0, FEW_ROWS, step, start)[1],
        "gathers": given.rows[given.chosen],
    }


def in_numpy(given: Inputs) -> dict[str, np.ndarray]:
    """Compute the same by NumPy, in float64."""
    rows, matrix, wide = (array.astype(np.float64) for array in given[:3])
    totals = np.zeros((FEW_ROWS + 1, 3))
    for place in range(FEW_ROWS):
        totals[place + 1] = 0.9 * totals[place] + rows[place]
    return {
        "products": wide @ wide,
        "reductions of products": ((rows @ matrix.T) ** 2).sum(axis=1),
        "sums": rows.sum(axis=0),
        "maxima": rows.max(axis=1),
        "loops": totals[1:],
        "gathers": rows[given.chosen],
    }


def miscomputed(rows: int, options: Options) -> list[str]:
    """Return what comes to other numbers than NumPy's when it is compiled with these options."""
    given = inputs(rows)
    with keeping_everything():
        results = jax.device_get(jax.jit(in_jax, compiler_options=dict(options) or None)(given))
    expected = in_numpy(given)
    apart = {name: np.abs(results[name] - expected[name]).max() for name in expected}
    # Written so that NaN is no agreement.
    return [name for name in expected if not apart[name] <= LIMIT * np.abs(expected[name]).max()]


def refuse_unsound_machine() -> None:
    """Raise `ValueError` where programs compiled as trainings and evaluations are come to other numbers than NumPy.

    XLA's defaults may be wrong where they are not used: with 32,768 rows and more, jaxlib 0.10.2's are.
    """
    on_cpu = jax.default_backend() == "cpu"
    trainings = [training_options(on_cpu, widest, batch_size=1) for widest in (1, WIDE)]
    for options, rows in {**dict.fromkeys(trainings, FEW_ROWS), many_rows_options(on_cpu): MANY_ROWS}.items():
        wrong = miscomputed(rows, options)
        if wrong:
            flags = os.environ.get("XLA_FLAGS", "")
            raise ValueError(
                f"jaxlib {jaxlib.__version__} computes {', '.join(wrong)} of {rows:,} rows wrongly on this machine"
                f" ({jax.devices()[0].device_kind}), so that no result could be trusted: install another version of jax"
                f"{f', or start without XLA_FLAGS={flags}' if flags else ''}"
            )
