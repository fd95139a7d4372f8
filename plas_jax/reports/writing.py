"""Everything that is made of a folder's scores, as files beside its rows."""

from plas_jax.results.folder import OutputFolder
from plas_jax.results.manifest import Manifest


def write_scores(folder: OutputFolder, manifest: Manifest) -> str:
    """Write tables, figure, CSV and page of the rows so far; return the tables."""
    # Not at the top: matplotlib takes a second to load and writes a cache, which a refused request should not.
    from plas_jax.reports.figures.scores import score_figure  # noqa: PLC0415
    from plas_jax.reports.lines import scores  # noqa: PLC0415
    from plas_jax.reports.page.document import write_folder_page  # noqa: PLC0415
    from plas_jax.reports.tables.diagnostics import diagnostics_section  # noqa: PLC0415
    from plas_jax.reports.tables.scores import score_tables  # noqa: PLC0415
    from plas_jax.reports.tables.scores_csv import score_csv  # noqa: PLC0415

    rows = folder.read_rows()
    all_scores = scores(rows, manifest)
    tables = score_tables(all_scores, manifest)
    folder.write_text("tables_2_and_3.md", tables + diagnostics_section(folder.diagnostics))
    score_csv(all_scores, manifest, folder.path / "scores.csv")
    score_figure(all_scores, manifest, folder.path / "scores.png")
    write_folder_page(folder, manifest, rows)
    return tables
