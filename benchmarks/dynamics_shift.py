"""How far scores move between D4RL's dynamics and Gymnasium's; `--help` lists the flags."""

import sys

from plas_jax.commands.dynamics_shift import main

if __name__ == "__main__":
    sys.exit(main())
