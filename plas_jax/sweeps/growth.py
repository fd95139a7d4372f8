"""A folder that grows: what it has stays as it was cut, and what it lacks becomes groups of its own.

A run's draws depend on its seed and its data set's name alone, so that growing changes no row that is there.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from plas_jax.methods.method import Method
from plas_jax.results.manifest import Manifest, MethodRecord
from plas_jax.sweeps.data import expected_rows
from plas_jax.sweeps.groups import Group, groups
from plas_jax.sweeps.request import Request
from plas_jax.sweeps.waves import planned


class Block(NamedTuple):
    """Data sets, by name, each of which is trained with all of these seeds."""

    datasets: tuple[str, ...]
    seeds: tuple[int, ...]

    @property
    def pairs(self) -> set[tuple[str, int]]:
        """Return every data set with every seed."""
        return {(dataset, seed) for dataset in self.datasets for seed in self.seeds}


def blocks_of(record: MethodRecord | None, arguments: Mapping[str, object], wanted: Block) -> list[Block]:
    """Return the blocks that a method was trained in, and those that it lacks of what is wanted.

    `arguments` are the folder's, which say what an earlier version trained it on.
    """
    if record is None:
        return [wanted]
    before = [Block(tuple(block["datasets"]), tuple(block["seeds"])) for block in record.blocks]
    named = arguments.get("datasets")
    if not before:
        before = [Block(tuple(map(str, named)) if isinstance(named, list) else wanted.datasets, tuple(record.seeds))]
    covered = set[tuple[str, int]]().union(*(block.pairs for block in before))
    lacking: dict[tuple[int, ...], list[str]] = {}
    for dataset in wanted.datasets:
        seeds = tuple(seed for seed in wanted.seeds if (dataset, seed) not in covered)
        if seeds:
            lacking.setdefault(seeds, []).append(dataset)
    return before + [Block(tuple(datasets), seeds) for seeds, datasets in lacking.items()]


def wanted_of(request: Request, method: Method) -> Block:
    """Return what a request wants of a method."""
    return Block(tuple(dataset.name for dataset in request.datasets), request.seeds_of(method))


def grown_groups(request: Request, method: Method, blocks: Sequence[Block]) -> list[Group]:
    """Return the shape groups of every block of a method; those of later blocks say so in their names."""
    datasets = {dataset.name: dataset for dataset in request.datasets}
    protocol = request.preset.protocol(method)
    found: list[Group] = []
    for place, block in enumerate(blocks):
        members = [datasets[name] for name in block.datasets]
        whole = groups(method, protocol, members, block.seeds, request.dynamics)
        found += [group._replace(name=f"{group.name}-grown-{place}") if place else group for group in whole]
    return found


def groups_of(request: Request, method: Method, earlier: Manifest | None) -> tuple[list[Group], list[str]]:
    """Return a method's groups in waves that fit into memory, and what a user reads of them.

    `earlier` is the manifest of the folder, whose groups stay as they were cut. Raises `ValueError` as `planned` does.
    """
    record = None if earlier is None else earlier.methods.get(method.name)
    rows = partial(expected_rows, rows=request.preset.rows, data_dir=request.data_dir)
    blocks = blocks_of(record, {} if earlier is None else earlier.arguments, wanted_of(request, method))
    return planned(grown_groups(request, method, blocks), rows, record)


def refuse_shrinking(manifest: Manifest, request: Request) -> None:
    """Raise `ValueError`, one line, where a request leaves out what a folder has, or adds seeds to a choice.

    Settings are chosen on the seeds behind the reported ones, so that more of these would be chosen on themselves.
    """
    now: dict[str, list] = {"datasets": [dataset.name for dataset in request.datasets], "seeds": list(request.seeds)}
    for name, values in now.items():
        before = manifest.arguments.get(name, values)
        left_out = [value for value in before if value not in values] if isinstance(before, list) else []
        if left_out:
            raise ValueError(
                f"{request.output} cannot be resumed: its sweep has {name} {before}, not {values}, which leaves out "
                f"{', '.join(map(str, left_out))}"
            )
    chosen = [name for name, record in manifest.methods.items() if any(len(grid) > 1 for grid in record.grid.values())]
    if manifest.selection_seeds and chosen and now["seeds"] != manifest.seeds:
        raise ValueError(
            f"{request.output} cannot have more seeds: settings of {chosen[0]} were chosen on seeds "
            f"{', '.join(map(str, manifest.selection_seeds))}"
        )


def grow(manifest: Manifest, request: Request) -> None:
    """Write into a manifest what its sweep has grown to."""
    manifest.arguments |= {name: request.arguments[name] for name in ("datasets", "seeds")}
    manifest.seeds, manifest.selection_seeds = list(request.seeds), list(request.selection_seeds)


TABLES = ("sweep_perturbation", "sweep_latent_action", "d4rl_scores")


def calls_that_go_on(folder: Path, manifest: Manifest) -> list[tuple[str, list[str]]]:
    """Return the commands, with their arguments, that go on with a folder: each that began a method once.

    Raises `ValueError`, one line, for a method that no command of this package began, as a script or Python does.
    """
    calls = []
    for name, record in manifest.methods.items():
        words = record.command or manifest.command
        named = Path(words[0].removeprefix("plas-jax ")).stem.replace("-", "_") if words else ""
        if named not in TABLES:
            raise ValueError(
                f"{folder}: {name} was begun by {' '.join(words[:1]) or 'nobody who is known'}: call that again, with "
                f"this folder as its output and resume"
            )
        kept = [
            word for word in words[1:] if not word.lstrip("-").startswith(("output", "resume", "noresume", "retrain"))
        ]
        call = named, [*kept, f"--output={folder}", "--resume"]
        if call not in calls:
            calls.append(call)
    return calls
