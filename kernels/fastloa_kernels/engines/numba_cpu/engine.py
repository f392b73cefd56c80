"""Loads and calls the CPU kernels.

Kernels are compiled for one signature and called through their compiled entry point: numba's own dispatch would cost
more than a small array's work. That entry point trusts its arguments, so callers must pass exactly what it was
compiled for: C-contiguous, aligned arrays of the right dtype.
"""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
from numba.core import types

from fastloa_kernels import forms
from fastloa_kernels.engines import RowForm, RowOptions
from fastloa_kernels.engines.numba_cpu import maps, narrow, narrow_losses, row_losses, rows, small, summation
from fastloa_kernels.engines.numba_cpu.binding import bind
from fastloa_kernels.engines.numba_cpu.compilation import compiled
from fastloa_kernels.engines.numba_cpu.launching import (
    LOCKED,
    NOTHING,
    NUMBER,
    PARALLEL,
    SCRATCH,
    Kernel,
    array,
    take_rooms,
    with_room,
)
from fastloa_kernels.formulas.totals import IDENTITY
from fastloa_kernels.records import RowLoss, Rowwise
from fastloa_kernels.sums import BLOCK

HUGE = 2.0**127  # rounded to float32, no number below overflows
SLOTS = 1 << 16  # rows whose losses are held before they are summed: 512 kB

_PARTIALS = array(types.float64, written=True)


class MapKernel:
    """Maps arrays onto others; several outputs have a compiled variant for each way they may lie on inputs."""

    def __init__(self, form: forms.Form, parameters: int, dtype: str) -> None:
        self._form, self._dtype, self._parameters = form, dtype, parameters
        self._formula = bind(form.formula, dtype)
        self._scalars = tuple(types.UniTuple(NUMBER[dtype], n) for n in (form.leading, parameters))
        self._variants: dict[tuple[int, ...], Kernel] = {}
        self._apart = self._variant(form.in_place or tuple(range(form.inputs, form.inputs + form.outputs)))

    def _variant(self, places: tuple[int, ...]) -> Kernel:
        if places not in self._variants:
            count = max(self._form.inputs, max(places) + 1)
            run = maps.over_elements(self._formula, count, self._form.inputs, places)
            arrays = types.Tuple([array(NUMBER[self._dtype], written=i in places) for i in range(count)])
            arguments = types.Tuple([self._scalars[0], arrays, self._scalars[1]])
            self._variants[places] = Kernel(run, arguments, unit=maps.LINE)
        return self._variants[places]

    def __call__(
        self, inputs: tuple[Any, ...], outputs: tuple[Any, ...], leading: tuple[Any, ...], parameters: tuple[Any, ...]
    ) -> None:
        arrays, variant = inputs + outputs, self._apart
        if len(outputs) == 1:  # the hot path: one output, and an input or two
            if any(outputs[0] is x for x in inputs):
                self._in_place(inputs, outputs[0], leading, parameters)
                return
        elif any(out is x for out in outputs for x in inputs):
            arrays, variant = self._overlaid(inputs, outputs)
        first = arrays[0]
        if first.ndim != 1:
            arrays = tuple([x.reshape(-1) for x in arrays])
        if first.size < PARALLEL:
            variant.run(0, 1, first.size, first.size, (leading, arrays, parameters), NOTHING)
        else:
            variant(first.size, first.size, (leading, arrays, parameters))

    def _in_place(
        self, inputs: tuple[Any, ...], out: Any, leading: tuple[Any, ...], parameters: tuple[Any, ...]
    ) -> None:
        place = next(i for i, x in enumerate(inputs) if x is out)
        kernel = _in_place_kernel(len(inputs), place, len(leading), len(parameters), self._dtype)
        arrays = tuple([x.reshape(-1) for x in inputs])
        kernel(out.size, out.size, (self._apart.address, leading, arrays, parameters))

    @functools.cache  # noqa: B019  (kernels live as long as the process)
    def small(self, ndim: int) -> tuple[Callable[..., bool], int]:
        """A function of ``(address, *inputs, out, parameters)`` that looks into its arrays itself, and the address."""
        return small.map_kernel(self._form.inputs, self._parameters, self._dtype, ndim), self._apart.address

    def _overlaid(self, inputs: tuple[Any, ...], outputs: tuple[Any, ...]) -> tuple[tuple[Any, ...], Kernel]:
        arrays, places = list(inputs), []
        for out in outputs:
            place = next((i for i, x in enumerate(inputs) if x is out), len(arrays))
            if place == len(arrays):
                arrays.append(out)
            places.append(place)
        return tuple(arrays), self._variant(tuple(places))


