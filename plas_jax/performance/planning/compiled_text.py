"""The text of a compiled program (optimised HLO), read into instructions: what a device would run, without a device.

The grammar is the one of `Compiled.as_text()`: a line for each instruction, computations in braces, and before them
tables of the Python calls that the instructions come from.
"""

import math
import re
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

BYTES = {"pred": 1, "s4": 1, "u4": 1, "s8": 1, "u8": 1, "s16": 2, "u16": 2, "f16": 2, "bf16": 2, "s64": 8, "u64": 8}
BYTES |= {"f64": 8, "c64": 8, "c128": 16, "token": 0}  # any other has 4
COLLECTIVES = ("all-reduce", "all-gather", "reduce-scatter", "collective-permute", "all-to-all", "collective-broadcast")

_ARRAY = re.compile(r"\b([a-z]\w*)\[([\d,]*)\](?:\{([^}]*)\})?")
_HEADER = re.compile(r"^(ENTRY )?%?([\w.\-]+) \(.*\{$")
_NAME = re.compile(r"^\s+(?:ROOT )?%?([\w.\-]+) = ")
_OPCODE = re.compile(r"\s*([\w\-]+)\(")
_OPERAND = re.compile(r"%([\w.\-]+)")
_TABLE_ROW = re.compile(r"^(\d+) (.+)$")
_NUMBER = re.compile(r"(\w+)=(\d+)")
_TABLES = ("FileNames", "FunctionNames", "FileLocations", "StackFrames")


def match_in(pattern: str, text: str) -> str | None:
    """Return what a pattern's first group matches in a text, None where nothing does."""
    match = re.search(pattern, text)
    return match[1] if match else None


class Shape(NamedTuple):
    """One array: its type, its dimensions, and whether it lies in the device's main memory (not in one on the chip)."""

    dtype: str
    dimensions: tuple[int, ...]
    in_main_memory: bool

    @property
    def elements(self) -> int:
        """Return how many numbers it has."""
        return math.prod(self.dimensions)

    @property
    def size(self) -> int:
        """Return its bytes, without the padding of a tiled layout."""
        return self.elements * BYTES.get(self.dtype, 4)


class Instruction(NamedTuple):
    """One line: `name = shape opcode(operands), attributes`. A tuple has several shapes."""

    name: str
    shapes: tuple[Shape, ...]
    opcode: str
    arguments: str  # what stands in the parentheses: operands, or a parameter's number
    attributes: str

    @property
    def operands(self) -> tuple[str, ...]:
        """Return the names of the instructions whose results it takes."""
        return tuple(_OPERAND.findall(self.arguments))

    def called(self, attribute: str) -> str | None:
        """Return the computation that an attribute such as `calls` or `body` names."""
        return match_in(rf"\b{attribute}=%?([\w.\-]+)", self.attributes)

    @property
    def op_name(self) -> str:
        """Return JAX's name of the operation: the path of transformations, modules and primitives it comes from."""
        return match_in(r'op_name="([^"]*)"', self.attributes) or ""


Computation = dict[str, Instruction]  # in the order of the text, which is the order of execution
Call = tuple[str, str]  # a Python file and the qualified name of a function in it


class Program(NamedTuple):
    """A compiled program: its computations by name, and where its instructions come from."""

    computations: dict[str, Computation]
    frames: dict[int, tuple[Call, int]]  # a Python call, and the frame that called it, 0 for none

    def callers(self, instruction: Instruction) -> tuple[Call, ...]:
        """Return the Python calls that an instruction comes from, outermost first; none where the text has none."""
        calls, frame, inner = [], int(match_in(r"stack_frame_id=(\d+)", instruction.attributes) or 0), math.inf
        # A caller stands before what it calls; a text that says otherwise is not followed round and round.
        while frame in self.frames and frame < inner:
            inner = frame
            call, frame = self.frames[frame]
            calls.append(call)
        return tuple(reversed(calls))

    def instructions(self) -> Iterator[Instruction]:
        """Return every instruction of every computation."""
        for computation in self.computations.values():
            yield from computation.values()


