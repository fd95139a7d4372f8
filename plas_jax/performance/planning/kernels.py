"""The kernels of a compiled program: what a device launches one after another, with the work and traffic of each.

Operations are those of products (matrix products and convolutions), two a multiply-add, as in
`throughput/operations.py`. Bytes are those of the device's main memory that a kernel must read and write
once; of a table that rows are gathered from, the rows.
"""

import re
from collections.abc import Iterator
from pathlib import Path, PurePath
from typing import NamedTuple

import plas_jax
from plas_jax.performance.planning.compiled_text import (
    COLLECTIVES,
    Call,
    Computation,
    Instruction,
    Program,
    Shape,
    match_in,
)
from plas_jax.performance.planning.products import is_product, operations_of

_PACKAGE = Path(plas_jax.__file__).parent
# Nothing runs for these: names, layouts that are read differently, and the ends of what was started before.
_NO_KERNEL = {"parameter", "constant", "get-tuple-element", "tuple", "bitcast", "after-all", "add-dependency"}
_NO_KERNEL |= {"partition-id", "replica-id", "optimization-barrier", "domain"}
_NO_KERNEL_TARGETS = ("ConcatBitcast", "AllocateBuffer", "Sharding", "AssumeGatherIndicesInBound")
_PART_READ = ("gather", "dynamic-slice", "slice")  # of the first operand, as much as comes out
_TRANSFERS = ("copy-start", "slice-start", "async-start")
_RANDOM = re.compile(r"threefry|random_bits|randint|rng")
_COPYING = {"fusion", "copy", "transpose", "reshape", "bitcast", "parameter", "concatenate", "slice", "pad"}
_SCALAR = 8  # bytes: outside a fusion a number is computed beside the kernels
TRANSFER = "transfer"  # between memories, in the background of kernels


class Kernel(NamedTuple):
    """One launch in each pass: its kind, the part of the update that it belongs to, and what it costs."""

    name: str
    kind: str  # product, gather, random, reduction, elementwise, copy, transfer, custom call, collective
    part: str  # of the update: the function that asked for it
    op_name: str
    operations: int
    bytes: int
    times: int  # in one pass through the outermost loop: an inner loop's kernels run several times
    cycles: int | None  # the compiler's own estimate, where it writes one

    @property
    def is_launched(self) -> bool:
        """Return whether the device does it in turn with the others, not in their background."""
        return self.kind != TRANSFER


def kernels_of(program: Program, computation: str, times: int = 1) -> list[Kernel]:
    """Return what a computation launches, in order, with what its inner loops, calls and branches launch."""
    kernels = []
    body = program.computations[computation]
    for instruction in body.values():
        if instruction.opcode == "while":
            passes = times * int(match_in(r'"known_trip_count":\{"n":"(\d+)"', instruction.attributes) or 1)
            for attribute in ("condition", "body"):
                kernels += kernels_of(program, instruction.called(attribute) or "", passes)
        elif instruction.opcode in ("call", "conditional"):
            for name in _inner(program, instruction):
                kernels += kernels_of(program, name, times)
        elif _is_kernel(instruction):
            kernels.append(_kernel(program, body, instruction, times))
    return kernels


def _inner(program: Program, instruction: Instruction) -> list[str]:
    """Return the computations that an instruction names."""
    # Not those that are given a number at a time, as a reduction's sum.
    return [name for name in re.findall(r"%([\w.\-]+)", instruction.attributes) if name in program.computations]


def _is_kernel(instruction: Instruction) -> bool:
    opcode = instruction.opcode
    if opcode in _NO_KERNEL or opcode.endswith("-done") or opcode.endswith("-update"):
        return False
    if opcode == "custom-call":
        return not any(f'custom_call_target="{target}"' in instruction.attributes for target in _NO_KERNEL_TARGETS)
    return opcode == "fusion" or sum(shape.size for shape in instruction.shapes) > _SCALAR


def _kernel(program: Program, body: Computation, instruction: Instruction, times: int) -> Kernel:
    scoped = list(_scoped(program, body, instruction))
    cycles = match_in(r'"estimated_cycles":"(\d+)"', instruction.attributes)
    kind = _kind(instruction, [one for _, one in scoped])
    return Kernel(
        name=instruction.name,
        kind=kind,
        part=part_of(program.callers(instruction), instruction.op_name),
        op_name=instruction.op_name,
        operations=sum(operations_of(scope, one) for scope, one in scoped),
        bytes=_moved(body, instruction) if kind == TRANSFER else _traffic(program, body, instruction),
        times=times,
        cycles=int(cycles) if cycles else None,
    )


