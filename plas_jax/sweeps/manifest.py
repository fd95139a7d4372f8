"""What a sweep writes into its manifest before it trains, and what it refuses to go on with."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from plas_jax.methods.method import Method, plain
from plas_jax.methods.published import METHODS
from plas_jax.results.circumstances import circumstances, file_commit
from plas_jax.results.manifest import RESULTS_VERSION, DatasetRecord, GroupRecord, Manifest, MethodRecord
from plas_jax.sweeps.data import Described
from plas_jax.sweeps.groups import Group, longest_episode
from plas_jax.sweeps.growth import blocks_of, wanted_of
from plas_jax.sweeps.request import Request


def first_manifest(request: Request, described: Described) -> Manifest:
    """Return the manifest of a sweep before any method is added."""
    preset = request.preset
    return Manifest(
        complete=False,
        command=sys.argv,
        arguments=request.arguments,
        preset=preset.name,
        settings=settings_in(request),
        results_version=RESULTS_VERSION,
        dynamics=request.dynamics,
        seeds=list(request.seeds),
        selection_seeds=list(request.selection_seeds),
        episodes=preset.episodes,
        evaluations_in_mean=preset.evaluations_in_mean,
        rows=preset.rows,
        horizon=longest_episode(request.datasets, preset.horizon),
        scale=None if preset.scale is None else preset.scale._asdict(),
        datasets=described,
        **circumstances(),
    )


def add_methods(manifest: Manifest, request: Request, groups: Mapping[str, Sequence[Group]]) -> None:
    """Add a record for each method that has none yet; this project's methods stand in their order, others behind them.

    Raises `ValueError`, one line, where a method is there already with other groups, constants or values for its knobs.
    """
    names = [dataset.name for dataset in request.datasets]
    for name, groups_of_method in groups.items():
        known = manifest.methods.get(name)
        blocks = blocks_of(known, manifest.arguments, wanted_of(request, groups_of_method[0].method))
        if known is None:
            manifest.methods[name] = method_record(groups_of_method, names)
        before, method = manifest.methods[name], groups_of_method[0].method
        grid, constants = grid_of(method), constants_of(method, names)
        _take_up_more_data(before, constants)
        for group in groups_of_method:
            if group.name not in before.groups:
                if "-grown-" not in group.name:
                    raise ValueError(f"{request.output} cannot be resumed: its manifest has no group {group.name}")
                before.groups[group.name], before.complete = _group_record(group), False
        before.blocks = [{"datasets": list(block.datasets), "seeds": list(block.seeds)} for block in blocks]
        before.seeds = sorted({seed for block in blocks for seed in block.seeds})
        refuse_changed_source(before, method, request.output)
        if before.grid != grid:
            raise ValueError(f"{request.output} has {name} with other grid: {before.grid}, not {grid}")
        if has_other_lengths(before, method):
            now = method.phase.updates
            raise ValueError(f"{request.output} has {name} with other updates: {before.updates:,}, not {now:,}")
        if before.constants != constants:
            raise ValueError(f"{request.output} has {name} with other constants: {before.constants}, not {constants}")
    manifest.settings |= settings_in(request)
    order = list(METHODS)
    ordered = sorted(manifest.methods, key=lambda name: order.index(name) if name in order else len(order))
    manifest.methods = {name: manifest.methods[name] for name in ordered}


def refuse_changed_source(record: MethodRecord, method: Method, folder: Path) -> None:
    """Refuse to go on with a method whose file has changed: `ValueError`, one line that has both ways out."""
    if record.source_sha256 not in ("", _sha256(method)):  # an earlier version kept none
        raise ValueError(
            f"the file of {method.name} has changed since {folder} was trained with it (methods/{method.name}.py there "
            f"is what it was): --retrain={method.name} drops its rows and trains it anew, a new --output keeps both"
        )


def settings_in(request: Request) -> dict[str, str]:
    """Return what was set, as a manifest has it."""
    return {setting.path: setting.text for setting in request.settings}


def refuse_other_data(manifest: Manifest, described: Described) -> None:
    """Refuse to go on with other data than a sweep began with: `ValueError`, one line that names the data set."""
    for name, record in described.items():
        if name not in manifest.datasets:
            manifest.datasets[name] = record
        before = manifest.datasets.get(name, DatasetRecord()).fingerprint
        if before != record.fingerprint:
            raise ValueError(
                f"{name} has changed since this sweep began: {before or 'none'} then, {record.fingerprint} now"
            )


def method_record(groups: Sequence[Group], datasets: Sequence[str]) -> MethodRecord:
    """Return the record of a method before it is trained in these groups, on data sets of these names."""
    method, protocol = groups[0].method, groups[0].protocol
    first = method.first
    return MethodRecord(
        command=sys.argv,
        updates=method.phase.updates,
        first_updates=0 if first is None else first.updates,
        evaluations=list(protocol.evaluations),
        seeds=sorted({seed for group in groups for seed in group.seeds}),
        constants=constants_of(method, datasets),
        groups={group.name: _group_record(group) for group in groups},
        grid=grid_of(method),
        source_sha256=_sha256(method),
        source_commit="" if method.source is None else file_commit(Path(method.source.path)),
        **circumstances(),
    )


def constants_of(method: Method, datasets: Sequence[str]) -> dict[str, object]:
    """Return what a method is trained with, as a manifest has it."""
    first = method.first
    return {
        "architecture": plain(method.phase.architecture),
        "knobs": plain(method.phase.knobs),
        "first_architecture": {} if first is None else plain(first.architecture),
        "first_knobs": {} if first is None else plain(first.knobs),
        "knobs_by_dataset": {name: dict(method.knobs_of(name)) for name in datasets},
    }


def has_other_lengths(record: MethodRecord, method: Method) -> bool:
    """Return whether a method was trained for another number of updates in either phase."""
    first = 0 if method.first is None else method.first.updates
    return (record.updates, record.first_updates) not in ((method.phase.updates, first), (None, None))


def grid_of(method: Method) -> dict[str, list[float]]:
    """Return the swept knobs with their values, as a manifest has them."""
    return {name: list(values) for name, values in method.grid}


def has_finished(manifest: Manifest, request: Request) -> bool:
    """Return whether a manifest has all that is requested as complete, with the same constants."""
    names, shapes_of = [dataset.name for dataset in request.datasets], request.datasets[0].name
    for method in request.methods:
        record = manifest.methods.get(method.name)
        if record is None or not record.complete or record.grid != grid_of(method):
            return False
        if has_other_lengths(record, method) or record.source_sha256 not in ("", _sha256(method)):
            return False
        if record.constants != constants_of(method.with_shapes_of(shapes_of), names):
            return False
        if len(blocks_of(record, manifest.arguments, wanted_of(request, method))) > max(1, len(record.blocks)):
            return False
    return True


def _take_up_more_data(record: MethodRecord, constants: Mapping[str, object]) -> None:
    """Write down the constants of data sets that a record does not have yet."""
    before, now = record.constants.get("knobs_by_dataset"), constants["knobs_by_dataset"]
    if isinstance(before, dict) and isinstance(now, dict):
        record.constants["knobs_by_dataset"] = {name: before.get(name, now[name]) for name in now}


def _sha256(method: Method) -> str:
    return "" if method.source is None else method.source.sha256


def _group_record(group: Group) -> GroupRecord:
    return GroupRecord(
        datasets=[dataset.name for dataset in group.datasets],
        runs=group.runs,
        cvae_width=getattr(group.method.phase.architecture, "cvae_width", None),
        whole=group.whole,
        cut=list(group.cut),
    )
