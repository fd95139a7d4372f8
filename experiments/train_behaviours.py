"""Train a behaviour policy; see `plas_jax/commands/train_behaviours.py`."""

from plas_jax.commands.train_behaviours import main

if __name__ == "__main__":
    main()
