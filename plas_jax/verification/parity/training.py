"""What the table of a method says of a golden file's training, and the replay of any such training."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from plas_jax.algorithms.draws import normalised_batch
from plas_jax.types import Algorithm, Architecture, Array, Metrics, Transition, Update
from plas_jax.verification.parity.golden import BadGoldenFileError, Golden, Tensors
from plas_jax.verification.parity.layers import Places, compared, filled

# Gives the draws of all updates `[updates, *shape]` of an array of this name in the file.
Arrangement = Callable[[Golden, str, tuple[int, ...]], np.ndarray]


def alike(golden: Golden, name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Return draws that lie in the file as here."""
    return golden.shaped(name, (golden.updates, *shape))


def in_rows(golden: Golden, name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Return draws `[states, candidates, …]` whose candidate j of state i is row `candidates·i + j` there."""
    return golden.shaped(name, (golden.updates, shape[0] * shape[1], shape[2])).reshape(golden.updates, *shape)


def swapped(golden: Golden, name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Return draws whose two first axes, states and candidates, lie the other way round in the file."""
    return golden.shaped(name, (golden.updates, shape[1], shape[0], shape[2])).swapaxes(1, 2)


def once(golden: Golden, name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Return draws for one candidate, which the file has no axis for."""
    return golden.shaped(name, (golden.updates, *shape[1:]))[:, None]


class Draw(NamedTuple):
    """Where a file has the draws of one array of a method's noise, and how they lie there."""

    name: str
    lie: Arrangement = alike


class Step(NamedTuple):
    """One update: the state before and after it, and what it was given and reported."""

    before: Any
    after: Any
    batch: Transition
    noise: Any
    knobs: Any
    metrics: Metrics

    def values(self, critics: type[nn.Module], observation: Array, action: Array, parameters: Any = None) -> Array:
        """Return both critics' values, `[…, 2]`: those before the update, or those of these parameters."""
        module = critics(self.before.sizes, self.before.architecture.critic_widths)
        return module.apply(parameters or self.before.critics.parameters, observation, action)


# Twenty updates never earn back what optimising their programs costs.
jitted = partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})

Losses = Callable[[Step], Mapping[str, Array]]
Afterwards = Callable[[Any, Transition, Array], Array]  # of the last state, the first batch, `acting`


def no_losses(step: Step) -> Mapping[str, Array]:
    """Return nothing, for files that record no losses."""
    return {}


class Training(NamedTuple):
    """One phase of training as a golden file records it."""

    algorithm: Algorithm
    architecture: Architecture
    places: Places
    knobs: Any
    inputs: tuple[Any, ...] = ()  # what the method's `init` is given behind the sizes; only its shapes are used
    noise: tuple[Draw | None, ...] = ()  # in the order of the method's fields; None for one without effect
    frozen: Places = {}  # noqa: RUF012  networks that no update changes: only in `init/`
    fields: Mapping[str, Any] = {}
    inherited: str | None = None  # the field that takes the parameters of the phase before
    constants: Mapping[str, object] = {}
    losses: Losses = no_losses  # of one update, by their names in the file
    critics: type[nn.Module] | None = None
    acts: str | None = "actions_after"  # what the file calls the actions of `act`
    acting: str | None = None  # the array that `act` or `afterwards` draws from
    afterwards: Mapping[str, Afterwards] = {}
    targets_are_copies: bool = False  # the file has no initial targets
    states: str = "batch"


def replayed(golden: Golden, trainings: tuple[Training, ...]) -> Tensors:
    """Return every tensor of the file beside ours, made by the updates that train of the same batches and noise.

    Raises `BadGoldenFileError` where the file has a tensor after its updates that the method here has not.
    """
    tensors: Tensors = {}
    state = None
    for training in trainings:
        golden.require(training.constants)
        state = _first_state(golden, training, state)
        state, more = _trained(golden, training, state)
        tensors |= more
    unknown = [name for name in golden.arrays if name.startswith("after_") and name not in tensors]
    if unknown:
        raise BadGoldenFileError(f"{golden.path}: has {unknown[0]!r}, which the method here has not")
    return tensors


