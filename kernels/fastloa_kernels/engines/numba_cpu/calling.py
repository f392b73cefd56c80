"""Calls of compiled loops and kernels by their addresses, from compiled code."""

from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.core.typing.templates import Signature
from numba.extending import intrinsic, overload
from numba.np.arrayobj import populate_array

from fastloa_kernels.engines.numba_cpu.compilation import LINKED
from fastloa_kernels.engines.numba_cpu.launching import LENT

INDEX = ir.IntType(64)


def call_loop(loop: int, numbers: Any, arrays: tuple[Any, ...]) -> None:
    """Call a `binding.BoundLoop` at an address; in compiled code only. What it raised would be lost.

    `numbers` are float64 numbers, or the address of numbers of the arrays' dtype.
    """


def call_rows(rows: int, arguments: tuple[Any, ...], first: int, last: int, room: Any) -> None:
    """Call the skeleton of rows at an address; in compiled code only, and likewise.

    `room` may be the address of a room.
    """


def call_loop_at(loop: int, numbers: int, places: tuple[int, ...], start: int, count: int, scalar: Any) -> None:
    """The same for `count` elements, from a `start`, of arrays of a scalar type at some addresses."""


def address_at(place: int) -> Any:
    """The address that stands at an address; in compiled code only."""


def released() -> Any:
    """Let Python's other threads run until `regained` is given this number; in compiled code that has the lock."""


def regained(state: int) -> None:
    """Wait until no other thread runs; in compiled code only."""


@intrinsic
def _call_loop(typingctx, loop, numbers, arrays):
    taken = types.CPointer(arrays[0].dtype), *arrays

    def lower(context, builder, signature, args):
        address, numbers, packed = args
        kind, number = signature.args[1], context.get_value_type(taken[0].dtype)
        if isinstance(kind, types.BaseTuple):
            place = cgutils.alloca_once(builder, number, size=max(1, len(kind)))
            for i, value in enumerate(cgutils.unpack_tuple(builder, numbers)):
                builder.store(context.cast(builder, value, kind[i], taken[0].dtype), cgutils.gep(builder, place, i))
        else:
            place = builder.inttoptr(numbers, number.as_pointer())
        _call(context, builder, address, taken, [place, *cgutils.unpack_tuple(builder, packed)])
        return context.get_dummy_value()

    return Signature(types.void, (types.int64, numbers, arrays), None), lower


@intrinsic
def _call_rows(typingctx, rows, arguments, first, last, room):
    kind = types.Array(types.float64, 1, "C")
    taken = (arguments, types.int64, types.int64, kind)

    def lower(context, builder, signature, args):
        address, arguments, first, last, room = args
        if isinstance(signature.args[4], types.Integer):
            room = array_at(context, builder, kind, room, INDEX(LENT))
        _call(context, builder, address, taken, [arguments, first, last, room])
        return context.get_dummy_value()

    return Signature(types.void, (types.int64, arguments, types.int64, types.int64, room), None), lower


@intrinsic
def _call_loop_at(typingctx, loop, numbers, places, start, count, scalar):
    kind = types.Array(scalar.dtype, 1, "C")
    taken = types.CPointer(scalar.dtype), *[kind] * len(places)

    def lower(context, builder, signature, args):
        address, numbers, packed, start, count, _ = args
        number = context.get_value_type(scalar.dtype)
        size = INDEX(context.get_abi_sizeof(number))
        places = [builder.add(place, builder.mul(start, size)) for place in cgutils.unpack_tuple(builder, packed)]
        values = [array_at(context, builder, kind, place, count) for place in places]
        _call(context, builder, address, taken, [builder.inttoptr(numbers, number.as_pointer()), *values])
        return context.get_dummy_value()

    return Signature(types.void, (types.int64, types.int64, places, types.int64, types.int64, scalar), None), lower


@intrinsic
def _address_at(typingctx, place):
    def lower(context, builder, signature, args):
        return builder.load(builder.inttoptr(args[0], INDEX.as_pointer()))

    return Signature(types.int64, (types.int64,), None), lower


@intrinsic
def _released(typingctx):
    def lower(context, builder, signature, args):
        return builder.ptrtoint(context.get_python_api(builder).save_thread(), INDEX)

    return Signature(types.int64, (), None), lower


@intrinsic
def _regained(typingctx, state):
    def lower(context, builder, signature, args):
        context.get_python_api(builder).restore_thread(builder.inttoptr(args[0], cgutils.voidptr_t))
        return context.get_dummy_value()

    return Signature(types.void, (types.int64,), None), lower


def array_at(context, builder, kind, place, count):
    """The value of an array of one dimension, of so many numbers at an address."""
    number = context.get_value_type(kind.dtype)
    size, array = INDEX(context.get_abi_sizeof(number)), context.make_array(kind)(context, builder)
    data = builder.inttoptr(place, number.as_pointer())
    populate_array(array, data=data, shape=[count], strides=[size], itemsize=size, meminfo=None)
    return array._getvalue()


def _call(context, builder, address, taken, values):
    convention = context.call_conv
    function = builder.inttoptr(address, convention.get_function_type(types.none, taken).as_pointer())
    convention.call_function(builder, function, types.none, taken, values)


# Plain functions in a module, and not the intrinsics, are what kernels name: intrinsics pickle under a random name.
@overload(call_loop, jit_options=LINKED)
def _call_loop_overload(loop, numbers, arrays):
    return lambda loop, numbers, arrays: _call_loop(loop, numbers, arrays)


@overload(call_rows, jit_options=LINKED)
def _call_rows_overload(rows, arguments, first, last, room):
    return lambda rows, arguments, first, last, room: _call_rows(rows, arguments, first, last, room)


@overload(call_loop_at, jit_options=LINKED)
def _call_loop_at_overload(loop, numbers, places, start, count, scalar):
    return lambda loop, numbers, places, start, count, scalar: _call_loop_at(
        loop, numbers, places, start, count, scalar
    )


@overload(address_at, jit_options=LINKED)
def _address_at_overload(place):
    return lambda place: _address_at(place)


@overload(released, jit_options=LINKED)
def _released_overload():
    return lambda: _released()


@overload(regained, jit_options=LINKED)
def _regained_overload(state):
    return lambda state: _regained(state)
