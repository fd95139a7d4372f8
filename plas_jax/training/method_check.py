"""What every method must be, asked of one in seconds with small networks, before hours are spent on it."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from plas_jax.methods.method import BEHAVIOUR, POLICY, Method, Phase
from plas_jax.methods.scales import Scale, scaled
from plas_jax.training.user_code import placed_errors
from plas_jax.types import Array, Metrics, Sizes, State, Statistics, Transition

SMALL = Scale(width=16, cvae_width=16, batch_size=16, updates=1_000, lowest_learning_rate=1e-3, lowest_polyak=0.005)
ALONE, PADDED = Sizes.of(11, 3), Sizes.of(11, 3).padded_to(Sizes.of(17, 6))
UPDATES, STATES = 5, 7
APART = 1e-3  # of max|a − b| / max|b|: rounding is a millionth, and a mean over the padding a factor
QUICKLY = {"xla_backend_optimization_level": 0}  # what runs for milliseconds is not worth optimising


class Finding(NamedTuple):
    """One thing that was asked: what, and what is wrong, empty where nothing is."""

    asked: str
    wrong: str


class _Run(NamedTuple):
    """One run of both phases at some sizes."""

    state: State
    metrics: list[Metrics]
    actions: np.ndarray  # [states, action]
    again: np.ndarray
    compiled: int


def check_method(method: Method) -> list[Finding]:
    """Return what was found of a method. Raises `ValueError`, one line with its place, where it cannot be run."""
    small = method.changed(lambda phase: scaled(phase, SMALL))
    alone, padded = _run(small, ALONE), _run(small, PADDED)
    return [
        Finding("metrics", "; ".join(_metrics(padded))),
        Finding("actions", "; ".join(_actions(padded))),
        Finding(
            "determinism", "" if np.array_equal(padded.actions, padded.again) else "the same noise gave other actions"
        ),
        Finding(
            "one program", "" if padded.compiled == 1 else f"{padded.compiled} programs for other values of its knobs"
        ),
        Finding("padding", "; ".join(_padding(alone, padded))),
    ]


def refuse_unfit(method: Method) -> None:
    """Raise `ValueError`, one line, for a method that is not what every method must be."""
    wrong = [f"{finding.asked}: {finding.wrong}" for finding in check_method(method) if finding.wrong]
    if wrong:
        where = method.name if method.source is None else method.source.path
        raise ValueError(f"{where} cannot be trained with others: {'; '.join(wrong)} (plas-jax check-method says more)")


def _run(method: Method, sizes: Sizes) -> _Run:
    before = None
    if method.first is not None:
        with placed_errors(method, BEHAVIOUR, whatever=True):
            before, _, _ = _trained(method.first, sizes, method.first.algorithm.init, (sizes,))
    with placed_errors(method, POLICY, whatever=True):
        inputs = method.inputs(sizes, before, _statistics(sizes))
        state, metrics, compiled = _trained(method.phase, sizes, method.phase.algorithm.init, inputs)
        act = jax.jit(lambda state, noise: _act(method.phase, state, noise), compiler_options=QUICKLY)
        noise = _acting_noise(method.phase, state)
        return _Run(state, metrics, np.asarray(act(state, noise)), np.asarray(act(state, noise)), compiled)


def _trained(
    phase: Phase, sizes: Sizes, init: Callable[..., State], inputs: tuple[object, ...]
) -> tuple[State, list[Metrics], int]:
    algorithm, architecture = phase.algorithm, phase.architecture
    state = jax.jit(lambda key, *given: init(key, architecture, *given), compiler_options=QUICKLY)(
        jax.random.key(0), *inputs
    )

    traces: list[int] = []

    def update(state: State, batch: Transition, key: Array, knobs: NamedTuple) -> tuple[State, Metrics]:
        traces.append(1)
        return algorithm.update(state, batch, algorithm.noise(key, architecture, state.sizes), knobs)

    step, metrics = jax.jit(update, compiler_options=QUICKLY), []
    for place in range(UPDATES):
        # Each its own values, so that a program that depends on them is compiled again.
        knobs = jax.tree.map(lambda value, place=place: jnp.float32(value * (1 + 1e-6 * place)), phase.knobs)
        following, returned = step(
            state, _batch(place, sizes, state.architecture.batch_size), jax.random.key(place), knobs
        )
        refuse_other_structure(state, following)
        state = following
        metrics.append(returned)
    return state, metrics, len(traces)


def refuse_other_structure(before: State, after: State) -> None:
    """Raise `ValueError`, one line, where an update changes what a state is made of: a loop could not hold it."""
    if str(jax.tree.structure(before)) != str(jax.tree.structure(after)):
        raise ValueError("update returns a state of another structure than init does")
    for path, (old, new) in _pairs(before, after):
        if old.shape != new.shape or old.dtype != new.dtype:
            raise ValueError(f"update turns {path}, {old.dtype} {list(old.shape)}, into {new.dtype} {list(new.shape)}")


def _pairs(before: State, after: State) -> Iterator[tuple[str, tuple[Array, Array]]]:
    for (path, old), new in zip(jax.tree.leaves_with_path(before), jax.tree.leaves(after), strict=True):
        yield jax.tree_util.keystr(path, simple=True, separator="."), (jnp.asarray(old), jnp.asarray(new))


def _act(phase: Phase, state: State, noise: object) -> Array:
    width = state.sizes.observation.padded
    observations = jnp.asarray(_columns(np.random.default_rng(3).normal(size=(STATES, 11)), width))
    return phase.algorithm.act(state, observations, noise, phase.knobs)


def _acting_noise(phase: Phase, state: State) -> object:
    draw = phase.algorithm.acting_noise
    return None if draw is None else draw(jax.random.key(9), phase.architecture, state.sizes, STATES)


def _batch(seed: int, sizes: Sizes, size: int) -> Transition:
    draws = np.random.default_rng(seed)
    observation, action = sizes.observation.padded, sizes.action.padded
    columns = (
        _columns(draws.normal(size=(size, 11)), observation),
        _columns(np.tanh(draws.normal(size=(size, 3))), action),
        draws.normal(size=size).astype(np.float32),
        _columns(draws.normal(size=(size, 11)), observation),
        (np.arange(size) % 4 > 0).astype(np.float32),
        _columns(np.tanh(draws.normal(size=(size, 3))), action),
    )
    return Transition(*map(jnp.asarray, columns))


def _columns(values: np.ndarray, padded: int) -> np.ndarray:
    return np.pad(values, ((0, 0), (0, padded - values.shape[1]))).astype(np.float32)


def _statistics(sizes: Sizes) -> Statistics:
    rest = (0, sizes.observation.padded - 11)
    mean, std = np.pad(np.linspace(-1, 1, 11), rest), np.pad(np.linspace(0.5, 2, 11), rest, constant_values=1.0)
    return Statistics(jnp.float32(mean), jnp.float32(std), jnp.float32(400.0))


def _metrics(run: _Run) -> Iterator[str]:
    first = run.metrics[0]
    if not isinstance(first, dict) or not first:
        yield "update returns no dictionary of metrics"
        return
    for name, value in first.items():
        if jnp.ndim(value) != 0:
            yield f"{name} has shape {list(jnp.shape(value))}, where a scalar is expected"
        elif not all(np.isfinite(np.asarray(metrics[name])) for metrics in run.metrics):
            yield f"{name} is not finite"


def _actions(run: _Run) -> Iterator[str]:
    expected = (STATES, PADDED.action.padded)
    if run.actions.shape != expected:
        yield f"act returns shape {list(run.actions.shape)} of {STATES} states, where {list(expected)} is expected"
    elif not np.isfinite(run.actions).all() or np.abs(run.actions).max() > 1:
        yield f"act returns actions outside [-1, 1]: up to {np.abs(run.actions).max():.4g}"
    elif run.actions[:, 3:].any():
        yield "act returns actions that are not 0 in the padding"


def _padding(alone: _Run, padded: _Run) -> Iterator[str]:
    for name in padded.metrics[0] if isinstance(padded.metrics[0], dict) else ():
        one, other = (np.array([np.mean(metrics[name]) for metrics in run.metrics]) for run in (alone, padded))
        if np.abs(one - other).max() > APART * max(np.abs(one).max(), 1e-6):
            yield (
                f"{name} is {one[0]:.4g} without and {other[0]:.4g} with padding: are means over actions taken by "
                "sizes.action.mean, and normal noise by padded_normal?"
            )
    if padded.actions.shape[1:] == (6,) and alone.actions.shape[1:] == (3,):
        apart = np.abs(alone.actions - padded.actions[:, :3]).max()
        if apart > APART:
            yield f"actions differ by {apart:.2g} with padding"
