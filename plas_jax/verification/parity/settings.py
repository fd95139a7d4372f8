"""Which setting of a golden file is which knob here, and which of its layers make which part of an architecture."""

from collections.abc import Callable, Mapping
from inspect import signature
from typing import TypeVar

import jax
import jax.numpy as jnp
from flax import linen as nn

from plas_jax.types import Axis, Parameters, Statistics
from plas_jax.verification.parity.golden import Golden
from plas_jax.verification.parity.layers import hidden_widths, widths

Record = TypeVar("Record")  # a NamedTuple

# By the name of the knob, where files have another; a table of a method tells those that no two methods share.
SETTINGS = {
    "polyak": "tau",
    "policy_learning_rate": "actor_lr",
    "critic_learning_rate": "critic_lr",
    "cvae_learning_rate": "vae_lr",
    "value_learning_rate": "value_lr",
    "temperature_learning_rate": "alpha_lr",
    "target_noise": "policy_noise",
    "target_noise_limit": "noise_clip",
    "policy_delay": "policy_freq",
    "perturbation_limit": "max_perturbation",
}
WIDTHS = {
    "policy_widths": lambda golden: hidden_widths(golden, "actor"),
    "critic_widths": lambda golden: hidden_widths(golden, "critic", networks=2),
    "value_widths": lambda golden: hidden_widths(golden, "value"),
    "cvae_width": lambda golden: widths(golden, ["vae/e1"])[0],
    "batch_size": lambda golden: golden.batch_size,
}


def knobs(golden: Golden, kind: Callable[..., Record], **others: str | float) -> Record:
    """Return a method's knobs as the file has them; `others` are names of settings, or values that files have not."""
    values = {field: others.get(field, SETTINGS.get(field, field)) for field in signature(kind).parameters}
    numbers = {field: golden.setting(value) if isinstance(value, str) else value for field, value in values.items()}
    return kind(**numbers)


def architecture(golden: Golden, kind: Callable[..., Record], **others: str | tuple[int, ...]) -> Record:
    """Return a method's architecture as the file's layers have it; `others` are names of settings, or widths."""
    values = {
        field: WIDTHS[field](golden) for field in signature(kind).parameters if field in WIDTHS and field not in others
    }
    values |= {field: golden.whole(value) if isinstance(value, str) else value for field, value in others.items()}
    return kind(**values)


def bounds(limits: tuple[float, float], name: str = "log_std") -> Mapping[str, float]:
    """Return the constants that a file has of what is clipped between two limits."""
    return {f"{name}_min": limits[0], f"{name}_max": limits[1]}


def shapes_of(module: nn.Module, *axes: Axis) -> Parameters:
    """Return the shapes of a network's parameters."""
    inputs = [jnp.zeros((1, axis.padded)) for axis in axes]
    return jax.eval_shape(lambda: module.init(jax.random.key(0), *inputs))


def no_statistics(golden: Golden) -> Statistics:
    """Return statistics of a data set, of the right shapes."""
    zeros = jnp.zeros(int(golden.sizes().observation.true))
    return Statistics(zeros, zeros, jnp.zeros(()))
