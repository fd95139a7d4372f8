"""Fifty updates in padding, compared with those that a processor made once: whether a device computes the same.

The kept parameters are of a run of each method with Hopper's sizes in the padding of Walker2d's, sixteen units wide.
"""

import os
from collections.abc import Collection, Iterator
from pathlib import Path

import jax
import numpy as np

from plas_jax.datasets.minibatch import concatenate
from plas_jax.datasets.statistics import padded, statistics
from plas_jax.files.messages import one_line
from plas_jax.files.npz_files import read_arrays
from plas_jax.files.whole_files import whole_file
from plas_jax.performance.accelerator.programs import FLOAT32, Given, Program, Row, Way, begun, compiled_together
from plas_jax.performance.throughput.cases import DATASET, method_of, random_rows
from plas_jax.training import phases
from plas_jax.training.chunk import Batch, Span
from plas_jax.training.hosts import on_host
from plas_jax.training.layout import data_on, use_every_core
from plas_jax.types import Sizes, Transition
from plas_jax.verification.parity.updates import TOLERANCE, relative_error

KEPT = Path(__file__).with_name("parameters.npz")
METHODS = ("bc_regression", "plas", "td3+bc", "bcq", "iql")  # what compiles soonest first
UPDATES, WIDTHS, ROWS = 50, "16", 1_000
HOPPER, WALKER2D = Sizes.of(11, 3), Sizes.of(17, 6)
Parameters = dict[str, np.ndarray]  # by their paths in a state


def given(name: str) -> Given:
    """Return a run on data of either size before its first update, around an untrained first phase where there is one.

    Raises `KeyError` for a name that is no method's.
    """
    method, robots = method_of(name, WIDTHS), [HOPPER, WALKER2D]
    data = [_data(place, sizes, method.uses_next_actions) for place, sizes in enumerate(robots)]
    width = WALKER2D.observation.padded
    rows = concatenate(data, ROWS * len(data), width, WALKER2D.action.padded)
    pairs = [phases.Pair(place, DATASET, seed=place) for place in range(len(data))]
    sizes, untrained = phases.stacked_sizes(robots), None
    if method.first is not None:
        first = phases.part_of(method, phases.FIRST_PHASE, pairs)
        untrained = phases.first_batch(first, rows, pairs, (sizes,))[0].state
    # As if every transition were an episode.
    known = [padded(statistics(each, each.reward), width) for each in data]
    inputs = method.inputs(sizes, untrained, jax.tree.map(lambda *leaves: np.stack(leaves), *known))
    part = phases.part_of(method, phases.LAST_PHASE, pairs)
    batch, runs = phases.first_batch(part, rows, pairs, on_host(inputs))
    transitions = data_on(part.mesh, rows, phases.datasets_of(part, pairs))
    return Given(part.phase.algorithm, part.mesh, batch, runs, transitions)


def _data(place: int, sizes: Sizes, next_actions: bool) -> Transition:
    """Return a stretch of random rows, cut to these sizes."""
    whole = random_rows(next_actions).transitions
    stretch = slice(place * ROWS, (place + 1) * ROWS)
    observation, action = sizes.observation.true, sizes.action.true
    widths = Transition(observation, action, None, observation, None, action)
    columns = {
        name: None if column is None else column[stretch] if width is None else column[stretch, :width]
        for name, column, width in zip(whole._fields, whole, widths, strict=True)
    }
    return Transition(**columns)


def parameters(batch: Batch) -> Parameters:
    """Return the padded run's floating-point arrays but for Adam's moments."""
    leaves = jax.tree.leaves_with_path(batch.state)
    named = {jax.tree_util.keystr(path, simple=True, separator="/"): np.asarray(leaf)[0] for path, leaf in leaves}
    return {name: leaf for name, leaf in named.items() if leaf.dtype == np.float32 and "moments" not in name}


def keep(path: Path, names: Collection[str] = METHODS) -> None:
    """Write what fifty updates on a processor make of each method's parameters; those that stand still are left out.

    Raises `ValueError`, one line, on any other device.
    """
    use_every_core(os.cpu_count() or 1)
    if jax.default_backend() != "cpu":
        raise ValueError("a processor's parameters are kept: set JAX_PLATFORMS=cpu")
    kept: Parameters = {}
    for name in names:
        start = given(name)
        before, after = parameters(start.batch), _trained(start, compiled_together(start, [Way()])[0])
        if isinstance(after, str):
            raise OSError(f"{name}: {after}")
        moved = {leaf: value for leaf, value in after.items() if not np.array_equal(value, before[leaf])}
        kept |= {f"{name} {leaf}": value for leaf, value in moved.items()}
    with whole_file(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **kept)  # type: ignore[arg-type]


def rows(name: str, several: list[Way]) -> Iterator[Row]:
    """Compare a method's fifty updates with the kept ones, compiled in each of these ways; yield a row for each.

    A row that has only begun comes before each. A difference is max|a − b| / max|b| of the parameter that is furthest
    off. In full float32 it is to be at most 1e-4; in other precisions it is told without a verdict.
    """
    kept = {key.partition(" ")[2]: leaf for key, leaf in read_arrays(KEPT).items() if key.partition(" ")[0] == name}
    case: Row = {"measure": "parity", "method": name}
    yield begun(case | {"way": several[0].name})
    start = given(name)
    for way, program in zip(several, compiled_together(start, several), strict=True):
        row = case | {"way": way.name}
        yield begun(row)
        trained = _trained(start, program)
        if isinstance(trained, str):
            yield row | {"refused": trained}
            continue
        errors = {leaf: relative_error(trained[leaf], value) for leaf, value in kept.items()}
        worst = max(errors, key=lambda leaf: errors[leaf])
        agrees = errors[worst] <= TOLERANCE if way.precision == FLOAT32 else None
        yield row | {"difference": errors[worst], "of": worst, "agrees": agrees}


def _trained(start: Given, program: Program | str) -> Parameters | str:
    """Return the parameters after fifty updates of a copy, or why there are none."""
    if isinstance(program, str):
        return program
    copied = jax.tree.map(lambda leaf: jax.device_put(np.array(leaf), leaf.sharding), start.batch)
    try:
        return parameters(program.advance(start._replace(batch=copied), Span(0, UPDATES)))
    except Exception as error:  # as where programs are compiled
        return one_line(error, 300)
