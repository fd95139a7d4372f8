"""Train a behaviour policy by Soft Actor-Critic; `--help` lists the flags."""

import sys

from plas_jax.commands.train_behaviours import main

if __name__ == "__main__":
    sys.exit(main())
