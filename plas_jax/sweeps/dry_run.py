"""A dry run: what a sweep would write, and how long it would take at the speed of a short probe. Nothing is kept.

The probe trains every shape of networks for seconds on rows that mean nothing, and plays its policies for a few steps.
"""

import math
import time
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from typing import NamedTuple

import numpy as np

from plas_jax.datasets.minibatch import Rows
from plas_jax.files.messages import clock
from plas_jax.results.folder import OutputFolder
from plas_jax.results.manifest import Manifest, MethodRecord
from plas_jax.results.rows import Row
from plas_jax.sweeps.data import expected_rows, unmade
from plas_jax.sweeps.evaluator import Evaluator
from plas_jax.sweeps.groups import Group, true_sizes, widest
from plas_jax.sweeps.growth import groups_of, refuse_shrinking
from plas_jax.sweeps.interruption import Interruption
from plas_jax.sweeps.journal import Journal
from plas_jax.sweeps.progress import Watch, table_text
from plas_jax.sweeps.request import Request
from plas_jax.sweeps.rows import label
from plas_jax.training import phases
from plas_jax.training.chunk import Batch, Runs
from plas_jax.training.hosts import on_host
from plas_jax.training.layout import data_on
from plas_jax.types import Statistics, Transition

PROBED_ROWS = 100_000  # of a data set at most: what a minibatch draws is in no cache long before
PROBED_STEPS = 20  # of every episode
LONG_ENOUGH = 1.0  # seconds of the chunk whose speed counts
HEADER = ("what", "amount", "a second", "time")


class Speed(NamedTuple):
    """What a probe measured of one shape group."""

    compile_seconds: float
    run_updates: dict[str, float]  # a second, by what a phase trains
    steps: float  # control steps a second of all episodes together; infinite where nothing is played
    is_beside: bool  # whether they are played beside training


class Trained(NamedTuple):
    """The runs of a phase after a chunk that is long enough, and what that took."""

    batch: Batch
    compile_seconds: float
    run_updates: float  # a second


class Lacking(NamedTuple):
    """What a group has yet to make."""

    rows: int
    share: float  # of the last phase's updates and evaluations; 1 where the first phase is to be trained, too


def rehearse(request: Request, folder: OutputFolder, watch: Watch, tell: Callable[[str], None]) -> None:
    """Tell what a request would train, write and take. Raises as the sweep would before it trains."""
    earlier, there = folder.look(request), folder.read_rows()
    if earlier is not None:
        refuse_shrinking(earlier, request)
        for name in request.retrain:
            earlier.methods.pop(name, None)
    lines, seconds, rows = list[Sequence[str]](), 0.0, 0
    for method in request.methods:
        groups, described = groups_of(request, method, earlier)
        tell("\n".join(described))
        lacking = {group.name: _lacking(group, earlier, there) for group in groups}
        rows += sum(each.rows for each in lacking.values())
        todo = [group for group in groups if lacking[group.name].share > 0]
        # Waves of one group have one shape.
        for name, alike in groupby(todo, key=lambda group: group.whole or group.name):
            watch.say(f"probing {name}…")
            of_name = list(alike)
            speed = probe(of_name[0], request)
            of_group, taken = _expected(name, of_name, [lacking[group.name] for group in of_name], speed)
            lines, seconds = [*lines, *of_group], seconds + taken
    tell(f"results.csv: {rows:,} rows to be made, one for each episode; {len(there):,} are there")
    if names := unmade(request.datasets, request.preset.rows, request.data_dir):
        tell(f"data to be made first: {', '.join(names)}")
    if lines:
        tell(table_text(HEADER, lines))
    beside = " and making data" if names else ""
    tell(f"expected: {clock(seconds)} at most, if all episodes last their time, without reports{beside}")
    tell(f"a dry run: nothing was written to {request.output}")


def _lacking(group: Group, earlier: Manifest | None, there: Iterable[Row]) -> Lacking:
    """Return what a group has yet to make, where these rows are there."""
    record = None if earlier is None else earlier.method(group.method.name).groups.get(group.name)
    if record is not None and record.complete:
        return Lacking(0, 0.0)
    names, protocol = [dataset.name for dataset in group.datasets], group.protocol
    part = phases.part_of(group.method, phases.LAST_PHASE, phases.pairs_of(names, group.seeds))
    labels = {label(group.method, knobs) for knobs in part.knobs}
    made = 0
    if earlier is not None and group.method.name in earlier.methods:
        made = sum(row.dataset in names and row.algorithm in labels and row.seed in group.seeds for row in there)
    whole = group.runs * len(protocol.evaluations) * protocol.episodes
    # Controls are played as soon as the first phase is trained, so before any policy.
    rows = group.episodes * len(names) if not made else whole - made
    return Lacking(rows, 1.0 - made / whole)


