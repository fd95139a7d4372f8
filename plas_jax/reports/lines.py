"""The lines of a table of scores: a method with a setting on a data set, told from rows and manifest."""

from collections.abc import Iterable, Iterator
from functools import cache
from itertools import product
from typing import NamedTuple

from plas_jax.reports.provenance import datasets
from plas_jax.reports.published import published_scores, unversioned
from plas_jax.results.choices import Runs, best_setting, magnitude
from plas_jax.results.manifest import Manifest
from plas_jax.results.rows import Row
from plas_jax.results.runs import CONTROLS, Cell, Results, results, run_statistics

# Why a setting is reported, or is not: it is the method's only one, was chosen on seeds that are not reported, lost
# there, or stands beside the others because no seeds were there to choose on.
ONLY, CHOSEN, REJECTED, BESIDE = "only", "chosen", "rejected", "beside others"

CLONING = "bc"  # what every method is compared with

# The paper's order within Tables 2 and 3; form (a) of hopper-medium-expert stands before (b).
LEVELS = ("medium", "medium-replay", "medium-expert")
ROBOTS = ("walker2d", "hopper", "halfcheetah")


class Line(NamedTuple):
    """One method with one setting on one data set."""

    cell: Cell
    label: str  # the method's name, and its setting where it stands beside others or was rejected
    choice: str
    setting: str  # as name=value; empty for a method with nothing to set


class Scores(NamedTuple):
    """What tables, figures and files of scores are read from."""

    results: Results
    datasets: list[str]
    algorithms: list[str]  # without the controls
    lines: list[Line]  # also of rejected settings, and of the controls
    reported: Runs
    choosing: Runs  # the runs on the seeds that settings are chosen on
    left_out: list[int]  # seeds of the rows that the manifest has in neither place
    dynamics: dict[str, str]  # of each data set

    def shown(self, dataset: str, algorithm: str) -> list[Line]:
        """Return the lines of one method on one data set that belong in a table."""
        lines = (line for line in self.lines if line.cell[:2] == (dataset, algorithm))
        return [line for line in lines if line.choice != REJECTED]

    def columns(self) -> dict[str, dict[str, Line]]:
        """Return the methods of a table: by label the line of each data set. A method without runs keeps its place."""
        columns: dict[str, dict[str, Line]] = {}
        for algorithm in self.algorithms:
            lines = [line for dataset in self.datasets for line in self.shown(dataset, algorithm)]
            lines.sort(key=lambda line: (line.label != algorithm, magnitude(line.cell)))
            for label in [line.label for line in lines] or [algorithm]:
                columns[label] = {line.cell.dataset: line for line in lines if line.label == label}
        return columns

    def controls(self) -> dict[str, dict[str, Line]]:
        """Return the lines of the controls, by their labels; of those that were evaluated."""
        columns = {
            header: {line.cell.dataset: line for line in self.lines if line.cell.algorithm == name}
            for name, header in CONTROLS.items()
        }
        return {header: lines for header, lines in columns.items() if lines}


def scores(rows: Iterable[Row], manifest: Manifest) -> Scores:
    """Return rows as lines of a table. Raises `ValueError` if a seed chooses and is reported, or dynamics are mixed."""
    rows = list(rows)
    dynamics = _dynamics(rows)
    all_results = results(rows)
    runs = run_statistics(all_results, manifest.evaluations_in_mean)
    reported_seeds, choosing_seeds = planned_seeds(manifest)
    if both := reported_seeds & choosing_seeds:
        raise ValueError(f"seeds {sorted(both)} both choose settings and are reported: a choice needs seeds of its own")
    choosing = {run: numbers for run, numbers in runs.items() if run.seed in choosing_seeds}
    reported = {run: numbers for run, numbers in runs.items() if run.seed not in choosing_seeds}
    left_out = sorted({run.seed for run in reported} - reported_seeds) if reported_seeds else []
    reported = {run: numbers for run, numbers in reported.items() if run.seed not in left_out}
    names = in_order(datasets(all_results, manifest))
    planned = dict.fromkeys([*_labels(manifest), *sorted({run.cell.algorithm for run in runs})])
    algorithms = [name for name in planned if name not in CONTROLS]
    pairs = product(names, [*CONTROLS, *algorithms])
    lines = [line for pair in pairs for line in _lines(_runs_of(reported, *pair), _runs_of(choosing, *pair))]
    return Scores(all_results, names, algorithms, lines, reported, choosing, left_out, dynamics)


