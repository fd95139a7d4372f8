"""Which tensor of a golden file is which array of a state that trains here.

Layers of files are torch's, weights `[out, in]`; ours have kernels `[in, out]`, and a Gaussian policy has two heads.
"""

from collections.abc import Iterable, Mapping

import jax
import jax.numpy as jnp
import numpy as np

from plas_jax.types import Tree
from plas_jax.verification.parity.golden import BadGoldenFileError, Golden, Tensors

# A layer ("actor/l1") or a number ("log_alpha") of a file, and where it stands in a state, as a path of its tree:
# one place, or two where theirs is one layer whose outputs are halved.
Places = Mapping[str, tuple[str, ...]]


def layers(golden: Golden, net: str, letter: str = "l") -> list[str]:
    """List the numbered layers of a net, from `l1` to the last, or its norms, from `n1`; a target has its network's."""
    count, online = 1, net.removesuffix("_target")
    while f"init/{online}/{letter}{count}.weight" in golden.arrays:
        count += 1
    if letter == "l" and count == 1:
        golden.array(f"init/{online}/l1.weight")  # which is missing
    return [f"{net}/{letter}{number}" for number in range(1, count)]


def widths(golden: Golden, names: Iterable[str]) -> tuple[int, ...]:
    """Return how many units these layers have."""
    return tuple(len(golden.array(f"init/{name}.bias")) for name in names)


def hidden_widths(golden: Golden, net: str, networks: int = 1) -> tuple[int, ...]:
    """Return the widths of the hidden layers of the first of so many networks that a net holds one after another."""
    names = layers(golden, net)
    return widths(golden, names[: len(names) // networks - 1])


def chain(names: Iterable[str], place: str, kind: str = "Linear") -> Places:
    """Return the places of layers that follow each other in one perceptron of ours."""
    return {name: (f"{place}/{kind}_{number}",) for number, name in enumerate(names)}


def twins(golden: Golden, net: str, place: str) -> Places:
    """Return the places of two critics: the first half of a net's layers and norms, and the second."""
    places: dict[str, tuple[str, ...]] = {}
    for letter, kind in (("l", "Linear"), ("n", "LayerNorm")):
        names = layers(golden, net, letter)
        half = len(names) // 2
        places |= chain(names[:half], f"{place}/params/first_critic", kind)
        places |= chain(names[half:], f"{place}/params/second_critic", kind)
    return places


def critic_places(golden: Golden) -> Places:
    """Return where both critics and their targets stand."""
    return {
        **twins(golden, "critic", "critics/parameters"),
        **twins(golden, "critic_target", "critic_targets"),
    }


def heads(hidden: Iterable[str], mean: str, log_std: str, place: str) -> Places:
    """Return the places of a Gaussian policy: its hidden layers, and its heads, which may be one layer of theirs."""
    places = dict(chain(hidden, f"{place}/params/Perceptron_0"))
    for head, ours in ((mean, "Perceptron_1"), (log_std, "Perceptron_2")):
        places[head] = (*places.get(head, ()), f"{place}/params/{ours}/Linear_0")
    return places


def entries(name: str) -> list[str]:
    """List the tensors of a layer, or the one of a number."""
    return [f"{name}.weight", f"{name}.bias"] if "/" in name else [f"{name}/value"]


def parts(entry: str, tensor: np.ndarray, places: tuple[str, ...]) -> dict[str, np.ndarray]:
    """Return the leaves of ours that one tensor of theirs becomes, by their paths."""
    if entry.endswith("/value"):
        return {places[0]: tensor}
    leaf = "bias" if entry.endswith(".bias") else "kernel" if tensor.ndim == 2 else "scale"
    pieces = np.split(tensor, len(places))
    return {f"{place}/{leaf}": piece.T for place, piece in zip(places, pieces, strict=True)}


def filled(golden: Golden, shapes: Tree, places: Places, targets_are_copies: bool) -> Tree:
    """Return a state of these shapes: networks as the file has them at first, all else zero, as Adam's moments start.

    Raises `BadGoldenFileError` for a tensor that is missing or that has another shape than its place.
    """
    values: dict[str, np.ndarray] = {}
    for name, stand in places.items():
        is_copied = targets_are_copies and f"init/{entries(name)[0]}" not in golden.arrays
        for entry in entries(name.replace("_target/", "/") if is_copied else name):
            values |= parts(entry, golden.array(f"init/{entry}"), stand)

    def leaf(path: tuple[object, ...], shape: jax.ShapeDtypeStruct) -> jax.Array:
        name = _path(path)
        value = values.pop(name, np.zeros(shape.shape))
        if value.shape != shape.shape:
            unlike = f"{name} has shape {list(shape.shape)}, the file's {list(value.shape)}"
            raise BadGoldenFileError(f"{golden.path}: its arrays do not fit each other ({unlike})")
        return jnp.asarray(value, shape.dtype)

    state = jax.tree_util.tree_map_with_path(leaf, shapes)
    if values:
        raise BadGoldenFileError(f"{golden.path}: has layers that the method here has not: {', '.join(values)}")
    return state


def compared(golden: Golden, moment: str, places: Places, state: object) -> Tensors:
    """Pair every tensor of these places that the file has at `after_K` with ours, by its name in the file."""
    ours = {_path(path): np.asarray(leaf).T for path, leaf in jax.tree.leaves_with_path(state)}
    tensors: Tensors = {}
    for name, stand in places.items():
        for entry in entries(name):
            theirs = golden.array(f"{moment}/{entry}")
            mine = [ours[path] for path in parts(entry, theirs, stand)]
            tensors[f"{moment}/{entry}"] = (np.concatenate(mine) if theirs.ndim else mine[0], theirs)
    return tensors


def _path(path: tuple[object, ...]) -> str:
    return jax.tree_util.keystr(path, simple=True, separator="/")
