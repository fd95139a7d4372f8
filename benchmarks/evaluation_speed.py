"""Control steps/s beside Gymnasium's vector environment: `evaluation_speed.py [--episodes=60] [--seconds=2]`."""

import os
import sys

# A policy's products are too small for BLAS threads, which would spin on the cores that the physics needs.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from plas_jax.commands.evaluation_speed import main

if __name__ == "__main__":
    sys.exit(main())