def _labels(manifest: Manifest) -> Iterator[str]:
    """Yield the methods as their rows name them: a sweep of PLAS without ε = 0 has rows of PLAS+P alone."""
    for name, record in manifest.methods.items():
        perturbed = name == "plas" and min(record.grid.get("perturbation_limit", [0.0]), default=0.0) > 0
        yield "plas+p" if perturbed else name


def planned_seeds(manifest: Manifest) -> tuple[set[int], set[int]]:
    """Return the seeds that are reported, none if the manifest does not list them, and those that choose settings."""
    return set(manifest.seeds), set(manifest.selection_seeds)


def in_order(names: Iterable[str]) -> list[str]:
    """Sort as the paper does: medium, medium-replay, medium-expert, other levels; mazes, hand, kitchen; one's own."""
    return sorted(names, key=_place)


def robot_and_level(dataset: str) -> tuple[str, str]:
    """Return hopper and medium of hopper-medium-r1; no robot, and the name as level, for data of one's own."""
    robot, _, level = unversioned(dataset).partition("-")
    return (robot, level) if robot in ROBOTS else ("", dataset)


def setting(cell: Cell, named: bool | None = None) -> str:
    """Write a setting as name=value with blanks between, with its perturbation limit if `named`, or else if above 0."""
    named = cell.perturbation_limit > 0 if named is None else named
    return " ".join([f"perturbation_limit={cell.perturbation_limit:g}"] * named + cell.knobs.split())


def in_symbols(text: str, algorithm: str) -> str:
    """Write a setting as tables show it: BCQ's perturbation limit is Φ in its paper, PLAS's is ε."""
    return text.replace("perturbation_limit=", "Φ=" if algorithm == "bcq" else "ε=")


def _place(name: str) -> tuple:
    robot, level = robot_and_level(name)
    plain = level.removesuffix("-a")
    known = LEVELS.index(plain) if plain in LEVELS else len(LEVELS)
    robots = ROBOTS.index(robot) if robot else len(ROBOTS)
    printed = 0 if robot else _printed_places().get(unversioned(name), len(published_scores()))
    return not robot, known, printed, "" if plain in LEVELS else level, robots, level == plain, name


@cache
def _printed_places() -> dict[str, int]:
    """Return the first place of each data set, version aside, among the scores that are published."""
    places: dict[str, int] = {}
    for place, score in enumerate(published_scores()):
        places.setdefault(unversioned(score.dataset), place)
    return places


def _runs_of(runs: Runs, dataset: str, algorithm: str) -> Runs:
    return {run: numbers for run, numbers in runs.items() if run.cell[:2] == (dataset, algorithm)}


def _lines(reported: Runs, choosing: Runs) -> list[Line]:
    cells = sorted({run.cell for run in (*reported, *choosing)}, key=magnitude)
    if len(cells) < 2:
        return [Line(cell, cell.algorithm, ONLY, setting(cell)) for cell in cells]
    limits_differ = len({cell.perturbation_limit for cell in cells}) > 1
    best = best_setting(choosing) if choosing else None
    lines = []
    for cell in cells:
        label = f"{cell.algorithm} {in_symbols(setting(cell, limits_differ), cell.algorithm)}"
        knobs = setting(cell, limits_differ or None)
        other = Line(cell, label, BESIDE if best is None else REJECTED, knobs)
        lines.append(Line(cell, cell.algorithm, CHOSEN, knobs) if cell == best else other)
    return lines


def _dynamics(rows: list[Row]) -> dict[str, str]:
    dynamics: dict[str, str] = {}
    for row in rows:
        if dynamics.setdefault(row.dataset, row.dynamics) != row.dynamics:
            names = " and ".join(sorted({row.dynamics, dynamics[row.dataset]}))
            raise ValueError(f"{row.dataset} mixes dynamics, a table needs one: {names}")
    return dynamics