@functools.cache
def _in_place_kernel(inputs: int, place: int, leading: int, parameters: int, dtype: str) -> Kernel:
    """The kernel of `maps.in_place`, for all maps of as many inputs and scalars."""
    number = NUMBER[dtype]
    arrays = types.Tuple([array(number, written=i == place) for i in range(inputs)])
    arguments = types.int64, types.UniTuple(number, leading), arrays, types.UniTuple(number, parameters)
    return Kernel(maps.in_place(inputs, place, dtype), types.Tuple(arguments), unit=maps.LINE, scratch=True)


class SumKernel:
    """Like a map whose first output is summed and divided by the leading divisor."""

    def __init__(self, form: forms.Form, parameters: int, dtype: str) -> None:
        count = form.inputs + form.outputs - 1
        run = maps.over_blocks(bind(form.formula, dtype), count, form.inputs, form.outputs, dtype)
        arrays = types.Tuple([array(NUMBER[dtype], written=i >= form.inputs) for i in range(count)])
        leading, trailing = (types.UniTuple(NUMBER[dtype], n) for n in (form.leading, parameters))
        arguments = types.Tuple([leading, arrays, trailing, _PARTIALS, _PARTIALS])
        self._kernel = Kernel(run, arguments, unit=BLOCK, scratch=True)
        self._scalar = np.dtype(dtype).type

    def __call__(
        self, inputs: tuple[Any, ...], outputs: tuple[Any, ...], leading: tuple[Any, ...], parameters: tuple[Any, ...]
    ) -> Any:
        arrays = tuple([x if x.ndim == 1 else x.reshape(-1) for x in inputs + outputs])
        high, low = _partials(arrays[0].size)
        self.sum_blocks(arrays, leading, parameters, high, low)
        return _rounded(self._scalar, _divided(finished(high, low), leading[0] if leading else 1.0))

    def sum_blocks(
        self, arrays: tuple[Any, ...], leading: tuple[Any, ...], parameters: tuple[Any, ...], high: Any, low: Any
    ) -> None:
        """Leave the sums of the blocks, and their errors, in `high` and `low`."""
        size = arrays[0].size
        self._kernel(size, size, (leading, arrays, parameters, high, low))


def _partials(size: int) -> tuple[Any, Any]:
    blocks = (size + BLOCK - 1) // BLOCK
    return np.empty(blocks), np.empty(blocks)


def finished(high: Any, low: Any) -> float:
    if high.size == 1:
        both = 0.0 + float(high[0]) + float(low[0])
        return both if both == both else float(high[0])
    total: float = with_room(_finish(), high, low)
    return total


@functools.cache
def _finish() -> Callable[..., float]:
    return compiled(summation.finish, (_PARTIALS, _PARTIALS, SCRATCH))


def _divided(total: float, divisor: float) -> float:
    if divisor:
        return float(total) / float(divisor)
    with np.errstate(all="ignore"):
        return float(np.float64(total) / np.float64(divisor))


def _rounded(scalar: Any, total: float) -> Any:
    if -HUGE < total < HUGE:
        return scalar(total)
    with np.errstate(over="ignore"):
        return scalar(total)


