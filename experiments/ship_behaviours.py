"""Ship a trained behaviour policy with the package; `--help` says by which rule it is chosen."""

import sys

from plas_jax.commands.ship_behaviours import main

if __name__ == "__main__":
    sys.exit(main())
