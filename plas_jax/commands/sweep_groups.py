"""Shape groups: the runs of a sweep that share one program, and the memory that each group needs."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax

from plas_jax.algorithms import behaviour, plas
from plas_jax.algorithms.presets import for_dataset
from plas_jax.commands.sweep_request import Request
from plas_jax.datasets.catalogue import ENVIRONMENTS, Dataset
from plas_jax.training.layout import run_mesh
from plas_jax.types import Sizes

FLOAT = 4  # bytes


class Group(NamedTuple):
    """Data sets whose networks have the same padded shapes: a request of their own, with the CVAE's width."""

    name: str
    request: Request

    @property
    def width(self) -> int:
        """The width of the group's CVAEs."""
        return self.request.preset.policy.cvae_width


class Memory(NamedTuple):
    """What a group needs at its peak, bytes on each device; a CPU's cores share the data."""

    data: int
    states: int


def groups(request: Request) -> list[Group]:
    """The groups in the order in which their first data sets are asked for.

    The three robots are padded to one shape. Data of another environment get a group of their own, so that a large
    one does not make every network wide.
    """
    members: dict[tuple, list[Dataset]] = {}
    for dataset in request.datasets:
        facts = dataset.environment
        shape = () if facts.name in ENVIRONMENTS else (facts.observation_size, facts.action_size)
        width = for_dataset(request.preset, dataset.name).policy.cvae_width
        members.setdefault((width, *shape), []).append(dataset)
    return [
        Group(
            "-".join(map(str, ("cvae", *shape))),
            request._replace(datasets=tuple(found), preset=for_dataset(request.preset, found[0].name)),
        )
        for shape, found in members.items()
    ]


def true_sizes(dataset: Dataset) -> Sizes:
    """The unpadded dimensions of a data set."""
    return Sizes.of(dataset.environment.observation_size, dataset.environment.action_size)


def widest(datasets: Sequence[Dataset]) -> Sizes:
    """The padded dimensions that all of these data sets fit in."""
    sizes = [true_sizes(dataset) for dataset in datasets]
    return Sizes.of(
        *(max(getattr(size, axis).padded for size in sizes) for axis in ("observation", "action", "latent"))
    )


def memory(group: Group, rows: int) -> Memory:
    """What a group needs with `rows` rows of data in all.

    A policy's state appears twice, as it is laid out over the devices and again while a chunk turns one into the next.
    """
    request, sizes = group.request, widest(group.request.datasets)
    pairs = len(request.datasets) * len(request.seeds)
    cells = pairs * len(request.perturbation_limits)
    width = 2 * sizes.observation.padded + sizes.action.padded + 2
    cvae, policy = _state_bytes(group, sizes)
    shared = _devices(cells)
    return Memory(FLOAT * width * rows, (pairs * cvae + 2 * cells * policy) // shared)


def _state_bytes(group: Group, sizes: Sizes) -> tuple[int, int]:
    preset, key = group.request.preset, jax.random.key(0)
    cvae = jax.eval_shape(lambda: behaviour.init(key, preset.behaviour_architecture(), sizes))
    policy = jax.eval_shape(lambda parameters: plas.init(key, preset.policy, sizes, parameters), cvae.cvae.parameters)
    return _bytes(cvae), _bytes(policy)


def _bytes(tree: Any) -> int:
    return sum(math.prod(leaf.shape) * leaf.dtype.itemsize for leaf in jax.tree.leaves(tree))


def _devices(runs: int) -> int:
    """Between how many memories the runs are split: a CPU's devices are cores of one memory."""
    return 1 if jax.devices()[0].platform == "cpu" else run_mesh(runs).size


def lines(of: Sequence[Group], rows: Sequence[int]) -> list[str]:
    """What a user reads before the sweep starts: the groups, their runs, their memory."""
    count = len(of)
    said = [f"{count} shape group{'s' if count > 1 else ''}, one program for each phase of each"]
    for group, total in zip(of, rows, strict=True):
        request, needed = group.request, memory(group, total)
        pairs = len(request.datasets) * len(request.seeds)
        names = ", ".join(dataset.name for dataset in request.datasets)
        said.append(
            f"{group.name}: {pairs * len(request.perturbation_limits)} runs over {pairs} CVAEs {group.width} wide,"
            f" {total:,} rows; memory {gigabytes(needed.data)} data + {gigabytes(needed.states)} states; {names}"
        )
    return said


def gigabytes(count: int) -> str:
    """Bytes as GB (10⁹), three significant digits."""
    return f"{count / 1e9:.3g} GB"