class RowKernel:
    """An activation of the rows of 2-d arrays."""

    def __init__(self, record: Rowwise, form: str, dtype: str) -> None:
        self._inputs, self._dtype = 1 if form == "value" else 2, dtype
        self._run = {
            wide: functools.partial(getattr(skeletons, f"rowwise_{form}"), record, dtype)
            for wide, skeletons in ((True, rows), (False, narrow))
        }
        self._variants: dict[tuple[bool, int], Kernel] = {}

    def _variant(self, wide: bool, place: int) -> Kernel:
        """The kernel whose result is the array at `place`, which may be an input's."""
        if (wide, place) not in self._variants:
            count = max(self._inputs, place + 1)
            arrays = types.Tuple([array(NUMBER[self._dtype], 2, written=i == place) for i in range(count)])
            unit = 1 if wide else rows.HEIGHT
            self._variants[wide, place] = Kernel(self._run[wide](place), arrays, unit=unit, scratch=True)
        return self._variants[wide, place]

    def __call__(self, inputs: tuple[Any, ...], out: Any) -> None:
        place = next((i for i, x in enumerate(inputs) if x is out), len(inputs))
        arrays = inputs if place < len(inputs) else (*inputs, out)
        self._variant(not rows.tiled(out.shape), place)(out.size, len(out), arrays)

    def small(self, ndim: int) -> tuple[Callable[..., bool], int]:
        """As that of a map; it keeps a room, which nobody else may have meanwhile."""
        if not LOCKED:
            return (lambda *_: False), 0
        rows_kernel = functools.partial(small.rows_kernel(self._inputs, self._dtype, ndim), take_rooms())
        address = self._variant(True, self._inputs).address

        def either(wide: int, x: Any, *arrays: Any) -> bool:
            tiled = len(x) >= rows.SOME and rows.tiled(x.shape)  # for few rows, the call would cost a tenth of theirs
            done: bool = rows_kernel(self._variant(False, self._inputs).address if tiled else wide, x, *arrays)
            return done

        return (rows_kernel if ndim == 1 else either), address