def parse(text: str) -> Program:
    """Return the program of `Compiled.as_text()`. Raises `ValueError` for a text without an entry computation."""
    computations: dict[str, Computation] = {}
    entry, current = "", None
    for line in text.splitlines():
        header = _HEADER.match(line)
        if header and "->" in line:
            current = computations.setdefault(header[2], {})
            entry = header[2] if header[1] else entry
        elif line.startswith("}"):
            current = None
        elif current is not None and (instruction := _instruction(line)) is not None:
            current[instruction.name] = instruction
    if not entry:
        raise ValueError("this is not the text of a compiled program: it has no ENTRY computation")
    return Program(computations, _frames(text))


def _instruction(line: str) -> Instruction | None:
    named = _NAME.match(line)
    if named is None:
        return None
    rest = line[named.end() :]
    # A tuple's layouts have parentheses of their own; an array's shape ends at the first space.
    end = _closing(rest, 0) if rest.startswith("(") else rest.index(" ")
    opcode = _OPCODE.match(rest, end)
    if opcode is None:
        return None
    close = _closing(rest, opcode.end() - 1)
    arguments = rest[opcode.end() : close - 1]
    return Instruction(named[1], shapes_of(rest[:end]), opcode[1], arguments, rest[close:])


def _closing(text: str, start: int) -> int:
    """Return the place behind the parenthesis that closes the one at `start`."""
    depth = 0
    for place in range(start, len(text)):
        depth += (text[place] == "(") - (text[place] == ")")
        if depth == 0:
            return place + 1
    return len(text)


def shapes_of(text: str) -> tuple[Shape, ...]:
    """Return the arrays that a shape is made of. `S(1)` in a layout is a memory on the chip."""
    return tuple(
        Shape(dtype, tuple(int(length) for length in dimensions.split(",") if length), "S(" not in (layout or ""))
        for dtype, dimensions, layout in _ARRAY.findall(text)
    )


def _frames(text: str) -> dict[int, tuple[Call, int]]:
    """Return the calls of `Program.frames`, from the tables before the computations."""
    tables: dict[str, dict[int, str]] = {}
    current: dict[int, str] = {}
    for line in text.splitlines():
        if line in _TABLES:
            current = tables.setdefault(line, {})
        elif row := _TABLE_ROW.match(line):
            current[int(row[1])] = row[2]
        elif _HEADER.match(line):
            break
    files, functions, locations, frames = (tables.get(name, {}) for name in _TABLES)
    calls = {}
    for place, location in locations.items():
        numbers = {name: int(value) for name, value in _NUMBER.findall(location)}
        calls[place] = (
            files.get(numbers["file_name_id"], "").strip('"'),
            functions.get(numbers["function_name_id"], "").strip('"'),
        )
    rows = {place: {name: int(value) for name, value in _NUMBER.findall(text)} for place, text in frames.items()}
    # Parents are counted from 1 for "none" where the outermost frame would otherwise be its own parent.
    none = 1 if rows.get(1, {}).get("parent_frame_id") == 1 else 0
    return {
        place: (calls[row["file_location_id"]], row.get("parent_frame_id", none) - none) for place, row in rows.items()
    }


def collectives_of(program: Program) -> Counter[str]:
    """Count the instructions that let devices speak with each other, by kind, anywhere in the program.

    One that is split into a start and a done counts once.
    """
    opcodes = (instruction.opcode.removesuffix("-start") for instruction in program.instructions())
    return Counter(opcode for opcode in opcodes if opcode in COLLECTIVES or opcode.startswith("ragged-all-to-all"))


def update_loop(program: Program) -> Instruction:
    """Return the loop over updates: of all loops the one whose body has the most instructions.

    Around it there may be one over runs, inside it those of the random numbers. Raises `ValueError` where none is.
    """
    loops = [instruction for instruction in program.instructions() if instruction.opcode == "while"]
    if not loops:
        raise ValueError("the compiled program has no loop")
    return max(loops, key=lambda loop: len(program.computations[loop.called("body") or ""]))
