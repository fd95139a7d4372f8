"""What is read from the text of compiled programs, by hand and of real ones: work, traffic, loops, collectives."""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import plas_jax
from plas_jax.performance.planning.compiled_text import Shape, collectives_of, parse, shapes_of, update_loop
from plas_jax.performance.planning.kernels import kernels_of, part_of
from plas_jax.performance.planning.products import is_full_float32, operations_of

PACKAGE = str(Path(plas_jax.__file__).parent)
BY_HAND = """HloModule jit_f, is_scheduled=true

FileNames
1 "/home/me/script.py"
2 "/lib/plas_jax/training/chunk.py"
3 "/lib/plas_jax/algorithms/plas.py"

FunctionNames
1 "<module>"
2 "_updates_of_one_run.<locals>.step"
3 "update"
4 "critic_loss"

FileLocations
1 {file_name_id=1 function_name_id=1 line=1 end_line=1 column=0 end_column=1}
2 {file_name_id=2 function_name_id=2 line=9 end_line=9 column=0 end_column=1}
3 {file_name_id=3 function_name_id=3 line=7 end_line=7 column=0 end_column=1}
4 {file_name_id=3 function_name_id=4 line=8 end_line=8 column=0 end_column=1}

StackFrames
1 {file_location_id=1 parent_frame_id=1}
2 {file_location_id=2 parent_frame_id=2}
3 {file_location_id=3 parent_frame_id=3}
4 {file_location_id=4 parent_frame_id=4}

%add (a: f32[], b: f32[]) -> f32[] {
  %a = f32[] parameter(0)
  %b = f32[] parameter(1)
  ROOT %sum = f32[] add(%a, %b)
}

%rows (table: f32[1000,8], index: s32[4]) -> f32[4,8] {
  %index = s32[4]{0} parameter(1)
  %table = f32[1000,8]{1,0} parameter(0)
  ROOT %taken = f32[4,8]{1,0} gather(%table, %index), offset_dims={1}, slice_sizes={1,8}
}

%outer (table.1: f32[1000,8], index.1: s32[4]) -> f32[4,8] {
  %table.1 = f32[1000,8]{1,0} parameter(0)
  %index.1 = s32[4]{0} parameter(1)
  %inner = f32[4,8]{1,0} fusion(%table.1, %index.1), kind=kCustom, calls=%rows
  ROOT %negated = f32[4,8]{1,0} negate(%inner)
}

%multiplied (x: f32[4,8], y: f32[8,16]) -> f32[4,16] {
  %x = f32[4,8]{1,0} parameter(0)
  %y = f32[8,16]{1,0} parameter(1)
  ROOT %dot.1 = f32[4,16]{1,0} dot(%x, %y), lhs_contracting_dims={1}, rhs_contracting_dims={0},\
 operand_precision={highest,highest}
}

%inner_body (p: (s32[], f32[4,16])) -> (s32[], f32[4,16]) {
  %p = (s32[], f32[4,16]{1,0}) parameter(0)
  %i = s32[] get-tuple-element(%p), index=0
  %v = f32[4,16]{1,0} get-tuple-element(%p), index=1
  %more = f32[4,16]{1,0} add(%v, %v)
  ROOT %t = (s32[], f32[4,16]{1,0}) tuple(%i, %more)
}

%inner_condition (q: (s32[], f32[4,16])) -> pred[] {
  %q = (s32[], f32[4,16]{1,0}) parameter(0)
  %j = s32[] get-tuple-element(%q), index=0
  ROOT %less = pred[] compare(%j, %j), direction=LT
}

%body (arg: (s32[], f32[1000,8], /*index=2*/s32[4], f32[8,16])) -> (s32[], f32[1000,8], s32[4], f32[8,16]) {
  %arg = (s32[], f32[1000,8]{1,0}, /*index=2*/s32[4]{0:T(128)}, f32[8,16]{1,0:T(8,128)S(1)}) parameter(0)
  %n = s32[] get-tuple-element(%arg), index=0
  %one = s32[] constant(1)
  %next = s32[] add(%n, %one)
  %data = f32[1000,8]{1,0} get-tuple-element(%arg), index=1
  %places = s32[4]{0:T(128)} get-tuple-element(%arg), index=2
  %weights = f32[8,16]{1,0:T(8,128)S(1)} get-tuple-element(%arg), index=3
  %batch = f32[4,8]{1,0} fusion(%data, %places), kind=kLoop, calls=%outer,\
 metadata={op_name="jit(f)/while/body/gather" stack_frame_id=2}
  %start = (f32[4,8]{1,0:S(1)}, f32[4,8]{1,0}, u32[]{:S(2)}) copy-start(%batch)
  %done = f32[4,8]{1,0:S(1)} copy-done(%start)
  %product = f32[4,16]{1,0} fusion(%done, %weights), kind=kOutput, calls=%multiplied,\
 metadata={op_name="jit(f)/while/body/transpose(jvp(Q))/dot" stack_frame_id=4},\
 backend_config={"estimated_cycles":"321"}
  %pair = (s32[], f32[4,16]{1,0}) tuple(%n, %product)
  %loop = (s32[], f32[4,16]{1,0}) while(%pair), condition=%inner_condition, body=%inner_body,\
 backend_config={"known_trip_count":{"n":"5"}}
  %name = f32[4,8]{1,0:S(1)} custom-call(%done), custom_call_target="ConcatBitcast"
  ROOT %out = (s32[], f32[1000,8]{1,0}, s32[4]{0:T(128)}, f32[8,16]{1,0:T(8,128)S(1)})\
 tuple(%next, %data, %places, %weights)
}

%condition (c: (s32[], f32[1000,8], s32[4], f32[8,16])) -> pred[] {
  %c = (s32[], f32[1000,8]{1,0}, s32[4]{0:T(128)}, f32[8,16]{1,0}) parameter(0)
  %k = s32[] get-tuple-element(%c), index=0
  ROOT %on = pred[] compare(%k, %k), direction=LT
}

ENTRY %main (given: (s32[], f32[1000,8], s32[4], f32[8,16])) -> (s32[], f32[1000,8], s32[4], f32[8,16]) {
  %given = (s32[], f32[1000,8]{1,0}, s32[4]{0:T(128)}, f32[8,16]{1,0}) parameter(0)
  ROOT %updates = (s32[], f32[1000,8]{1,0}, s32[4]{0:T(128)}, f32[8,16]{1,0})\
 while(%given), condition=%condition, body=%body
}
"""
BY_HAND = BY_HAND.replace("/lib/plas_jax", PACKAGE)
PROGRAM = parse(BY_HAND)


