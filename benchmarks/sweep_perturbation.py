"""Table 1 and Figure 7 of the paper as one batched computation; `--help` lists the flags."""

import sys

from plas_jax.commands.sweep_perturbation import main

if __name__ == "__main__":
    sys.exit(main())
