"""Environments of one's own: whatever Gymnasium can make with numbers in and numbers out."""

import dataclasses
import importlib
import sys

import gymnasium
import numpy as np
from gymnasium.envs.registration import EnvSpec
from gymnasium.spaces import Box, Space
from numpy.typing import ArrayLike

from plas_jax.datasets.catalogue import Environment
from plas_jax.files.messages import one_line

# Of Gymnasium's wrappers those that only change numbers.
WRAPPERS = tuple(
    f"gymnasium.wrappers.{module}"
    for module in (
        "common", "transform_action", "transform_observation", "transform_reward", "stateful_action",
        "stateful_observation", "stateful_reward",
    )
)  # fmt: skip
NOWHERE = "none"  # instead of an id: data without an environment
REFERENCES = ("ref_min_score", "ref_max_score")  # D4RL's registrations pass them to the environment


def environment(source: str | EnvSpec) -> Environment:
    """Return what there is to know of a Gymnasium environment, by its id (`Id-v0`, `module:Id-v0`) or specification.

    It is made once, as every later one will be, and closed. Its name is the id without a module.

    Raises `ValueError`, one line, for an unknown id, for what cannot be imported or made, and for an environment
    without a time limit, with observations that are not one row of numbers or actions that are not bounded floats.
    """
    registered = _registered(source) if isinstance(source, str) else source
    specification = _json(registered)
    made = _make(EnvSpec.from_json(specification))
    try:
        name, seen, acts = registered.id, made.observation_space, made.action_space
        horizon = made.spec.max_episode_steps if made.spec is not None else None
    finally:
        made.close()
    if not isinstance(seen, Box) or len(seen.shape) != 1:
        raise ValueError(
            f"{name}: observations must be a Box of one axis, not a {_shown(seen)}: "
            "wrap it with FlattenObservation under an id of your own"
        )
    if horizon is None:
        raise ValueError(f"{name}: its episodes have no time limit: register it with max_episode_steps")
    low, high = _bounds(name, acts)
    is_unit = all(bound == -1.0 for bound in low) and all(bound == 1.0 for bound in high)
    facts = Environment(
        name=name,
        # Those of the same sizes share networks as they are: nothing is padded.
        family=f"{seen.shape[0]}-{len(low)}",
        observation_size=seen.shape[0],
        action_size=len(low),
        horizon=horizon,
        terminates=True,  # for all that its registration says
        minimum=None,
        maximum=None,
        specification=specification,
        action_low=None if is_unit else low,
        action_high=None if is_unit else high,
    )
    return scored(facts, *(registered.kwargs.get(key) for key in REFERENCES))


def nowhere(
    observation_size: int, action_size: int, rows: int, bounds: tuple[ArrayLike, ArrayLike] | None = None
) -> Environment:
    """Return what stands for an environment of data that have none: policies are trained and not played.

    No episode reaches its horizon, since only the data say where one was cut. `bounds` of the actions are numbers, or
    one for each of them. Raises `ValueError`, one line, for others.
    """
    low = high = None
    if bounds is not None:
        try:
            ends = [np.broadcast_to(np.asarray(bound, np.float64), (action_size,)) for bound in bounds]
            low, high = (tuple(end.tolist()) for end in ends)
        except (ValueError, TypeError) as error:
            raise ValueError(f"action bounds are two numbers, or two rows of {action_size}, not {bounds}") from error
        if not all(np.isfinite([least, most]).all() and least < most for least, most in zip(low, high, strict=True)):
            raise ValueError(f"action bounds must be finite and in order, not {bounds}")
    family = f"{NOWHERE}-{observation_size}-{action_size}"
    sizes = observation_size, action_size, rows + 1
    return Environment(NOWHERE, family, *sizes, True, None, None, "", low, high, simulated=False)


def trusted(text: str, name: str) -> EnvSpec:
    """Return the specification in a data file, unless it names code that nobody on this machine has asked for.

    It may call what is registered with Gymnasium, and wrappers of Gymnasium's that neither draw nor write. Raises
    `ValueError`, one line, for any other.
    """
    try:
        specification = EnvSpec.from_json(text)
        called = str(specification.entry_point)
        wrappers = [str(each.entry_point) for each in specification.additional_wrappers]
    except Exception as error:  # Gymnasium raises most kinds for a text that is none
        raise ValueError(f"{name}: its environment cannot be read ({_line(error)})") from error
    known = called in map(_entry_point, gymnasium.registry.values()) or _is_gymnasiums(called)
    strange = [] if known else [called]
    strange += [each for each in wrappers if each.partition(":")[0] not in WRAPPERS]
    if strange:
        raise ValueError(
            f"{name}: it wants to call {strange[0][:100]!r}, which is not registered with Gymnasium, and a data file "
            f"must not choose what is run: name the environment yourself, as in {name}@my_module:MyEnv-v0"
        )
    return specification


