"""A table of one's own: PLAS over λ, the weight of the smaller Q of two in a target, as one batched computation."""

import sys

from absl import flags

from plas_jax.commands.invocation import invoke
from plas_jax.commands.table_flags import table_flags
from plas_jax.methods.presets import PRESETS, TABLE_1_RECIPES
from plas_jax.reports import markdown
from plas_jax.reports.closing import closing_screen
from plas_jax.reports.lines import scores
from plas_jax.reports.page.document import write_folder_page
from plas_jax.results.folder import OutputFolder
from plas_jax.results.manifest import Manifest
from plas_jax.results.runs import across_seeds, results, run_statistics
from plas_jax.sweeps.flag_values import limits
from plas_jax.sweeps.request import Request, plas_sweep, request
from plas_jax.sweeps.sitting import sit

USAGE = """usage: clip_weight.py --preset=smoke|quick|paper|official_code [flags]"""

CLIP_WEIGHTS = (0.0, 0.5, 0.75, 1.0)
FLAGS = table_flags(PRESETS, "quick", "Table 1's recipes", "Go on with the sweep in --output.")
flags.DEFINE_string("clip_weights", "", "Values of λ; default: 0, 0.5, 0.75 and 1.", flag_values=FLAGS)


def requested() -> Request:
    """Return what the flags ask for: PLAS, with a grid of λ."""
    preset = PRESETS[FLAGS.preset]
    weights = limits("--clip_weights", FLAGS.clip_weights, CLIP_WEIGHTS)
    return request(FLAGS, plas_sweep("clip_weight", preset, "clip_weight", weights, TABLE_1_RECIPES))


def report(folder: OutputFolder, manifest: Manifest) -> str:
    """Write table and page of the rows so far; a line for each data set, a column for each λ."""
    rows = folder.read_rows()
    cells = across_seeds(run_statistics(results(rows), manifest.evaluations_in_mean))
    columns = sorted({cell.knobs for cell in cells if cell.knobs})  # as "clip_weight=0.5"
    body = []
    for dataset in sorted({cell.dataset for cell in cells}):
        spreads = {cell.knobs: spread for cell, spread in cells.items() if cell.dataset == dataset}
        body.append([dataset, *(markdown.mean_interval(spreads.get(name), len(manifest.seeds)) for name in columns)])
    table = markdown.table(["data set", *columns], body)
    folder.write_text("clip_weight.md", f"{table}\n")
    write_folder_page(folder, manifest, rows)
    return closing_screen(scores(rows, manifest), manifest, folder.path)


if __name__ == "__main__":
    sys.exit(invoke(lambda: sit(requested, report), FLAGS, USAGE))
