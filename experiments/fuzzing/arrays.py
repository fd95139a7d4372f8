"""Fuzzing the readers of `.npz` files: golden ones, recorded transitions, kept networks and policies."""

from collections.abc import Callable
from itertools import count
from pathlib import Path
from random import Random

import jax
import numpy as np
from fuzzing.mutations import damaged, damaged_json
from fuzzing.target import ROOT, Target, each

GOLDEN = ROOT / "tests" / "golden"


def npz() -> Target:
    """Make the target of golden files, replayed where sound enough, recorded transitions, networks and policies."""
    from plas_jax.environments.lockstep import Lockstep  # noqa: PLC0415
    from plas_jax.environments.robots import ROBOTS  # noqa: PLC0415
    from plas_jax.recipes.behaviour_policy import load_policies  # noqa: PLC0415
    from plas_jax.recipes.networks import restart  # noqa: PLC0415
    from plas_jax.verification.parity import golden, simulator, updates  # noqa: PLC0415

    jax.config.update("jax_disable_most_optimizations", True)
    locksteps = {name: Lockstep(name, 4, "d4rl") for name in ROBOTS}
    turns = count()

    def read(path: Path) -> None:
        # A replay takes seconds to compile, and a run's first networks to draw: only of some files.
        turn = next(turns) % 10
        steps: list[Callable[[], object]] = [lambda: _check_recordings(path), lambda: load_policies(path)]
        steps += [lambda: updates.replay_updates(golden.read(path)) if turn == 0 else golden.read(path).moments()]
        steps += [lambda: restart(path, "hopper", 0, 1000)] if turn == 5 else []
        each(steps)

    def _check_recordings(path: Path) -> None:
        for name, recording in simulator.load(str(path)).items():
            simulator.check(recording, locksteps[simulator.environment_of(name) or ""], f"{path}: {name}")

    return Target(_npz_writer(), read)


def _npz_writer() -> Callable[[Random, Path], None]:
    from plas_jax.recipes.behaviour_policy import shipped  # noqa: PLC0415

    sources = [*sorted(GOLDEN.glob("*.npz")), shipped("hopper"), ROOT / "experiments" / "behaviours" / "hopper.npz"]
    whole = [path.read_bytes() for path in sources]
    arrays = [dict(np.load(path)) for path in sources]

    def write(random: Random, path: Path) -> None:
        if random.random() < 0.5:
            path.write_bytes(damaged(random, random.choice(whole), whole))
            return
        changed = dict(random.choice(arrays))
        for _ in range(random.choice((1, 1, 3))):
            _spoil(random, changed)
        with path.open("wb") as file:
            (np.savez if random.random() < 0.7 else np.savez_compressed)(file, **changed)

    return write


def _spoil(random: Random, arrays: dict[str, np.ndarray]) -> None:
    """Give one array another type, shape, name or number, or change the configuration."""
    name = random.choice(list(arrays))
    texts = [key for key in ("config", "provenance") if key in arrays]
    change = random.randrange(8)
    if texts and change < 3:
        name = texts[0]
        text = damaged_json(random, arrays[name].tobytes().decode("utf-8", "replace")) if change else "["
        arrays[name] = np.frombuffer(text.encode("utf-8", "surrogatepass"), np.uint8)
    elif change == 3:
        arrays.pop(name)
    elif change == 4:
        arrays[random.choice(("", "after_x", "after_99/actor/l1.bias", "a/../b", "after_/", name + "x"))] = arrays.pop(
            name
        )
    elif change == 5:
        shape = arrays[name].shape
        shapes = [(), (0,), (1, *shape), shape[::-1], (*shape, 1), (3,), (0, *shape[1:]), (2, 2, 2)]
        arrays[name] = np.resize(arrays[name], random.choice(shapes))
    elif change == 6:
        kind = random.choice(("f2", "f8", "i8", "u1", "?", "c8", "S3", "U2", "M8[s]", "V4", "g"))
        arrays[name] = np.zeros(arrays[name].shape, kind)
    elif arrays[name].dtype.kind == "f" and arrays[name].size:
        changed = arrays[name].copy()
        changed.flat[random.randrange(changed.size)] = random.choice((np.nan, np.inf, 1e300, -1e30, 0))
        arrays[name] = changed
