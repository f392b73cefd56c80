"""Kernels as they are launched: compiled at first need, run by one thread or all by size, lent scratch."""

import collections
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from numba.core import types

from fastloa_kernels.engines import PARALLEL
from fastloa_kernels.engines.numba_cpu import sharing
from fastloa_kernels.engines.numba_cpu.compilation import compiled
from fastloa_kernels.engines.numba_cpu.kinds import array
from fastloa_kernels.engines.numba_cpu.narrow import ROOM
from fastloa_kernels.engines.numba_cpu.threads import enter, leave
from fastloa_kernels.sums import BLOCK

SHARE = 1 << 13  # elements that each thread takes at least


# Kernels that hold the interpreter's lock, where there is one, cannot meet each other: they keep scratch of their own.
LOCKED = getattr(sys, "_is_gil_enabled", lambda: True)()
SCRATCH = array(types.float64, written=True)
NOTHING = np.empty(0)
LENT = ROOM + BLOCK  # float64 numbers of a room: as many as the greediest skeleton takes, and a block more
_free: dict[int, list[Any]] = collections.defaultdict(list)


def take_rooms(parts: int = 1) -> Any:
    """Scratch that nobody else has: a room for each part."""
    try:
        return _free[parts].pop()
    except IndexError:
        return np.empty(parts * LENT)


def give_rooms(rooms: Any) -> None:
    """Let others take them again: for each number of parts, as many are kept as were ever taken at once."""
    _free[rooms.size // LENT].append(rooms)


class Kernel:
    """Runs ``run(arguments, first, last, room)`` over elements or rows, by all threads where that is worth it.

    It is compiled when it is first needed. A part is whole units, and with `scratch` is lent a room.
    """

    def __init__(self, run: Any, arguments: types.Tuple, *, unit: int, scratch: bool = False) -> None:
        self._function, self._unit, self._scratch = sharing.in_parts(run, LENT), unit, scratch
        self._signature = (*[types.int64] * 4, arguments, SCRATCH)
        self.run = self._first_run

    def _first_run(self, *arguments: Any) -> None:
        # Without `functools.cached_property`, whose lock a child would wait for that forks meanwhile.
        self.run = compiled(self._function, self._signature)
        self.run(*arguments)

    def __call__(self, size: int, count: int, arguments: tuple[Any, ...]) -> None:
        """Run it for `count` elements or rows, that hold `size` elements."""
        threads = enter() if size >= PARALLEL else 1
        try:
            self._run_in_parts(min(threads, size // SHARE) if threads > 1 else 1, count, arguments)
        finally:
            if threads > 1:
                leave()

    def _run_in_parts(self, parts: int, count: int, arguments: tuple[Any, ...]) -> None:
        loop = sharing.parallel_loop().address if parts > 1 else 0
        step = -(count // -(parts * self._unit)) * self._unit
        if not self._scratch:
            self.run(loop, parts, step, count, arguments, NOTHING)
            return
        rooms = take_rooms(parts)
        try:
            self.run(loop, parts, step, count, arguments, rooms)
        finally:
            give_rooms(rooms)


def with_room(kernel: Callable[..., Any], *arguments: Any) -> Any:
    """What `kernel` gives, lent a room as its last argument."""
    room = take_rooms()
    try:
        return kernel(*arguments, room)
    finally:
        give_rooms(room)
