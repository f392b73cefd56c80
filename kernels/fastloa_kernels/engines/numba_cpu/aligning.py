"""Calls the skeleton of losses of alignments, for as many sequences at a time as there is room for."""

from typing import Any

import numpy as np
from numba.core import types

from fastloa_kernels.engines import AlignmentOptions
from fastloa_kernels.engines.alignments import LINKS, room_shape
from fastloa_kernels.engines.numba_cpu import alignments
from fastloa_kernels.engines.numba_cpu.elementwise import PARTIALS, SumKernel, divided, rounded
from fastloa_kernels.engines.numba_cpu.kinds import NUMBER, array
from fastloa_kernels.engines.numba_cpu.over_rows import Rows
from fastloa_kernels.records import AlignmentLoss

ROOM = 1 << 23  # numbers that are held at a time, if a sequence needs no more: 64 MB
WORK = 32  # elements of a map that a state at a frame takes as long as


class AlignmentKernel:
    """A loss of the sequences of a 3-d array."""

    def __init__(self, record: AlignmentLoss, form: str, dtype: str, total: SumKernel) -> None:
        self._value, self._grad, self._total = "value" in form, "grad" in form, total
        number, integer = NUMBER[dtype], types.int64
        read = array(number, 3), array(integer), array(integer, 2), array(number)
        numbers = types.UniTuple(integer, 3), types.float64
        written = PARTIALS, array(number, 3, written=True), integer
        rooms = array(integer, 3, written=True), array(types.float64, 3, written=True)
        run = alignments.sequences_of(record, dtype)
        self._rows = Rows(run, types.Tuple([*read, *numbers, *written, *rooms]), unit=1)
        self._none, self._no_grad = np.empty(0, dtype), np.empty((0, 0, 0), dtype)
        self._scalar = np.dtype(dtype).type

    def __call__(
        self, frames: Any, labels: Any, spans: Any, sample_weight: Any, options: AlignmentOptions, out: Any, grad: Any
    ) -> Any:
        count = len(spans)
        shape = room_shape(len(frames), options.longest, grad=self._grad)
        step = min(count, max(1, ROOM // (shape[0] * shape[1])))
        links, rooms = np.empty((step, LINKS, shape[1]), np.int64), np.empty((step, *shape))
        slots = np.empty(count if self._value else 0)
        weights = self._none if sample_weight is None else sample_weight
        numbers = options.blank, int(options.zero_infinity), int(options.averaged)
        given = frames, labels, spans, weights, numbers, float(options.divisor), slots
        for start in range(0, count, step or 1):
            held = min(step, count - start)
            size = held * len(frames) * shape[1] * WORK
            self._rows(size, held, (*given, self._no_grad if grad is None else grad, start, links, rooms))
        if not self._value:
            return None
        if out is None:
            return rounded(self._scalar, divided(self._total((slots,), (), (), ()), options.divisor))
        with np.errstate(over="ignore"):  # what float32 does not hold is infinite
            out[...] = slots
        return None
