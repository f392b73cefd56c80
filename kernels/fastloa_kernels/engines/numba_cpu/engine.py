"""Loads and calls the CPU kernels.

Kernels are compiled for one signature and called through their compiled entry point: numba's own dispatch would cost
more than a small array's work. That entry point trusts its arguments, so callers must pass exactly what it was
compiled for: C-contiguous, aligned arrays of the right dtype.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numba.core import types

from fastloa_kernels import forms
from fastloa_kernels.engines import AlignmentOptions, RowForm, RowOptions
from fastloa_kernels.engines.alignments import LINKS, at_a_time, room_shape
from fastloa_kernels.engines.numba_cpu import (
    alignments,
    narrow,
    narrow_losses,
    narrow_projections,
    paired_losses,
    projections,
    row_losses,
    rows,
    small,
    small_stored,
    stored,
    uniforms,
    vector_losses,
)
from fastloa_kernels.engines.numba_cpu.compilation import compiled
from fastloa_kernels.engines.numba_cpu.elementwise import (
    PARTIALS,
    MapKernel,
    SumKernel,
    divided,
    finished,
    partials,
    rounded,
)
from fastloa_kernels.engines.numba_cpu.kinds import NUMBER, array
from fastloa_kernels.engines.numba_cpu.launching import LOCKED, SCRATCH, with_room
from fastloa_kernels.engines.numba_cpu.over_rows import Rows
from fastloa_kernels.engines.numba_cpu.over_stored import Chunks, converted
from fastloa_kernels.formulas.totals import IDENTITY
from fastloa_kernels.records import AlignmentLoss, PairedLoss, Projection, ProjectionLoss, RowLoss, Rowwise, VectorLoss
from fastloa_kernels.sums import BLOCK

SLOTS = 1 << 16  # rows whose losses are held before they are summed: 512 kB
ROOMS = 1 << 23  # numbers of alignments that are held at a time, if a sequence has no more: 64 MB
STATE = 32  # elements of a map that a state at a frame takes as long as


class RowKernel:
    """An activation of the rows of 2-d arrays."""

    def __init__(self, record: Rowwise | Projection, form: str, dtype: str) -> None:
        self._inputs, self._dtype = 1 if form == "value" else 2, dtype
        skeletons: dict[bool, Any] = {True: rows, False: narrow}
        if isinstance(record, Projection):
            skeletons = {True: projections, **({False: narrow_projections} if form == "value" else {})}
        self._run = {
            wide: functools.partial(getattr(module, f"rowwise_{form}"), record, dtype)
            for wide, module in skeletons.items()
        }
        self._variants: dict[tuple[bool, int], Rows] = {}
        self._smalls = small.RowKernels()

    def _variant(self, wide: bool, place: int) -> Rows:
        """The kernel whose result is the array at `place`, which may be an input's; tiles need no such kernels."""
        if (wide, place) not in self._variants:
            count = max(self._inputs, place + 1)
            arrays = types.Tuple([array(NUMBER[self._dtype], 2, written=i == place) for i in range(count)])
            unit = 1 if wide else rows.HEIGHT
            self._variants[wide, place] = Rows(self._run[wide](place), arrays, unit=unit)
        return self._variants[wide, place]

    def __call__(self, inputs: tuple[Any, ...], out: Any) -> None:
        tiled = False in self._run and rows.tiled(out.shape)
        if stored.sixteen_bits((*inputs, out)):
            kernel = self._variant(not tiled, len(inputs))
            for part, arrays, table in Chunks(inputs, (out,))(0, len(out)):
                kernel(out[part].size, part.stop - part.start, arrays, table)
            self._smalls.put(kernel.address, tiled=tiled)
            return
        place = len(inputs) if tiled else next((i for i, x in enumerate(inputs) if x is out), len(inputs))
        arrays = inputs if place < len(inputs) else (*inputs, out)
        kernel = self._variant(not tiled, place)
        kernel(out.size, len(out), arrays)
        if place == len(inputs):
            self._smalls.put(kernel.address, tiled=tiled)

    def small(self, ndim: int) -> tuple[Callable[..., bool], int]:
        """As that of a map."""
        if not LOCKED:
            return (lambda *_: False), 0
        for tiled in (False,) if False in self._run else (False, True):
            self._smalls.put(self._variant(True, self._inputs).address, tiled=tiled)
        return small.rows_kernel(self._inputs, self._dtype, ndim), self._smalls.ready()

    def small_stored(self, dtype: Any, ndim: int) -> tuple[Callable[..., bool] | None, int]:
        """As that of a map."""
        if not LOCKED:
            return None, 0
        _, place = self.small(ndim)
        return small_stored.over_bits(small_stored.rows_kernel(self._inputs, ndim), dtype, self._inputs), place


