"""D4RL's dynamics on a MuJoCo of today.

D4RL recorded its locomotion data on MuJoCo 2.0/2.1.0. Two later changes moved the simulator away from it,
both listed in MuJoCo's changelog: 2.1.1 made the inertia of a capsule exact (before, its mass and inertia were
those of a cylinder whose half-length is h + r/2), and 3.5.0 made the margin of a contact the sum of both
geoms' margins (before, the larger one). `d4rl_model` undoes both; `gymnasium_model` is the model as shipped.
"""

import importlib.util
from collections.abc import Callable
from functools import partial
from pathlib import Path

import mujoco
import numpy as np

MARGINS_ARE_SUMMED_SINCE = (3, 5)


def asset(xml: str) -> Path:
    """Return the path of a model file that Gymnasium ships, found without importing its environments.

    Raises `ModuleNotFoundError` when Gymnasium is not installed and `FileNotFoundError` when it has no such file.
    """
    spec = importlib.util.find_spec("gymnasium")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("gymnasium is not installed: its model files are needed")
    path = Path(spec.origin).parent / "envs" / "mujoco" / "assets" / xml
    if not path.is_file():
        raise FileNotFoundError(f"gymnasium ships no model file {xml!r} ({path})")
    return path


def robotics_asset(xml: str) -> Path:
    """Return the path of a model file that gymnasium-robotics ships, found without importing it.

    Raises `ValueError`, one line, when it is not installed, `FileNotFoundError` when it has no such file.
    """
    spec = importlib.util.find_spec("gymnasium_robotics")
    if spec is None or spec.origin is None:
        raise ValueError(
            "gymnasium-robotics is not installed, whose model files are needed: pip install 'plas_jax[robotics]'"
        )
    path = Path(spec.origin).parent / "envs" / "assets" / xml
    if not path.is_file():
        raise FileNotFoundError(f"gymnasium-robotics ships no model file {xml!r} ({path})")
    return path


def gymnasium_model(xml: str) -> mujoco.MjModel:
    """Return the model of Gymnasium's `-v4` environments as shipped: every byte as `MjModel.from_xml_path` gives it."""
    return _compiled(mujoco.MjSpec.from_file(str(asset(xml))))


def d4rl_model(xml: str) -> mujoco.MjModel:
    """Return the model of gym's `-v2` environments on MuJoCo 2.1.0, which recorded D4RL's locomotion data."""
    return with_old_inertias(partial(mujoco.MjSpec.from_file, str(asset(xml))))


def with_old_inertias(specification: Callable[[], mujoco.MjSpec]) -> mujoco.MjModel:
    """Return the model with capsules' masses and margins as they were; `specification` makes a new one each time."""
    model = _compiled(specification())
    old = _cylinders_for_capsules(specification(), model)
    for name in ("body_mass", "body_inertia", "body_ipos", "body_iquat"):
        getattr(model, name)[:] = getattr(old, name)
    halve_margins(model)
    _derive_constants(model)
    return model


DYNAMICS = {"d4rl": d4rl_model, "gymnasium": gymnasium_model}


def refuse_other_dynamics(name: str, dynamics: str) -> None:
    """Raise `ValueError`, one line, unless `dynamics` are D4RL's; `KeyError` where they are nobody's."""
    if DYNAMICS[dynamics] is not d4rl_model:
        raise ValueError(f"--dynamics={dynamics} does not apply to {name}: only D4RL's dynamics are simulated here")


def halve_margins(model: mujoco.MjModel) -> None:
    """Undo the summing of margins in a model whose geoms all have the same: half of it in a sum is the old maximum."""
    if mujoco_version() >= MARGINS_ARE_SUMMED_SINCE:
        model.geom_margin *= 0.5


def mujoco_version() -> tuple[int, ...]:
    """Return MuJoCo's (major, minor) version as numbers."""
    return tuple(int(part) for part in mujoco.__version__.split(".")[:2])


def _cylinders_for_capsules(spec: mujoco.MjSpec, model: mujoco.MjModel) -> mujoco.MjModel:
    """Return the model with a cylinder of half-length h + r/2 for each capsule: MuJoCo's inertia before 2.1.1."""
    unset = [float("nan")] * 6
    for index, geom in enumerate(spec.geoms):
        if model.geom_type[index] == mujoco.mjtGeom.mjGEOM_CAPSULE:
            radius, half_length = model.geom_size[index][:2]
            geom.type = mujoco.mjtGeom.mjGEOM_CYLINDER
            geom.fromto = unset
            geom.pos, geom.quat = model.geom_pos[index], model.geom_quat[index]
            geom.size = [radius, half_length + radius / 2, 0.0]
    return _compiled(spec)


def _compiled(spec: mujoco.MjSpec) -> mujoco.MjModel:
    """Return what `spec.compile()` does, with the total mass set here.

    HalfCheetah's file asks for a total mass by an attribute that MuJoCo 4.0 deprecates with a warning on the
    console and a MUJOCO_LOG.TXT in the working directory; the warning itself says to do it this way.
    """
    total_mass = spec.compiler.settotalmass
    if total_mass <= 0:
        return spec.compile()
    spec.compiler.settotalmass = -1  # MuJoCo's mark for "not set"
    model = spec.compile()
    mujoco.mj_setTotalmass(model, total_mass)
    _derive_constants(model)
    return model


def _derive_constants(model: mujoco.MjModel) -> None:
    """Derive all that depends on masses and inertias, after these were changed, as the compiler would have."""
    mujoco.mj_setConst(model, mujoco.MjData(model))
    # MuJoCo 4.0 no longer does these two there; the solvers scale their tolerance by the first. The sums run in
    # the compiler's order (`np.sum` adds in pairs), so that models agree to the last bit.
    model.stat.meaninertia = np.add.accumulate(model.dof_M0)[-1] / model.nv
    model.stat.meanmass = np.add.accumulate(model.body_mass[1:])[-1] / (model.nbody - 1)
