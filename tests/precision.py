"""Computing in another precision than sweeps do: in float64 a training's rounding errors stay far below any mistake."""

import jax
import numpy as np


def in_precision(tree, dtype):
    """The tree with its floating-point arrays in this precision, as NumPy arrays; keys of jax.random stay."""

    def converted(leaf):
        if isinstance(leaf, jax.Array) and jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            return leaf
        leaf = np.asarray(leaf)
        return leaf.astype(dtype) if leaf.dtype.kind == "f" else leaf

    return jax.tree.map(converted, tree)


def computing_in(dtype):
    """JAX with or without float64."""
    return jax.enable_x64(dtype is np.float64)
