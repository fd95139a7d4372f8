"""Know before you run: compile a sweep for an accelerator that is not here, and print what it would need and take."""

import json
import os
import shlex
import sys
from contextlib import closing
from importlib.metadata import PackageNotFoundError, version

from absl import flags

from plas_jax.commands.invocation import invoke
from plas_jax.methods.presets import PRESETS
from plas_jax.performance.planning.compiler import compiled_elsewhere, works_of
from plas_jax.performance.planning.evaluation import evaluation
from plas_jax.performance.planning.figures import Plan, Planned, as_json, title
from plas_jax.performance.planning.report import kernel_lines, lines
from plas_jax.performance.planning.request import PlanRequest
from plas_jax.performance.planning.roofline import Peaks
from plas_jax.performance.planning.targets import TARGETS, target_of_flag
from plas_jax.sweeps.progress import Watch

USAGE = """usage: plas-jax plan --target=h100|v5e-2x2|… [flags]

Compiles the training programs of a sweep of PLAS for an accelerator that is not there and prints the memory that each
of its devices would need, the kernels and collectives of an update, and the time that the sweep would take at best,
with what that assumes. Nothing runs and no data are made. Exit status 1 if the sweep does not fit, or its devices would
wait for each other."""

FLAGS = flags.FlagValues()
flags.DEFINE_string("target", None, f"One of {', '.join(TARGETS)}.", flag_values=FLAGS)
flags.DEFINE_enum("preset", "paper", list(PRESETS), "How long and how wide.", flag_values=FLAGS)
flags.DEFINE_string("datasets", "", "Names with commas between them; default: Table 1's recipes.", flag_values=FLAGS)
flags.DEFINE_string("perturbation_limits", "", "Values of ε; default: Table 1's five.", flag_values=FLAGS)
flags.DEFINE_integer("seeds", 3, "How many seeds.", flag_values=FLAGS)
flags.DEFINE_integer(
    "cpu_cores", os.cpu_count() or 1, "Cores that evaluate beside the accelerator.", lower_bound=1, flag_values=FLAGS
)
flags.DEFINE_float(
    "launch_microseconds", None, "From one kernel to the next; default: the target's.", lower_bound=0, flag_values=FLAGS
)
flags.DEFINE_boolean("kernels", False, "Also what each part of an update launches.", flag_values=FLAGS)
flags.DEFINE_boolean("json", False, "One JSON object instead of tables.", flag_values=FLAGS)


def run() -> int:
    """Plan and print; return 0, or 1 if the sweep does not fit or its devices would wait for each other."""
    target = target_of_flag(FLAGS.target)
    request = PlanRequest(FLAGS.target, FLAGS.preset, FLAGS.datasets, FLAGS.perturbation_limits, FLAGS.seeds)
    programs, works = [], works_of(request)
    with Watch() as watch, closing(compiled_elsewhere(request, target)) as answers:
        for count, work in enumerate(works, 1):
            watch.say(f"compile {title(work)} for {target.name}, program {count} of {len(works)}: up to minutes")
            programs.append(Planned(work, next(answers)))
    launch, chip = FLAGS.launch_microseconds, target.chip
    plan = Plan(
        command=f"{sys.argv[0].rpartition('/')[2]} {shlex.join(sys.argv[1:])}",
        versions={name: _version(name) for name in ("plas_jax", "jax", "libtpu", "jax-cuda13-plugin")},
        target=target,
        peaks=Peaks(chip.float32_peak, chip.bandwidth, chip.launch_seconds if launch is None else launch * 1e-6),
        programs=programs,
        evaluation=evaluation([group for group, _ in request.groups()], FLAGS.cpu_cores),
        cpu_cores=FLAGS.cpu_cores,
    )
    if FLAGS.json:
        print(json.dumps(as_json(plan, FLAGS.kernels)))
    else:
        print("\n".join(lines(plan) + (kernel_lines(plan) if FLAGS.kernels else [])))
    return 0 if plan.is_sound else 1


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "none"


def main() -> int:
    """Run the command; return its exit status."""
    return invoke(run, FLAGS, USAGE)
