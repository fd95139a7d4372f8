"""Kill sweeps at random moments, resume them and compare their rows; `--help` lists the flags."""

import sys

from plas_jax.commands.kill_and_resume import main

if __name__ == "__main__":
    sys.exit(main())
