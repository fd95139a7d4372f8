"""Gate a change on scores and on what moves before them; `--help` says how."""

import sys

from plas_jax.commands.score_regression import main

if __name__ == "__main__":
    sys.exit(main())
