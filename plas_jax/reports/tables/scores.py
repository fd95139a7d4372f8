"""Tables 2 and 3 of any methods as Markdown: ours, what they differ by from cloning, and what others published."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from plas_jax.datasets.catalogue import LOCOMOTION, robot
from plas_jax.reports import markdown
from plas_jax.reports.heading import choosing_seeds, score_heading, score_marks
from plas_jax.reports.lines import CHOSEN, CLONING, Line, Scores, in_symbols
from plas_jax.reports.provenance import compared_versions, here
from plas_jax.reports.tables.aggregates import Spreads, aggregates, spreads_of
from plas_jax.reports.tables.published import columns_beside, published_cell, published_sections
from plas_jax.results.aggregates import mean as mean_over_tasks
from plas_jax.results.choices import Difference, paired_difference
from plas_jax.results.manifest import Manifest
from plas_jax.results.runs import Spread, across_seeds, mean

INTERVALS = "Intervals stand in `scores.csv`, in the last of our tables, and on the page."


class Table(NamedTuple):
    """What the sections of one page share."""

    scores: Scores
    manifest: Manifest
    ours: str  # the header of our numbers
    columns: dict[str, dict[str, Line]]  # of the methods, by label and data set
    seeds: int  # how many a full cell has

    def means(self, column: Mapping[str, Line], spreads: Spreads) -> list[str]:
        """Write the means of a method on every data set, marked; a dash where there is no run."""
        lines = (column.get(name) for name in self.scores.datasets)
        return [markdown.mean_alone(spreads.get(line.cell) if line else None, self.seeds) for line in lines]

    def scored(self) -> list[str]:
        """Return the data sets that have scores: data of one's own may have no references for them."""
        known = self.manifest.datasets
        return [name for name in self.scores.datasets if name not in known or known[name].score is not None]


def score_tables(scores: Scores, manifest: Manifest) -> str:
    """Return scores and returns of every method on every data set, against cloning, and what others published."""
    seeds = max((spread.seeds for spread in across_seeds(scores.reported).values()), default=0)
    table = Table(scores, manifest, here(scores.results, manifest), scores.columns(), seeds)
    parts = [
        f"# D4RL scores: {_numbered('Tables', scores.datasets, '2 and 3', '4 and 5')}",
        *(f"**{mark}**" for mark in score_marks(scores, manifest)),
        "\n".join(score_heading(scores, manifest)),
        *_scores(table),
        *_choices(scores),
        *_aggregates(table),
        *_returns(table),
        *_against_cloning(table),
        *_measures(table),
        *published_sections(scores.datasets, scores.algorithms, compared_versions(scores.results, manifest)),
    ]
    return "\n\n".join(parts) + "\n"


def _scores(table: Table) -> list[str]:
    scores, spreads, scored = table.scores, across_seeds(table.scores.reported), table.scored()
    beside = columns_beside(scores.datasets, scores.algorithms, compared_versions(scores.results, table.manifest))
    data = {name: table.manifest.dataset(name).score for name in scores.datasets}
    body = [["data", _mean_over(scored, data), *map(markdown.number, data.values())]]
    for label, column in {**scores.controls(), **table.columns}.items():
        over_all = _mean_of_means(spreads_of(scored, column, spreads), table.seeds)
        body.append([label, over_all, *table.means(column, spreads)])
    for label, theirs in beside.items():
        over_all = _mean_over(scored, {name: score.score for name, score in theirs.items()})
        body.append([label, over_all, *(published_cell(theirs.get(name)) for name in scores.datasets)])
    header = ["method", f"mean of {len(scored)}", *scores.datasets]
    if len(scored) < 2:  # there is no mean over data sets
        header, *body = ([first, *others] for first, _, *others in (header, *body))
    shown = markdown.table(header, body)
    numbered = _numbered("Table", scores.datasets, "3", "5")
    return [f"## {numbered}: normalised scores ({table.ours})", shown, _notes(table, spreads)]


def _numbered(word: str, datasets: Sequence[str], locomotion: str, others: str) -> str:
    """Name the paper's table of these data sets: mazes, hand and kitchen have tables of their own."""
    are_others = [robot(name) not in ("", *LOCOMOTION) for name in datasets]
    numbers = ([] if all(are_others) and are_others else [locomotion]) + ([others] if any(are_others) else [])
    return f"{word} {', '.join(numbers)}"


def _mean_of_means(spreads: list[Spread], seeds: int) -> str:
    if not spreads:
        return markdown.DASH
    return markdown.marked(
        markdown.number(float(mean_over_tasks([spread.values for spread in spreads]))), spreads, seeds
    )


def _mean_over(names: list[str], numbers: Mapping[str, float | None]) -> str:
    present = [number for number in map(numbers.get, names) if number is not None]
    # over some of the data sets it could not be compared with the other columns
    return markdown.number(mean(present)) if present and len(present) == len(names) else markdown.DASH


