"""The manifest of a folder of results: what was asked for, with which constants, versions, data, device and code."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Self, TypeVar

from plas_jax.files.json_files import ANY, NUMBER, OBJECT

Amount = TypeVar("Amount", int, float)

TIMES = {ANY: NUMBER}
GROUP = {
    "complete": bool,
    "executables": {ANY: int},
    "cut?": [int],
    "datasets?": [str],
    "runs?": int,
    "cvae_width?": (int, None),
    "whole?": str,
}
METHOD = {
    "complete": bool,
    "blocks?": [{"datasets": [str], "seeds": [int]}],
    "source_sha256?": str,
    "source_commit?": str,
    **dict.fromkeys(("updates?", "first_updates?"), int),
    **dict.fromkeys(("git_commit?", "device?", "matmul_precision?"), str),
    "seeds?": [int],
    "evaluations?": [int],
    "command?": [str],
    "versions?": {ANY: str},
    "grid": OBJECT,
    "constants": OBJECT,
    "groups?": {ANY: GROUP},
    "executables?": {ANY: int},
    "wall_seconds?": TIMES,
    "seconds_left?": (*NUMBER, None),
    "peak_memory?": int,
}
DATASET = {
    "version": str,
    "fingerprint": str,
    "simulated?": bool,
    "altered?": bool,
    **dict.fromkeys(("path?", "environment?"), str),
    **dict.fromkeys(("rows?", "transitions?", "episodes?"), int),
    **dict.fromkeys(("score?", "mean_return?", "std_return?"), (*NUMBER, None)),
}
# What a sweep that goes on and the reports read, before any of it is believed.
SHAPE = {
    "complete?": bool,
    "results_version?": int,
    "command?": [str],
    "arguments?": OBJECT,
    **dict.fromkeys(("preset?", "dynamics?", "device?", "matmul_precision?", "git_commit?"), str),
    "seeds?": [int],
    "selection_seeds?": [int],
    **dict.fromkeys(("episodes?", "evaluations_in_mean?"), int),
    **dict.fromkeys(("rows?", "horizon?"), (int, None)),
    "scale?": (dict, None),
    "settings?": {ANY: str},
    "versions?": {ANY: str},
    "datasets?": {ANY: DATASET},
    "methods?": {ANY: METHOD},
    "executables?": {ANY: int},
    "wall_seconds?": TIMES,
}


# Raised by whoever changes what a sweep's numbers are: a folder that was begun with others is not gone on with.
RESULTS_VERSION = 2


@dataclass
class GroupRecord:
    """One shape group of a method, or one wave of it, and how far it has come."""

    datasets: list[str] = field(default_factory=list)
    runs: int = 0
    cvae_width: int | None = None
    executables: dict[str, int] = field(default_factory=dict)  # compiled for each phase
    complete: bool = False
    whole: str = ""  # of a wave: the group that it is a part of
    cut: list[int] = field(default_factory=lambda: [1, 1])  # into how many parts its data sets and seeds were


@dataclass
class MethodRecord:
    """One method of a table: what it was trained with, on what, for how long, and how far it has come."""

    complete: bool = False
    command: list[str] = field(default_factory=list)
    updates: int | None = None
    first_updates: int | None = None
    evaluations: list[int] = field(default_factory=list)
    seeds: list[int] = field(default_factory=list)
    # What was trained together: data sets, each with all of the seeds. A folder that grew has several.
    blocks: list[dict[str, list[Any]]] = field(default_factory=list)
    constants: dict[str, object] = field(default_factory=dict)
    matmul_precision: str = ""
    device: str = ""
    versions: dict[str, str] = field(default_factory=dict)
    git_commit: str = ""
    source_sha256: str = ""  # of a method of one's own: its file, and the commit of whatever repository that is in
    source_commit: str = ""
    groups: dict[str, GroupRecord] = field(default_factory=dict)
    executables: dict[str, int] = field(default_factory=dict)
    wall_seconds: dict[str, float] = field(default_factory=dict)  # by phase: compile, train, evaluate
    seconds_left: float | None = None  # of the phase that is trained, when the manifest was written
    grid: dict[str, list[float]] = field(default_factory=dict)  # the swept knobs with their values
    peak_memory: int = 0  # bytes, of the process or device up to the method's end; 0: not recorded

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Self:
        """Return the record that JSON of the shape `METHOD` describes."""
        groups = {name: GroupRecord(**_known(GroupRecord, group)) for name, group in record.get("groups", {}).items()}
        return cls(**_known(cls, record) | {"groups": groups})

    def add_seconds(self, phase: str, seconds: float) -> None:
        """Add wall seconds to those of a phase."""
        self.wall_seconds[phase] = round(self.wall_seconds.get(phase, 0.0) + seconds, 2)

    def count_executables(self, group: str, phase: str, executables: int) -> None:
        """Write down how many programs a group compiled for a phase, and the sum over all groups."""
        self.groups[group].executables[phase] = executables
        self.executables[phase] = sum(each.executables.get(phase, 0) for each in self.groups.values())


@dataclass
class DatasetRecord:
    """One data set as it was trained on; `score` and `mean_return` are None where there is no such number."""

    version: str = ""
    path: str = ""
    fingerprint: str = ""
    rows: int | None = None
    transitions: int | None = None
    episodes: int | None = None
    mean_return: float | None = None
    std_return: float | None = None
    score: float | None = None
    environment: str = ""
    simulated: bool = True  # whether there is anything to play in
    altered: bool = False  # whether it has the name of a published file and other bytes


@dataclass
class Manifest:
    """What `manifest.json` holds. A field that an earlier version did not write has its default."""

    complete: bool | None = None  # None: not recorded
    command: list[str] = field(default_factory=list)
    arguments: dict[str, object] = field(default_factory=dict)  # what decides the results of every method
    preset: str | None = None
    dynamics: str | None = None
    seeds: list[int] = field(default_factory=list)
    selection_seeds: list[int] = field(default_factory=list)
    episodes: int | None = None
    evaluations_in_mean: int = 10  # the paper does not say which evaluations its scores are; quick sweeps use 3
    rows: int | None = None  # of a recipe data set, None for those of D4RL's file
    horizon: int | None = None
    scale: dict[str, object] | None = None
    results_version: int = 1
    settings: dict[str, str] = field(default_factory=dict)  # what --set changed of the preset and its methods
    datasets: dict[str, DatasetRecord] = field(default_factory=dict)
    matmul_precision: str | None = None
    device: str | None = None
    versions: dict[str, str] = field(default_factory=dict)
    git_commit: str | None = None
    methods: dict[str, MethodRecord] = field(default_factory=dict)
    executables: dict[str, int] = field(default_factory=dict)  # over all methods
    wall_seconds: dict[str, float] = field(default_factory=dict)  # over all methods: data, compile, train, evaluate

    @classmethod
    def from_json(cls, manifest: Mapping[str, Any]) -> Self:
        """Return the manifest that JSON of the shape `SHAPE` describes."""
        datasets = {
            name: DatasetRecord(**_known(DatasetRecord, record))
            for name, record in manifest.get("datasets", {}).items()
        }
        methods = {name: MethodRecord.from_json(record) for name, record in manifest.get("methods", {}).items()}
        return cls(**_known(cls, manifest) | {"datasets": datasets, "methods": methods})

    def dataset(self, name: str) -> DatasetRecord:
        """Return what is known of a data set: nothing where the manifest does not have it."""
        return self.datasets.get(name, DatasetRecord())

    def method(self, name: str) -> MethodRecord:
        """Return what is known of a method: nothing where the manifest does not have it."""
        return self.methods.get(name, MethodRecord())

    def to_json(self) -> dict[str, object]:
        """Return the manifest as JSON has it, with the sums over its methods."""
        self.complete = all(method.complete for method in self.methods.values())
        self.executables = _sums(method.executables for method in self.methods.values())
        seconds = _sums(method.wall_seconds for method in self.methods.values())
        self.wall_seconds = {"data": self.wall_seconds.get("data", 0.0)} | seconds
        return asdict(self)


def _sums(parts: Iterable[Mapping[str, Amount]]) -> dict[str, Amount]:
    total: dict[str, Amount] = {}
    for part in parts:
        for name, value in part.items():
            total[name] = total.get(name, 0) + value
    return {name: round(value, 2) for name, value in total.items()}


def _known(kind: type, record: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a record has of this kind's fields; a later version's are let be."""
    names = {each.name for each in fields(kind)}
    return {name: value for name, value in record.items() if name in names}
