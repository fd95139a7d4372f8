"""Figure 6: PLAS over limits σ of its latent policy, as one batched computation."""

from absl import flags

from plas_jax.commands.invocation import invoke
from plas_jax.commands.table_flags import clip_weights_flag, table_flags
from plas_jax.methods.presets import PRESETS
from plas_jax.results.folder import OutputFolder
from plas_jax.results.manifest import Manifest
from plas_jax.sweeps.flag_values import limits
from plas_jax.sweeps.request import Request, also_over, clip_weights, plas_sweep, request
from plas_jax.sweeps.sitting import sit

USAGE = """usage: sweep_latent_action.py --preset=smoke|quick|paper|official_code [flags]

Trains PLAS on every data set × seed × latent limit (σ) as one batched computation, evaluates in MuJoCo and writes
rows, a table and Figure 6 to a folder. --resume goes on from whatever stopped it."""

LATENT_LIMITS = (0.5, 1.0, 2.0, 3.0)  # appendix C
DATASETS = tuple(
    f"{robot}-{level}-r1"
    for level in ("random", "medium", "medium-replay", "medium-expert")
    for robot in ("walker2d", "hopper", "halfcheetah")
)
FLAGS = table_flags(PRESETS, "quick", "recipes of four levels", "Go on with the sweep in --output.")
flags.DEFINE_string("latent_limits", "", "Values of σ; default: Figure 6's four.", flag_values=FLAGS)
clip_weights_flag(FLAGS)


def requested() -> Request:
    """Return what the flags ask for: PLAS, with a grid of σ, and of λ on request."""
    preset = PRESETS[FLAGS.preset]
    sigmas = limits("--latent_limits", FLAGS.latent_limits, LATENT_LIMITS)
    command = plas_sweep("sweep_latent_action", preset, "latent_limit", sigmas, DATASETS)
    return request(FLAGS, also_over(command, "clip_weight", clip_weights(FLAGS.clip_weights)))


def report(folder: OutputFolder, manifest: Manifest) -> str:
    """Write table, figure and page of the rows so far; return the table. Each λ has a table and a figure of its own."""
    # Not at the top: matplotlib takes a second to load and writes a cache, which a refused request should not.
    from plas_jax.reports.figures.latent_limit import latent_limit_panel  # noqa: PLC0415
    from plas_jax.reports.page.document import write_folder_page  # noqa: PLC0415
    from plas_jax.reports.tables.latent_limit import latent_limit_table  # noqa: PLC0415
    from plas_jax.results.axes import by_knob  # noqa: PLC0415
    from plas_jax.results.runs import results  # noqa: PLC0415

    rows = folder.read_rows()
    tables = []
    for weight, part in by_knob(rows, "clip_weight").items():
        all_results, of_weight = results(part), f"_clip_weight_{weight}" if weight else ""
        tables.append(latent_limit_table(all_results, manifest))
        folder.write_text(f"latent_limit{of_weight}.md", tables[-1])
        latent_limit_panel(all_results, manifest, folder.path / f"figure_6{of_weight}.png")
    write_folder_page(folder, manifest, rows)
    return "\n".join(tables)


def main() -> int:
    """Run the command; return its exit status."""
    return invoke(lambda: sit(requested, report), FLAGS, USAGE)
