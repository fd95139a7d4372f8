"""`python -m plas_jax.datasets`; see `plas_jax/commands/datasets.py`."""

import sys

from plas_jax.commands.datasets import main

if __name__ == "__main__":
    sys.exit(main())
