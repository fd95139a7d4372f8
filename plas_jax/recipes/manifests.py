"""The manifest beside each recipe's file: what it was made of and what it holds, in JSON."""

from pathlib import Path
from typing import TypedDict, cast

from plas_jax.files.json_files import NUMBER, read_object

# What is read of it, wherever.
SHAPE = {
    **dict.fromkeys(("rows", "rows_made", "seed", "bytes", "episodes", "terminals", "timeouts"), int),
    **dict.fromkeys(("fingerprint", "sha256"), str),
    "return_mean": (*NUMBER, None),
}


class Manifest(TypedDict):
    """What is read of a manifest; it holds the recipe as well."""

    rows: int
    rows_made: int
    seed: int
    bytes: int
    episodes: int
    terminals: int
    timeouts: int
    fingerprint: str
    sha256: str
    return_mean: float | None


def beside(path: Path) -> Path:
    """Return the manifest's path: the file's with `.json` after it."""
    return path.with_name(f"{path.name}.json")


def read(path: Path) -> Manifest | None:
    """Read the manifest of a recipe's file; None if either is missing, it is none, or the file's size is another."""
    try:
        manifest = cast(Manifest, read_object(beside(path), SHAPE))
        whole = path.stat().st_size == manifest["bytes"]
    except (OSError, ValueError):
        return None
    return manifest if whole else None


def reusable(path: Path, fingerprint: str) -> bool:
    """Tell whether the recipe with this fingerprint is there, whole."""
    manifest = read(path)
    return manifest is not None and manifest.get("fingerprint") == fingerprint


def made(folder: Path, name: str) -> list[tuple[Path, Manifest]]:
    """List the whole files of one recipe in a folder with their manifests, by number of rows."""
    pairs = [(path, read(path)) for path in sorted(folder.glob(f"{name}-*.hdf5"))]
    return sorted(((path, manifest) for path, manifest in pairs if manifest), key=lambda pair: pair[1]["rows"])
