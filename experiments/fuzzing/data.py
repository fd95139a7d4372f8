"""Fuzzing the readers of data: HDF5 in D4RL's layout, and Minari's folders."""

import json
import os
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from random import Random

import numpy as np
from fuzzing import hostile_hdf5
from fuzzing.mutations import damaged, damaged_json
from fuzzing.target import Target

MINARI = "fuzz/pendulum-v0"


def hdf5() -> Target:
    """Make the target of D4RL's layout: from counting rows to transitions and every check but the simulator's."""
    from plas_jax.datasets import loading  # noqa: PLC0415
    from plas_jax.datasets.catalogue import ENVIRONMENTS, Dataset  # noqa: PLC0415
    from plas_jax.verification.data.findings import findings  # noqa: PLC0415

    def read(path: Path) -> None:
        dataset = Dataset("fuzz@hopper", ENVIRONMENTS["hopper"], path=path)
        for finding in findings(dataset, path):
            if "readable" in finding.check and finding.status == "wrong":
                _must_be_one_line(finding.detail)
        for step in (loading.count_rows, loading.describe_files, partial(loading.load, next_actions=True)):
            step(dataset, [path])

    return Target(_hdf5_writer(hostile_hdf5.write_hostile), read)


def _must_be_one_line(detail: str) -> None:
    if not detail.isprintable():
        raise AssertionError(f"a finding of more than one line: {detail!r}")


def _hdf5_writer(structured: Callable[[Random, Path], None]) -> Callable[[Random, Path], None]:
    kept: list[bytes] = []

    def write(random: Random, path: Path) -> None:
        if not kept:
            for rows, options in ((40, {}), (3, {"libver": "latest"}), (300, {"track_order": True})):
                kept.append(hostile_hdf5.sound(path, rows, **options).read_bytes())
        draw = random.random()  # made by h5py, damaged, or both
        if draw < 0.5:
            structured(random, path)
        if draw > 0.35:
            whole = path.read_bytes() if draw < 0.5 else random.choice(kept)
            path.write_bytes(damaged(random, whole, kept))

    return write


def minari() -> Target:
    """Make the target of a Minari data set whose metadata or steps are hostile, named and loaded."""
    from plas_jax.datasets import loading  # noqa: PLC0415
    from plas_jax.environments.own_data import find  # noqa: PLC0415

    def read(path: Path) -> None:
        os.environ["MINARI_DATASETS_PATH"] = str(path.parent / "minari")
        data = path.parent / "minari" / MINARI / "data"
        name = "metadata.json" if path.read_bytes()[:1] != b"\x89" and path.suffix == ".any" else "main_data.hdf5"
        kept = (data / name).read_bytes()
        try:
            (data / name).write_bytes(path.read_bytes())
            dataset = find(f"minari:{MINARI}")
            for step in (loading.count_rows, loading.load):
                step(dataset, loading.files(dataset))
        except (ValueError, OSError) as error:
            raise ValueError(f"{path.name} {error}") from error if f"minari:{MINARI}" in str(error) else None
        finally:
            (data / name).write_bytes(kept)

    return Target(_minari_writer(), read)


def _minari_writer() -> Callable[[Random, Path], None]:
    kept: list[bytes] = []

    def write(random: Random, path: Path) -> None:
        if not kept:
            kept.extend(_minari_files(path.parent / "minari"))
        metadata, steps = kept
        if random.random() < 0.5:
            text = (
                damaged_json(random, metadata.decode()) if random.random() < 0.7 else _inside(random, metadata.decode())
            )
            data = text.encode("utf-8", "surrogatepass")
            path.write_bytes(data if random.random() < 0.8 else damaged(random, data))
        elif random.random() < 0.8:
            path.write_bytes(damaged(random, steps))
        else:
            path.write_bytes(steps)
            hostile_hdf5.spoil(random, path, "episode_1")

    return write


def _inside(random: Random, text: str) -> str:
    """Damage the JSON inside one of the metadata's strings: the environment's specification, a space."""
    tree = json.loads(text)
    name = random.choice([key for key, value in tree.items() if isinstance(value, str) and value.startswith("{")])
    return json.dumps(tree | {name: damaged_json(random, tree[name])})


def _minari_files(folder: Path) -> list[bytes]:
    """Make a sound data set in a folder, unless it is there; return the bytes of its metadata and of its steps."""
    import gymnasium  # noqa: PLC0415
    import minari as package  # noqa: PLC0415
    from minari.data_collector import EpisodeBuffer  # noqa: PLC0415

    os.environ["MINARI_DATASETS_PATH"] = str(folder)
    environment = gymnasium.make("Pendulum-v1")
    generator, buffers = np.random.default_rng(0), []
    for steps in (3, 4, 5):
        flags = np.arange(steps) == steps
        shapes = (steps + 1, 3), (steps, 1)
        observations, actions = (generator.uniform(-1, 1, shape).astype(np.float32) for shape in shapes)
        buffers.append(EpisodeBuffer(
            observations=observations, actions=actions, rewards=np.ones(steps), terminations=flags, truncations=flags,
        ))  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it asks for authors
        if not (folder / MINARI).exists():
            package.create_dataset_from_buffers(MINARI, buffers, env=environment)
    data = folder / MINARI / "data"
    return [(data / name).read_bytes() for name in ("metadata.json", "main_data.hdf5")]
