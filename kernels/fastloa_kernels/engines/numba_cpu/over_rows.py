"""Skeletons of rows as they are launched: machine code of their own, which one kernel for all calls by address."""

import functools
from collections.abc import Callable
from typing import Any

from numba.core import types

from fastloa_kernels.engines.numba_cpu.calling import call_rows
from fastloa_kernels.engines.numba_cpu.compilation import address_of, jitable
from fastloa_kernels.engines.numba_cpu.launching import SCRATCH, Kernel
from fastloa_kernels.engines.numba_cpu.over_stored import TABLE, exchange_rows
from fastloa_kernels.sums import BLOCK


class Rows:
    """Runs ``run(arguments, first, last, room)`` over rows, by all threads where that is worth it.

    Parts are whole units. It is compiled when it is first needed.
    """

    def __init__(self, run: Callable[..., None], arguments: types.Tuple, *, unit: int) -> None:
        self._run, self._arguments, self._unit = run, arguments, unit
        self._made: tuple[int, Kernel] | None = None

    def _compiled(self) -> tuple[int, Kernel]:
        if self._made is None:
            address = address_of(self._run, (self._arguments, types.int64, types.int64, SCRATCH))
            self._made = address, _kernel(self._arguments, self._unit)
        return self._made

    @property
    def address(self) -> int:
        """Where compiled code calls it, by `calling.call_rows`."""
        return self._compiled()[0]

    def __call__(self, size: int, count: int, arguments: tuple[Any, ...], table: Any = None) -> None:
        """Run it for `count` rows, that hold `size` elements; some arrays are those of a table of `Chunks`."""
        address, kernel = self._compiled()
        if table is None:
            kernel(size, count, (address, arguments))
        else:
            step = max(1, BLOCK * count // max(1, size * self._unit)) * self._unit
            _stored_kernel(self._arguments, self._unit)(size, count, (address, arguments, step, table))


@functools.cache
def _kernel(arguments: types.Tuple, unit: int) -> Kernel:
    def run(both, first, last, room):
        rows, operands = both
        call_rows(rows, operands, first, last, room)

    return Kernel(jitable(run), types.Tuple([types.int64, arguments]), unit=unit, scratch=True)


@functools.cache
def _stored_kernel(arguments: types.Tuple, unit: int) -> Kernel:
    exchange = exchange_rows()

    def run(given, first, last, room):
        rows, operands, step, table = given
        for start in range(first, last, step):
            stop = min(last, start + step)
            exchange(table, start, stop, False)
            call_rows(rows, operands, start, stop, room)
            exchange(table, start, stop, True)

    return Kernel(jitable(run), types.Tuple([types.int64, arguments, types.int64, TABLE]), unit=unit, scratch=True)
