"""Everything worth knowing of a borrowed GPU or TPU in eight minutes; `--help` lists the flags."""

import sys

from plas_jax.commands.accelerator import main

if __name__ == "__main__":
    sys.exit(main())
