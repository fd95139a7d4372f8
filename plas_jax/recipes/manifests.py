"""The manifest beside each recipe's file: what it was made of and what it holds, in JSON."""

from pathlib import Path
from typing import Any

from plas_jax.files.json_files import NUMBER, read_object

# What is read of it, wherever.
SHAPE = {
    **dict.fromkeys(("rows", "rows_made", "seed", "bytes", "episodes", "terminals", "timeouts"), int),
    **dict.fromkeys(("fingerprint", "sha256"), str),
    "return_mean": (*NUMBER, None),
}


def beside(path: Path) -> Path:
    """The manifest's path: the file's with `.json` after it."""
    return path.with_name(f"{path.name}.json")


def read(path: Path) -> dict[str, Any] | None:
    """The manifest of a recipe's file, or None if either is missing, it is none, or the file's size is another."""
    try:
        manifest = read_object(beside(path), SHAPE)
        whole = path.stat().st_size == manifest["bytes"]
    except (OSError, ValueError):
        return None
    return manifest if whole else None


def reusable(path: Path, fingerprint: str) -> bool:
    """Whether the recipe with this fingerprint is there, whole."""
    manifest = read(path)
    return manifest is not None and manifest.get("fingerprint") == fingerprint


def made(folder: Path, name: str) -> list[tuple[Path, dict[str, Any]]]:
    """The whole files of one recipe in a folder with their manifests, by number of rows."""
    found = [(path, read(path)) for path in sorted(folder.glob(f"{name}-*.hdf5"))]
    return sorted(((path, manifest) for path, manifest in found if manifest), key=lambda pair: pair[1]["rows"])
