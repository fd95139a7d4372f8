"""Count the alarms of the gate on an unchanged program; `--help` says how."""

import sys

from plas_jax.commands.gate_false_alarms import main

if __name__ == "__main__":
    sys.exit(main())
