"""Whole calls for few elements, where the way to the work costs more than the work.

Looking into arrays takes Python longer than it takes compiled code, and numba's own dispatch twice as long as the rest
of such a call. So these kernels are called by their entry points with arrays of any layout, and look for themselves:
their caller need only know that they have NumPy's arrays, of the dtypes and dimensions they were compiled for, and
that it may write to those that are written. They are the same for all operations, whose kernels they call by address.
"""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
from numba.core import types
from numba.core.typing.templates import Signature
from numba.extending import intrinsic, overload

from fastloa_kernels.engines import FEW_ROWS, PARALLEL, SMALL
from fastloa_kernels.engines.numba_cpu import rows, summation
from fastloa_kernels.engines.numba_cpu.calling import address_at, call_loop, call_rows, regained, released
from fastloa_kernels.engines.numba_cpu.compilation import LINKED, compiled, jitable, uncounted
from fastloa_kernels.engines.numba_cpu.kinds import NUMBER, array
from fastloa_kernels.engines.numba_cpu.launching import SCRATCH, take_rooms
from fastloa_kernels.engines.numba_cpu.maps import found
from fastloa_kernels.engines.numba_cpu.narrow import ROOM
from fastloa_kernels.engines.numba_cpu.summation import corrected
from fastloa_kernels.sums import BLOCK

LOSSES = ROOM  # where the losses of rows are in the room


def given(dtype: Any, ndim: int = 1, *, written: bool = False) -> types.Array:
    """The type of an array that a kernel looks into."""
    return types.Array(dtype, ndim, "A", readonly=not written)


def packed(arrays: Any) -> Any:
    """A tuple of arrays whose elements lie one after the other as arrays that say so; in compiled code only."""


@intrinsic
def _packed(typingctx, arrays):
    def lower(context, builder, signature, args):
        return args[0]  # arrays look alike to the machine, however they are laid out

    return Signature(types.Tuple([x.copy(layout="C") for x in arrays]), (arrays,), None), lower


@overload(packed, jit_options=LINKED)
def _packed_overload(arrays):
    return lambda arrays: _packed(arrays)


@uncounted
def in_order(x):
    """Whether the elements of an array lie one after the other, each where its size wants it."""
    step = x.itemsize
    for i in range(x.ndim - 1, -1, -1):
        if x.shape[i] != 1 and x.strides[i] != step:
            return False
        step *= x.shape[i]
    return x.ctypes.data % x.itemsize == 0


@uncounted
def fits(x, out):
    """Whether two arrays are of one shape, in order, and apart or the same."""
    a, b = x.ctypes.data, out.ctypes.data
    return x.shape == out.shape and in_order(x) and (a == b or a + x.nbytes <= b or b + out.nbytes <= a)


@functools.cache
def place_of(dtype: str, ndim: int, *, end: bool = False) -> Callable[..., int]:
    """``place(x)``: the address of an array's elements, of 16 bits if of no other dtype; 0 if they are not in order.

    Or where they `end`, which tells an array that was resized where it lies.
    """

    def place(x):
        # Of an unsigned number and 0 numba makes a float64.
        return np.int64(x.ctypes.data) + (np.int64(x.nbytes) if end else 0) if in_order(x) else 0

    found: Callable[..., int] = compiled(place, (given(NUMBER.get(dtype, types.uint16), ndim),), nogil=False)
    return found


@functools.cache
def apart() -> Callable[..., bool]:
    """``apart(places, sizes, first, last)``: whether stretches of memory are known, and apart from others, in order."""

    def apart(places, sizes, first, last):
        for i in range(places.size):
            start, stop = places[i], places[i] + sizes[i]
            if start == 0 or (first[0] < stop and last[found(first, stop - 1)] > start):
                return False
        return True

    made: Callable[..., bool] = compiled(apart, (array(types.int64),) * 4, nogil=False)
    return made


@uncounted
def call_loop_politely(address, parameters, arrays, size):
    """Call a loop over `size` elements; if they are not few, without holding the interpreter's lock."""
    if size <= SMALL:
        call_loop(address, parameters, arrays)
    else:
        state = released()
        call_loop(address, parameters, arrays)
        regained(state)


