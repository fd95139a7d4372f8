"""Figure 6 of the paper: PLAS over limits of its latent policy; `--help` lists the flags."""

import sys

from plas_jax.commands.sweep_latent_action import main

if __name__ == "__main__":
    sys.exit(main())
