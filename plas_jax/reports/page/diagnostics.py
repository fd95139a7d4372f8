"""The diagnostics on the page: whether each method can work on its data, in words and as a table."""

from collections.abc import Sequence

from plas_jax.reports.page.html import Html, cut, cut_long, element, joined, table
from plas_jax.reports.page.loaded import Loaded
from plas_jax.reports.tables.diagnostics import NOTE, TITLE, diagnostics_table, warnings


def diagnostics_section(folders: Sequence[Loaded]) -> Html:
    """Return the section; nothing where no folder has diagnostics."""
    parts = []
    for folder in folders:
        if folder.diagnostics:
            header, body = diagnostics_table(folder.diagnostics)
            parts += [element("p", cut_long(line), class_="mark") for line in warnings(folder.diagnostics)]
            parts.append(table(cut(folder.name), header, [[cut(cell) for cell in line] for line in body], words=2))
    return (
        element("section", element("h2", TITLE), element("p", NOTE), *parts, id="diagnostics") if parts else joined([])
    )
