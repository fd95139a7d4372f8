"""What a gate holds scores against: the values of many seeds in one JSON file, with where they came from and why."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from plas_jax.files.json_files import ANY, NUMBER, OBJECT, check, read_object, shown
from plas_jax.files.whole_files import write_whole
from plas_jax.verification.gate.movement import Place, Values

FORMAT = 1
LARGEST = 1e50  # of a value; float32 ends at 3e38, and sums of squares must not overflow
SHAPE = {
    "seeds": [int],
    "values": {ANY: {ANY: {ANY: [(*NUMBER, None)]}}},
    "suite": OBJECT,
    "contents?": {ANY: str},
    "history?": [OBJECT],
}


class Accepted(NamedTuple):
    """Values of every measure by seed, and what is said of them.

    `suite` decides the values and must be the same for two to be compared; `circumstances` (command, versions,
    machine, reasons, …) does not.
    """

    seeds: tuple[int, ...]
    values: Values  # float64 [seeds] each, NaN where a run has none
    suite: Mapping[str, object]
    circumstances: Mapping[str, object]
    contents: Mapping[str, str]  # the hash of each data set's rows, by its name
    history: Sequence[Mapping[str, object]] = ()  # of the files that this one replaces

    def history_of_successor(self) -> list[Mapping[str, object]]:
        """Return the history of the file that replaces this one: its own, and why, when and where this one was made."""
        entry = {name: self.circumstances.get(name) for name in ("reason", "date", "git_commit")}
        return [*self.history, entry]


Numbers = Mapping[str, Sequence[float | None]]  # by measure, one for each seed
Tree = Mapping[str, Mapping[str, Numbers]]  # by data set and method


def write_accepted(path: Path, results: Accepted) -> None:
    """Write the file whole or not at all; values keep nine digits, as many as float32 has."""
    tree: dict[str, dict[str, dict[str, list[float | None]]]] = {}
    for place, values in results.values.items():
        methods = tree.setdefault(place.dataset, {}).setdefault(place.algorithm, {})
        methods[place.measure] = [float(f"{value:.9g}") if math.isfinite(value) else None for value in values]
    head = {"format": FORMAT, **results.circumstances, "contents": results.contents}
    head |= {"history": results.history} if results.history else {}
    head |= {"suite": results.suite, "seeds": list(results.seeds)}
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, _text(head, tree))


def _text(head: Mapping[str, object], tree: Tree) -> str:
    """Return JSON with one line for each measure, so that a change of the file can be read."""
    sets = []
    for dataset, methods in tree.items():
        lines = [
            f"   {json.dumps(algorithm)}: {{\n"
            + ",\n".join(f"    {json.dumps(measure)}: {json.dumps(values)}" for measure, values in measures.items())
            + "\n   }"
            for algorithm, measures in methods.items()
        ]
        sets.append(f"  {json.dumps(dataset)}: {{\n" + ",\n".join(lines) + "\n  }")
    return json.dumps(head, indent=1, default=str)[:-2] + ',\n "values": {\n' + ",\n".join(sets) + "\n }\n}\n"


def read_accepted(path: Path) -> Accepted:
    """Read the file of `write_accepted`. Raises `ValueError` or `OSError`, one line that says what is wrong with it."""
    try:
        facts = read_object(path, {"format": int})
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{path} does not exist: write it with --accept --reason=…") from error
    if facts.pop("format") != FORMAT:
        raise ValueError(f"{path} is no file of accepted results of format {FORMAT}")
    check(facts, SHAPE, f"{path} is damaged")
    seeds, suite = tuple(facts.pop("seeds")), facts.pop("suite")
    contents, history = facts.pop("contents", {}), facts.pop("history", [])
    if not seeds or len(set(seeds)) < len(seeds) or min(seeds) < 0:
        raise ValueError(f"{path} is damaged: its seeds are not different whole numbers of at least 0")
    values = dict(_values(facts.pop("values"), len(seeds), path))
    return Accepted(seeds, values, suite, facts, contents, history)


def _values(tree: Tree, seeds: int, path: Path) -> Iterator[tuple[Place, np.ndarray]]:
    for dataset, methods in tree.items():
        for algorithm, measures in methods.items():
            for measure, values in measures.items():
                if len(values) != seeds:
                    place = shown(", ".join((dataset, algorithm, measure)))
                    raise ValueError(f"{path} is damaged: {place} has {len(values)} values for {seeds} seeds")
                if any(value is not None and abs(value) > LARGEST for value in values):
                    raise ValueError(
                        f"{path} is damaged: {shown(measure)} of {shown(dataset)} has a value above {LARGEST:g}"
                    )
                column = np.array([math.nan if value is None else float(value) for value in values])
                yield Place(dataset, algorithm, measure), column
