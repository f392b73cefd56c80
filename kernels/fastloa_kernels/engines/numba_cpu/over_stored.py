"""Maps and sums over arrays of which some hold 16 bits: a block of them is widened, and what is written is rounded."""

import functools
from collections.abc import Iterator
from typing import Any

import numpy as np
from numba.core import types

from fastloa_kernels.engines import spelled
from fastloa_kernels.engines.numba_cpu import stored, summation
from fastloa_kernels.engines.numba_cpu.calling import call_loop_at
from fastloa_kernels.engines.numba_cpu.compilation import jitable, uncounted
from fastloa_kernels.engines.numba_cpu.kinds import array
from fastloa_kernels.engines.numba_cpu.launching import LENT, NOTHING, Kernel
from fastloa_kernels.engines.numba_cpu.maps import LINE, block_of, found
from fastloa_kernels.engines.numba_cpu.outlining import outlined
from fastloa_kernels.engines.numba_cpu.rows import HEIGHT
from fastloa_kernels.sums import BLOCK

ITEM = 4  # bytes of a float32 number
SIZE = ITEM * BLOCK  # of a block of them
TABLE = array(types.int64, 2)
WIDENED = 1 << 17  # elements of rows that are made float32 ones at a time: 512 kB of them


@functools.cache
def _ready() -> Any:
    """``ready(kind, place, start, count, room, read)``: where float32 numbers are, of an array or the room."""
    widen = stored.widen()

    def ready(kind, place, start, count, room, read):
        if kind == stored.AS_IT_IS:
            return place + ITEM * start
        if read:
            widen(kind, place + 2 * start, room, count)
        return room

    return outlined(ready, (*[types.int64] * 5, types.boolean))


@functools.cache
def _settled() -> Any:
    """``settled(kind, place, start, count, room)``: numbers in the room are rounded, where an array wants it."""
    narrow = stored.narrow()

    def settled(kind, place, start, count, room):
        if kind != stored.AS_IT_IS:
            narrow(kind, room, place + 2 * start, count)

    return outlined(settled, (types.int64,) * 5)


@uncounted
def _scale(place, weight_and_count):
    weight, count = weight_and_count
    numbers, weights = _numbers_at(place, count), _numbers_at(weight, count)
    for i in range(count):
        numbers[i] *= weights[i]


_numbers_at = stored.numbers_at("float32")


def over_blocks(inputs: int, places: tuple[int, ...], *, summed: bool, weighted: bool) -> Any:
    """``run((loop, numbers, step, weight, arrays, kinds, sizes, firsts, high, low), first, last, room)``.

    The loop on some arrays, whose first `inputs` it reads, and writes to those at `places`; if `summed`, the first of
    these is a block of the room, and the block's sum and its error go to `high` and `low`. Row k of `arrays` holds the
    addresses of all the arrays that are the loop's array k, and row k of `kinds` theirs. The blocks of all are counted
    through: array j's, of ``sizes[j]`` elements, begin at ``firsts[j]``, and its numbers are `step` bytes after those
    of the one before.
    """
    total = max(inputs, max(places) + 1)
    sum_at = places[0] if summed else None
    own = [i for i in range(total) if i != sum_at]  # the loop's arrays that are arrays
    read = tuple(i < inputs for i in own)
    written = tuple(row for row, i in enumerate(own) if i in places)
    given = jitable(spelled.addresses(read, sum_at, SIZE, _ready()))
    settled = jitable(spelled.for_places(written, SIZE, _settled()))
    scaled = jitable(spelled.each(tuple((i, 0) for i in places if weighted), _scale))
    leaf, count_of_rows, scalar = summation.leaf("float32"), len(own), np.float32
    upper_at, lower_at = LENT - 2 * BLOCK, LENT - BLOCK
    if SIZE * (1 + count_of_rows) > 8 * upper_at:
        raise ValueError(f"a room has no place for blocks of {count_of_rows} arrays")

    def run(arguments, first, last, room):
        loop, numbers, step, weight, arrays, kinds, sizes, firsts, high, low = arguments
        base, upper, lower = np.int64(room.ctypes.data), room[upper_at:lower_at], room[lower_at:]
        values = _numbers_at(base, BLOCK)
        j = found(firsts, first)
        for block in range(first, last):
            j, start, count = block_of(firsts, sizes, block, j)
            targets = given(kinds, arrays, j, start, count, base)
            call_loop_at(loop, numbers + j * step, targets, 0, count, scalar)
            scaled(targets, ((weight + ITEM * start, count),))
            settled(kinds, arrays, j, start, count, base)
            if summed:
                high[block], low[block] = leaf(values, count, upper, lower)

    return jitable(run)


@functools.cache
def _kernel(inputs: int, places: tuple[int, ...], *, summed: bool, weighted: bool) -> Kernel:
    run = over_blocks(inputs, places, summed=summed, weighted=weighted)
    addresses = *[array(types.int64, 2)] * 2, *[array(types.int64)] * 2
    partials = [array(types.float64, written=True)] * 2
    return Kernel(run, types.Tuple([*[types.int64] * 4, *addresses, *partials]), unit=1, scratch=True)