def test_the_update_loop_is_the_one_with_the_largest_body():
    assert update_loop(PROGRAM).name == "updates"
    with pytest.raises(ValueError, match="no loop"):
        update_loop(parse(jax.jit(jnp.sin).lower(1.0).compile().as_text()))


def test_what_an_update_launches_by_hand():
    gather, copy, product, inner = kernels_of(PROGRAM, "body")
    assert (gather.kind, copy.kind, product.kind, inner.kind) == ("gather", "transfer", "product", "elementwise")
    # four rows of eight numbers read and written, and four indices; not the table of 1000
    assert gather.bytes == 4 * (2 * 4 * 8 + 4)
    # from main memory to the chip: read there, written here
    assert (copy.bytes, copy.is_launched) == (4 * 4 * 8, False)
    # both factors are on the chip
    assert (product.operations, product.bytes, product.cycles) == (2 * 4 * 8 * 16, 4 * 4 * 16, 321)
    assert (inner.times, inner.bytes) == (5, 3 * 4 * 4 * 16)
    assert (gather.part, product.part) == ("step", "critic_loss, backward")


def test_parts_are_the_functions_that_asked():
    step = (f"{PACKAGE}/training/chunk.py", "_updates_of_one_run.<locals>.step")
    update = (f"{PACKAGE}/algorithms/plas.py", "update")
    descend = (f"{PACKAGE}/algorithms/descent.py", "descend")
    adam = ("/plas_jax/.venv/site-packages/optax/_src/transform.py", "scale_by_adam.<locals>.update_fn")
    loss = (f"{PACKAGE}/algorithms/plas.py", "critic_loss")
    layer = (f"{PACKAGE}/models/perceptron.py", "Linear.__call__")
    assert part_of((step, update, descend, adam), "mul") == "descend"
    assert part_of((step, update, descend, loss, layer), "jvp(Q)/dot") == "critic_loss"
    assert part_of((step, update, descend, loss, layer), "transpose(jvp(Q))/dot") == "critic_loss, backward"
    deep = (f"{PACKAGE}/algorithms/equations/values.py", "soft_clipped"), (f"{PACKAGE}/models/deep/layer.py", "relu")
    assert part_of((step, update, *deep), "min") == "soft_clipped"
    assert part_of((step,), "fold_in") == "step"
    assert part_of((), "") == "loop"


