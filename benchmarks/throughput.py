"""Updates/s of one run alone and of a batch of runs; `--help` lists the flags."""

import sys

from plas_jax.commands.throughput import main

if __name__ == "__main__":
    sys.exit(main())
