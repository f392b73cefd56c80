"""Work in parts, one for each thread, and one machine code for all of them.

A parallel loop of numba's is compiled four times over, body and all, beside the serial kernel for the same work. So
there is one such loop, which calls the function at an address, and kernels that give it the address of theirs.
"""

import functools
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import prange
from numba.core import cgutils, types
from numba.core.callconv import excinfo_ptr_t
from numba.core.typing.templates import Signature
from numba.extending import intrinsic, overload

from fastloa_kernels.engines.numba_cpu.compilation import LINKED, c_function, jitable

POINTER = ir.IntType(8).as_pointer()
INDEX = ir.IntType(64)
# What computes a part takes the arguments and the part's number, and between them, where numba's functions have it, a
# place for what was raised: nothing is, unless numba is told to check the bounds of arrays, and then it is lost.
_PART = ir.FunctionType(ir.IntType(32), [POINTER, excinfo_ptr_t.as_pointer(), INDEX])
_LOOP = ir.FunctionType(POINTER, [INDEX] * 3)


def call(function: int, arguments: int, part: int) -> None:
    """Call the function of a part by its address; in compiled code only."""


def run_parts(body: Any, loop: int, parts: int, arguments: tuple[Any, ...]) -> None:
    """``body(arguments, part)`` for each part, by the `loop` at an address if several; in compiled code only."""


@intrinsic
def _call(typingctx, function, arguments, part):
    def lower(context, builder, signature, args):
        found = builder.inttoptr(args[0], _PART.as_pointer())
        builder.call(found, [builder.inttoptr(args[1], POINTER), cgutils.alloca_once(builder, excinfo_ptr_t), args[2]])
        return context.get_dummy_value()

    return Signature(types.void, (types.int64,) * 3, None), lower


@intrinsic
def _run_parts(typingctx, body, loop, parts, arguments):
    signature_of_body = body.get_call_type(typingctx, (arguments, types.int64), {})

    def lower(context, builder, signature, args):
        _, loop, parts, values = args
        function = _part_function(context, builder.module, body, signature_of_body, values.type)
        packed = builder.bitcast(cgutils.alloca_once_value(builder, values), POINTER)
        with builder.if_else(builder.icmp_signed("==", parts, INDEX(1))) as (alone, together):
            with alone:
                builder.call(function, [packed, cgutils.alloca_once(builder, excinfo_ptr_t), INDEX(0)])
            with together:
                addresses = builder.ptrtoint(function, INDEX), builder.ptrtoint(packed, INDEX)
                builder.call(builder.inttoptr(loop, _LOOP.as_pointer()), [*addresses, parts])
        return context.get_dummy_value()

    return Signature(types.void, (body, types.int64, types.int64, arguments), None), lower


def _part_function(context, module, body, signature_of_body, packed_type):
    """The function of a part, in `module`: it unpacks the arguments and calls `body`."""
    function = ir.Function(module, _PART, module.get_unique_name("part"))
    function.linkage = "internal"
    function.attributes.add("noinline")  # or its code would stand there twice
    builder = ir.IRBuilder(function.append_basic_block())
    arguments = builder.load(builder.bitcast(function.args[0], packed_type.as_pointer()))
    context.get_function(body, signature_of_body)(builder, [arguments, function.args[2]])
    builder.ret(ir.IntType(32)(0))
    return function


# Plain functions in a module, and not the intrinsics, are what kernels name: intrinsics pickle under a random name.
@overload(call, jit_options=LINKED)
def _call_overload(function, arguments, part):
    return lambda function, arguments, part: _call(function, arguments, part)


@overload(run_parts, jit_options=LINKED)
def _run_parts_overload(body, loop, parts, arguments):
    return lambda body, loop, parts, arguments: _run_parts(body, loop, parts, arguments)


def _loop(function, arguments, parts):
    for part in prange(parts):
        call(function, arguments, part)


@functools.cache
def parallel_loop() -> Any:
    """The one parallel loop, with its ``address``."""
    return c_function(_loop, types.void(types.int64, types.int64, types.int64))


def in_parts(run: Any, room: int) -> Callable[..., None]:
    """``kernel(loop, parts, step, count, arguments, rooms)`` of ``run(arguments, first, last, room)`` over 0..count.

    A part is `step` elements or rows, and has `room` numbers of the rooms.
    """

    def body(packed, part):
        arguments, step, count, rooms = packed
        first, start = min(count, part * step), part * room
        run(arguments, first, min(count, first + step), rooms[start : start + room])

    body = jitable(body)

    def kernel(loop, parts, step, count, arguments, rooms):
        run_parts(body, loop, parts, (arguments, step, count, rooms))

    return kernel
