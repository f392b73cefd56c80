"""Kernels as they are launched: compiled at first need, serial or parallel by size, with the scratch they need."""

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from numba.core import types

from fastloa_kernels.engines.numba_cpu import threads
from fastloa_kernels.engines.numba_cpu.compilation import compiled
from fastloa_kernels.engines.numba_cpu.narrow import ROOM
from fastloa_kernels.sums import BLOCK

PARALLEL = 1 << 16  # elements from which waking the threads (2-4 microseconds) is worth it
NUMBER = {"float32": types.float32, "float64": types.float64}


def array(dtype: Any, ndim: int = 1, *, written: bool = False) -> types.Array:
    """The type of a C-contiguous array."""
    return types.Array(dtype, ndim, "C", readonly=not written)


# Kernels that hold the interpreter's lock, where there is one, cannot meet each other: they keep scratch of their own.
LOCKED = getattr(sys, "_is_gil_enabled", lambda: True)()
SCRATCH = array(types.float64, written=True)
_free: list[Any] = []


def take_room() -> Any:
    """Scratch that nobody else has: as much as the greediest skeleton takes, and a block more."""
    try:
        return _free.pop()
    except IndexError:
        return np.empty(ROOM + BLOCK)


def give_room(room: Any) -> None:
    """Let others take it again: as much is kept as threads were ever in kernels at once."""
    _free.append(room)


class Serial:
    """A serial kernel, compiled when it is first needed.

    Serial kernels make no arrays: those with `scratch` are lent it, as their last argument.
    """

    def __init__(self, function: Callable[..., Any], signature: tuple[Any, ...], *, scratch: bool = False) -> None:
        self._function, self._scratch = function, scratch
        self._serial_signature = (*signature, SCRATCH) if scratch else signature
        self.run_serial = self._first_serial

    def _first_serial(self, *arguments: Any) -> Any:
        self.run_serial = compiled(self._function, self._serial_signature, parallel=False)
        return self.run_serial(*arguments)

    def serial(self, *arguments: Any) -> Any:
        """Run it, with scratch if it needs some."""
        if not self._scratch:
            return self.run_serial(*arguments)
        room = take_room()
        try:
            return self.run_serial(*arguments, room)
        finally:
            give_room(room)


class Pair(Serial):
    """A serial kernel and the parallel one for the same work, which makes its own scratch."""

    def __init__(
        self,
        functions: tuple[Callable[..., Any], Callable[..., Any]],
        signature: tuple[Any, ...],
        *,
        scratch: bool = False,
    ) -> None:
        super().__init__(functions[0], signature, scratch=scratch)
        self._parallel, self._signature = functions[1], signature
        self.run_parallel = self._first_parallel

    def _first_parallel(self, *arguments: Any) -> Any:
        self.run_parallel = compiled(self._parallel, self._signature, parallel=True)
        return self.run_parallel(*arguments)

    def __call__(self, size: int, *arguments: Any) -> Any:
        if size < PARALLEL or not threads.enter():
            return self.serial(*arguments)
        try:
            return self.run_parallel(*arguments)
        finally:
            threads.leave()