class RowLossKernel:
    """A loss of the rows of a 2-d array."""

    def __init__(self, record: RowLoss, form: RowForm, dtype: str, total: SumKernel) -> None:
        self._record, self._form, self._dtype, self._total = record, form, dtype, total
        self._kernels: dict[tuple[bool, bool], Kernel] = {}
        self._none, self._none2 = np.empty(0, dtype), np.empty((0, 0), dtype)
        self._scalar = np.dtype(dtype).type
        self._smalls: dict[bool, Callable[..., tuple[bool, float]]] = {}
        # Rows of few classes have a skeleton of their own for labels that are neither weighted nor smoothed.
        self._may_be_tiled = form.labels and record.normalised

    def _run(self, general: bool, tiled: bool) -> Any:
        form, results = self._form, {"value": self._form.value, "grad": self._form.grad, "hess": self._form.hess}
        if tiled:
            return narrow_losses.rows_of(self._record, self._dtype, **results)
        return row_losses.rows_of(self._record, self._dtype, **results, labels=form.labels, general=general)

    def _kernel(self, general: bool, tiled: bool) -> Kernel:
        """Class weights and smoothed labels share a kernel, or there would be four of each to compile."""
        if (general, tiled) not in self._kernels:
            number, matrix = NUMBER[self._dtype], array(NUMBER[self._dtype], 2, written=True)
            target = array(types.int64) if self._form.labels else array(number, 2)
            options = types.Tuple([types.int64, *[types.float64] * 4])
            read = array(number, 2), target, array(number), array(number), options
            arguments, unit = types.Tuple([*read, _PARTIALS, matrix, matrix]), rows.HEIGHT if tiled else 1
            self._kernels[general, tiled] = Kernel(self._run(general, tiled), arguments, unit=unit, scratch=True)
        return self._kernels[general, tiled]

    def small(self, x: Any, *others: Any) -> tuple[bool, float]:
        """``(x, labels, ignore_index, mean[, dx[, h]])`` for few rows: it looks into them, and says if it could."""
        if not LOCKED:
            return False, 0.0
        tiled = self._may_be_tiled and rows.tiled(x.shape)
        kernel = self._smalls.get(tiled)
        if kernel is None:
            kernel = self._smalls[tiled] = self._small(tiled)
        return kernel(x, *others)

    def _small(self, tiled: bool) -> Callable[..., tuple[bool, float]]:
        form = self._form
        kernel = small.row_losses_kernel(self._dtype, value=form.value, results=form.grad + form.hess)
        return functools.partial(kernel, take_rooms(), self._kernel(False, tiled).address)

    def __call__(
        self, x: Any, target: Any, class_weight: Any, sample_weight: Any, options: RowOptions, out: Any, dx: Any, h: Any
    ) -> Any:
        numbers = (options.ignore_index, options.keep, options.smoothing, options.weight_sum, options.divisor)
        count, classes = x.shape
        general = class_weight is not None or options.smoothing != 0.0
        if class_weight is None:
            class_weight = np.ones(classes, self._dtype) if general else self._none
        tiled = not general and self._may_be_tiled and rows.tiled(x.shape)
        kernel, (high, low) = self._kernel(general, tiled), _partials(count if out is None and self._form.value else 0)
        # The losses of some rows at a time are held in float64, then summed, or rounded to the caller's array.
        step = SLOTS if self._form.value else max(count, 1)
        for start in range(0, count, step):
            part = slice(start, min(count, start + step))
            slots = np.empty(part.stop - start if self._form.value else 0)
            arguments = (
                x[part], target[part], class_weight, self._none if sample_weight is None else sample_weight[part],
                numbers, slots, self._none2 if dx is None else dx[part], self._none2 if h is None else h[part],
            )  # fmt: skip
            kernel((part.stop - start) * classes, part.stop - start, arguments)
            if out is not None:
                out[part] = slots
            elif self._form.value:
                blocks = slice(start // BLOCK, start // BLOCK + SLOTS // BLOCK)
                self._total.sum_blocks((slots,), (), (), high[blocks], low[blocks])
        if out is not None or not self._form.value:
            return None
        return _rounded(self._scalar, _divided(finished(high, low), options.divisor))


class Engine:
    """numba on the CPU's cores."""

    name = "cpu"
    strided = False
    library = "numpy"
    xp = np

    @functools.cache  # noqa: B019  (one engine lives as long as the process)
    def load(self, record: Any, form: Any, dtype: str) -> Any:
        if isinstance(record, Rowwise):
            return RowKernel(record, form, dtype)
        if isinstance(record, RowLoss):
            return RowLossKernel(record, form, dtype, self.load(IDENTITY, "value_summed", "float64"))
        found = forms.form(record, form)
        return (SumKernel if found.summed else MapKernel)(found, len(record.parameters), dtype)

    def label_weights(
        self, labels: Any, class_weight: Any, sample_weight: Any, ignore_index: int, classes: int
    ) -> tuple[int, float]:
        weights = [w for w in (class_weight, sample_weight) if w is not None]
        dtype = str(weights[0].dtype) if weights else "float64"
        none, (high, low) = np.empty(0, dtype), _partials(labels.size)
        kernel = _label_weights(dtype, class_weight is not None)
        weights = [none if w is None else w for w in (class_weight, sample_weight)]
        bad = with_room(kernel, labels, *weights, ignore_index, classes, high, low)
        return bad, finished(high, low)

    def bring(self, array: Any) -> Any:
        return array if isinstance(array, np.ndarray) else array.get()


@functools.cache
def _label_weights(dtype: str, weighted: bool) -> Callable[..., int]:
    weights = array(NUMBER[dtype])
    signature = (array(types.int64), weights, weights, types.int64, types.int64, _PARTIALS, _PARTIALS, SCRATCH)
    return compiled(row_losses.label_weights(weighted=weighted), signature)