class RowLossKernel:
    """A loss of the rows of a 2-d array."""

    def __init__(self, record: RowLoss | ProjectionLoss, form: RowForm, dtype: str, total: SumKernel) -> None:
        self._record, self._form, self._dtype, self._total = record, form, dtype, total
        self._kernels: dict[tuple[bool, bool], Rows] = {}
        self._none, self._none2 = np.empty(0, dtype), np.empty((0, 0), dtype)
        self._scalar = np.dtype(dtype).type
        self._smalls = small.RowKernels()
        # Rows of few classes have a skeleton of their own for labels as they are, without a z-loss.
        self._may_be_tiled = form.labels and isinstance(record, RowLoss) and record.normalised

    def _run(self, general: bool, tiled: bool) -> Any:
        if isinstance(self._record, ProjectionLoss):
            return projections.loss_rows(self._record, self._dtype, labels=self._form.labels)
        if tiled:
            return narrow_losses.rows_of(self._record, self._dtype)
        return row_losses.rows_of(self._record, self._dtype, labels=self._form.labels, general=general)

    def _kernel(self, general: bool, tiled: bool) -> Rows:
        """Class weights, smoothed labels and z-losses share a kernel, or there would be eight of each to compile."""
        if (general, tiled) not in self._kernels:
            number, matrix = NUMBER[self._dtype], array(NUMBER[self._dtype], 2, written=True)
            target = array(types.int64) if self._form.labels else array(number, 2)
            options = types.Tuple([types.int64, *[types.float64] * (5 + len(self._record.parameters))])
            read = array(number, 2), target, array(number), array(number), options
            arguments, unit = types.Tuple([*read, PARTIALS, matrix, matrix]), rows.HEIGHT if tiled else 1
            self._kernels[general, tiled] = Rows(self._run(general, tiled), arguments, unit=unit)
        return self._kernels[general, tiled]

    def small(self) -> Callable[..., tuple[bool, float]]:
        """``kernel(x, labels, ignore_index, mean[, dx[, h]])`` for few rows: it says if it could, and the loss."""
        if not LOCKED:
            return lambda *_: (False, 0.0)
        self._smalls.put(self._kernel(False, False).address, tiled=False)
        form, tiled = self._form, self._may_be_tiled
        kernel = small.row_losses_kernel(self._dtype, value=form.value, results=form.grad + form.hess, tiled=tiled)
        place = self._smalls.ready()
        return functools.partial(kernel, self._smalls.room, place)

    def __call__(
        self, x: Any, target: Any, class_weight: Any, sample_weight: Any, options: RowOptions, out: Any, dx: Any, h: Any
    ) -> Any:
        shares = options.keep, options.smoothing, options.weight_sum
        numbers = (options.ignore_index, *shares, options.divisor, options.z_loss, *options.parameters)
        count, classes = x.shape
        general = class_weight is not None or options.smoothing != 0.0 or options.z_loss != 0.0
        if class_weight is None:
            class_weight = np.ones(classes, self._dtype) if general else self._none
        tiled = not general and self._may_be_tiled and rows.tiled(x.shape)
        kernel, (high, low) = self._kernel(general, tiled), partials(count if out is None and self._form.value else 0)
        # The losses of some rows at a time are held in float64, then summed, or rounded to the caller's array.
        step = SLOTS if self._form.value else max(count, 1)
        chunks = Chunks((x, target), (self._none2 if dx is None else dx, self._none2 if h is None else h))
        for start in range(0, count, step):
            part = slice(start, min(count, start + step))
            slots = np.empty(part.stop - start if self._form.value else 0)
            for some, (scores, targets, *results), table in chunks(start, part.stop):
                weights = self._none if sample_weight is None else sample_weight[some]
                losses = slots[some.start - start : some.stop - start] if self._form.value else slots
                arguments = scores, targets, class_weight, weights, numbers, losses, *results
                kernel(scores.size, len(scores), arguments, table)
            if out is not None:
                with np.errstate(over="ignore"):  # what float32 does not hold is infinite
                    out[part] = slots
            elif self._form.value:
                blocks = slice(start // BLOCK, start // BLOCK + SLOTS // BLOCK)
                self._total.sum_blocks((slots,), (), (), (), high[blocks], low[blocks])
        if not (general or self._record.parameters):
            self._smalls.put(kernel.address, tiled=tiled)
        if out is not None or not self._form.value:
            return None
        return rounded(self._scalar, divided(finished(high, low), options.divisor))


class VectorLossKernel:
    """A loss of the rows of several 2-d arrays, or through pairs of a row's labels and its other classes."""

    def __init__(self, record: VectorLoss | PairedLoss, form: str, dtype: str, total: SumKernel) -> None:
        self._value, self._total = "value" in form, total
        if isinstance(record, PairedLoss):
            run, results, target = paired_losses.rows_of(record, dtype), 2, array(types.int64, 2)
        else:
            run, (_, results), target = (
                vector_losses.rows_of(record, dtype, form),
                record.slopes(form),
                array(NUMBER[dtype]),
            )
        matrices = [
            types.Tuple([array(NUMBER[dtype], 2, written=written)] * count)
            for count, written in ((record.vectors, False), (results, True))
        ]
        read = matrices[0], target, array(NUMBER[dtype]), array(types.float64), types.float64
        self._rows = Rows(run, types.Tuple([*read, PARTIALS, matrices[1]]), unit=1)
        self._none, self._scalar = np.empty(0, dtype), np.dtype(dtype).type
        self._no_grads = (np.empty((0, 0), dtype),) * results

    def __call__(
        self, vectors: tuple[Any, ...], target: Any, sample_weight: Any, parameters: tuple[float, ...], divisor: Any,
        out: Any, grads: tuple[Any, ...],
    ) -> Any:  # fmt: skip
        count = len(vectors[0])
        slots = np.empty(count if self._value else 0)
        of_rows = [self._none if array is None else array for array in (target, sample_weight)] + [slots]
        numbers, grads = np.array(parameters, np.float64), (*grads, *self._no_grads[len(grads) :])
        if not stored.sixteen_bits(vectors + grads):
            self._rows(vectors[0].size, count, (vectors, *of_rows[:2], numbers, float(divisor), slots, grads))
        else:
            for part, arrays, table in Chunks(vectors, grads)(0, count):
                read, written, held = arrays[: len(vectors)], arrays[len(vectors) :], part.stop - part.start
                own, weights, losses = (array[part] for array in of_rows)
                self._rows(read[0].size, held, (read, own, weights, numbers, float(divisor), losses, written), table)
        if not self._value:
            return None
        if out is None:
            return rounded(self._scalar, divided(self._total((slots,), (), (), ()), divisor))
        with np.errstate(over="ignore"):  # what float32 does not hold is infinite
            out[...] = slots
        return None


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
        count, shape = len(spans), room_shape(len(frames), options.longest, grad=self._grad)
        step = at_a_time(count, shape, ROOMS)
        links, rooms = np.empty((step, LINKS, shape[1]), np.int64), np.empty((step, *shape))
        slots = np.empty(count if self._value else 0)
        weights = self._none if sample_weight is None else sample_weight
        numbers = options.blank, int(options.zero_infinity), int(options.averaged)
        given = frames, labels, spans, weights, numbers, float(options.divisor), slots
        for start in range(0, count, step or 1):
            held = min(step, count - start)
            size = held * len(frames) * shape[1] * STATE
            self._rows(size, held, (*given, self._no_grad if grad is None else grad, start, links, rooms))
        if not self._value:
            return None
        if out is None:
            return rounded(self._scalar, divided(self._total((slots,), (), (), ()), options.divisor))
        with np.errstate(over="ignore"):  # what float32 does not hold is infinite
            out[...] = slots
        return None


class Engine:
    """numba on the CPU's cores."""

    name = "cpu"
    strided, sixteen_bits = False, True
    library = "numpy"
    xp, array = np, np.ndarray

    @functools.cache  # noqa: B019  (one engine lives as long as the process)
    def load(self, record: Any, form: Any, dtype: str) -> Any:
        if isinstance(record, Rowwise | Projection):
            return RowKernel(record, form, dtype)
        if isinstance(record, RowLoss | ProjectionLoss):
            return RowLossKernel(record, form, dtype, self.load(IDENTITY, "value_summed", "float64"))
        if isinstance(record, VectorLoss | PairedLoss):
            return VectorLossKernel(record, form, dtype, self.load(IDENTITY, "value_summed", "float64"))
        if isinstance(record, AlignmentLoss):
            return AlignmentKernel(record, form, dtype, self.load(IDENTITY, "value_summed", "float64"))
        found = forms.form(record, form)
        return (SumKernel if found.summed else MapKernel)(found, len(record.parameters), dtype)

    def places_of(self, like: Sequence[Any], *, ends: bool = False) -> Callable[[Sequence[Any]], list[int]]:
        """``places(arrays)``: the addresses of such arrays' elements, or `ends`; 0 where they are not in order."""
        looks = [small.place_of(x.dtype.name, x.ndim, end=ends) for x in like]
        return lambda arrays: [look(x) for look, x in zip(looks, arrays, strict=True)]

    def kinds_of(self, rows: Sequence[Sequence[Any]]) -> Any:
        """What `over_arrays` is told of rows of arrays, of which some have 16 bits; None if none has."""
        return stored.kinds(rows) if any(map(stored.sixteen_bits, rows)) else None

    @property
    def apart(self) -> Callable[..., bool]:
        """``apart(places, sizes, first, last)``: whether stretches of memory are known, and apart from others."""
        return small.apart()

    def label_weights(
        self, labels: Any, class_weight: Any, sample_weight: Any, ignore_index: int, classes: int
    ) -> tuple[int, float]:
        weights = [w for w in (class_weight, sample_weight) if w is not None]
        dtype = str(weights[0].dtype) if weights else "float64"
        none, (high, low) = np.empty(0, dtype), partials(labels.size)
        kernel = _label_weights(dtype, class_weight is not None)
        weights = [none if w is None else w for w in (class_weight, sample_weight)]
        bad = with_room(kernel, labels, *weights, ignore_index, classes, high, low)
        return bad, finished(high, low)

    def fill_uniform(self, out: Any, seed: int, stream: int, start: int) -> None:
        uniforms.fill(out, seed, stream, start)

    def converted(self, array: Any, dtype: Any) -> Any:
        return converted(array, dtype)

    def bring(self, array: Any) -> Any:
        return array if isinstance(array, np.ndarray) else array.get()


@functools.cache
def _label_weights(dtype: str, weighted: bool) -> Callable[..., int]:
    weights = array(NUMBER[dtype])
    signature = (array(types.int64), weights, weights, types.int64, types.int64, PARTIALS, PARTIALS, SCRATCH)
    return compiled(row_losses.label_weights(weighted=weighted), signature)
