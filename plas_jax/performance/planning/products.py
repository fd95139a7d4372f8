"""What the products of a compiled program cost: matrix products, and convolutions, as which a TPU does them."""

import math
import re

from plas_jax.performance.planning.compiled_text import Computation, Instruction, Shape, match_in

PRODUCTS = ("dot", "convolution")
_LIBRARY = re.compile(r'custom_call_target="[^"]*(gemm|cublas|matmul)')
FULL_FLOAT32 = "highest"


def is_product(instruction: Instruction) -> bool:
    """Tell whether it multiplies matrices, itself or by a library."""
    return instruction.opcode in PRODUCTS or (
        instruction.opcode == "custom-call" and _LIBRARY.search(instruction.attributes) is not None
    )


def is_full_float32(instruction: Instruction) -> bool:
    """Tell whether a product asks for all of float32, where a device would rather round its factors."""
    precisions = match_in(r'operand_precision(?:=\{|":\[)([^}\]]*)', instruction.attributes) or ""
    return all(word.strip('"').lower() == FULL_FLOAT32 for word in precisions.split(","))


def operations_of(scope: Computation, instruction: Instruction) -> int:
    """Count a product's floating-point operations, two a multiply-add; 0 of anything else. `scope` has its operands."""
    if not is_product(instruction) or not all(name in scope for name in instruction.operands[:2]):
        return 0
    [left, *_], [right, *_] = (scope[name].shapes for name in instruction.operands[:2])
    out = instruction.shapes[0]
    if instruction.opcode == "convolution":
        return _convolution(left, right, out, instruction.attributes)
    return 2 * out.elements * math.prod(left.dimensions[axis] for axis in _contracted(instruction.attributes))


def _contracted(attributes: str) -> list[int]:
    """Return the axes of the left factor that are summed over, as a dot writes them or a library's call."""
    axes = match_in(r'lhs_contracting_dim(?:ension)?s(?:=\{|":\[)([^}\]]*)', attributes) or ""
    return [int(axis) for axis in re.findall(r"\d+", axes)]


def _convolution(left: Shape, right: Shape, out: Shape, attributes: str) -> int:
    """Count two for each multiply-add of a number that is there.

    A batch of matrix products is written as a convolution that is as wide as the batch is long and meets one real
    number in each place, so that positions must be counted one by one.
    """
    labels = re.search(r"dim_labels=(\w+)_(\w+)->(\w+)", attributes)
    if labels is None:
        return 0
    of_left, of_right, of_out = labels.groups()
    window, met = _window(attributes), 1
    for axis in range(len(of_left) - 2):
        label = str(axis)
        inputs, kernel, outputs = (
            shape.dimensions[names.index(label)] for shape, names in ((left, of_left), (right, of_right), (out, of_out))
        )
        met *= _positions(inputs, kernel, outputs, {name: values[axis] for name, values in window.items()})
    features = out.dimensions[of_out.index("f")] * out.dimensions[of_out.index("b")]
    return 2 * features * right.dimensions[of_right.index("i")] * met


def _window(attributes: str) -> dict[str, list[int]]:
    """Return stride, pad (before the first), lhs_dilate and rhs_dilate of each spatial axis, where it has them."""
    text = match_in(r"window=\{([^}]*)\}", attributes) or ""
    words = dict(word.split("=") for word in text.split())
    return {
        name: [int(part.split("_")[0]) for part in value.split("x")] for name, value in words.items() if name != "size"
    }


def _positions(inputs: int, kernel: int, outputs: int, window: dict[str, int]) -> int:
    """Count the pairs of a place in the kernel and one in the output meet a real input, not padding nor a gap."""
    dilate, stride = window.get("lhs_dilate", 1), window.get("stride", 1)
    length = (inputs - 1) * dilate + 1
    places = (
        out * stride + inner * window.get("rhs_dilate", 1) - window.get("pad", 0)
        for out in range(outputs)
        for inner in range(kernel)
    )
    return sum(0 <= place < length and place % dilate == 0 for place in places)
