"""Whole calls for few elements, where the way to the work costs more than the work.

Looking into arrays takes Python longer than it takes compiled code, and numba's own dispatch twice as long as the rest
of such a call. So these kernels are called by their entry points with arrays of any layout, and look for themselves:
their caller need only know that they have NumPy's arrays, of the dtypes and dimensions they were compiled for, and
that it may write to those that are written.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numba.core import types
from numba.core.typing.templates import Signature
from numba.extending import intrinsic, overload

from fastloa_kernels.engines.numba_cpu import arrays, summation
from fastloa_kernels.engines.numba_cpu.compilation import LINKED, jitable, uncounted
from fastloa_kernels.engines.numba_cpu.narrow import ROOM
from fastloa_kernels.engines.numba_cpu.summation import corrected
from fastloa_kernels.sums import BLOCK

SMALL = 1 << 12  # elements up to which a call is one
SLOTS = ROOM  # where the losses of rows are in the room


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


def map_kernel(formula: Any, inputs: int, parameters: int, dtype: str) -> Callable[..., bool]:
    """``kernel(*inputs, out, parameters)``: whether it did the work.

    It refuses arrays that are not small, differ in shape or are not in order, and overlaps other than in place.
    """
    narrow = arrays.narrowed(np.dtype(dtype).type, parameters)

    def one(x, out, parameters):
        if out.size > SMALL or not (fits(x, out) and in_order(out)):
            return False
        narrowed, (x, out) = narrow(parameters), packed((x, out))
        x, out = x.reshape(x.size), out.reshape(x.size)
        for i in range(out.size):
            out[i] = formula(x[i], *narrowed)
        return True

    def two(x, y, out, parameters):
        if out.size > SMALL or not (fits(x, out) and fits(y, out) and in_order(out)):
            return False
        narrowed, (x, y, out) = narrow(parameters), packed((x, y, out))
        x, y, out = x.reshape(x.size), y.reshape(x.size), out.reshape(x.size)
        for i in range(out.size):
            out[i] = formula(x[i], y[i], *narrowed)
        return True

    return (one, two)[inputs - 1]


def rows_kernel(run: Any, inputs: int) -> Callable[..., bool]:
    """``kernel(room, *inputs, out, ())`` of ``run(arrays, first, last, room)``: whether it did the work, as above."""

    def one(room, x, out, parameters):
        if out.size > SMALL or out.size == 0 or not (fits(x, out) and in_order(out)):
            return False
        shape, (x, out) = (out.size // out.shape[-1], out.shape[-1]), packed((x, out))
        run((x.reshape(shape), out.reshape(shape)), 0, shape[0], room)
        return True

    def two(room, g, y, out, parameters):
        if out.size > SMALL or out.size == 0 or not (fits(g, out) and fits(y, out) and in_order(out)):
            return False
        shape, (g, y, out) = (out.size // out.shape[-1], out.shape[-1]), packed((g, y, out))
        run((g.reshape(shape), y.reshape(shape), out.reshape(shape)), 0, shape[0], room)
        return True

    return (one, two)[inputs - 1]


def row_losses_kernel(
    run: Any, dtype: str, *, value: bool, grad: bool, hess: bool
) -> Callable[..., tuple[bool, float]]:
    """``kernel(room, x, labels, ignore_index, mean[, dx[, h]])``: whether it did the work, and to what the loss came.

    It refuses what is not small, not of one shape or not in order, and a wrong label; results are arrays of its
    caller's own. `run` is that of `row_losses.rows_of` for labels alone, or of `narrow_losses`.
    """
    leaf, split, scalar = summation.leaf("float64"), summation.split(dtype), np.dtype(dtype).type

    def whole(room, x, labels, ignore_index, mean, dx, h):
        rows, classes = x.shape
        values, upper, lower = split(room)
        slots, none = room[SLOTS : SLOTS + BLOCK], values[:0]
        if x.size > SMALL or x.size == 0 or rows > slots.size or labels.size != rows:
            return False, 0.0
        if not (in_order(x) and in_order(labels)):
            return False, 0.0
        count = 0.0
        for i in range(rows):
            if labels[i] != ignore_index:
                if labels[i] < 0 or labels[i] >= classes:
                    return False, 0.0
                count += 1.0
        divisor = count if mean else 1.0
        options, (x, labels) = (ignore_index, 1.0, 0.0, np.float64(classes), divisor), packed((x, labels))
        run((x, labels, none, none, options, slots, dx, h), 0, rows, room)
        if not value:
            return True, 0.0
        total, error = leaf(slots, rows, upper, lower)
        return True, corrected(0.0 + total, error) / divisor

    whole = jitable(whole)

    def alone(room, x, labels, ignore_index, mean):
        none = room[:0].view(scalar).reshape((0, 0))
        return whole(room, x, labels, ignore_index, mean, none, none)

    def with_gradient(room, x, labels, ignore_index, mean, dx):
        return whole(room, x, labels, ignore_index, mean, dx, dx[:0])

    def with_both(room, x, labels, ignore_index, mean, dx, h):
        return whole(room, x, labels, ignore_index, mean, dx, h)

    return (alone, with_gradient, with_both)[grad + hess]
