"""Policies as `.npz` files: arrays of numbers and one of JSON, read without Orbax, and never any code."""

import json
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np

from plas_jax.datasets.catalogue import Environment
from plas_jax.evaluation.policy import About, Policy, acting_leaves, leaves_by_path, sized, sizes_of, state_with
from plas_jax.files.json_files import ANY, NUMBER, OBJECT, check, parsed, shown
from plas_jax.files.messages import one_line
from plas_jax.files.npz_files import read_arrays
from plas_jax.files.whole_files import whole_file
from plas_jax.methods.method import Method
from plas_jax.methods.published import METHODS

FORMAT = 1
WIDEST = 100_000  # numbers of an observation
ABOUT = "about"
FOLDER = "policies"  # of a sweep's folder
ENVIRONMENT = {
    **dict.fromkeys(("name", "family", "specification"), str),
    **dict.fromkeys(("observation_size", "action_size", "horizon"), int),
    "terminates": bool,
    "simulated": bool,
    **dict.fromkeys(("minimum", "maximum"), (*NUMBER, None)),
}
SHAPE = {
    "format": int,
    **dict.fromkeys(("method", "label", "dataset", "dynamics", "source_sha256"), str),
    **dict.fromkeys(("seed", "update", "horizon"), int),
    "diverged_at": (int, None),
    "architecture": OBJECT,
    "first_architecture": OBJECT,
    "provenance": OBJECT,
    "knobs": {ANY: NUMBER},
    "swept": {ANY: NUMBER},
    "sizes": {name: [int] for name in ("observation", "action", "latent")},
    "environment": ENVIRONMENT,
}


def write_policy(path: Path, about: About, arrays: Mapping[str, np.ndarray]) -> None:
    """Write a policy's acting leaves, by their paths, and what is known of it, whole or not at all.

    The same arguments give the same bytes.
    """
    text = asdict(about) | {"environment": about.environment._asdict(), "format": FORMAT}
    stored: dict[str, Any] = {ABOUT: np.frombuffer(json.dumps(text, indent=1).encode(), np.uint8), **arrays}
    with whole_file(path) as partial, partial.open("wb") as file:
        np.savez(file, allow_pickle=False, **stored)


def save_policy(policy: Policy, path: Path) -> None:
    """Write a policy to a file of its own. Raises `OSError` where that cannot be written."""
    names = acting_leaves(policy.method, sizes_of(policy.about))
    write_policy(path, policy.about, {n: leaf for n, leaf in leaves_by_path(policy.state).items() if n in names})


def policy_files(path: Path) -> list[Path]:
    """Return the policies that a path leads to: a file itself, or those of a sweep's folder, by name.

    Raises `FileNotFoundError`, one line, where there are none.
    """
    if path.is_file():
        return [path]
    files = sorted((path / FOLDER if (path / FOLDER).is_dir() else path).glob("*.npz"))
    if not files:
        missing = "holds no policies" if path.exists() else "does not exist"
        raise FileNotFoundError(f"{path} {missing}: a sweep writes them to the policies/ of its folder, at its end")
    return files


def read_about(path: Path) -> About:
    """Return what a file says of its policy. Raises as `read_policy` does, methods left aside."""
    return _read(path)[0]


def read_policy(path: Path, own: Method | None = None) -> Policy:
    """Return the policy in a file; `own` is its method where that is none of this project's, as its file names it.

    Raises `OSError` for a file that cannot be opened and `ValueError`, one line, for one that is no policy, of a
    method that is not here, or that does not fit it.
    """
    about, arrays = _read(path)
    try:
        method = sized(_method(about, own), about)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    try:
        expected = acting_leaves(method, sizes_of(about))
    except Exception as error:  # whatever a network raises that is built with shapes of anyone's choice
        raise ValueError(f"{path}: {about.method} cannot be built with its shapes ({one_line(error, 200)})") from error
    for name, shape in expected.items():
        if name not in arrays:
            raise ValueError(f"{path}: {name} is missing, which {about.method} acts by")
        if arrays[name].shape != shape.shape or arrays[name].dtype != shape.dtype:
            there = f"{arrays[name].dtype} {list(arrays[name].shape)}"
            raise ValueError(f"{path}: {name} is {there}, and {about.method} has {shape.dtype} {list(shape.shape)}")
    return Policy(method, about, state_with(method, about, arrays))


def _read(path: Path) -> tuple[About, dict[str, np.ndarray]]:
    arrays = read_arrays(path)
    if ABOUT not in arrays:
        raise ValueError(f"{path}: not a policy: it has no array {ABOUT!r}")
    where = f"{path}: {ABOUT}"
    text = parsed(arrays.pop(ABOUT).tobytes(), where)
    check(text, SHAPE, where)
    if text["format"] != FORMAT:
        raise ValueError(f"{path}: a policy of format {text['format']}, where this plas_jax reads {FORMAT}")
    for name, axis in text["sizes"].items():
        if len(axis) != 2 or not 0 < axis[0] <= axis[1] <= WIDEST:
            raise ValueError(f"{where}: sizes: {name} is no true and padded length: {shown(axis)}")
    names = {each.name for each in fields(About)}
    known = {name: value for name, value in text.items() if name in names}
    return About(**known | {"environment": _environment(text["environment"], where)}), arrays


def _environment(text: Mapping[str, Any], where: str) -> Environment:
    bounds = {name: text.get(name) for name in ("action_low", "action_high")}
    for name, bound in bounds.items():
        if bound is not None:
            check(bound, [NUMBER], f"{where}: environment: {name}")
    plain = {name: None if bound is None else tuple(bound) for name, bound in bounds.items()}
    return Environment(**{name: text[name] for name in ENVIRONMENT} | plain)


def _method(about: About, own: Method | None) -> Method:
    if own is None and not about.source_sha256 and about.method in METHODS:
        return METHODS[about.method]
    if own is None:
        raise ValueError(f"{about.method} is a method of one's own: name the Python file that has it")
    sha256 = own.source.sha256 if own.source is not None else ""
    if (own.name, sha256) != (about.method, about.source_sha256):
        raise ValueError(
            f"trained by {about.method} of a file with sha256 {about.source_sha256[:12]}, which is not that of "
            f"{own.name} ({sha256[:12]})"
        )
    return own
