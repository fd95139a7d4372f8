"""The process that compiles: a module of its own, since its environment must be set before JAX starts.

Reads a `PlanRequest` as JSON from its first argument and writes a line of JSON for each program, in order.
"""

import json
import sys
import tempfile
from collections.abc import Generator
from subprocess import PIPE, Popen
from typing import IO

import jax

from plas_jax.files.messages import one_line
from plas_jax.performance.planning.kernels import Kernel
from plas_jax.performance.planning.programs import Compiled, Work, compile_work, works
from plas_jax.performance.planning.request import PlanRequest
from plas_jax.performance.planning.targets import TARGETS, Target, devices_of, environment_of
from plas_jax.training.layout import use_every_core

OUT_OF_MEMORY = "RESOURCE_EXHAUSTED"


def works_of(request: PlanRequest) -> list[Work]:
    """Return every program of the sweep, in the order of compiling. Raises as `PlanRequest.groups` does."""
    return [work for group, rows in request.groups() for work in works(group, rows)]


def compiled_elsewhere(request: PlanRequest, target: Target) -> Generator[Compiled | str]:
    """Compile in another process; return of each program what came of it, or why it was refused for want of memory.

    Raises `OSError`, one line, if the process died.
    """
    words = [sys.executable, "-m", __name__, json.dumps(request._asdict())]
    with (
        tempfile.TemporaryFile("w+") as complaints,
        Popen(words, env=environment_of(target), stdout=PIPE, stderr=complaints, text=True) as child,
    ):
        try:
            for _ in works_of(request):
                yield _answer(child, complaints, target)
        finally:
            child.kill()


def _answer(child: Popen, complaints: IO[str], target: Target) -> Compiled | str:
    line = child.stdout.readline() if child.stdout else ""
    if not line:
        child.wait()
        complaints.seek(0)
        last = [text.strip() for text in complaints if text.strip()][-1:] or [str(child.returncode)]
        raise OSError(f"the process that compiles for {target.name} died: {last[0]}")
    fields = json.loads(line)
    if "refused" in fields:
        return fields["refused"]
    return Compiled(**fields | {"kernels": [Kernel(**kernel) for kernel in fields["kernels"]]})


def _outcome(work: Work, devices: list[jax.Device]) -> dict[str, object]:
    """Return the fields of what was compiled, or why the compiler refused."""
    try:
        compiled = compile_work(work, devices)
    except Exception as error:
        # JAX has no type of its own for this: JaxRuntimeError is every error of a compiler.
        if OUT_OF_MEMORY not in str(error):
            raise
        return {"refused": one_line(error, 300)}
    return compiled._asdict() | {"kernels": [kernel._asdict() for kernel in compiled.kernels]}


def main() -> None:
    """Compile what the first argument asks for."""
    request = PlanRequest(**json.loads(sys.argv[1]))
    use_every_core(1)  # for its matrix precision
    devices = devices_of(TARGETS[request.target])
    for work in works_of(request):
        print(json.dumps(_outcome(work, devices)), flush=True)


if __name__ == "__main__":
    main()
