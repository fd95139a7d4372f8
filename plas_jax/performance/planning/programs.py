"""The programs of a sweep, compiled for devices that are not there. Nothing runs, and no data are needed."""

import time
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from plas_jax.methods.method import Phase
from plas_jax.performance.planning.compiled_text import collectives_of, parse, update_loop
from plas_jax.performance.planning.kernels import Kernel, kernels_of
from plas_jax.performance.planning.products import is_full_float32, is_product
from plas_jax.sweeps.groups import Group, widest
from plas_jax.training import phases
from plas_jax.training.chunk import ON_RUNS, Batch, Runs, Span, chunk_program
from plas_jax.training.kept_programs import under_its_names
from plas_jax.training.layout import most_rows, run_mesh, runs_of_each
from plas_jax.types import Sizes, State, Statistics, Transition, Tree


class Work(NamedTuple):
    """One program to compile: a phase of a group, with so many rows of each data set."""

    group: Group
    draws: int  # phases.FIRST_PHASE or phases.LAST_PHASE
    rows: tuple[int, ...]

    @property
    def phase(self) -> Phase:
        """Return what is trained."""
        first = self.group.method.first
        return first if self.draws == phases.FIRST_PHASE and first is not None else self.group.method.phase

    @property
    def runs(self) -> int:
        """Return how many runs are trained together."""
        return self.group.pairs if self.draws == phases.FIRST_PHASE else self.group.runs


class Compiled(NamedTuple):
    """What the compiler says of one program, for each device."""

    memory: dict[str, int]  # bytes: arguments, outputs, temporaries, aliased, code
    kernels: list[Kernel]  # of one update
    loops: int  # inside an update
    collectives: dict[str, int]  # anywhere in the program
    products: int  # in the program
    full_float32: int  # how many of them multiply in full float32
    compile_seconds: float


def works(group: Group, rows: tuple[int, ...]) -> list[Work]:
    """Return the programs of a group in the order of training."""
    draws = [phases.LAST_PHASE] if group.method.first is None else [phases.FIRST_PHASE, phases.LAST_PHASE]
    return [Work(group, each, rows) for each in draws]


def abstract_arguments(work: Work, mesh: Mesh) -> tuple[Batch, Runs, Transition]:
    """Return shapes, types and places of what `run_chunk` is given behind the mesh: a sweep's own, without a number.

    As in a sweep, runs are repeated until they divide between the devices.
    """
    group, phase = work.group, work.phase
    slots = runs_of_each(mesh, work.runs) * mesh.size
    keys = jax.eval_shape(lambda: jax.random.split(jax.random.key(0), slots))
    numbers = jax.ShapeDtypeStruct((slots,), jnp.int32)
    sizes = widest(group.datasets)
    state = abstract_states(work, keys, sizes)
    knobs = jax.tree.map(lambda knob: jax.ShapeDtypeStruct((slots,), jnp.float32), phase.knobs)
    # As a sweep lists its pairs and their runs: data sets first.
    of_runs = np.repeat(np.arange(len(work.rows)), work.runs // len(work.rows))
    rows = mesh.size * most_rows(mesh, np.array(work.rows), of_runs)
    transitions = abstract_transitions(rows, sizes, group.method.uses_next_actions)
    return (
        _placed(mesh, ON_RUNS, Batch(state, numbers)),
        _placed(mesh, ON_RUNS, Runs(keys, numbers, numbers, knobs)),
        _placed(mesh, ON_RUNS, transitions),
    )


def abstract_states(work: Work, keys: jax.ShapeDtypeStruct, sizes: Sizes) -> State:
    """Return the states of the runs of a phase, around those of the first phase where there was one."""
    method, slots = work.group.method, len(keys)
    numbers = jax.ShapeDtypeStruct((slots,), jnp.int32)
    traced = jax.tree.map(lambda true: numbers, sizes)
    observations = jax.ShapeDtypeStruct((slots, sizes.observation.padded), jnp.float32)
    known = Statistics(observations, observations, jax.ShapeDtypeStruct((slots,), jnp.float32))

    def states(phase: Phase, *inputs: object) -> State:
        init = jax.vmap(lambda key, *of_run: phase.algorithm.init(key, phase.architecture, *of_run))
        return jax.eval_shape(init, keys, *inputs)

    if work.draws == phases.FIRST_PHASE:
        return states(work.phase, traced)
    first = None if method.first is None else states(method.first, traced)
    return states(work.phase, *method.inputs(traced, first, known))


def abstract_transitions(rows: int, sizes: Sizes, next_actions: bool) -> Transition:
    """Return every device's data sets in one array, as `data_on` lays them out."""

    def column(*width: int) -> jax.ShapeDtypeStruct:
        return jax.ShapeDtypeStruct((rows, *width), jnp.float32)

    observation, action = sizes.observation.padded, sizes.action.padded
    columns = column(observation), column(action), column(), column(observation), column()
    return Transition(*columns, next_action=column(action) if next_actions else None)


def _placed(mesh: Mesh, spec: PartitionSpec, tree: Tree) -> Tree:
    sharding = NamedSharding(mesh, spec)
    return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding), tree)


def compile_work(work: Work, devices: list[jax.Device]) -> Compiled:
    """Compile a phase's chunk. Raises the compiler's own error, with RESOURCE_EXHAUSTED in it where memory runs out."""
    mesh = run_mesh(work.runs, devices)
    arguments = abstract_arguments(work, mesh)
    started = time.perf_counter()
    program_of = chunk_program(mesh, arguments[0].state)
    with under_its_names():  # kernels are sorted by them
        compiled = program_of.lower(work.phase.algorithm, mesh, *arguments, Span(0, 1)).compile()
    return read(compiled, time.perf_counter() - started)


def read(compiled: jax.stages.Compiled, compile_seconds: float) -> Compiled:
    """Return what the compiler says of a chunk that took so long to compile."""
    program = parse(compiled.as_text() or "")
    loop = update_loop(program)
    kernels = [kernel for part in ("condition", "body") for kernel in kernels_of(program, loop.called(part) or "")]
    products = [instruction for instruction in program.instructions() if is_product(instruction)]
    body = program.computations[loop.called("body") or ""]
    return Compiled(
        memory=_memory(compiled.memory_analysis()),
        kernels=kernels,
        loops=sum(instruction.opcode == "while" for instruction in body.values()),
        collectives=dict(collectives_of(program)),
        products=len(products),
        full_float32=sum(map(is_full_float32, products)),
        compile_seconds=compile_seconds,
    )


def _memory(analysis: Any) -> dict[str, int]:
    return {
        "arguments": analysis.argument_size_in_bytes,
        "temporaries": analysis.temp_size_in_bytes,
        # The states after a chunk take the place of those before it.
        "outputs": analysis.output_size_in_bytes - analysis.alias_size_in_bytes,
        "code": analysis.generated_code_size_in_bytes,
    }