@functools.cache
def map_kernel(inputs: int, parameters: int, dtype: str, ndim: int) -> Callable[..., bool]:
    """``kernel(address, *inputs, out, parameters)`` of the loop of a map at an address: whether it did the work.

    It refuses arrays that several threads should share, differ in shape or are not in order, and overlaps other than in
    place. Where the work is longer than the way to it, Python's other threads run meanwhile.
    """
    number = NUMBER[dtype]

    def one(address, x, out, parameters):
        if out.size >= PARALLEL or not (fits(x, out) and in_order(out)):
            return False
        size, (x, out) = out.size, packed((x, out))
        call_loop_politely(address, parameters, (x.reshape(size), out.reshape(size)), size)
        return True

    def two(address, x, y, out, parameters):
        if out.size >= PARALLEL or not (fits(x, out) and fits(y, out) and in_order(out)):
            return False
        size, (x, y, out) = out.size, packed((x, y, out))
        call_loop_politely(address, parameters, (x.reshape(size), y.reshape(size), out.reshape(size)), size)
        return True

    operands = *[given(number, ndim)] * inputs, given(number, ndim, written=True)
    signature = types.int64, *operands, types.Tuple([types.float64] * parameters)
    return compiled((one, two)[inputs - 1], signature, nogil=False)


@uncounted
def beside(x, out):
    """Whether two arrays of one shape are apart, and the second in order."""
    a, b = x.ctypes.data, out.ctypes.data
    return x.shape == out.shape and in_order(out) and (a + x.nbytes <= b or b + out.nbytes <= a)


@functools.cache
def loss_kernel(dtype: str, ndim: int, *, summed: bool, results: int) -> Callable[..., tuple[bool, float]]:
    """``kernel(room, address, numbers, mean, x, target[, dx[, h]])`` of the loop of a loss at an address.

    It says whether it did the work, and to what the loss came, if that is `summed`. It refuses what is more than a
    block, differs in shape, is not in order or overlaps. The first of the loop's `numbers` is the divisor, its own.
    """
    leaf, split, number = summation.leaf(dtype), summation.split(dtype), NUMBER[dtype]

    def total(room, address, numbers, x, target, written):
        values, upper, lower = split(room)
        call_loop(address, numbers.ctypes.data, (x, target, values[: x.size]) + written)  # noqa: RUF005
        sum_, error = leaf(values, x.size, upper, lower)
        return True, corrected(0.0 + sum_, error)

    def mapped(room, address, numbers, x, target, written):
        call_loop(address, numbers.ctypes.data, (x, target) + written)  # noqa: RUF005
        return True, 0.0

    work = jitable(total if summed else mapped)

    def whole(room, address, numbers, mean, x, target, written):
        size = x.size
        if size > BLOCK or size == 0 or not (x.shape == target.shape and in_order(x) and in_order(target)):
            return False, 0.0
        divisor = np.float64(size) if mean else 1.0
        numbers[0] = divisor
        x, target = packed((x, target))
        done, sum_ = work(room, address, numbers, x.reshape(size), target.reshape(size), written)
        return done, sum_ / divisor

    whole = jitable(whole)

    def alone(room, address, numbers, mean, x, target):
        return whole(room, address, numbers, mean, x, target, ())

    def with_one(room, address, numbers, mean, x, target, dx):
        if not (beside(x, dx) and beside(target, dx)):
            return False, 0.0
        (flat,) = packed((dx,))
        return whole(room, address, numbers, mean, x, target, (flat.reshape(dx.size),))

    def with_two(room, address, numbers, mean, x, target, dx, h):
        if not (beside(x, dx) and beside(target, dx) and beside(x, h) and beside(target, h) and beside(dx, h)):
            return False, 0.0
        flat, other = packed((dx, h))
        return whole(room, address, numbers, mean, x, target, (flat.reshape(dx.size), other.reshape(h.size)))

    operands = *[given(number, ndim)] * 2, *[given(number, ndim, written=True)] * results
    signature = SCRATCH, types.int64, array(number, written=True), types.boolean, *operands
    return compiled((alone, with_one, with_two)[results], signature, nogil=False)


@functools.cache
def own_room() -> Any:
    """A room for kernels that hold the interpreter's lock from taking it to leaving it, and so share it."""
    return take_rooms()


class RowKernels:
    """Where the `Rows` of an operation are: those for any rows, and those for rows computed side by side.

    Compiled code reads it at the place that `ready` gives: their addresses, 0 until they are compiled, and that of
    their `room`, which nobody else may have.
    """

    def __init__(self) -> None:
        self._addresses = np.zeros(3, np.int64)
        self.room: Any = None

    def ready(self) -> int:
        """Take the room, and say where all that is read, as long as this is kept."""
        if self.room is None:
            self.room = take_rooms()
            self._addresses[2] = self.room.ctypes.data
        return int(self._addresses.ctypes.data)

    def put(self, address: int, *, tiled: bool) -> None:
        """Say where one of them is."""
        self._addresses[int(tiled)] = address