def _first_state(golden: Golden, training: Training, earlier: Any) -> Any:
    begin, shape, sizes = training.algorithm.init, training.architecture, golden.sizes()
    shapes = jax.eval_shape(lambda *inputs: begin(jax.random.key(0), shape, sizes, *inputs), *training.inputs)
    state = filled(golden, shapes, {**training.places, **training.frozen}, training.targets_are_copies)
    fields = dict(training.fields)
    if training.inherited:
        fields[training.inherited] = earlier.cvae.parameters
    return replace(state, sizes=sizes, **fields)


def _draws(golden: Golden, training: Training, state: Any) -> Iterator[Any]:
    """Return the noise of each update as the method has it."""
    shapes = jax.eval_shape(lambda: training.algorithm.noise(jax.random.key(0), state.architecture, golden.sizes()))
    wanted, tree = jax.tree.flatten(shapes)
    arrays = [
        draw.lie(golden, draw.name, leaf.shape)
        if draw
        else np.broadcast_to(np.float32(0), (golden.updates, *leaf.shape))
        for draw, leaf in zip(training.noise, wanted, strict=True)
    ]
    for update in range(golden.updates):
        yield jax.tree.unflatten(tree, [jnp.float32(array[update]) for array in arrays])


def _step(update: Update, losses: Losses, state: Any, batch: Transition, noise: Any, knobs: Any) -> tuple[Any, Any]:
    after, metrics = update(state, batch, noise, knobs)
    return after, losses(Step(state, after, batch, noise, knobs, metrics))


def _trained(golden: Golden, training: Training, state: Any) -> tuple[Any, Tensors]:
    step, moments = jitted(_step, static_argnums=(0, 1)), golden.moments()
    tensors: Tensors = {}
    history = []
    for count, (batch, noise) in enumerate(
        zip(golden.batches(training.states), _draws(golden, training, state), strict=True), 1
    ):
        state, losses = step(training.algorithm.update, training.losses, state, batch, noise, training.knobs)
        history.append(losses)
        if count in moments:
            tensors |= compared(golden, f"after_{count}", training.places, state)
    return state, tensors | _reported(golden, history) | _finally(golden, training, state)


def _reported(golden: Golden, history: list[Mapping[str, Array]]) -> Tensors:
    """Pair the losses that the file has with ours, all updates of one name in one tensor."""
    tensors: Tensors = {}
    for name in history[0]:
        if name in golden.arrays:
            theirs = golden.array(name)
            ours = np.array([losses[name] for losses in history])
            # a loss of a delayed step is recorded only where the step was made, NaN in ours elsewhere
            tensors[name] = (ours[~np.isnan(ours)] if len(theirs) < len(ours) else ours, theirs)
    return tensors


def _finally(golden: Golden, training: Training, state: Any) -> Tensors:
    """Pair what the file has of the policy's actions and both critics' values on the first batch in the end."""
    first, knobs = next(golden.batches(training.states)), training.knobs
    draws = jnp.float32(golden.array(training.acting)) if training.acting in golden.arrays else None
    made: dict[str, Callable[[], Array]] = {}
    if training.acts:
        made[training.acts] = partial(jitted(training.algorithm.act), state, first.observation, draws, knobs)
    for name, make in training.afterwards.items():
        made[name] = partial(jitted(make), state, first, draws)
    if training.critics:
        made["q_after"] = partial(jitted(_q_values, static_argnums=0), training.critics, state, first)
    return {name: (make(), golden.array(name)) for name, make in made.items() if name in golden.arrays}


def _q_values(critics: type[nn.Module], state: Any, batch: Transition) -> Array:
    if hasattr(state, "observation_mean"):
        batch = normalised_batch(batch, state.observation_mean, state.observation_std)
    module = critics(state.sizes, state.architecture.critic_widths)
    return module.apply(state.critics.parameters, batch.observation, batch.action)