def test_shapes_say_where_they_lie():
    assert shapes_of("(f32[2,3]{1,0:T(8,128)S(1)}, /*index=1*/pred[7]{0}, bf16[])") == (
        Shape("f32", (2, 3), in_main_memory=False),
        Shape("pred", (7,), in_main_memory=True),
        Shape("bf16", (), in_main_memory=True),
    )
    assert [shape.size for shape in shapes_of("(f32[2,3], pred[7], bf16[])")] == [24, 7, 2]


@pytest.mark.parametrize("kind", ["all-reduce", "all-gather", "reduce-scatter", "collective-permute", "all-to-all"])
@pytest.mark.parametrize("is_split", [False, True])
def test_every_kind_of_collective_is_seen_once(kind, is_split):
    line = f"  %talk = f32[4,16]{{1,0}} {kind}(%v), replica_groups={{}}"
    if is_split:
        line = f"  %first = (f32[4,16], f32[4,16]) {kind}-start(%v)\n  %talk = f32[4,16]{{1,0}} {kind}-done(%first)"
    heard = parse(BY_HAND.replace("  %more =", f"{line}\n  %more ="))
    assert collectives_of(heard) == Counter({kind: 1})
    assert "collective" in {kernel.kind for kernel in kernels_of(heard, "body")}
    assert collectives_of(PROGRAM) == Counter()


def test_a_text_that_is_no_program_is_refused():
    with pytest.raises(ValueError, match="ENTRY"):
        parse("HloModule nothing")


def only_product(text):
    [found] = [
        (operations_of(scope, one), is_full_float32(one))
        for scope in parse(text).computations.values()
        for one in scope.values()
        if operations_of(scope, one)
    ]
    return found


@given(batch=st.integers(1, 30), rows=st.integers(1, 9), inner=st.integers(1, 9), columns=st.integers(1, 9))
def test_a_batch_of_products_costs_the_same_as_a_convolution(batch, rows, inner, columns):
    """The form in which a TPU's compiler writes it: as wide as the batch, meeting one number in each place."""
    text = f"""ENTRY %main (x: f32[1], y: f32[1]) -> f32[1] {{
  %x = f32[{batch},{rows},{inner}]{{2,1,0}} parameter(0)
  %y = f32[{batch},{inner},{columns}]{{2,1,0}} parameter(1)
  ROOT %c = f32[{batch},{rows},{columns}]{{2,1,0}} convolution(%x, %y),\
 window={{size={batch} stride={max(1, batch - 1)}\
 lhs_dilate={batch}}}, dim_labels=0bf_0io->0bf, operand_precision={{highest,highest}}
}}"""
    assert only_product(text) == (2 * batch * rows * inner * columns, True)


def test_a_library_call_is_a_product():
    text = """ENTRY %main (x: f32[1], y: f32[1]) -> f32[1] {
  %x = f32[3,5]{1,0} parameter(0)
  %y = f32[5,7]{1,0} parameter(1)
  ROOT %c = (f32[3,7]{1,0}, s8[64]{0}) custom-call(%x, %y), custom_call_target="__cublas$gemm", backend_config={\
"dot_dimension_numbers":{"lhs_contracting_dimensions":["1"]},\
"precision_config":{"operand_precision":["DEFAULT","HIGHEST"]}}
}"""
    assert only_product(text) == (2 * 3 * 5 * 7, False)


