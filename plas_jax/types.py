"""The nouns every room shares: sizes with their padding, transitions, and what an algorithm is."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import chex
import jax
import jax.numpy as jnp
from flax import struct

Array = jax.Array
Metrics = dict[str, jax.Array]


@struct.dataclass
class Axis:
    """One axis of an array: its true length, which may be traced, inside a static padded one."""

    true: Array | int
    padded: int = struct.field(pytree_node=False)

    def mask(self) -> Array:
        """float32 `[padded]`: 1 in the true part, 0 in the padding."""
        return (jnp.arange(self.padded) < self.true).astype(jnp.float32)

    def mean(self, values: Array) -> Array:
        """The mean over the true part of the last axis; the padded part must hold zeros."""
        return values.sum(-1) / self.true


@struct.dataclass
class Sizes:
    """The dimensions of one run. In a batch of runs the true lengths are arrays and the padded ones are shared."""

    observation: Axis
    action: Axis
    latent: Axis

    @classmethod
    def of(cls, observation: int, action: int, latent: int | None = None) -> "Sizes":
        """Unpadded sizes; the latent has twice the action's dimension unless told (`main.py:106` of PLAS)."""
        latent = 2 * action if latent is None else latent
        return cls(Axis(observation, observation), Axis(action, action), Axis(latent, latent))

    def padded_to(self, other: "Sizes") -> "Sizes":
        """The same true sizes in the padding of `other`."""
        return jax.tree.map(
            lambda axis, wide: replace(axis, padded=max(axis.padded, wide.padded)),
            self,
            other,
            is_leaf=lambda node: isinstance(node, Axis),
        )


class Transition(NamedTuple):
    """A batch of transitions, float32; `bootstrap` is 0 where the episode truly ended, 1 elsewhere."""

    observation: chex.Array  # [batch, observation]
    action: chex.Array  # [batch, action]
    reward: chex.Array  # [batch]
    next_observation: chex.Array  # [batch, observation]
    bootstrap: chex.Array  # [batch]
    next_action: chex.Array | None = None  # [batch, action], the data's own; only where a method asks for it


class Statistics(NamedTuple):
    """What some methods know of a whole data set before they train on it, float32."""

    observation_mean: chex.Array  # [observation], 0 in the padding
    observation_std: chex.Array  # [observation], 1 in the padding
    return_range: chex.Array  # scalar: the largest minus the smallest return of an episode, undiscounted


class Algorithm(NamedTuple):
    """A method, as pure functions. The state knows its sizes and its architecture; noise is always an argument.

    A deterministic method draws nothing when it acts: its `acting_noise` is None, and `act` ignores the argument.
    """

    init: Callable[..., Any]  # (key, architecture, sizes, …) -> state
    noise: Callable[..., Any]  # (key, architecture, sizes) -> every random array of one update
    update: Callable[..., Any]  # (state, batch, noise, knobs) -> (state, metrics)
    act: Callable[..., Any]  # (state, observation [states, observation], noise, knobs) -> action [states, action]
    acting_noise: Callable[..., Any] | None = None  # (key, architecture, sizes, states) -> the arrays that `act` needs