def _is_gymnasiums(entry_point: str) -> bool:
    """Tell whether this is an environment of Gymnasium's own, under whatever path: those change with its versions."""
    module, _, name = entry_point.partition(":")
    if not module.startswith("gymnasium.envs."):
        return False
    try:
        made = getattr(importlib.import_module(module), name, None)
    except ImportError:  # of what this version has no more, or of an engine that is not installed
        return False
    return isinstance(made, type) and issubclass(made, gymnasium.Env)


def scored(unscored: Environment, low: float | None, high: float | None) -> Environment:
    """Return the environment with the returns worth 0 and 100, or without a score when both are None.

    Raises `ValueError` for one alone and for two that are not in order.
    """
    if low is None and high is None:
        return unscored
    if low is None or high is None or not low < high:
        raise ValueError(f"{unscored.name}: {' and '.join(REFERENCES)} go together, in order, not {low} and {high}")
    return unscored._replace(minimum=float(low), maximum=float(high))


def _registered(identifier: str) -> EnvSpec:
    module, _, plain = identifier.rpartition(":")
    try:
        if module:
            importlib.import_module(module)
    except Exception as error:  # whatever a module of somebody's own may raise
        raise ValueError(
            f"{identifier}: importing {module} failed ({_line(error)}): pip install its package, or name its folder "
            "in PYTHONPATH"
        ) from error
    try:
        return gymnasium.spec(plain)
    except gymnasium.error.Error as error:
        raise ValueError(
            f"{identifier}: {_line(error)}: pip install the package that registers it, and name its module as in "
            f"{module or 'module'}:{plain}"
        ) from error


def _json(registered: EnvSpec) -> str:
    """Write the specification as JSON; a class or function of a module is written as its name."""
    named = _entry_point(registered)
    if named:
        registered = dataclasses.replace(registered, entry_point=named)
    try:
        return dataclasses.replace(registered, vector_entry_point=None).to_json()
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"{registered.id}: its registration cannot be written down ({_line(error)}): register it with "
            "entry_point='module:Class' and plain numbers and words as kwargs"
        ) from error


def _entry_point(registered: EnvSpec) -> str:
    """Return what makes the environment, as `module:name`; nothing where it has no such name."""
    entry = registered.entry_point
    where, what = getattr(entry, "__module__", ""), getattr(entry, "__qualname__", "")
    if callable(entry):
        return f"{where}:{what}" if getattr(sys.modules.get(where), what, None) is entry else ""
    return entry or ""


def _make(specification: EnvSpec) -> gymnasium.Env:
    try:
        return gymnasium.make(specification, disable_env_checker=True)
    except Exception as error:  # whatever a constructor of somebody's own may raise
        missing = isinstance(error, (ImportError, gymnasium.error.DependencyNotInstalled))
        advice = "pip install what it needs" if missing else f"see gymnasium.make({specification.id!r}) in Python"
        raise ValueError(f"{specification.id} cannot be made ({_line(error)}): {advice}") from error


def _bounds(name: str, acts: Space) -> tuple[tuple[float, ...], tuple[float, ...]]:
    if not isinstance(acts, Box) or len(acts.shape) != 1 or acts.dtype is None or acts.dtype.kind != "f":
        raise ValueError(f"{name}: actions must be a Box of floats with one axis, not a {_shown(acts)}")
    if not (np.isfinite(acts.low) & np.isfinite(acts.high) & (acts.low < acts.high)).all():
        raise ValueError(f"{name}: actions must have finite bounds, not {acts.low.tolist()} to {acts.high.tolist()}")
    return tuple(acts.low.tolist()), tuple(acts.high.tolist())


def _shown(space: Space) -> str:
    shape = f" of {space.dtype} and shape {list(space.shape)}" if isinstance(space, Box) else ""
    return f"{type(space).__name__}{shape}"


def _line(error: Exception) -> str:
    return f"{type(error).__name__}: {one_line(error)}"
