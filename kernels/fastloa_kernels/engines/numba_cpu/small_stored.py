"""Whole calls for few numbers of 16 bits, as `small` has them for others: widened, computed in float32, and rounded."""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
from numba.core import types

from fastloa_kernels.engines.numba_cpu import stored
from fastloa_kernels.engines.numba_cpu.calling import call_loop, call_rows
from fastloa_kernels.engines.numba_cpu.compilation import compiled, jitable
from fastloa_kernels.engines.numba_cpu.launching import SCRATCH
from fastloa_kernels.engines.numba_cpu.small import chosen, fits, given, in_order, own_room, room_at
from fastloa_kernels.sums import BLOCK

SIZE = 4 * BLOCK  # bytes of a block of float32 numbers


def over_bits(kernel: Callable[..., bool], dtype: Any, inputs: int) -> Callable[..., bool]:
    """``run(address, *inputs, out, parameters)`` of one of these kernels, over arrays of that dtype of 16 bits."""
    call, bits = functools.partial(kernel, own_room(), stored.kind(dtype)), np.dtype(np.uint16)

    def one(address: int, x: Any, out: Any, parameters: tuple[float, ...]) -> bool:
        return bool(call(address, x.view(bits), out.view(bits), parameters))

    def two(address: int, x: Any, y: Any, out: Any, parameters: tuple[float, ...]) -> bool:
        return bool(call(address, x.view(bits), y.view(bits), out.view(bits), parameters))

    return (one, two)[inputs - 1]


def _over_widened(work: Any, inputs: int, parameters: int, ndim: int) -> Callable[..., bool]:
    """``kernel(room, kind, address, *inputs, out, parameters)`` of ``work(address, shape, parameters, *places)``.

    It takes a block of 16-bit numbers at most, all of one `stored.kind`: they are widened to the room, and what the
    work wrote there is rounded. It is False where there was no work to be done.
    """
    widen, narrow = stored.widen(), stored.narrow()

    def one(room, kind, address, x, out, parameters):
        size, read = out.size, room.ctypes.data
        written = read + SIZE
        if not (0 < size <= BLOCK and fits(x, out) and in_order(out)):
            return False
        widen(kind, x.ctypes.data, read, size)
        done = work(address, (size // out.shape[-1], out.shape[-1]), parameters, read, written)
        narrow(kind, written, out.ctypes.data, size if done else 0)
        return done

    def two(room, kind, address, x, y, out, parameters):
        size, first = out.size, room.ctypes.data
        second, written = first + SIZE, first + 2 * SIZE
        if not (0 < size <= BLOCK and fits(x, out) and fits(y, out) and in_order(out)):
            return False
        widen(kind, x.ctypes.data, first, size)
        widen(kind, y.ctypes.data, second, size)
        done = work(address, (size // out.shape[-1], out.shape[-1]), parameters, first, second, written)
        narrow(kind, written, out.ctypes.data, size if done else 0)
        return done

    operands = *[given(types.uint16, ndim)] * inputs, given(types.uint16, ndim, written=True)
    signature = SCRATCH, types.int64, types.int64, *operands, types.Tuple([types.float64] * parameters)
    return compiled((one, two)[inputs - 1], signature, nogil=False)


@functools.cache
def map_kernel(inputs: int, parameters: int, ndim: int) -> Callable[..., bool]:
    """That of the loop of a map for float32 at an address."""
    numbers = stored.numbers_at("float32")

    def one(address, shape, parameters, read, written):
        size = shape[0] * shape[1]
        call_loop(address, parameters, (numbers(read, size), numbers(written, size)))
        return True

    def two(address, shape, parameters, first, second, written):
        size = shape[0] * shape[1]
        call_loop(address, parameters, (numbers(first, size), numbers(second, size), numbers(written, size)))
        return True

    return _over_widened(jitable((one, two)[inputs - 1]), inputs, parameters, ndim)


@functools.cache
def rows_kernel(inputs: int, ndim: int) -> Callable[..., bool]:
    """That of the `RowKernels` for float32 at an address."""
    numbers = stored.numbers_at("float32")

    def one(place, shape, parameters, read, written):
        size, address = shape[0] * shape[1], chosen(place, shape, True)
        if address != 0:
            arrays = numbers(read, size).reshape(shape), numbers(written, size).reshape(shape)
            call_rows(address, arrays, 0, shape[0], room_at(place))
        return address != 0

    def two(place, shape, parameters, first, second, written):
        size, address = shape[0] * shape[1], chosen(place, shape, True)
        if address != 0:
            read = numbers(first, size).reshape(shape), numbers(second, size).reshape(shape)
            call_rows(address, (*read, numbers(written, size).reshape(shape)), 0, shape[0], room_at(place))
        return address != 0

    return _over_widened(jitable((one, two)[inputs - 1]), inputs, 0, ndim)
