"""Read hostile files for hours; `--help` says how."""

import sys

from plas_jax.commands.fuzz_readers import main

if __name__ == "__main__":
    sys.exit(main())