def _notes(table: Table, spreads: Spreads) -> str:
    cells = {line.cell for column in table.columns.values() for line in column.values()}
    shown = [spread for cell, spread in spreads.items() if cell in cells]
    notes = [f"Mean over seeds. {INTERVALS}", *markdown.footnotes(shown, table.seeds)]
    notes = notes if shown else ["No run has been evaluated."]
    return " ".join([*notes, f"{markdown.DASH}: no such number, or one that is not finite."])


def _choices(scores: Scores) -> list[str]:
    chosen = {line.cell[:2]: line for line in scores.lines if line.choice == CHOSEN}
    if not chosen:
        return []
    algorithms = [name for name in scores.algorithms if any(algorithm == name for _, algorithm in chosen)]
    datasets = [dataset for dataset in scores.datasets if any(name == dataset for name, _ in chosen)]
    body = [
        [algorithm, *(_setting(scores, chosen.get((dataset, algorithm))) for dataset in datasets)]
        for algorithm in algorithms
    ]
    note = (
        "The setting with the highest mean score on these seeds, of equals the smallest. No score above is of them."
        f" {markdown.DIVERGED}: one of its runs there diverged."
    )
    return [
        f"### Settings chosen on seeds {choosing_seeds(scores)}",
        markdown.table(["method", *datasets], body),
        note,
    ]


def _setting(scores: Scores, line: Line | None) -> str:
    if line is None:
        return markdown.DASH
    diverged = any(run.cell == line.cell and run in scores.results.diverged for run in scores.choosing)
    return in_symbols(line.setting, line.cell.algorithm) + f" {markdown.DIVERGED}" * diverged


def _aggregates(table: Table) -> list[str]:
    scored, columns = table.scored(), {**table.scores.controls(), **table.columns}
    if len(scored) < 2 or not table.columns:
        return []
    over = CLONING if CLONING in columns else next(iter(table.columns))
    body = aggregates(scored, columns, across_seeds(table.scores.reported), over, table.seeds)
    return [f"## Over {len(scored)} data sets: normalised scores ({table.ours})", body]


def _returns(table: Table) -> list[str]:
    returns, names = across_seeds(table.scores.reported, "mean_return"), table.scores.datasets
    columns = {**table.scores.controls(), **table.columns}
    body = [["data", *(markdown.number(table.manifest.dataset(name).mean_return) for name in names)]]
    body += [[label, *table.means(column, returns)] for label, column in columns.items()]
    shown = markdown.table(["method", *names], body)
    note = "No mean over data sets: the returns of different robots have no common scale."
    numbered = _numbered("Table", names, "2", "4")
    return [f"## {numbered}: mean returns, undiscounted ({table.ours})", shown, note]


def _against_cloning(table: Table) -> list[str]:
    labels = [label for label in table.columns if label != CLONING]
    clones = table.columns.get(CLONING)
    if not clones or not labels:
        return []
    body = []
    for label in labels:
        pairs = [(table.columns[label].get(name), clones.get(name)) for name in table.scores.datasets]
        differences = [paired_difference(table.scores.reported, a.cell, b.cell) if a and b else None for a, b in pairs]
        body.append([label, *(_difference(difference, table.seeds) for difference in differences)])
    note = (
        f"Score less {CLONING}'s on the same seed, mean over seeds. **Bold**: the {markdown.intervals(table.seeds)}"
        " excludes 0, which one in twenty does by chance where nothing differs. `scores.csv` has it; one seed has"
        f" none. {markdown.DIVERGED}: a run of some pair diverged. {markdown.FEWER_SEEDS}: fewer than {table.seeds}"
        " pairs."
    )
    header = ["method", *table.scores.datasets]
    return [f"## Against cloning ({table.ours})", markdown.table(header, body), note]


def _difference(difference: Difference | None, seeds: int) -> str:
    if difference is None:
        return markdown.DASH
    text = f"{'+' if difference.mean >= 0.05 else ''}{markdown.number(difference.mean)}"
    marks = [markdown.DIVERGED] * (difference.diverged > 0) + [markdown.FEWER_SEEDS] * (difference.seeds < seeds)
    return " ".join([f"**{text}**" if difference.interval.excludes_zero() else text, *marks])


def _measures(table: Table) -> list[str]:
    by_measure = [across_seeds(table.scores.reported, measure) for measure in ("last", "mean_last", "best")]
    k = table.manifest.evaluations_in_mean
    body = [
        [
            name,
            label,
            *(markdown.mean_interval(spreads.get(column[name].cell), table.seeds) for spreads in by_measure),
        ]
        for name in table.scores.datasets
        for label, column in table.columns.items()
        if name in column
    ]
    return [
        f"## last, mean of last {k} and best evaluation ({table.ours})",
        markdown.table(["data set", "algorithm", "last", f"mean of last {k}", "best"], body),
        " ".join([*[markdown.brackets(table.seeds)] * bool(body), markdown.BEST]),
    ]
