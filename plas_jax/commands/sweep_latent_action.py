"""Figure 6: PLAS over limits σ of its latent policy, as one batched computation."""

from absl import flags

from plas_jax.commands.invocation import invoke
from plas_jax.commands.table_flags import table_flags
from plas_jax.methods.presets import PRESETS
from plas_jax.reports.writing import write_plas_sweep
from plas_jax.results.folder import OutputFolder
from plas_jax.results.manifest import Manifest
from plas_jax.sweeps.flag_values import limits
from plas_jax.sweeps.request import Request, plas_sweep, request
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


def requested() -> Request:
    """Return what the flags ask for: PLAS, with a grid of σ."""
    preset = PRESETS[FLAGS.preset]
    sigmas = limits("--latent_limits", FLAGS.latent_limits, LATENT_LIMITS)
    return request(FLAGS, plas_sweep("sweep_latent_action", preset, "latent_limit", sigmas, DATASETS))


def report(folder: OutputFolder, manifest: Manifest) -> str:
    """Write table, figure and page of the rows so far; return the table."""
    # Not at the top: matplotlib takes a second to load and writes a cache, which a refused request should not.
    from plas_jax.reports.figures.latent_limit import latent_limit_panel  # noqa: PLC0415
    from plas_jax.reports.tables.latent_limit import latent_limit_table  # noqa: PLC0415

    return write_plas_sweep(folder, manifest, "latent_limit", latent_limit_table, {"figure_6": latent_limit_panel})


def main() -> int:
    """Run the command; return its exit status."""
    return invoke(lambda: sit(requested, report), FLAGS, USAGE)
