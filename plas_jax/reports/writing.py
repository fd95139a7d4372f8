"""Everything that is made of a folder's scores, as files beside its rows."""

from collections.abc import Callable, Mapping
from pathlib import Path

from plas_jax.results.axes import by_knob
from plas_jax.results.folder import OutputFolder
from plas_jax.results.manifest import Manifest
from plas_jax.results.runs import Results, results

Table = Callable[[Results, Manifest], str]
Figure = Callable[[Results, Manifest, Path], None]


def write_scores(folder: OutputFolder, manifest: Manifest) -> str:
    """Write tables, figure, CSV and page of the rows so far; return what a user reads at the end."""
    # Not at the top: matplotlib takes a second to load and writes a cache, which a refused request should not.
    from plas_jax.reports.closing import closing_screen  # noqa: PLC0415
    from plas_jax.reports.figures.scores import score_figure  # noqa: PLC0415
    from plas_jax.reports.lines import scores  # noqa: PLC0415
    from plas_jax.reports.page.document import write_folder_page  # noqa: PLC0415
    from plas_jax.reports.tables.diagnostics import diagnostics_section  # noqa: PLC0415
    from plas_jax.reports.tables.scores import score_tables  # noqa: PLC0415
    from plas_jax.reports.tables.scores_csv import score_csv  # noqa: PLC0415

    rows = folder.read_rows()
    all_scores = scores(rows, manifest)
    folder.write_text("scores.md", score_tables(all_scores, manifest) + diagnostics_section(folder.diagnostics))
    score_csv(all_scores, manifest, folder.path / "scores.csv")
    score_figure(all_scores, manifest, folder.path / "scores.png")
    write_folder_page(folder, manifest, rows)
    return closing_screen(all_scores, manifest, folder.path)


def write_plas_sweep(
    folder: OutputFolder, manifest: Manifest, name: str, table: Table, figures: Mapping[str, Figure]
) -> str:
    """Write a sweep's table, its figures by name, and its page of the rows so far; return what a user reads at the end.

    Each λ has a table and figures of its own; the page has all of them.
    """
    # Not at the top, as above: a refused request should not wait for what a report alone needs.
    from plas_jax.reports.closing import closing_screen  # noqa: PLC0415
    from plas_jax.reports.lines import scores  # noqa: PLC0415
    from plas_jax.reports.page.document import write_folder_page  # noqa: PLC0415
    from plas_jax.reports.tables.diagnostics import diagnostics_section  # noqa: PLC0415

    rows, diagnostics = folder.read_rows(), diagnostics_section(folder.diagnostics)
    for weight, part in by_knob(rows, "clip_weight").items():
        all_results, of_weight = results(part), f"_clip_weight_{weight}" if weight else ""
        folder.write_text(f"{name}{of_weight}.md", table(all_results, manifest) + diagnostics)
        for figure, draw in figures.items():
            draw(all_results, manifest, folder.path / f"{figure}{of_weight}.png")
    write_folder_page(folder, manifest, rows)
    return closing_screen(scores(rows, manifest), manifest, folder.path)
