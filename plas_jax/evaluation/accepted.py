"""What a gate holds scores against: the values of many seeds in one JSON file, with where they came from and why."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from plas_jax.datasets.folders import whole_file
from plas_jax.evaluation.movement import Place, Values

FORMAT = 1


class Accepted(NamedTuple):
    """Values of every measure by seed, and what is said of them.

    `suite` decides the values and must be the same for two to be compared; `circumstances` (command, versions,
    machine, reasons, …) does not.
    """

    seeds: tuple[int, ...]
    values: Values  # float64 [seeds] each, NaN where a run has none
    suite: Mapping[str, Any]
    circumstances: Mapping[str, Any]


def write_accepted(path: Path, of: Accepted) -> None:
    """Write the file whole or not at all; values keep nine digits, as many as float32 has."""
    tree: dict[str, dict[str, dict[str, list[float | None]]]] = {}
    for place, values in of.values.items():
        methods = tree.setdefault(place.dataset, {}).setdefault(place.algorithm, {})
        methods[place.measure] = [float(f"{value:.9g}") if math.isfinite(value) else None for value in values]
    head = {"format": FORMAT, **of.circumstances, "suite": of.suite, "seeds": list(of.seeds)}
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as partial:
        partial.write_text(_text(head, tree), encoding="utf-8")


def _text(head: Mapping[str, Any], tree: Mapping[str, Any]) -> str:
    """JSON with one line for each measure, so that a change of the file can be read."""
    sets = []
    for dataset, methods in tree.items():
        lines = [
            f"   {json.dumps(algorithm)}: {{\n"
            + ",\n".join(f"    {json.dumps(measure)}: {json.dumps(values)}" for measure, values in of.items())
            + "\n   }"
            for algorithm, of in methods.items()
        ]
        sets.append(f"  {json.dumps(dataset)}: {{\n" + ",\n".join(lines) + "\n  }")
    return json.dumps(head, indent=1, default=str)[:-2] + ',\n "values": {\n' + ",\n".join(sets) + "\n }\n}\n"


def read_accepted(path: Path) -> Accepted:
    """The file of `write_accepted`. Raises `ValueError` or `OSError`, one line that says what is wrong with it."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{path} does not exist: write it with --accept --reason=…") from error
    except ValueError as error:
        raise ValueError(f"{path} is not JSON: {error}") from error
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise ValueError(f"{path} is no file of accepted results of format {FORMAT}")
    try:
        seeds = tuple(int(seed) for seed in found.pop("seeds"))
        values = dict(_values(found.pop("values"), len(seeds)))
        suite = dict(found.pop("suite"))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ValueError(f"{path} is damaged: {error or type(error).__name__}") from error
    return Accepted(seeds, values, suite, {name: of for name, of in found.items() if name != "format"})


def _values(tree: Any, seeds: int) -> Any:
    for dataset, methods in tree.items():
        for algorithm, measures in methods.items():
            for measure, values in measures.items():
                if len(values) != seeds:
                    raise ValueError(f"{dataset}, {algorithm}, {measure} has {len(values)} values for {seeds} seeds")
                column = np.array([math.nan if value is None else float(value) for value in values])
                yield Place(dataset, algorithm, measure), column
