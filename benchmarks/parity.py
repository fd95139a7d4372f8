"""Replay the reference implementation's updates; `--help` says how."""

import sys

from plas_jax.commands.parity import main

if __name__ == "__main__":
    sys.exit(main())
