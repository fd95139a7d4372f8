"""Every test sees the machine as the sweep does: one device for each core."""

import os

from plas_jax.training.layout import use_every_core

# Before any test touches JAX; two at least, so that batches are split between devices on every machine.
use_every_core(max(2, os.cpu_count() or 1))