_tiled = uncounted(rows.tiled)
WORD = 8  # bytes of an address


@uncounted
def chosen(place, shape, may_be_tiled):
    """The address of the kernel for rows of that shape, or 0 if it is not compiled yet."""
    return address_at(place + WORD * (may_be_tiled and _tiled(shape)))


@uncounted
def room_at(place):
    return address_at(place + 2 * WORD)


@functools.cache
def rows_kernel(inputs: int, dtype: str, ndim: int) -> Callable[..., bool]:
    """``kernel(place, *inputs, out, ())`` of the `RowKernels` that are there: whether it did the work."""
    number = NUMBER[dtype]

    def one(place, x, out, parameters):
        if out.size > FEW_ROWS or out.size == 0 or not (fits(x, out) and in_order(out)):
            return False
        shape, (x, out) = (out.size // out.shape[-1], out.shape[-1]), packed((x, out))
        address = chosen(place, shape, True)
        if address != 0:
            call_rows(address, (x.reshape(shape), out.reshape(shape)), 0, shape[0], room_at(place))
        return address != 0

    def two(place, g, y, out, parameters):
        if out.size > FEW_ROWS or out.size == 0 or not (fits(g, out) and fits(y, out) and in_order(out)):
            return False
        shape, (g, y, out) = (out.size // out.shape[-1], out.shape[-1]), packed((g, y, out))
        address = chosen(place, shape, True)
        if address != 0:
            call_rows(address, (g.reshape(shape), y.reshape(shape), out.reshape(shape)), 0, shape[0], room_at(place))
        return address != 0

    operands = *[given(number, ndim)] * inputs, given(number, ndim, written=True)
    signature = types.int64, *operands, types.Tuple(())
    return compiled((one, two)[inputs - 1], signature, nogil=False)


@functools.cache
def row_losses_kernel(dtype: str, *, value: bool, results: int, tiled: bool) -> Callable[..., tuple[bool, float]]:
    """``kernel(room, place, x, labels, ignore_index, mean[, dx[, h]])`` of the `RowKernels` of a loss that are there.

    It says whether it did the work, and to what the loss came. It refuses what is not small, not of one shape or not
    in order, and a wrong label; the `results` are arrays of its caller's own.
    """
    leaf, split, scalar = summation.leaf("float64"), summation.split(dtype), np.dtype(dtype).type
    number = NUMBER[dtype]

    def whole(place, room, x, labels, ignore_index, mean, dx, h):
        count, classes = x.shape
        values, upper, lower = split(room)
        slots, none = room[LOSSES : LOSSES + BLOCK], values[:0]
        losses = slots if value else slots[:0]
        if x.size > FEW_ROWS or x.size == 0 or count > slots.size or labels.size != count:
            return False, 0.0
        address = chosen(place, x.shape, tiled)
        if address == 0 or not (in_order(x) and in_order(labels)):
            return False, 0.0
        counted = 0.0
        for i in range(count):
            if labels[i] != ignore_index:
                if labels[i] < 0 or labels[i] >= classes:
                    return False, 0.0
                counted += 1.0
        divisor = counted if mean else 1.0
        options, (x, labels) = (ignore_index, 1.0, 0.0, np.float64(classes), divisor, 0.0), packed((x, labels))
        call_rows(address, (x, labels, none, none, options, losses, dx, h), 0, count, room)
        if not value:
            return True, 0.0
        total, error = leaf(slots, count, upper, lower)
        return True, corrected(0.0 + total, error) / divisor

    whole = jitable(whole)

    def alone(room, place, x, labels, ignore_index, mean):
        none = room[:0].view(scalar).reshape((0, 0))
        return whole(place, room, x, labels, ignore_index, mean, none, none)

    def with_one(room, place, x, labels, ignore_index, mean, dx):
        return whole(place, room, x, labels, ignore_index, mean, dx, dx[:0])

    def with_two(room, place, x, labels, ignore_index, mean, dx, h):
        return whole(place, room, x, labels, ignore_index, mean, dx, h)

    read = SCRATCH, types.int64, given(number, 2), given(types.int64), types.int64, types.boolean
    signature = *read, *[array(number, 2, written=True)] * results
    return compiled((alone, with_one, with_two)[results], signature, nogil=False)
