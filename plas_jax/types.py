"""The nouns every room shares: sizes with their padding, transitions, and what an algorithm is."""

from dataclasses import replace
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

import chex
import jax
import jax.numpy as jnp
from flax import struct

Array = jax.Array
Metrics = dict[str, jax.Array]
# What Flax's `init` returns: dictionaries of dictionaries of arrays, as deep and of such names as the network has
# layers, or one array where a number is trained. A recursive type of it would refuse `parameters["params"]["decoder"]`.
Parameters = Any
Tree = TypeVar("Tree")  # a tree of arrays, of a function that gives back another of the same structure


@struct.dataclass
class Axis:
    """One axis of an array: its true length, which may be traced, inside a static padded one."""

    true: Array | int
    padded: int = struct.field(pytree_node=False)

    def mask(self) -> Array:
        """Return float32 `[padded]`: 1 in the true part, 0 in the padding."""
        return (jnp.arange(self.padded) < self.true).astype(jnp.float32)

    def mean(self, values: Array) -> Array:
        """Return the mean over the true part of the last axis; the padded part must hold zeros."""
        return values.sum(-1) / self.true


@struct.dataclass
class Sizes:
    """The dimensions of one run. In a batch of runs the true lengths are arrays and the padded ones are shared."""

    observation: Axis
    action: Axis
    latent: Axis

    @classmethod
    def of(cls, observation: int, action: int, latent: int | None = None) -> "Sizes":
        """Return unpadded sizes; the latent has twice the action's dimension by default (`main.py:106` of PLAS)."""
        latent = 2 * action if latent is None else latent
        return cls(Axis(observation, observation), Axis(action, action), Axis(latent, latent))

    def padded_to(self, other: "Sizes") -> "Sizes":
        """Return the same true sizes in the padding of `other`."""
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


class Architecture(Protocol):
    """What changes shapes: a NamedTuple of each method's own, hashable."""

    @property
    def batch_size(self) -> int:
        """Return the number of transitions of one update's minibatch."""


class State(Protocol):
    """One run, a dataclass of each method's own: its networks, and the sizes and architecture they are made for."""

    @property
    def sizes(self) -> Sizes:
        """Return the run's dimensions."""

    @property
    def architecture(self) -> Architecture:
        """Return the shapes, which are no part of the tree of arrays."""


MethodArchitecture = TypeVar("MethodArchitecture", bound=Architecture)
MethodState = TypeVar("MethodState", bound=State)
MethodNoise = TypeVar("MethodNoise")
MethodKnobs = TypeVar("MethodKnobs", bound=NamedTuple)
MethodDraws = TypeVar("MethodDraws")


class Init(Protocol[MethodArchitecture, MethodState]):
    """How a run begins. Behind the sizes comes what the method inherits and what it asks of the data."""

    def __call__(
        self, key: Array, architecture: MethodArchitecture, sizes: Sizes, /, *inputs: Any, **named_inputs: Any
    ) -> MethodState:
        """Return the state before the first update."""


class Noise(Protocol[MethodArchitecture, MethodNoise]):
    """What an update draws; None where it draws nothing."""

    def __call__(self, key: Array, architecture: MethodArchitecture, sizes: Sizes, /) -> MethodNoise:
        """Return every random array of one update, whose key it is."""


class Update(Protocol[MethodState, MethodNoise, MethodKnobs]):
    """How a run goes on."""

    def __call__(
        self, state: MethodState, batch: Transition, noise: MethodNoise, knobs: MethodKnobs, /
    ) -> tuple[MethodState, Metrics]:
        """Return the state after one update on one minibatch, and the update's metrics, a scalar each."""


class Act(Protocol[MethodState, MethodDraws, MethodKnobs]):
    """The policy that is evaluated."""

    def __call__(self, state: MethodState, observation: Array, noise: MethodDraws, knobs: MethodKnobs, /) -> Array:
        """Return the actions `[states, action]` at observations `[states, observation]`."""


class ActingNoise(Protocol[MethodArchitecture, MethodDraws]):
    """What acting draws."""

    def __call__(self, key: Array, architecture: MethodArchitecture, sizes: Sizes, states: int, /) -> MethodDraws:
        """Return the random arrays that `act` needs for so many states."""


class Value(Protocol[MethodState, MethodKnobs]):
    """What a method believes that its policy earns."""

    def __call__(self, state: MethodState, observation: Array, action: Array, knobs: MethodKnobs, /) -> Array:
        """Return the online critic's first value of these actions `[states, action]`, `[states]`, in raw rewards."""


class Diagnose(Protocol[MethodState, MethodKnobs]):
    """What shows whether a method can work on its data."""

    def __call__(self, state: MethodState, rows: Transition, knobs: MethodKnobs, /) -> Metrics:
        """Return measures of a trained run on rows of its data, a scalar each."""


class Algorithm(NamedTuple, Generic[MethodArchitecture, MethodState, MethodNoise, MethodKnobs, MethodDraws]):
    """A method, as pure functions. The state knows its sizes and its architecture; noise is always an argument.

    A deterministic method draws nothing when it acts: its `acting_noise` is None, and `act` ignores the argument. One
    without a critic has no `value`, and one that always works has nothing to `diagnose`.
    """

    init: Init[MethodArchitecture, MethodState]
    noise: Noise[MethodArchitecture, MethodNoise]
    update: Update[MethodState, MethodNoise, MethodKnobs]
    act: Act[MethodState, MethodDraws, MethodKnobs]
    acting_noise: ActingNoise[MethodArchitecture, MethodDraws] | None = None
    value: Value[MethodState, MethodKnobs] | None = None
    diagnose: Diagnose[MethodState, MethodKnobs] | None = None
