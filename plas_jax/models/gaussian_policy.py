"""A Gaussian squashed by tanh, as SAC's and BRAC's policies; its densities are exact under zero-padding."""

from collections.abc import Callable

import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from plas_jax.models.cvae import MAX_ACTION
from plas_jax.models.perceptron import Law, Perceptron, rlkit_hidden, uniform_within
from plas_jax.types import Array, Axis, Sizes

LOG_STD_RANGE = (-5.0, 2.0)  # rlkit/torch/sac/policies.py as vendored in d4rl_evaluations' bear
BRAC_LOG_STD_RANGE = (-5.0, 0.0)  # networks.py:27-28 of BRAC
# The density of a squashed Gaussian has no limit at ±1, where data have many actions (bc_agent.py and divergences.py
# of BRAC, CLIP_EPS).
DENSITY_LIMIT = MAX_ACTION - 1e-3
DENSITY_OFFSET = 1e-6  # rlkit adds it to 1 − tanh²u


def keras_dense(fan_in: Array, fan_out: Array | int) -> tuple[Array, float, float]:
    """Return Keras' `Dense`, Glorot's law: kernel uniform within ±√(6 / (fan_in + fan_out)), biases zero."""
    return jnp.sqrt(6.0 / (fan_in + fan_out)), 0.0, 0.0


def clipped_log_std(unbounded: Array) -> Array:
    """Clip log std to [-5, 2], rlkit's bounds."""
    return jnp.clip(unbounded, *LOG_STD_RANGE)


def squeezed_log_std(unbounded: Array) -> Array:
    """Squeeze log std into BRAC's bounds: -5 + 2.5·(tanh(x) + 1), within [-5, 0] (`networks.py:74-76`)."""
    smallest, largest = BRAC_LOG_STD_RANGE
    return smallest + 0.5 * (largest - smallest) * (jnp.tanh(unbounded) + 1)


class GaussianPolicy(nn.Module):
    """Mean and log standard deviation of the Gaussian before the tanh; rlkit's unless told."""

    sizes: Sizes
    widths: tuple[int, ...]
    hidden_law: Law = rlkit_hidden
    last_law: Law = uniform_within(1e-3)
    bounded_log_std: Callable[[Array], Array] = clipped_log_std

    @nn.compact
    def __call__(self, observation: Array) -> tuple[Array, Array]:
        """Map `[batch, observation]` to mean and log std, each `[batch, action]`, zero in the padding."""
        widths, action = self.widths, self.sizes.action
        features = Perceptron(
            (self.sizes.observation,), widths[:-1], Axis(widths[-1], widths[-1]), self.hidden_law, self.hidden_law
        )(observation)
        features = nn.relu(features)
        head = (Axis(widths[-1], widths[-1]),)
        mean = Perceptron(head, (), action, last_law=self.last_law)(features)
        log_std = Perceptron(head, (), action, last_law=self.last_law)(features)
        return mean, self.bounded_log_std(log_std) * action.mask()


def brac_policy(sizes: Sizes, widths: tuple[int, ...]) -> GaussianPolicy:
    """Return the policy of BRAC and of its behaviour cloning (`networks.py:40-79`), with Keras' initial law.

    There mean and log std are one layer of 2·dim(A) outputs, and Glorot's bound counts them all.
    """
    outputs = 2 * sizes.action.true
    return GaussianPolicy(
        sizes, widths, keras_dense, lambda fan_in, fan_out: keras_dense(fan_in, outputs), squeezed_log_std
    )


def log_slope(before: Array) -> Array:
    """Return log(1 − tanh²u) as 2(log 2 − u − softplus(−2u)), which neither overflows nor loses digits."""
    return 2 * (np.log(2) - before - nn.softplus(-2 * before))


def bounded_log_slope(before: Array) -> Array:
    """Return log(1 − tanh²u + 1e-6), rlkit's, at least −13.8: of actions at their bounds it lets the density end.

    Source: `distributions.py` (TanhNormal) as vendored in d4rl_evaluations' bear. The sum is taken of logarithms, since
    float32 has no digits of 1 − tanh²u left where the offset matters.
    """
    return jnp.logaddexp(log_slope(before), np.log(DENSITY_OFFSET))


def squashed_sample(
    mean: Array, log_std: Array, noise: Array, axis: Axis, log_slope: Callable[[Array], Array] = log_slope
) -> tuple[Array, Array]:
    """Return tanh(mean + exp(log_std)·noise) and its log density, `[batch, action]` and `[batch]`.

    log π(a) = Σ log N(u; mean, std) − log(1 − tanh²u), the last term as `log_slope` has it. Padded dimensions count for
    nothing; `noise` must be zero there.
    """
    before = mean + jnp.exp(log_std) * noise
    density = -0.5 * jnp.square(noise) - log_std - 0.5 * np.log(2 * np.pi)
    return jnp.tanh(before), jnp.sum((density - log_slope(before)) * axis.mask(), axis=-1)


def within_density(action: Array) -> Array:
    """Clip the action to ±(1 − 1e-3), where a squashed Gaussian's density may be asked."""
    return jnp.clip(action, -DENSITY_LIMIT, DENSITY_LIMIT)


def squashed_log_density(mean: Array, log_std: Array, action: Array, axis: Axis) -> Array:
    """Return log π(a) of given actions within ±1 (see `within_density`), `[batch, action]` to `[batch]`.

    The same density as `squashed_sample`'s, from a = tanh(u) back to u. Padded dimensions count for nothing.
    """
    noise = (jnp.arctanh(action) - mean) * jnp.exp(-log_std)
    density = -0.5 * jnp.square(noise) - log_std - 0.5 * np.log(2 * np.pi)
    volume = jnp.log1p(-jnp.square(action))
    return jnp.sum((density - volume) * axis.mask(), axis=-1)
