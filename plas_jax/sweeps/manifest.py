"""The manifest of a sweep: what was asked for, with which constants, versions, data, device and code."""

import platform
import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax

from plas_jax.methods.presets import latent_limit
from plas_jax.sweeps.data import Described
from plas_jax.sweeps.groups import Group, longest_episode
from plas_jax.sweeps.request import Request
from plas_jax.training.processor import processor_name

PACKAGES = ("plas_jax", "jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "mujoco", "gymnasium", "h5py", "numpy")


def first_manifest(request: Request, of: Sequence[Group], described: Described) -> dict[str, Any]:
    """The manifest of Table 1 before training; times, executables and `complete` are filled in as the sweep goes on."""
    preset = request.preset
    return {
        "complete": False,
        "command": sys.argv,
        "arguments": request.arguments(),
        "preset": preset.name,
        "dynamics": request.dynamics,
        "seeds": list(request.seeds),
        "episodes": preset.episodes,
        "evaluations_in_mean": preset.evaluations_in_mean,
        "clip_weight": float(preset.knobs.clip_weight),
        "latent_limit": sorted({latent_limit(preset, dataset.name) for dataset in request.datasets}),
        "constants": {
            "rows": preset.rows,
            "horizon": longest_episode(request.datasets, preset.horizon),
            "behaviour_updates": preset.behaviour_updates,
            "policy_updates": preset.policy_updates,
            "evaluations": len(preset.evaluations),
            "episodes": preset.episodes,
            "architecture": preset.policy._asdict(),
            "behaviour_knobs": {"learning_rate": preset.behaviour_knobs.learning_rate},
            "knobs": preset.knobs._asdict() | {"perturbation_limit": list(request.perturbation_limits)},
        },
        "runs": sum(group.runs for group in of),
        "datasets": described,
        **circumstances(),
        **progress(of),
    }


def circumstances() -> dict[str, Any]:
    """On what, with which versions and which code this is computed."""
    return {
        "matmul_precision": jax.config.values["jax_default_matmul_precision"] or "default",
        "device": device(),
        "versions": {package: version(package) for package in PACKAGES} | {"python": platform.python_version()},
        "git_commit": git_commit(),
    }


def progress(of: Sequence[Group]) -> dict[str, Any]:
    """What a sweep fills in as it goes on."""
    groups: dict[str, dict[str, Any]] = {
        group.name: {
            "datasets": [dataset.name for dataset in group.datasets],
            "runs": group.runs,
            "cvae_width": getattr(group.method.phase.architecture, "cvae_width", None),
            "executables": {},
            "complete": False,
            "whole": group.whole,
            "cut": list(group.cut),
        }
        for group in of
    }
    return {"groups": groups, "executables": {}, "wall_seconds": {}}


def same_data(manifest: dict[str, Any], described: Described) -> None:
    """Refuse to go on with other data than a sweep began with: `ValueError`, one line that names the data set."""
    for name, found in described.items():
        before = manifest["datasets"].get(name, {}).get("fingerprint")
        if before != found["fingerprint"]:
            raise ValueError(f"{name} has changed since this sweep began: {before} then, {found['fingerprint']} now")


def same_groups(record: dict[str, Any], of: Sequence[Group], where: object) -> None:
    """Refuse to go on with a method of which a manifest has other groups: `ValueError`, one line."""
    for group in of:
        if group.name not in record.get("groups", {}):
            raise ValueError(f"{where} cannot be resumed: its manifest has no group {group.name}")


def device() -> str:
    """What JAX computes on, in words: kind and number of devices, and the processor where they are its cores."""
    devices, hosts = jax.devices(), jax.process_count()
    return _kind(devices) + (f", {hosts} processes" if hosts > 1 else "")


def _kind(devices: list[jax.Device]) -> str:
    if devices[0].platform != "cpu":
        return f"{len(devices)} × {devices[0].device_kind}"
    return f"{len(devices)} core{'s' if len(devices) > 1 else ''} of {processor_name()}"


def git_commit() -> str:
    """The commit of the code that runs, marked when it has uncommitted changes; "unknown" outside a checkout."""
    here = Path(__file__).parent
    described = subprocess.run(
        ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"],
        cwd=here, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return described.stdout.strip() or "unknown"