@pytest.mark.parametrize(("stride", "padding", "dilation"), [(1, "VALID", 1), (2, "SAME", 1), (1, "SAME", 2)])
def test_convolutions_cost_what_xla_counts(stride, padding, dilation):
    def convolved(image, kernel):
        return jax.lax.conv_general_dilated(image, kernel, (stride, stride), padding, rhs_dilation=(dilation, dilation))

    compiled = jax.jit(convolved).lower(np.ones((2, 3, 9, 8), np.float32), np.ones((4, 3, 3, 3), np.float32)).compile()
    assert only_product(compiled.as_text())[0] == compiled.cost_analysis()["flops"]


def test_a_real_program_is_read():
    """Products in a loop, one of them on rows that are gathered, compiled here."""

    def updates(table, weights, last):
        def step(update, weights):
            rows = table[jax.random.randint(jax.random.fold_in(jax.random.key(0), update), (32,), 0, len(table))]
            return weights + rows.T @ (rows @ weights)

        return jax.lax.fori_loop(0, last, step, weights)

    shapes = jax.ShapeDtypeStruct((5000, 64), jnp.float32), jax.ShapeDtypeStruct((64, 48), jnp.float32)
    program = parse(jax.jit(updates).lower(*shapes, 7).compile().as_text())
    kernels = kernels_of(program, update_loop(program).called("body"))
    assert sum(kernel.operations * kernel.times for kernel in kernels) == 2 * 2 * 32 * 64 * 48
    # weights and rows a few times; the table, 1.28 MB, is not read
    assert 4 * (2 * 64 * 48 + 32 * 64) <= sum(kernel.bytes * kernel.times for kernel in kernels) < 300_000
    assert collectives_of(program) == Counter()


MESHES = """
import json, sys
import jax, numpy as np
from jax.sharding import Mesh
from plas_jax.performance.planning.programs import abstract_arguments, works
from plas_jax.performance.planning.request import PlanRequest
from plas_jax.training import chunk
from plas_jax.performance.planning.compiled_text import collectives_of, parse
from plas_jax.training.layout import use_every_core

use_every_core(8)
[(group, rows)] = PlanRequest("", "smoke", "hopper-medium-r1,walker2d-medium-r1", "0,0.1", 2).groups()
quickly = {"xla_backend_optimization_level": 0}
is_divergent = chunk.is_divergent


def compiled(work, devices):
    mesh = Mesh(np.array(jax.devices()[:devices]), (chunk.AXIS,))
    first = (np.zeros(8, np.int32), np.ones(8, np.int32)) if chunk.is_cpu(mesh) else (0, 1)
    chunk._program.cache_clear()
    arguments = abstract_arguments(work, mesh)
    program = chunk.chunk_program(mesh, arguments[0].state)
    return program.lower(work.phase.algorithm, mesh, *arguments, chunk.Span(*first)).compile(quickly)


def found(devices):
    of = [collectives_of(parse(compiled(work, devices).as_text())) for work in works(group, rows)[int(sys.argv[1]):]]
    return [sum(counts.values()) for counts in of]


meshes = [int(devices) for devices in sys.argv[2:]]
said = {"healthy, run after run": found(8)} if 2 in meshes else {}
chunk.is_cpu = lambda mesh: False  # as on an accelerator: side by side
said |= {f"healthy, {devices}": found(devices) for devices in meshes}
chunk.is_divergent = lambda metrics: jax.lax.psum(is_divergent(metrics).astype(int), chunk.AXIS) > 0
said |= {f"mutant, {devices}": found(devices) for devices in meshes}
print(json.dumps(said))
"""


def collectives_by_mesh(first_work, meshes):
    words = [sys.executable, "-c", MESHES, str(first_work), *map(str, meshes)]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize(("first_work", "meshes"), [(1, [8]), pytest.param(0, [2, 8], marks=pytest.mark.slow)])
def test_devices_never_speak_with_each_other_in_a_chunk(first_work, meshes):
    """Not on a mesh of two devices nor of eight; and one sum over devices, put into the chunk, is seen."""
    found = collectives_by_mesh(first_work, meshes)
    assert len(found) == 2 * len(meshes) + (2 in meshes)
    for name, counts in found.items():
        assert len(counts) == 2 - first_work
        assert all((count == 0) == name.startswith("healthy") for count in counts), (name, counts)
