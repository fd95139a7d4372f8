"""Shape groups: the runs of a sweep that share one program, and the memory that each group needs."""

import math
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import jax

from plas_jax.datasets.catalogue import Dataset
from plas_jax.methods.method import EvaluationProtocol, Method
from plas_jax.methods.shapes import state_shapes
from plas_jax.training.layout import run_mesh
from plas_jax.types import Sizes

FLOAT = 4  # bytes


class Group(NamedTuple):
    """Data sets on which a method's networks have the same padded shapes, and what else its runs share."""

    name: str
    method: Method  # with the shapes of this group
    protocol: EvaluationProtocol
    datasets: tuple[Dataset, ...]
    seeds: tuple[int, ...]
    dynamics: str
    horizon: int  # of the longest episode that an evaluation may have
    whole: str = ""  # of a wave: the group that it is a part of
    cut: tuple[int, int] = (1, 1)  # into how many parts that group's data sets and seeds were

    @property
    def played(self) -> bool:
        """Return whether there is anything to evaluate its policies in."""
        return all(dataset.environment.simulated for dataset in self.datasets)

    @property
    def pairs(self) -> int:
        """Return how many (data set, seed) there are."""
        return len(self.datasets) * len(self.seeds)

    @property
    def runs(self) -> int:
        """Return how many runs the last phase has."""
        return self.pairs * math.prod(len(values) for _, values in self.method.grid)

    @property
    def episodes(self) -> int:
        """Return how many are played on each data set: of policies at every evaluation, of controls at the last."""
        method, protocol = self.method, self.protocol
        policies = self.runs // self.pairs * len(protocol.evaluations)
        controls = len(method.controls) * len(protocol.last)
        return len(self.seeds) * (policies + controls) * protocol.episodes if self.played else 0

    @property
    def steps(self) -> int:
        """Return how many control steps that is on all data sets, if every episode lasts as long as it may."""
        return sum(self.episodes * longest_episode([dataset], self.protocol.horizon) for dataset in self.datasets)


class Memory(NamedTuple):
    """What a group needs at its peak, bytes on each device; a CPU's cores share the data."""

    data: int
    states: int


def groups(
    method: Method, protocol: EvaluationProtocol, datasets: Sequence[Dataset], seeds: tuple[int, ...], dynamics: str
) -> list[Group]:
    """Return the groups in the order in which their first data sets are asked for.

    Environments of one family are padded to one shape. Those of different families have groups of their own, so that
    a large one does not make every network wide.
    """
    members: dict[tuple, list[Dataset]] = {}
    for dataset in datasets:
        key = _shapes(method.with_shapes_of(dataset.name)), dataset.environment.family
        members.setdefault(key, []).append(dataset)
    names = [_name(method, alike[0]) for alike in members.values()]
    return [
        # What differs may be neither the CVAE's width nor the environment.
        Group(
            name if names.count(name) == 1 else f"{name}-{place}",
            method.with_shapes_of(alike[0].name),  # its data sets may differ in knobs
            protocol.of_family(alike[0].environment.family),
            tuple(alike),
            seeds,
            dynamics,
            longest_episode(alike, protocol.horizon),
        )
        for place, (name, alike) in enumerate(zip(names, members.values(), strict=True))
    ]


def longest_episode(datasets: Sequence[Dataset], horizon: int | None) -> int:
    """Return how long an episode of these data sets' environments may last, at most `horizon`, in steps."""
    horizons = [dataset.environment.horizon for dataset in datasets]
    return max(min(each, horizon or each) for each in horizons)


def _shapes(method: Method) -> tuple:
    return method.phase.architecture, method.first and method.first.architecture


def _name(method: Method, dataset: Dataset) -> str:
    width = getattr(method.with_shapes_of(dataset.name).phase.architecture, "cvae_width", None)
    environment = dataset.environment
    family = [environment.family] if environment.family != "locomotion" else []
    return "-".join(map(str, (method.name, *([] if width is None else [width]), *family)))


def true_sizes(dataset: Dataset) -> Sizes:
    """Return the unpadded dimensions of a data set."""
    return Sizes.of(dataset.environment.observation_size, dataset.environment.action_size)


def widest(datasets: Sequence[Dataset]) -> Sizes:
    """Return the padded dimensions that all of these data sets fit in."""
    sizes = [true_sizes(dataset) for dataset in datasets]
    return Sizes.of(
        *(max(getattr(size, axis).padded for size in sizes) for axis in ("observation", "action", "latent"))
    )


def memory(group: Group, rows: int) -> Memory:
    """Return what a group needs with `rows` rows of data in all.

    A run's state appears twice, as it is laid out over the devices and again while a chunk turns one into the next. On
    a CPU it appears once more, while a checkpoint of it is written beside training.
    """
    sizes, next_action = widest(group.datasets), group.method.uses_next_actions
    first, last = _state_bytes(group.method, sizes)
    width = 2 * sizes.observation.padded + (1 + next_action) * sizes.action.padded + 2
    copies = 3 if jax.default_backend() == "cpu" else 2
    return Memory(FLOAT * width * rows, (group.pairs * first + copies * group.runs * last) // _devices(group.runs))


@cache  # all waves of a group ask for the same
def _state_bytes(method: Method, sizes: Sizes) -> tuple[int, int]:
    """Return the bytes of one run's state in the first phase, 0 where there is none, and in the last."""
    first, last = state_shapes(method, sizes)
    return 0 if first is None else _bytes(first), _bytes(last)


def _bytes(tree: object) -> int:
    return sum(math.prod(leaf.shape) * leaf.dtype.itemsize for leaf in jax.tree.leaves(tree))


def _devices(runs: int) -> int:
    """Return between how many memories the runs are split: a CPU's devices are cores of one memory."""
    return 1 if jax.default_backend() == "cpu" else run_mesh(runs).size


def lines(groups: Sequence[Group], rows: Sequence[int]) -> list[str]:
    """List what a user reads before the sweep starts: the groups, their runs, their memory, constants of nobody's."""
    count = len(groups)
    text = [f"{count} shape group{'s' if count > 1 else ''}, one program for each phase of each"]
    for group, total in zip(groups, rows, strict=True):
        needed, first = memory(group, total), group.method.first
        width = getattr(group.method.phase.architecture, "cvae_width", None)
        wide = f" {width} wide" if width is not None else ""
        over = f" over {group.pairs} {first.trains}{wide}" if first is not None else ""
        text.append(
            f"{group.name}: {group.runs} runs{over}, {total:,} rows; memory {gigabytes(needed.data)} data"
            f" + {gigabytes(needed.states)} states; {', '.join(dataset.name for dataset in group.datasets)}"
        )
    pairs = [(group.method, dataset) for group in groups for dataset in group.datasets]
    return text + [line for method, dataset in pairs for line in _unpublished(method, dataset)]


def _unpublished(method: Method, dataset: Dataset) -> list[str]:
    """Name the constants with which a method that has others for other data sets is trained on one that has none."""
    knobs, swept = method.run_knobs(method.phase, dataset.name), dict(method.grid)
    constants = [
        f"{name} {getattr(knobs, name):g}" for name in method.unpublished_of(dataset.name) if name not in swept
    ]
    if not constants:
        return []
    return [f"{method.name} on {dataset.name}: no published constants, so {' and '.join(constants)}"]


def gigabytes(count: int) -> str:
    """Return a count of bytes in GB (10⁹), to three significant digits."""
    return f"{count / 1e9:.3g} GB"
