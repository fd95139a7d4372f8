"""Plant mistakes and run the gate on each; `--help` lists the flags."""

import sys

from plas_jax.commands.planted_faults import main

if __name__ == "__main__":
    sys.exit(main())
