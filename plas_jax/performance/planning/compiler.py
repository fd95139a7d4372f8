"""The process that compiles: a module of its own, since its environment must be set before JAX starts.

Reads a `PlanRequest` as JSON from its first argument and writes a line of JSON for each program, in order.
"""

import json
import sys
import tempfile
from collections.abc import Generator
from subprocess import PIPE, Popen
from typing import IO, Any

from plas_jax.performance.planning.kernels import Kernel
from plas_jax.performance.planning.programs import Compiled, Work, compile_work, works
from plas_jax.performance.planning.request import PlanRequest
from plas_jax.performance.planning.targets import TARGETS, Target, devices_of, environment_of
from plas_jax.training.layout import use_every_core

OUT_OF_MEMORY = "RESOURCE_EXHAUSTED"


def works_of(asked: PlanRequest) -> list[Work]:
    """Every program of the sweep, in the order in which they are compiled. Raises as `PlanRequest.groups` does."""
    return [work for group, rows in asked.groups() for work in works(group, rows)]


def compiled_elsewhere(asked: PlanRequest, target: Target) -> Generator[Compiled | str]:
    """What the other process says of each program: what the compiler found, or why it refused for want of memory.

    Raises `OSError`, one line, if the process died.
    """
    words = [sys.executable, "-m", "plas_jax.performance.planning.compiler", json.dumps(asked._asdict())]
    with (
        tempfile.TemporaryFile("w+") as complaints,
        Popen(words, env=environment_of(target), stdout=PIPE, stderr=complaints, text=True) as child,
    ):
        try:
            for _ in works_of(asked):
                yield _answer(child, complaints, target)
        finally:
            child.kill()


def _answer(child: Popen, complaints: IO[str], target: Target) -> Compiled | str:
    line = child.stdout.readline() if child.stdout else ""
    if not line:
        child.wait()
        complaints.seek(0)
        said = [text.strip() for text in complaints.read().splitlines() if text.strip()]
        raise OSError(f"the process that compiles for {target.name} died: {said[-1] if said else child.returncode}")
    fields = json.loads(line)
    if "refused" in fields:
        return fields["refused"]
    return Compiled(**fields | {"kernels": [Kernel(**kernel) for kernel in fields["kernels"]]})


def _said(work: Work, devices: list[Any]) -> dict[str, Any]:
    try:
        compiled = compile_work(work, devices)
    except Exception as error:
        # JAX has no type of its own for this: JaxRuntimeError is every error of a compiler.
        if OUT_OF_MEMORY not in str(error):
            raise
        return {"refused": " ".join(str(error).split())[:300]}
    return compiled._asdict() | {"kernels": [kernel._asdict() for kernel in compiled.kernels]}


def main() -> None:
    """Compile what the first argument asks for."""
    asked = PlanRequest(**json.loads(sys.argv[1]))
    use_every_core(1)  # for its matrix precision
    devices = devices_of(TARGETS[asked.target])
    for work in works_of(asked):
        print(json.dumps(_said(work, devices)), flush=True)


if __name__ == "__main__":
    main()
