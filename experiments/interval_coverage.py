"""Simulate how often the 95 % intervals of the tables cover; `--help` lists the flags."""

import sys

from plas_jax.commands.interval_coverage import main

if __name__ == "__main__":
    sys.exit(main())
