"""Every command under one installed entry point: `plas-jax COMMAND …`.

usage: plas-jax COMMAND [ARGUMENTS]      plas-jax COMMAND --help      plas-jax --version

make tables
  sweep-perturbation   Table 1 and Figure 7: train, evaluate, report
  sweep-latent-action  Figure 6: the same over the latent limit σ
  d4rl-scores          Tables 2 to 5: any methods on any data sets
  resume               go on with whatever a folder of results lacks
  status               how far a sweep has come, seen from outside
  report               one page to look at, of one folder of results or of several
  evaluate             play saved policies: returns, scores, a film
  export               a saved policy as StableHLO, which any XLA runs
  plan                 what a sweep would need and take on an accelerator that is not here

data
  datasets             list, make, fetch and validate data sets
  data-returns         histograms of the returns in data sets

check
  doctor               this machine: versions, devices, correctness, drawing, folders
  check-method         ask of a method of one's own what every method must be
  score-regression     the gate for CI: compare scores with accepted ones
  parity               replay golden files of the reference implementation
  fidelity             replay recorded transitions of the real environments
  dynamics-shift       scores of one policy in both dynamics
  accelerator          what a borrowed GPU or TPU does, in eight minutes
  throughput           updates per second, share of the machine's matrix-product rate
  evaluation-speed     control steps per second beside Gymnasium
"""

import difflib
import importlib
import os
import sys
from importlib.metadata import version

# The names of modules; a user may type either.
COMMANDS = [line.split()[0].replace("-", "_") for line in (__doc__ or "").splitlines() if line.startswith("  ")]


def main() -> int:
    """Hand the arguments on to the command that the first word names; 2 if it names none."""
    try:
        status = _main()
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read has read enough, as `head` has; else Python would complain once more at its exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return status


def _main() -> int:
    word = sys.argv[1] if len(sys.argv) > 1 else "--help"
    if word in ("--help", "-h"):
        print((__doc__ or "").strip())
        return 0
    if word == "--version":
        print(f"plas_jax {version('plas_jax')}")
        return 0
    name = word.replace("-", "_")
    if name not in COMMANDS:
        shown = [command.replace("_", "-") for command in COMMANDS]
        close = difflib.get_close_matches(word.replace("_", "-"), shown, n=3)
        advice = f"did you mean {' or '.join(close)}?" if close else f"there are {', '.join(shown)}"
        print(f"error: {word!r} is no command; {advice}", file=sys.stderr)
        return 2
    # Only the one asked for is imported: each brings its own libraries.
    sys.argv = [f"plas-jax {word}", *sys.argv[2:]]
    return importlib.import_module(f"plas_jax.commands.{name}").main()
