"""Maps and sums of `maps` over many arrays in one launch: each block of threads takes a block of one array's elements.

Kernels find the arrays by their addresses, in a table on the device.
"""

import ctypes
import functools
import importlib
from collections.abc import Callable
from typing import Any

import numpy as np

from fastloa_kernels.engines import lists, spelled
from fastloa_kernels.engines.numba_cuda import summation
from fastloa_kernels.engines.numba_cuda.binding import bind
from fastloa_kernels.engines.numba_cuda.maps import block_sum
from fastloa_kernels.engines.numba_cuda.numbers import Numbers
from fastloa_kernels.engines.numba_cuda.toolchain import SIMULATED, Kernel, cuda, device, pointers, scalars, types
from fastloa_kernels.forms import Form
from fastloa_kernels.sums import BLOCK, LANES


class Table:
    """Many arrays of one dtype, by the addresses of their operands: of `places`, only the row `varying` may change."""

    def __init__(self, xp: Any, places: Any, sizes: Any, varying: int) -> None:
        self._xp, self._own, self._sent = xp, places[varying], places[varying].copy()
        self.arrays, (chunks, firsts) = len(sizes), lists.chunks(sizes)
        self.chunks = len(chunks)
        self._places = xp.array(places)
        self._row = self._places[varying]
        self.operands = self._places, xp.array(sizes), xp.array(firsts)
        self.cut = (xp.array(chunks),)

    def bring_up_to_date(self) -> None:
        """Have the device know of addresses that have changed, before the next kernel runs."""
        if (self._own != self._sent).any():
            self._row[...] = self._xp.array(self._own)
            self._sent[:] = self._own


@functools.cache
def pointer(dtype: str) -> Any:
    """``pointer(address, size)``: the array of `size` elements that lies there."""
    if SIMULATED:
        number = {"float32": ctypes.c_float, "float64": ctypes.c_double}[dtype]
        return lambda address, size: np.ctypeslib.as_array((number * int(size)).from_address(int(address)))
    kind = types.CPointer(getattr(types, dtype))

    def cast(typing, address, size):
        def generate(context, builder, signature, arguments):
            return builder.inttoptr(arguments[0], context.get_value_type(kind))

        return kind(address, size), generate

    return importlib.import_module("numba.cuda.extending").intrinsic(cast)


def reader(count: int, *, on_device: bool) -> Any:
    """``read(numbers, steps, array)``: a tuple of `count` numbers for that array, given as in `Numbers`."""
    return device(spelled.numbers_of(count) if on_device else spelled.by_value)


def map_kernel(formula: Any, inputs: int, places: tuple[int, ...], dtype: str, read: Any) -> Callable[..., None]:
    """``kernel(row, arrays, table, chunks, leading, steps, parameters, ())``: from that row of the table on.

    The first operands are read, those at `places` written.
    """
    find = device(spelled.found(max(inputs, max(places) + 1), pointer(dtype)))
    load, store = device(spelled.load(inputs)), device(spelled.store(places))
    as_tuple = device(spelled.as_tuple(len(places)))

    def kernel(row, arrays, table, chunks, leading, steps, parameters, sums):
        array, number = chunks[0][2 * cuda.blockIdx.x], chunks[0][2 * cuda.blockIdx.x + 1]
        size = table[1][array]
        operands, first = find(table[0], row, arrays, array, size), read(leading, steps, array)
        i = np.int64(number) * BLOCK + cuda.threadIdx.x
        stop = min(size, (np.int64(number) + 1) * BLOCK)
        while i < stop:
            store(operands, i, as_tuple(formula(*first, *load(operands, i), *parameters)))
            i += cuda.blockDim.x

    return kernel


