"""The page: one self-contained HTML file that asks for nothing and can be read without a script."""

import json
from collections.abc import Iterable, Sequence
from importlib.resources import files
from pathlib import Path

from plas_jax.files.whole_files import write_whole
from plas_jax.reports.page.between import moves_figure, times_figure
from plas_jax.reports.page.cells import curves_figure, scores_figure
from plas_jax.reports.page.curves import curves
from plas_jax.reports.page.diagnostics import diagnostics_section
from plas_jax.reports.page.facts import data_and_manifest, facts
from plas_jax.reports.page.figure import Figure, data_score
from plas_jax.reports.page.html import Html, cut, data_script, element, folded, joined, policy, raw
from plas_jax.reports.page.loaded import Loaded, Series, all_datasets, all_series, loaded
from plas_jax.reports.page.movement import moves
from plas_jax.reports.page.over_datasets import aggregates_figure, improvements_figure, profiles_figure
from plas_jax.reports.page.q_errors import q_curves, q_errors_figure
from plas_jax.reports.page.summaries import comparison, scores_of
from plas_jax.reports.tables.diagnostics import TITLE
from plas_jax.results.folder import OutputFolder
from plas_jax.results.manifest import Manifest
from plas_jax.results.rows import Row

NAME = "report.html"
SCRIPTS = ("d3.min.js", "plot.umd.min.js", "page.js")
# What Plot puts into each of its drawings, with its class name; our own style sheet says the rest.
PLOT_STYLE = """:where(.plot-d6a7b5) {
  --plot-background: white;
  display: block;
  height: auto;
  height: intrinsic;
  max-width: 100%;
}
:where(.plot-d6a7b5 text),
:where(.plot-d6a7b5 tspan) {
  white-space: pre;
}"""


def write_folder_page(folder: OutputFolder, manifest: Manifest, rows: Iterable[Row]) -> Path:
    """Write the page of one folder into it, whole or not at all; return its path."""
    return write_page([loaded(folder, manifest, rows)], folder.path / NAME)


def write_page(folders: Sequence[Loaded], path: Path) -> Path:
    """Write the page of one folder or of several side by side, whole or not at all; return its path."""
    text = page(folders)
    write_whole(path, text)
    return path


def page(folders: Sequence[Loaded]) -> str:
    """Return the page of these folders, the first of which others are compared with."""
    series, datasets = all_series(folders), all_datasets(folders)
    drawn = _figures(folders, series, datasets)
    data = {
        "series": [one.name for one in series],
        "datasets": [cut(name) for name in datasets],
        "levels": [data_score(series, name) for name in datasets],
        "figures": {figure.kind: figure.data for figure in drawn},
    }
    title = " and ".join(cut(folder.name) for folder in folders)
    head = element("header", element("h1", f"plas_jax: {title}"), _contents(drawn, folders))
    told = element("section", *(facts(folder) for folder in folders), id="facts")
    sections = [*(figure.html() for figure in drawn), diagnostics_section(folders), data_and_manifest(folders)]
    main = element("main", told, *sections, id="main")
    foot = element("footer", folded("Licences of D3 and Observable Plot, which draw this page", *_licences()))
    skip = element("a", "To the content", href="#main", class_="skip")
    return _document(title, joined([skip, head, main, foot, data_script("page-data", data)]))


def _figures(folders: Sequence[Loaded], series: Sequence[Series], datasets: Sequence[str]) -> list[Figure]:
    drawn = [moves_figure(moves(folders), folders)] if len(folders) > 1 else []
    drawn += [
        scores_figure(scores_of(series), series, datasets),
        curves_figure(curves(series), series, datasets),
    ]
    if measured := q_curves(series):
        drawn.append(q_errors_figure(measured, series, datasets))
    if compared := comparison(series):
        drawn += [aggregates_figure(compared, series), profiles_figure(compared, series)]
        drawn += [improvements_figure(compared, series)] if len(compared.scores) > 1 else []
    return [*drawn, times_figure(folders)]


def _contents(drawn: Sequence[Figure], folders: Sequence[Loaded]) -> Html:
    places = [("facts", "Facts"), *((figure.kind, figure.title) for figure in drawn)]
    places += [("diagnostics", TITLE)] * any(folder.diagnostics for folder in folders)
    places += [("manifest", "Data and manifest")]
    links = [element("li", element("a", title, href=f"#{place}")) for place, title in places]
    return element("nav", element("ul", *links), aria_label="Sections")


def _document(title: str, body: Html) -> str:
    style, scripts = _asset("page.css"), [_asset(name) for name in SCRIPTS]
    guard = policy(scripts, [style, PLOT_STYLE])
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=guard),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("meta", name="referrer", content="no-referrer"),
        element("title", f"plas_jax: {title}"),
        element("style", raw(style)),
    )
    running = [element("script", raw(script)) for script in scripts]
    return f"<!doctype html>\n{element('html', head, element('body', body, *running), lang='en')}\n"


def _licences() -> list[Html]:
    listed = json.loads(_asset("assets.json"))
    return [
        element("pre", f"{package} {record['version']}\n\n{_asset(name)}", tabindex="0")
        for package, record in listed.items()
        for name in record["files"]
        if name.endswith("LICENSE")
    ]


def _asset(name: str) -> str:
    return (files("plas_jax.reports.page") / "assets" / name).read_text(encoding="utf-8")