def _expected(
    name: str, groups: Sequence[Group], lacking: Sequence[Lacking], speed: Speed
) -> tuple[list[Sequence[str]], float]:
    """Return the lines of groups of one shape, as `HEADER` has them, and the seconds that they take in all."""
    method, work = groups[0].method, [(group, each.share) for group, each in zip(groups, lacking, strict=True)]
    updates = [method.phase.updates * sum(group.runs * share for group, share in work)]
    if method.first is not None:
        updates.insert(0, method.first.updates * sum(group.pairs for group, share in work if share == 1))
    tasks = [
        (f"train {trains}", amount, "run-updates", rate)
        for (trains, rate), amount in zip(speed.run_updates.items(), updates, strict=True)
    ]
    tasks.append(("evaluate", sum(group.steps * share for group, share in work), "steps", speed.steps))
    seconds = [amount / rate for _, amount, _, rate in tasks]
    lines: list[Sequence[str]] = [(f"{name}: compile", "", "", clock(speed.compile_seconds))]
    for (what, amount, unit, rate), spent in zip(tasks, seconds, strict=True):
        if amount:
            lines.append((f"{name}: {what}", f"{amount:,.0f} {unit}", f"{rate:,.0f}", clock(spent)))
    return lines, speed.compile_seconds + sum(seconds) - (min(seconds[-2:]) if speed.is_beside else 0.0)


def probe(group: Group, request: Request) -> Speed:
    """Train and play all runs of a group for seconds, on rows that mean nothing; return how fast that is."""
    pairs = phases.pairs_of([dataset.name for dataset in group.datasets], group.seeds)
    rows = _rows(group, [expected_rows([each], request.preset.rows, request.data_dir) for each in group.datasets])
    sizes = phases.stacked_sizes([true_sizes(group.datasets[pair.dataset]) for pair in pairs])
    method, trained, state = group.method, dict[str, Trained](), None
    if method.first is not None:
        part = phases.part_of(method, phases.FIRST_PHASE, pairs)
        trained[part.phase.trains] = _trained(part, rows, pairs, *phases.first_batch(part, rows, pairs, (sizes,)))
        state = trained[part.phase.trains].batch.state
    part = phases.part_of(method, phases.LAST_PHASE, pairs)
    inputs = method.inputs(sizes, state, _statistics(len(pairs), widest(group.datasets).observation.padded))
    batch, runs = phases.first_batch(part, rows, pairs, on_host(inputs))
    last = trained[part.phase.trains] = _trained(part, rows, pairs, batch, runs)
    steps, is_beside = math.inf, False
    if group.played:
        steps, is_beside = _played(group, part, pairs, (last.batch, runs), request.overlap)
    compile_seconds = sum(each.compile_seconds for each in trained.values())
    return Speed(compile_seconds, {trains: each.run_updates for trains, each in trained.items()}, steps, is_beside)


def _trained(part: phases.Part, rows: Rows, pairs: Sequence[phases.Pair], batch: Batch, runs: Runs) -> Trained:
    """Compile a phase's program and train until a chunk is long enough to tell its speed."""
    data = data_on(part.mesh, rows, phases.datasets_of(part, pairs))
    started, rate = time.perf_counter(), 0.0
    batch = phases.compile_only(part.phase.algorithm, part.mesh, batch, runs, data)
    compiled = time.perf_counter() - started
    for place, chunk in enumerate(phases.train(part, batch, runs, data, 0, [part.phase.updates])):
        batch, rate = chunk.batch, len(part.cells) * chunk.updates / chunk.seconds
        if place and chunk.seconds >= LONG_ENOUGH:  # the first chunk after compiling may last seconds, and tells little
            break
    return Trained(batch, compiled, rate)


def _played(
    group: Group,
    part: phases.Part,
    pairs: list[phases.Pair],
    trained: tuple[Batch, Runs],
    overlap: bool | None,
) -> tuple[float, bool]:
    """Return the control steps a second at which policies are evaluated, and whether that is beside training."""
    short = group._replace(protocol=group.protocol._replace(horizon=PROBED_STEPS))
    journal = Journal(MethodRecord(), lambda: None, Watch(quiet=True), str, Interruption(), overlap)
    with Evaluator(short, part, pairs, journal) as evaluator:
        for _ in range(2):  # the first compiles
            evaluator.begin(*trained, 0, "evaluate")
            (played,) = evaluator.played(0)
        return float(played.returns.episode_length.sum()) / evaluator.seconds, evaluator.is_beside


def _rows(group: Group, counts: Sequence[int]) -> Rows:
    """Return rows of the shape of a group's data, uniform within ±0.9."""
    size = np.array([min(PROBED_ROWS, count) for count in counts], np.int32)
    sizes, generator = widest(group.datasets), np.random.default_rng(0)

    def column(*width: int) -> np.ndarray:
        return 1.8 * generator.random((int(size.sum()), *width), np.float32) - np.float32(0.9)

    observation, action = sizes.observation.padded, sizes.action.padded
    columns = column(observation), column(action), column(), column(observation), column()
    return Rows(
        Transition(*columns, next_action=column(action) if group.method.uses_next_actions else None),
        (np.cumsum(size) - size).astype(np.int32),
        size,
    )


def _statistics(pairs: int, observation: int) -> Statistics:
    shape = pairs, observation
    return Statistics(np.zeros(shape, np.float32), np.ones(shape, np.float32), np.full(pairs, 1000, np.float32))
