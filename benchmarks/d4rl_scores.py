"""Tables 2 and 3 of the paper: any methods on any data sets; `--help` lists the flags."""

import sys

from plas_jax.commands.d4rl_scores import main

if __name__ == "__main__":
    sys.exit(main())