def _scoped(program: Program, body: Computation, instruction: Instruction) -> Iterator[tuple[Computation, Instruction]]:
    """Return an instruction and all inside it, each with the computation in which its operands have their names."""
    yield body, instruction
    inside = program.computations.get(instruction.called("calls") or "", {})
    for one in inside.values():
        yield from _scoped(program, inside, one)


def _kind(instruction: Instruction, inside: list[Instruction]) -> str:
    """Return the first of these that it is."""
    opcodes = {one.opcode for one in inside}
    is_start = instruction.opcode.endswith("-start")
    kinds = {
        TRANSFER: is_start and instruction.opcode in _TRANSFERS,
        "collective": instruction.opcode.removesuffix("-start") in COLLECTIVES or is_start,
        "product": any(map(is_product, inside)),
        "random": bool(_RANDOM.search(instruction.op_name)),
        "gather": "gather" in opcodes,
        "custom call": instruction.opcode == "custom-call",
        "reduction": bool(opcodes & {"reduce", "reduce-window"}),
        "copy": opcodes <= _COPYING,
    }
    return next((kind for kind, holds in kinds.items() if holds), "elementwise")


def _traffic(program: Program, body: Computation, instruction: Instruction) -> int:
    """Return the bytes of main memory that are read and written once."""
    read = sum(_read(program, body, instruction, place) for place in range(len(instruction.operands)))
    return read + sum(shape.size for shape in instruction.shapes if shape.in_main_memory)


def _read(program: Program, body: Computation, instruction: Instruction, place: int) -> int:
    source = body.get(instruction.operands[place])
    whole = _in_main_memory(source.shapes) if source is not None else 0
    if instruction.opcode in _PART_READ and place == 0:
        return min(whole, sum(shape.size for shape in instruction.shapes))
    inside = program.computations.get(instruction.called("calls") or "")
    return whole if inside is None else min(whole, _read_inside(program, inside, place))


def _read_inside(program: Program, inside: Computation, place: int) -> int:
    """Return the bytes that a fusion reads of its argument: all of it, or what is gathered and sliced from it."""
    parameter = next(one for one in inside.values() if one.opcode == "parameter" and one.arguments == str(place))
    total = 0
    for user in inside.values():
        for position, operand in enumerate(user.operands):
            if operand != parameter.name:
                continue
            nested = program.computations.get(user.called("calls") or "")
            if user.opcode in _PART_READ and position == 0:
                total += sum(shape.size for shape in user.shapes)
            elif nested is not None:
                total += _read_inside(program, nested, position)
            else:
                return sum(shape.size for shape in parameter.shapes)
    return total


def _moved(body: Computation, start: Instruction) -> int:
    """Return the bytes of main memory that a transfer reads and writes: its end has the shape of what arrives."""
    end = next((one for one in body.values() if one.opcode.endswith("-done") and start.name in one.operands), start)
    source = body.get(start.operands[0]) if start.operands else None
    size = sum(shape.size for shape in end.shapes)
    reads = source is not None and bool(_in_main_memory(source.shapes))
    return size * reads + _in_main_memory(end.shapes)


def _in_main_memory(shapes: tuple[Shape, ...]) -> int:
    return sum(shape.size for shape in shapes if shape.in_main_memory)


def _room(file: str) -> str:
    """Return the folder of this package that a file lies in, however deep; nothing for any other file."""
    path = PurePath(file)
    return path.relative_to(_PACKAGE).parts[0] if path.is_relative_to(_PACKAGE) else ""


def part_of(callers: tuple[Call, ...], op_name: str) -> str:
    """Name the function of this package that asked for a kernel: the update, a loss, the step of Adam or an average.

    Of a kernel of several, the one that its result comes from; "loop" is what counts updates, "step" what is done for
    each beside these.
    """
    ours = [function.rsplit(".", 1)[-1] for file, function in callers if _room(file) not in ("", "models")]
    if "step" not in ours:
        return "loop"
    inner = ours[ours.index("step") + 1 :]
    named = [function for function in inner if function not in ("update", "<lambda>")]
    if len(named) > 1 and named[0] == "descend":
        named = named[1:]
    part = named[0] if named else "step"
    return f"{part}, backward" if "transpose(" in op_name else part
