"""Tables 2 and 3: any methods on any data sets, trained, evaluated and compared."""

from absl import flags

from plas_jax.commands.invocation import invoke
from plas_jax.commands.table_flags import table_flags
from plas_jax.methods.published import METHODS
from plas_jax.methods.scales import SCORE_PRESETS
from plas_jax.reports.writing import write_scores
from plas_jax.sweeps.flag_values import methods_of_flag
from plas_jax.sweeps.request import Request, TableCommand, request
from plas_jax.sweeps.sitting import sit

USAGE = f"""usage: d4rl_scores.py --algorithms=A,B --datasets=C,D [flags]

Trains every method on every data set with every seed, a method at a time and each as one batched computation,
evaluates in MuJoCo and writes rows, Tables 2 and 3 and a figure to a folder. With --resume a folder's interrupted
methods go on and others are added to it, so that no sitting must hold a whole table.

Methods: {", ".join(METHODS)}; or the path of a Python file with a METHOD.
--set=divergence_weight=0.1,0.3 --set=discount=0.9,0.99 trains every combination. Where a knob has several values, the
value is chosen on as many seeds again and reported on --seeds; so is the perturbation limit of plas+p."""

# The columns of the paper's Tables 2 and 3, and behaviour cloning.
ALGORITHMS = ("bc", "bear", "brac_v", "bcq", "plas", "plas+p")
DATASETS = (
    "walker2d-medium-expert",
    "hopper-medium-expert-a",
    "hopper-medium-expert",
    "halfcheetah-medium-expert",
    "walker2d-medium-replay",
    "hopper-medium-replay",
    "halfcheetah-medium-replay",
    "walker2d-medium",
    "hopper-medium",
    "halfcheetah-medium",
    "walker2d-random",
    "hopper-random",
    "halfcheetah-random",
)
GOES_ON = "Go on with the methods in --output, and add others."

FLAGS = table_flags(SCORE_PRESETS, "laptop", "Table 2's recipes", GOES_ON)
flags.DEFINE_string("algorithms", "", "Methods, commas between; default: the paper's and bc.", flag_values=FLAGS)


def requested() -> Request:
    """Return what the flags ask for."""
    preset = SCORE_PRESETS[FLAGS.preset]
    methods = methods_of_flag(FLAGS.algorithms, ALGORITHMS)
    command = TableCommand(
        name="d4rl_scores",
        preset=preset,
        methods=tuple(preset.method(method) for method in methods),
        datasets=tuple(f"{name}-r1" for name in DATASETS),
        chooses=True,
    )
    return request(FLAGS, command)


def main() -> int:
    """Run the command; return its exit status."""
    return invoke(lambda: sit(requested, write_scores), FLAGS, USAGE)
