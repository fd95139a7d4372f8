"""The returns of data sets' episodes; see `plas_jax/commands/data_returns.py`."""

import sys

from plas_jax.commands.data_returns import main

if __name__ == "__main__":
    sys.exit(main())
