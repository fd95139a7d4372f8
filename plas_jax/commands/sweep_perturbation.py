"""Table 1 and Figure 7: PLAS over perturbation limits, as one batched computation."""

from absl import flags

from plas_jax.commands.invocation import invoke
from plas_jax.commands.table_flags import table_flags
from plas_jax.methods.presets import PRESETS, TABLE_1_PERTURBATION_LIMITS, TABLE_1_RECIPES
from plas_jax.reports.writing import write_plas_sweep
from plas_jax.results.folder import OutputFolder
from plas_jax.results.manifest import Manifest
from plas_jax.sweeps.flag_values import limits
from plas_jax.sweeps.request import Request, plas_sweep, request
from plas_jax.sweeps.sitting import sit

USAGE = """usage: sweep_perturbation.py --preset=smoke|quick|paper|official_code [flags]

Trains PLAS on every data set × seed × perturbation limit (ε) as one batched computation, evaluates in MuJoCo and
writes rows, Table 1 and Figure 7 to a folder. Ctrl-C and SIGTERM stop it at a safe point, and whatever stopped it,
--resume goes on from what is there."""

FLAGS = table_flags(PRESETS, "quick", "Table 1's recipes", "Go on with the sweep in --output.")
flags.DEFINE_string("perturbation_limits", "", "Values of ε; default: Table 1's five.", flag_values=FLAGS)


def requested() -> Request:
    """Return what the flags ask for: PLAS, with a grid of ε."""
    preset = PRESETS[FLAGS.preset]
    epsilons = limits("--perturbation_limits", FLAGS.perturbation_limits, TABLE_1_PERTURBATION_LIMITS)
    return request(FLAGS, plas_sweep("sweep_perturbation", preset, "perturbation_limit", epsilons, TABLE_1_RECIPES))


def report(folder: OutputFolder, manifest: Manifest) -> str:
    """Write table, both figures and page of the rows so far; return the table."""
    # Not at the top: matplotlib takes a second to load and writes a cache, which a refused request should not.
    from plas_jax.reports.figures.perturbation import perturbation_panel, score_curves  # noqa: PLC0415
    from plas_jax.reports.tables.perturbation import table_1  # noqa: PLC0415

    figures = {"score_curves": score_curves, "figure_7": perturbation_panel}
    return write_plas_sweep(folder, manifest, "table_1", table_1, figures)


def main() -> int:
    """Run the command; return its exit status."""
    return invoke(lambda: sit(requested, report), FLAGS, USAGE)
