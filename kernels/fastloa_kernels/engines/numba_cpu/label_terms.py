"""What a bent loss makes of a row's label, as machine code that all its kernels call, whatever their form and dtype."""

import functools
from typing import Any

from numba.core import types

from fastloa_kernels.engines.numba_cpu.binding import bind
from fastloa_kernels.engines.numba_cpu.narrow import ROOMS
from fastloa_kernels.engines.numba_cpu.outlining import outlined
from fastloa_kernels.engines.numba_cpu.rows import HEIGHT
from fastloa_kernels.records import RowLoss

TAKEN, GIVEN = 3, 3  # the label's score, the row's maximum and rest; the loss, its slope and its bend


def _parameters(record: RowLoss) -> types.UniTuple:
    return types.UniTuple(types.float64, len(record.parameters))


@functools.cache
def row_terms(record: RowLoss) -> Any:
    """``terms(x, m, rest, parameters)``: the record's three numbers."""
    formula = bind(record.value, "float64")

    def terms(x, m, rest, parameters):
        return formula(x, m, rest, *parameters)

    return outlined(terms, (*[types.float64] * TAKEN, _parameters(record)))


@functools.cache
def lane_terms(record: RowLoss) -> Any:
    """``terms(lanes, parameters)``: the same of HEIGHT rows, of lanes of x, m and rest to the three behind them."""
    formula = bind(record.value, "float64")

    def terms(lanes, parameters):
        for i in range(HEIGHT):
            found = formula(lanes[i], lanes[HEIGHT + i], lanes[2 * HEIGHT + i], *parameters)
            lanes[3 * HEIGHT + i], lanes[4 * HEIGHT + i], lanes[5 * HEIGHT + i] = found

    return outlined(terms, (ROOMS, _parameters(record)))
