"""The networks of a training run as one small file, from which it goes on where its transitions are gone."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypedDict

import jax
import jax.numpy as jnp
import numpy as np
from jax.tree_util import KeyPath

from plas_jax.algorithms import sac
from plas_jax.algorithms.descent import network
from plas_jax.files.json_files import check, parsed
from plas_jax.files.npz_files import read_arrays
from plas_jax.files.whole_files import whole_file
from plas_jax.recipes.behaviours import Checkpoint, first_checkpoint
from plas_jax.types import Array, Parameters

RECORD = {"environment": str, "step": int, "seams": [int]}  # the shape of a `Record`


class Record(TypedDict):
    """What a run goes on from."""

    environment: str
    step: int  # control steps done
    seams: list[int]  # the steps at which it was taken up again


def save_networks(path: Path, state: sac.State, record: Mapping[str, object]) -> None:
    """Write what a run can go on from where its transitions are too many to keep: its networks, in float16."""
    arrays: dict[str, Any] = {_name(place): np.asarray(leaf, np.float16) for place, leaf in _leaves(_networks(state))}
    arrays["record"] = np.frombuffer(json.dumps(record).encode(), np.uint8)
    with whole_file(path) as partial, partial.open("wb") as file:
        np.savez_compressed(file, **arrays)


def restart(path: Path, environment: str, seed: int, steps: int) -> tuple[Checkpoint, Record]:
    """Return the run whose networks lie in `path`, with no transitions, fresh Adam moments and targets; and its record.

    Raises `ValueError`, one line, for another environment's file and for one that is none of `save_networks`.
    """
    arrays = read_arrays(path)
    if "record" not in arrays:
        raise ValueError(f"{path}: not the networks of a run: it has no array 'record'")
    record: Record = parsed(arrays.pop("record").tobytes(), f"{path}: record")
    check(record, RECORD, f"{path}: record")
    first = first_checkpoint(environment, seed, steps)
    like = _networks(first.state)
    shapes = {_name(place): np.shape(leaf) for place, leaf in _leaves(like)}
    if record["environment"] != environment or {name: values.shape for name, values in arrays.items()} != shapes:
        raise ValueError(f"{path}: not the networks of a run in {environment} with today's widths")
    if not all(np.isfinite(values).all() for values in arrays.values()) or record["step"] < 0:
        raise ValueError(f"{path}: its networks have numbers that are not finite, or its step is below 0")
    policy, critics, temperature = jax.tree.map_with_path(
        lambda place, leaf: jnp.asarray(arrays[_name(place)], leaf.dtype), like
    )
    state = replace(
        first.state,
        policy=network(policy),
        critics=network(critics),
        critic_targets=jax.tree.map(jnp.copy, critics),
        log_temperature=network(temperature),
    )
    return Checkpoint(record["step"], state, first.replay), record


def _networks(state: sac.State) -> tuple[Parameters, Parameters, Parameters]:
    return state.policy.parameters, state.critics.parameters, state.log_temperature.parameters


def _leaves(tree: Parameters) -> list[tuple[KeyPath, Array]]:
    return jax.tree.leaves_with_path(tree)


def _name(place: KeyPath) -> str:
    return jax.tree_util.keystr(place, simple=True, separator="/")
