"""What a method gains over its controls, and over its own other settings: differences seed by seed, from any folders.

PLAS's controls are what it is before its policy learns: the CVAE's prior, and the action of latent 0. Runs of one seed
begin their episodes in the same states, so that a pair varies less than two means do.
"""

import sys
from itertools import combinations
from pathlib import Path

from absl import flags

from plas_jax.commands.invocation import invoke
from plas_jax.reports import markdown
from plas_jax.reports.lines import in_symbols, setting
from plas_jax.results.choices import Runs, paired_difference
from plas_jax.results.folder import OutputFolder
from plas_jax.results.runs import CONTROLS, Cell, Run, RunStatistics, across_seeds, results, run_statistics

USAGE = """usage: paired_differences.py FOLDER [OTHER …]

Prints a line for each policy of FOLDER: its mean score, and what it has more than each control of FOLDER and each
policy of OTHER on the same data set; then a line for each two policies of FOLDER. [low, high] is the 95 % interval."""

FLAGS = flags.FlagValues()


def run(words: list[str]) -> int:
    """Print the tables of every data set of the first folder."""
    if not words:
        raise ValueError("name a folder of results: paired_differences.py FOLDER [OTHER …]")
    ours, *others = [_runs(OutputFolder(Path(word))) for word in words]
    own = _cells(ours)
    compared = ours | {run: numbers for runs in others for run, numbers in runs.items() if run.cell not in own}
    for dataset in sorted({cell.dataset for cell in own}):
        policies = [cell for cell in own if cell.dataset == dataset and cell.algorithm not in CONTROLS]
        against = [cell for cell in _cells(compared) if cell.dataset == dataset and cell not in policies]
        print(f"## {dataset}\n\n{_gains(compared, policies, against)}\n")
        if len(policies) > 1:
            print(f"{_steps(compared, policies)}\n")
    return 0


def _runs(folder: OutputFolder) -> dict[Run, RunStatistics]:
    manifest = folder.read_manifest()
    with folder.named():
        return run_statistics(results(folder.read_rows()), manifest.evaluations_in_mean)


def _cells(runs: Runs) -> list[Cell]:
    return sorted({run.cell for run in runs})


def _label(cell: Cell) -> str:
    name = CONTROLS.get(cell.algorithm, cell.algorithm)
    return f"{name} {in_symbols(setting(cell), cell.algorithm)}".strip()


def _gains(runs: Runs, policies: list[Cell], against: list[Cell]) -> str:
    spreads = across_seeds(runs)
    lines = [
        [_label(cell), markdown.mean_interval(spreads[cell], spreads[cell].seeds)] for cell in (*against, *policies)
    ]
    for line, cell in zip(lines, (*against, *policies), strict=True):
        line += [_difference(runs, cell, other) if cell != other else "" for other in against]
    return markdown.table(["policy", "score", *(f"less {_label(cell)}" for cell in against)], lines)


def _steps(runs: Runs, policies: list[Cell]) -> str:
    lines = [[_label(one), _label(other), _difference(runs, one, other)] for one, other in combinations(policies, 2)]
    return markdown.table(["policy", "less", "difference"], lines)


def _difference(runs: Runs, cell: Cell, to: Cell) -> str:
    difference = paired_difference(runs, cell, to)
    return "—" if difference is None else markdown.estimate(difference.mean, difference.interval)


if __name__ == "__main__":
    sys.exit(invoke(run, FLAGS, USAGE, takes_words=True))