def sum_kernel(formula: Any, inputs: int, outputs: int, dtype: str, read: Any) -> Callable[..., None]:
    """``kernel(row, arrays, table, chunks, leading, steps, parameters, sums)``: the same as of `maps.sum_kernel`."""
    find = device(spelled.found(inputs + outputs - 1, pointer(dtype)))
    summed = block_sum(formula, inputs, outputs, dtype)

    def kernel(row, arrays, table, chunks, leading, steps, parameters, sums):
        array, number = chunks[0][2 * cuda.blockIdx.x], chunks[0][2 * cuda.blockIdx.x + 1]
        size = table[1][array]
        operands, first = find(table[0], row, arrays, array, size), read(leading, steps, array)
        total, error = summed(first, operands, parameters, np.int64(number) * BLOCK, size)
        if cuda.threadIdx.x == 0:
            sums[0][cuda.blockIdx.x] = total
            sums[1][cuda.blockIdx.x] = error

    return kernel


def finish_kernel(dtype: str, read: Any) -> Callable[..., None]:
    """``kernel(table, sums, divisor, steps, results)``: a number of `dtype` for each array, by a block of threads."""
    scalar, whole = np.dtype(dtype).type, summation.whole

    def kernel(table, sums, divisor, steps, results):
        high = cuda.shared.array(LANES, np.float64)
        low = cuda.shared.array(LANES, np.float64)
        array = cuda.blockIdx.x
        first = table[2][array]
        total = whole(sums, first, table[2][array + 1] - first, high, low)
        if cuda.threadIdx.x == 0:
            results[0][array] = scalar(total / read(divisor, steps, array)[0])

    return kernel


class ManyKernel:
    """A form over the arrays of a table: its map, or the sums of its first output over the leading divisor."""

    def __init__(self, form: Form, parameters: int, dtype: str, xp: Any) -> None:
        self._form, self._parameters, self._dtype, self._xp = form, parameters, dtype, xp
        self._scalar = np.dtype(dtype).type
        self._kernel = functools.cache(self._made)

    def _made(self, on_device: bool) -> Kernel:
        form, dtype = self._form, self._dtype
        formula, read = bind(form.formula, dtype), reader(form.leading, on_device=on_device)
        if form.summed:
            function = sum_kernel(formula, form.inputs, form.outputs, dtype, read)
        else:
            places = form.in_place or tuple(range(form.inputs, form.inputs + form.outputs))
            function = map_kernel(formula, form.inputs, places, dtype, read)
        return Kernel(
            function, types.int64, types.int64, pointers("int64", 3), pointers("int32", 1),
            (pointers if on_device else scalars)(dtype, form.leading), scalars("int64", form.leading),
            scalars(dtype, self._parameters), pointers("float64", 2 if form.summed else 0),
        )  # fmt: skip

    def __call__(self, table: Table, row: int, leading: tuple[Any, ...], parameters: tuple[float, ...]) -> Any:
        """Run on the operands from that row of the table on; a leading number may be an array of one for each array.

        A summed form's sums are an array on the device.
        """
        form, xp, sums = self._form, self._xp, tuple[Any, ...]()
        table.bring_up_to_date()
        if form.summed:
            sums = xp.empty(table.chunks), xp.empty(table.chunks)
        if table.chunks:
            numbers = Numbers(xp, leading, self._dtype)
            with np.errstate(over="ignore"):
                typed = tuple(map(self._scalar, parameters))
            self._kernel(numbers.on_device)(
                table.chunks, np.int64(row), np.int64(table.arrays), table.operands, table.cut, numbers.values,
                numbers.steps, typed, sums,
            )  # fmt: skip
        if not form.summed:
            return None
        divisor, dtype = Numbers(xp, leading[:1] or (1.0,), "float64"), "float64" if form.wide else self._dtype
        results = xp.empty(table.arrays, dtype)
        finish = _finish(dtype, divisor.on_device)
        finish(table.arrays, table.operands, sums, divisor.values, divisor.steps, (results,))
        return results


@functools.cache
def _finish(dtype: str, on_device: bool) -> Kernel:
    return Kernel(
        finish_kernel(dtype, reader(1, on_device=on_device)), pointers("int64", 3), pointers("float64", 2),
        (pointers if on_device else scalars)("float64", 1), scalars("int64", 1), pointers(dtype, 1),
    )  # fmt: skip
