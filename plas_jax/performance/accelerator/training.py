"""A share of Table 1's training at the paper's size, as far as the minutes reach, with evaluation on the host's cores.

It is `plas-jax sweep-perturbation` in a process of its own, stopped as Ctrl-C stops it, so that it can be resumed.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from plas_jax.methods.method import BEHAVIOUR, POLICY
from plas_jax.methods.presets import PRESETS
from plas_jax.performance.accelerator.programs import Row
from plas_jax.performance.accelerator.request import AcceleratorRequest
from plas_jax.results.folder import OutputFolder
from plas_jax.results.manifest import MethodRecord

FOLDER = "training"  # under the output
STOPPING_SECONDS = 20.0  # for the chunk that is being trained, a checkpoint and the reports
LEAST_SECONDS = 2 * STOPPING_SECONDS  # in less nothing would be trained
PLAS_JAX = (sys.executable, "-c", "import sys\nfrom plas_jax.commands.plas_jax import main\nsys.exit(main())")


def words(request: AcceleratorRequest, datasets: Sequence[str]) -> list[str]:
    """Return the command that trains: Table 1's five ε on these data sets, at the size of the request's preset."""
    return [
        "sweep-perturbation",
        f"--preset={request.preset}",
        f"--datasets={','.join(datasets)}",
        f"--seeds={request.extent.seeds}",
        f"--output={request.output / FOLDER}",
        "--resume",
        "--overlap",
        *_data_dir(request),
    ]


def _data_dir(request: AcceleratorRequest) -> list[str]:
    return [f"--data_dir={request.data_dir}"] if request.data_dir else []


@contextmanager
def data_being_made(request: AcceleratorRequest) -> Iterator[dict[str, subprocess.Popen]]:
    """Make the recipes of the request meanwhile, by their names, on the host's cores, behind whatever else runs."""
    rows = PRESETS[request.preset].rows
    size = [] if rows is None else [f"--size={rows}"]
    making = {
        dataset.name: subprocess.Popen(
            ["nice", *PLAS_JAX, "datasets", "make", dataset.name, *size, *_data_dir(request)],
            env=os.environ | {"JAX_PLATFORMS": "cpu"},  # the device is another process's
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for dataset in request.datasets
        if dataset.is_recipe
    }
    try:
        yield making
    finally:
        for process in making.values():
            process.kill()
            process.wait()


def made_by(until: float, request: AcceleratorRequest, making: Mapping[str, subprocess.Popen]) -> list[str]:
    """Return the data sets that are there, as they were asked for; wait for those being made until `until` at most.

    `until` is on the clock of `time.monotonic`.
    """
    ready = []
    for word, dataset in zip(request.words.split(","), request.datasets, strict=True):
        with suppress(subprocess.TimeoutExpired):
            process = making.get(dataset.name)
            if process is None or process.wait(max(0.0, until - time.monotonic())) == 0:
                ready.append(word)
    return ready


def trained_until(call: Sequence[str], deadline: float) -> str:
    """Call a command that Ctrl-C stops at a safe point, stop it in time, and return how it ended.

    `deadline` is on the clock of `time.monotonic`.
    """
    process = subprocess.Popen(call, stdout=subprocess.DEVNULL)
    try:
        status = process.wait(max(0.0, deadline - STOPPING_SECONDS - time.monotonic()))
        return f"ended with exit status {status}" if status else "finished"
    except subprocess.TimeoutExpired:
        return _stopped(process)
    finally:
        _stopped(process)


def _stopped(process: subprocess.Popen) -> str:
    """Stop a process that still runs, at a safe point or, where that is too far, at once."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            if process.wait(STOPPING_SECONDS) >= 0:
                return "stopped in time"
        process.kill()
        process.wait()
    return "killed"


def standing(folder: Path) -> Row:
    """Return how far the training in a folder has come, and how fast its policies were evaluated; nothing without one.

    A share is that of a phase's updates, of its newest checkpoint.
    """
    output = OutputFolder(folder)
    if not output.manifest.exists():
        return {}
    manifest, rows = output.read_manifest(), output.read_rows()
    record, seconds = manifest.method("plas"), manifest.wall_seconds
    steps = sum(row.episode_length for row in rows)
    totals = {BEHAVIOUR: record.first_updates, POLICY: record.updates}
    return {
        "datasets": list(manifest.datasets),
        "runs": sum(group.runs for group in record.groups.values()),
        "updates": totals,
        "share": {phase: _share(output, record, phase, total or 1) for phase, total in totals.items()},
        "wall_seconds": seconds,
        "episodes": len(rows),
        "steps": steps,
        "evaluation_steps_per_second": steps / seconds["evaluate"] if seconds.get("evaluate") else None,
    }


def _share(output: OutputFolder, record: MethodRecord, phase: str, updates: int) -> float:
    """Return the share of a phase's updates that all groups together have made, by their runs."""
    made = 0
    for name, group in record.groups.items():
        kept = (output.checkpoints / name / phase).glob("*")
        made += group.runs * max((int(path.name) for path in kept if path.name.isdecimal()), default=0)
    return made / updates / max(1, sum(group.runs for group in record.groups.values()))
