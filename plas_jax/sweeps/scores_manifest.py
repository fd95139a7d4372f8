"""The manifest of Tables 2 and 3: one record for each method, added when it is first asked for."""

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from plas_jax.methods.published import METHODS
from plas_jax.sweeps.data import Described
from plas_jax.sweeps.groups import Group, longest_episode
from plas_jax.sweeps.manifest import circumstances, progress, same_groups
from plas_jax.sweeps.scores_request import Request


def scores_manifest(asked: Request, described: Described) -> dict[str, Any]:
    """The manifest before any method is added."""
    preset = asked.preset
    return {
        "complete": False,
        "arguments": asked.arguments(),
        "preset": preset.name,
        "dynamics": asked.dynamics,
        "seeds": list(asked.seeds),
        "selection_seeds": list(asked.selection_seeds),
        "episodes": preset.episodes,
        "evaluations_in_mean": preset.evaluations_in_mean,
        "horizon": longest_episode(asked.datasets, preset.horizon),
        "scale": None if preset.scale is None else preset.scale._asdict(),
        "datasets": described,
        **circumstances(),
        "methods": {},
    }


def added(
    manifest: dict[str, Any], asked: Request, groups_of: Mapping[str, Sequence[Group]], described: Described
) -> None:
    """Add a record for each method that has none yet; this project's methods stand in their order, others behind them.

    Raises `ValueError`, one line, where a method is there already with other values for its knobs.
    """
    for method in asked.methods:
        record = _record(groups_of[method.name], described)
        before = manifest["methods"].setdefault(method.name, record)
        same_groups(before, groups_of[method.name], asked.output)
        for name in ("grid", "constants"):
            if before[name] != record[name]:
                raise ValueError(
                    f"{asked.output} has {method.name} with other {name}: {before[name]}, not {record[name]}"
                )
    order = list(METHODS)
    places = {name: order.index(name) if name in order else len(order) for name in manifest["methods"]}
    manifest["methods"] = {name: manifest["methods"][name] for name in sorted(places, key=lambda name: places[name])}
    manifest["complete"] = is_complete(manifest)


def is_complete(manifest: dict[str, Any]) -> bool:
    """Whether every method that was ever asked for is."""
    return all(record["complete"] for record in manifest["methods"].values())


def _record(of: Sequence[Group], described: Described) -> dict[str, Any]:
    method, protocol = of[0].method, of[0].protocol
    first = method.first
    return {
        "complete": False,
        "command": sys.argv,
        "updates": method.phase.updates,
        "first_updates": 0 if first is None else first.updates,
        "evaluations": list(protocol.evaluations),
        "seeds": sorted({seed for group in of for seed in group.seeds}),
        "constants": {
            "architecture": _plain(method.phase.architecture),
            "knobs": _plain(method.phase.knobs),
            "first_architecture": {} if first is None else _plain(first.architecture),
            "first_knobs": {} if first is None else _plain(first.knobs),
            "knobs_by_dataset": {name: dict(method.knobs_of(name)) for name in described},
        },
        **circumstances(),
        **progress(of),
        "grid": {name: list(values) for name, values in method.grid},
    }


def _plain(of: Any) -> dict[str, Any]:
    """A NamedTuple as JSON gives it back: lists for tuples."""
    return {name: list(value) if isinstance(value, tuple) else value for name, value in of._asdict().items()}
