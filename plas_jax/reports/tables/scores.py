"""Tables 2 and 3 of any methods as Markdown: ours, what they differ by from cloning, and what others published."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from plas_jax.reports import markdown
from plas_jax.reports.heading import choosing_seeds, score_heading, score_marks
from plas_jax.reports.lines import CHOSEN, Line, Scores, in_symbols, scores
from plas_jax.reports.provenance import Manifest, evaluations_in_mean, here, versions
from plas_jax.reports.tables.aggregates import Spreads, aggregates, estimate, spreads_of
from plas_jax.reports.tables.published import columns_beside, published_cell, published_sections
from plas_jax.results.aggregates import mean as mean_over_tasks
from plas_jax.results.choices import Difference, paired_difference
from plas_jax.results.rows import Row
from plas_jax.results.runs import across_seeds, mean

CLONING = "bc"


class Table(NamedTuple):
    """What the sections of one page share."""

    of: Scores
    manifest: Manifest
    ours: str  # the header of our numbers
    columns: dict[str, dict[str, Line]]  # of the methods, by label and data set
    seeds: int  # how many a full cell has

    def data(self, dataset: str) -> Mapping[str, Any]:
        """What the manifest says of a data set."""
        return self.manifest.get("datasets", {}).get(dataset, {})

    def shown(self, line: Line | None, spreads: Spreads) -> str:
        """Mean and 95 % interval, marked; a dash where there is no run."""
        return markdown.spread(spreads.get(line.cell) if line else None, self.seeds)

    def scored(self) -> list[str]:
        """The data sets that have scores: data of one's own may have no references for them."""
        return [name for name in self.of.datasets if self.data(name).get("score", 0.0) is not None]


def score_tables(rows: Iterable[Row], manifest: Manifest) -> str:
    """Scores and returns of every method on every data set, differences from cloning, and what others published.

    Raises `ValueError`, one line, where rows cannot share a table: an episode twice, mixed settings or dynamics, a
    seed that both chooses settings and is reported.
    """
    of = scores(rows, manifest)
    seeds = max((spread.seeds for spread in across_seeds(of.reported).values()), default=0)
    table = Table(of, manifest, here(of.of, manifest), of.columns(), seeds)
    parts = [
        "# D4RL scores: Tables 2 and 3",
        *(f"**{mark}**" for mark in score_marks(of, manifest)),
        "\n".join(score_heading(of, manifest)),
        *_scores(table),
        *_choices(of),
        *_aggregates(table),
        *_returns(table),
        *_against_cloning(table),
        *_measures(table),
        *published_sections(of.datasets, of.algorithms, versions(of.of, manifest)),
    ]
    return "\n\n".join(parts) + "\n"


def _scores(table: Table) -> list[str]:
    of, spreads = table.of, across_seeds(table.of.reported)
    columns = {**of.priors(), **table.columns}
    beside = columns_beside(of.datasets, of.algorithms, versions(of.of, table.manifest))
    body = []
    for name in of.datasets:
        ours = [table.shown(column.get(name), spreads) for column in columns.values()]
        theirs = [published_cell(column.get(name)) for column in beside.values()]
        body.append([name, markdown.number(table.data(name).get("score")), *ours, *theirs])
    scored = table.scored()
    if len(scored) > 1:
        data = _mean_over(scored, {name: table.data(name).get("score") for name in scored})
        found = [spreads_of(scored, column, spreads) for column in columns.values()]
        ours = [estimate(mean_over_tasks, spread, seeds=table.seeds) for spread in found]
        printed = [{name: score.score for name, score in column.items()} for column in beside.values()]
        theirs = [_mean_over(scored, column) for column in printed]
        body.append([f"mean of {len(scored)}", data, *ours, *theirs])
    shown = markdown.table(["data set", "data", *columns, *beside], body)
    return [f"## Table 3: normalised scores ({table.ours})", shown, _notes(table, spreads)]


def _mean_over(names: list[str], numbers: Mapping[str, Any]) -> str:
    found = [numbers.get(name) for name in names]
    present = [number for number in found if number is not None]
    # over some of the data sets it could not be compared with the other columns
    return markdown.number(mean(present)) if len(present) == len(names) else markdown.DASH


