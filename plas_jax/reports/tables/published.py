"""Published scores in sections of their own, and as columns beside ours where the data are the same files."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from plas_jax.reports import markdown
from plas_jax.reports.lines import in_order, in_symbols
from plas_jax.reports.published import Published, published_scores, unversioned

Rows = Mapping[str, Sequence[Published | None]]  # by a method's label, one for each data set


class Section(NamedTuple):
    """Published numbers under one header: whose, on which version of D4RL, and how they were made."""

    title: str
    version: str
    collections: tuple[str, ...]
    protocol: str


SECTIONS = (
    Section(
        "paper, v0",
        "v0",
        ("paper",),
        "Which evaluations a score is made of is not stated; means of 3 seeds, no spread printed. BEAR, BRAC-v and BCQ"
        " are the D4RL paper's numbers, but for hopper-medium-expert (b), here hopper-medium-expert-v0; its (a) is"
        " hopper-medium-expert-a-v0. PLAS+P is the best of several perturbation limits, chosen by what it reports;"
        " in Tables 4 and 5 PLAS is the best of σ in {0.5, 1, 2}, and Maze2D is D4RL's v1.",
    ),
    Section(
        "logged runs of others, v0",
        "v0",
        ("d3rlpy", "official code"),
        "Mean of the last 10 evaluations; ±: standard deviation over 10 seeds of d3rlpy and 3 of the official code"
        " (n − 1). hopper-medium-expert-a-v0 is the file that v0 shipped as hopper-medium-expert.",
    ),
    Section(
        "CORL, v2",
        "v2",
        ("CORL",),
        "Last evaluation; ±: CORL's standard deviation over seeds, how many of them its README does not say."
        " bc_regression is what CORL calls BC.",
    ),
)


def published_sections(datasets: Sequence[str], algorithms: Sequence[str], versions: Sequence[str]) -> list[str]:
    """Return Markdown of every section that has scores of these data sets, versions aside, and of these algorithms."""
    parts = []
    for section in SECTIONS:
        scores = _scores_of(section, datasets, algorithms)
        if scores:
            parts += [f"## {section.title}", *_section(section, scores, versions)]
    return parts or ["No published scores of these data sets and algorithms are known here."]


def columns_beside(
    datasets: Sequence[str], algorithms: Sequence[str], versions: Sequence[str]
) -> dict[str, dict[str, Published]]:
    """Return published scores by header and data set if all data here are of the section's version; else nothing."""
    columns: dict[str, dict[str, Published]] = {}
    for section in SECTIONS:
        for score in _scores_of(section, datasets, algorithms) if list(versions) == [section.version] else ():
            columns.setdefault(f"{score.algorithm} ({score.collection})", {})[score.dataset] = score
    return columns


def published_cell(score: Published | None) -> str:
    """Write mean ± standard deviation as far as they were published, and the setting if it differs among data sets."""
    if score is None:
        return markdown.DASH
    spread = f" ± {markdown.number(score.std)}" if score.std is not None else ""
    setting = f" ({in_symbols(score.setting, score.algorithm)})" if score.setting else ""
    return f"{markdown.number(score.score)}{spread}{setting}"


def _scores_of(section: Section, datasets: Sequence[str], algorithms: Sequence[str]) -> list[Published]:
    tasks = set(map(unversioned, datasets))
    scores = [
        score
        for score in published_scores()
        if score.collection in section.collections
        and score.algorithm in algorithms
        and unversioned(score.dataset) in tasks
    ]
    return sorted(scores, key=lambda score: algorithms.index(score.algorithm))


def _section(section: Section, scores: list[Published], versions: Sequence[str]) -> list[str]:
    several = len(section.collections) > 1
    by_place = {(score.dataset, score.algorithm, score.collection): score for score in scores}
    names = in_order({score.dataset for score in scores})
    rows = {
        f"{algorithm} ({whose})" if several else algorithm: [by_place.get((name, algorithm, whose)) for name in names]
        for algorithm, whose in dict.fromkeys((score.algorithm, score.collection) for score in scores)
    }
    sources = "; ".join(dict.fromkeys(score.source for score in scores))
    table = _table(names, rows, published_cell)
    parts = [_comparable(section, versions), table, f"{section.protocol} Source: {sources}."]
    if any(score.episode_return is not None for score in scores):
        notes = [f"{score.dataset}, {score.algorithm}: {score.note}." for score in scores if score.note]
        marked = [f"{markdown.NOTED}: known to be wrong. {' '.join(notes)}"] if notes else []
        parts += ["Mean returns, undiscounted:", _table(names, rows, _printed_return), *marked]
    return parts


def _table(names: Sequence[str], rows: Rows, shown: Callable[[Published | None], str]) -> str:
    return markdown.table(["method", *names], [[label, *map(shown, line)] for label, line in rows.items()])


def _comparable(section: Section, versions: Sequence[str]) -> str:
    if list(versions) == [section.version]:
        return f"On D4RL's {section.version} data, as here."
    return (
        f"These were made on D4RL's {section.version} data, ours on {', '.join(versions)}: other data, so that no"
        " number of this section can be compared with one of ours."
    )


def _printed_return(score: Published | None) -> str:
    if score is None:
        return markdown.DASH
    return f"{markdown.number(score.episode_return)}{f' {markdown.NOTED}' if score.note else ''}"
