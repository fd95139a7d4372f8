"""Replay recorded transitions: `fidelity.py FILE.npz … [--dynamics=d4rl|gymnasium]`; exit 0 if all are faithful."""

import sys

from plas_jax.commands.fidelity import main

if __name__ == "__main__":
    sys.exit(main())