def firsts_of(sizes: Any) -> Any:
    """The number of each array's first block, and how many there are."""
    return np.concatenate([[0], np.cumsum(-(-sizes // BLOCK))]).astype(np.int64)


def run_blocks(
    loop: Any, numbers: tuple[int, int], places: Any, kinds: Any, sizes: Any, firsts: Any, *, weight: int = 0,
    partials: tuple[Any, Any] | None = None,
) -> None:  # fmt: skip
    """A loop over blocks of arrays at some addresses, and at that of a weight.

    The partial sums of its first result, and their errors, go to the `partials`.
    """
    kernel = _kernel(loop.inputs, loop.places, summed=partials is not None, weighted=weight != 0)
    arguments = loop.address, *numbers, weight, places, kinds, sizes, firsts, *(partials or (NOTHING, NOTHING))
    kernel(int(sizes[0] if len(sizes) == 1 else sizes.sum()), int(firsts[-1]), arguments)


@functools.cache
def _conversion(*, wider: bool) -> Kernel:
    convert = stored.widen() if wider else stored.narrow()

    def widened(arguments, first, last, room):
        kind, halves, numbers = arguments
        convert(kind, halves + 2 * first, numbers + ITEM * first, last - first)

    def narrowed(arguments, first, last, room):
        kind, halves, numbers = arguments
        convert(kind, numbers + ITEM * first, halves + 2 * first, last - first)

    return Kernel(jitable(widened if wider else narrowed), types.Tuple([types.int64] * 3), unit=LINE)


def convert(array: Any, out: Any) -> None:
    """Write the numbers of a C-contiguous array of 16 bits, or of float32, to one of the other."""
    wider = array.itemsize == 2
    halves, numbers = (array, out) if wider else (out, array)
    ((kind,),) = stored.kinds([[halves]]).tolist()
    _conversion(wider=wider)(array.size, array.size, (kind, halves.ctypes.data, numbers.ctypes.data))


def converted(array: Any, dtype: Any) -> Any:
    """The numbers of an array in another dtype."""
    native, dtype = array.dtype.newbyteorder("="), np.dtype(dtype)
    if dtype.isnative and stored.convertible(native, dtype):
        array = np.require(array, native, ["C", "A"])
        out = np.empty(array.shape, dtype)
        convert(array, out)
        return out
    with np.errstate(all="ignore"):  # what is too large is infinite, and nothing to warn of
        return np.array(array, dtype, order="C", copy=True, subok=False)


KIND, HALVES, NUMBERS, COLUMNS, WRITTEN = range(5)  # of a row of a table


class Chunks:
    """Arrays of rows, some rows at a time, as float32 numbers where they hold 16 bits; all at once where none does."""

    def __init__(self, read: tuple[Any, ...], written: tuple[Any, ...]) -> None:
        self._arrays, self._inputs, self._rooms = read + written, len(read), list[Any]()
        if stored.sixteen_bits(self._arrays):
            columns = max(1, read[0].shape[1])
            self._step = -(WIDENED // -(columns * HEIGHT)) * HEIGHT
            shape = min(self._step, len(read[0])), columns
            self._rooms = [np.empty(shape, np.float32) if x.itemsize == 2 else None for x in self._arrays]
            (self._kinds,) = stored.kinds([self._arrays]).tolist()

    def __call__(self, start: int, stop: int) -> Iterator[tuple[slice, tuple[Any, ...], Any]]:
        """The rows from one to another, as many at a time as a cache holds; their arrays; and a `table` of them.

        What is read goes from the caller's arrays to these, and what is written back, as the table has it.
        """
        if not self._rooms:
            part, whole = slice(start, stop), start == 0 and stop == len(self._arrays[0])
            yield part, self._arrays if whole else tuple([array[part] for array in self._arrays]), None
            return
        for first in range(start, stop, self._step):
            part = slice(first, min(stop, first + self._step))
            arrays, table = [], []
            for i, (whole, room) in enumerate(zip(self._arrays, self._rooms, strict=True)):
                own = whole[part]
                if room is not None:
                    halves, own = own, room[: part.stop - first]
                    places = halves.ctypes.data, own.ctypes.data
                    table.append((self._kinds[i], *places, own.shape[1], i >= self._inputs))
                arrays.append(own)
            yield part, tuple(arrays), np.array(table, np.int64) if table else None


@functools.cache
def exchange_rows() -> Any:
    """``exchange(table, first, last, written)``: rows of what is read are widened, or of what is written rounded."""
    widen, narrow = stored.widen(), stored.narrow()

    def exchange(table, first, last, written):
        for k in range(table.shape[0]):
            if (table[k, WRITTEN] != 0) == written:
                start, count = first * table[k, COLUMNS], (last - first) * table[k, COLUMNS]
                halves, numbers = table[k, HALVES] + 2 * start, table[k, NUMBERS] + ITEM * start
                if written:
                    narrow(table[k, KIND], numbers, halves, count)
                else:
                    widen(table[k, KIND], halves, numbers, count)

    return outlined(exchange, (TABLE, *[types.int64] * 2, types.boolean))