def _notes(table: Table, spreads: Spreads) -> str:
    cells = {line.cell for column in table.columns.values() for line in column.values()}
    found = [spread for cell, spread in spreads.items() if cell in cells]
    notes = ["Mean over seeds.", *markdown.footnotes(found, table.seeds)] if found else ["No run has been evaluated."]
    if found and table.seeds > 1 and len(table.scored()) > 1:
        notes.append("Of the last line, the mean over data sets, it is the stratified bootstrap's.")
    return " ".join([*notes, f"{markdown.DASH}: no such number, or one that is not finite."])


def _choices(of: Scores) -> list[str]:
    chosen = {line.cell[:2]: line for line in of.lines if line.choice == CHOSEN}
    if not chosen:
        return []
    algorithms = [name for name in of.algorithms if any(algorithm == name for _, algorithm in chosen)]
    body = [
        [dataset, *(_setting(of, chosen.get((dataset, algorithm))) for algorithm in algorithms)]
        for dataset in of.datasets
        if any(name == dataset for name, _ in chosen)
    ]
    said = (
        "The setting with the highest mean score on these seeds, of equals the smallest. No score above is of them."
        f" {markdown.DIVERGED}: one of its runs there diverged."
    )
    return [f"### Settings chosen on seeds {choosing_seeds(of)}", markdown.table(["data set", *algorithms], body), said]


def _setting(of: Scores, line: Line | None) -> str:
    if line is None:
        return markdown.DASH
    diverged = any(run.cell == line.cell and run in of.of.diverged for run in of.choosing)
    return in_symbols(line.setting, line.cell.algorithm) + f" {markdown.DIVERGED}" * diverged


def _aggregates(table: Table) -> list[str]:
    scored, columns = table.scored(), {**table.of.priors(), **table.columns}
    if len(scored) < 2 or not table.columns:
        return []
    over = CLONING if CLONING in columns else next(iter(table.columns))
    body = aggregates(scored, columns, across_seeds(table.of.reported), over, table.seeds)
    return [f"## Over {len(scored)} data sets: normalised scores ({table.ours})", body]


def _returns(table: Table) -> list[str]:
    returns = across_seeds(table.of.reported, "mean_return")
    columns = {**table.of.priors(), **table.columns}
    body = []
    for name in table.of.datasets:
        ours = [table.shown(column.get(name), returns) for column in columns.values()]
        body.append([name, markdown.number(table.data(name).get("mean_return")), *ours])
    shown = markdown.table(["data set", "data", *columns], body)
    note = "No mean over data sets: the returns of different robots have no common scale."
    return [f"## Table 2: mean returns, undiscounted ({table.ours})", shown, note]


def _against_cloning(table: Table) -> list[str]:
    labels = [label for label in table.columns if label != CLONING]
    clones = table.columns.get(CLONING)
    if not clones or not labels:
        return []
    body = []
    for name in table.of.datasets:
        pairs = [(table.columns[label].get(name), clones.get(name)) for label in labels]
        found = [paired_difference(table.of.reported, a.cell, b.cell) if a and b else None for a, b in pairs]
        body.append([name, *(_difference(difference, table.seeds) for difference in found)])
    note = (
        f"Score less {CLONING}'s on the same seed, mean over seeds [{markdown.intervals(table.seeds)}]. **Bold**: the"
        " interval excludes 0, which one in twenty does by chance where nothing differs. One seed has no interval."
        f" {markdown.DIVERGED}: a run of some pair diverged. {markdown.FEWER_SEEDS}: fewer than {table.seeds} pairs."
    )
    return [f"## Against cloning ({table.ours})", markdown.table(["data set", *labels], body), note]


def _difference(of: Difference | None, seeds: int) -> str:
    if of is None:
        return markdown.DASH
    text = f"{'+' if of.mean >= 0.05 else ''}{markdown.estimate(of.mean, of.interval)}"
    marks = [markdown.DIVERGED] * (of.diverged > 0) + [markdown.FEWER_SEEDS] * (of.seeds < seeds)
    return " ".join([f"**{text}**" if of.interval.excludes_zero() else text, *marks])


def _measures(table: Table) -> list[str]:
    by_measure = [across_seeds(table.of.reported, measure) for measure in ("last", "mean_last", "best")]
    k = evaluations_in_mean(table.manifest)
    body = [
        [
            name,
            label,
            *(markdown.spread_and_deviation(spreads.get(column[name].cell), table.seeds) for spreads in by_measure),
        ]
        for name in table.of.datasets
        for label, column in table.columns.items()
        if name in column
    ]
    return [
        f"## last, mean of last {k} and best evaluation ({table.ours})",
        markdown.table(["data set", "algorithm", "last", f"mean of last {k}", "best"], body),
        markdown.BEST,
    ]
