"""Calls the skeletons of numba-cuda: allocates what they need beside their operands, and counts blocks.

Nothing here waits for the device. A divisor may be a number or a 0-d array of the device's; sums are 0-d arrays.
"""

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from fastloa_kernels import forms
from fastloa_kernels.engines import AlignmentOptions, RowForm, RowOptions, lists
from fastloa_kernels.engines.alignments import LINKS, at_a_time, room_shape
from fastloa_kernels.engines.numba_cuda import (
    alignments,
    label_weights,
    many,
    maps,
    paired_losses,
    projections,
    row_losses,
    rows,
    summation,
    uniforms,
    vector_losses,
)
from fastloa_kernels.engines.numba_cuda.binding import bind
from fastloa_kernels.engines.numba_cuda.numbers import Numbers
from fastloa_kernels.engines.numba_cuda.toolchain import (
    GRID,
    SIMULATED,
    THREADS,
    Kernel,
    array_module,
    pointers,
    scalars,
    types,
)
from fastloa_kernels.formulas.totals import IDENTITY
from fastloa_kernels.records import AlignmentLoss, PairedLoss, Projection, ProjectionLoss, RowLoss, Rowwise, VectorLoss
from fastloa_kernels.sums import BLOCK

Arrays = tuple[Any, ...]
ROOMS = 1 << 27  # numbers of alignments that are held at a time, if a sequence has no more: 1 GB


def _blocks(count: int, size: int) -> int:
    return (count + size - 1) // size


class FormKernel:
    """A form's map, or the sum of its first output over the leading divisor; outputs may be inputs."""

    def __init__(self, form: forms.Form, parameters: int, dtype: str, xp: Any) -> None:
        self._form, self._parameters, self._dtype, self._xp = form, parameters, dtype, xp
        self._formula, self._scalar = bind(form.formula, dtype), np.dtype(dtype).type
        self._kernels: dict[bool, Kernel] = {}

    def _kernel(self, leading: Numbers) -> Kernel:
        if leading.on_device not in self._kernels:
            form, dtype = self._form, self._dtype
            read = maps.reader(form.leading, on_device=leading.on_device)
            if form.summed:
                function = maps.sum_kernel(self._formula, form.inputs, form.outputs, dtype, read)
                count = form.inputs + form.outputs - 1
            else:
                places = form.in_place or tuple(range(form.inputs, form.inputs + form.outputs))
                function = maps.map_kernel(self._formula, form.inputs, places, read)
                count = max(form.inputs, max(places) + 1)
            self._kernels[leading.on_device] = Kernel(
                function, types.int64, leading.signature, pointers(dtype, count), scalars(dtype, self._parameters),
                pointers("float64", 2 if form.summed else 0),
            )  # fmt: skip
        return self._kernels[leading.on_device]

    def launch(self, inputs: Arrays, outputs: Arrays, leading: tuple[Any, ...], parameters: tuple[Any, ...]) -> Arrays:
        """Runs the kernel; a summed form's block sums, and their errors."""
        operands = inputs if self._form.in_place else inputs + outputs
        size, sums = operands[0].size, Arrays()
        blocks = min(_blocks(size, THREADS), GRID)
        if self._form.summed:
            blocks = _blocks(size, BLOCK)
            sums = self._xp.empty(blocks), self._xp.empty(blocks)
        if size:
            numbers = Numbers(self._xp, leading, self._dtype)
            with np.errstate(over="ignore"):
                typed = tuple(map(self._scalar, parameters))
            self._kernel(numbers)(blocks, np.int64(size), numbers.values, operands, typed, sums)
        return sums

    def __call__(self, inputs: Arrays, outputs: Arrays, leading: tuple[Any, ...], parameters: tuple[Any, ...]) -> Any:
        sums = self.launch(inputs, outputs, leading, parameters)
        dtype = "float64" if self._form.wide else self._dtype
        return finish(self._xp, sums, leading[0] if leading else 1.0, dtype) if sums else None


@functools.cache
def _finish_kernel(dtype: str, on_device: bool) -> Kernel:
    divisor = (pointers if on_device else scalars)("float64", 1)
    function = summation.finish(dtype, maps.reader(1, on_device=on_device))
    return Kernel(function, types.int64, pointers("float64", 2), divisor, pointers(dtype, 1))


def finish(xp: Any, sums: Arrays, divisor: Any, dtype: str) -> Any:
    """The blocks' sums added up and divided: a 0-d array."""
    numbers, result = Numbers(xp, (divisor,), "float64"), xp.empty((), dtype)
    _finish_kernel(dtype, numbers.on_device)(1, np.int64(sums[0].size), sums, numbers.values, (result,))
    return result


class RowKernel:
    """An activation of the rows of 2-d arrays."""

    def __init__(self, record: Rowwise | Projection, form: str, dtype: str) -> None:
        skeletons: Any = projections if isinstance(record, Projection) else rows
        build, operands = (skeletons.value_kernel, 2) if form == "value" else (skeletons.backward_kernel, 3)
        self._kernel = Kernel(build(record, dtype), types.int64, types.int64, pointers(dtype, operands))

    def __call__(self, inputs: Arrays, out: Any) -> None:
        count, columns = out.shape
        if out.size:
            self._kernel(min(count, GRID), np.int64(count), np.int64(columns), (*inputs, out))


class RowLossKernel:
    """A loss of the rows of a 2-d array."""

    def __init__(self, record: RowLoss | ProjectionLoss, form: RowForm, dtype: str, total: FormKernel, xp: Any) -> None:
        self._record, self._form, self._dtype, self._total, self._xp = record, form, dtype, total, xp
        self._bent = isinstance(record, RowLoss) and record.bent
        self._kernels: dict[tuple[str, bool], Kernel] = {}

    def _kernel(self, losses: str, totals: Numbers) -> Kernel:
        """`losses` is the dtype of the rows' losses: the caller's, or float64 where they are to be summed."""
        key = losses, totals.on_device
        if key not in self._kernels:
            read = maps.reader(2, on_device=totals.on_device)
            skeletons: Any = projections if isinstance(self._record, ProjectionLoss) else row_losses
            function = skeletons.loss_kernel(self._record, self._dtype, self._form, read)
            target = pointers("int64" if self._form.labels else self._dtype, 1)
            outputs = types.Tuple((*pointers(losses, 1), *pointers(self._dtype, 2)))
            numbers = len(self._record.parameters) if self._bent else 3
            self._kernels[key] = Kernel(
                function, *[types.int64] * 4, scalars("float64", numbers), totals.signature,
                pointers(self._dtype, 3), target, outputs,
            )  # fmt: skip
        return self._kernels[key]

    def __call__(
        self, x: Any, target: Any, class_weight: Any, sample_weight: Any, options: RowOptions, out: Any, dx: Any, h: Any
    ) -> Any:
        count, classes = x.shape
        summed = self._form.value and out is None
        losses = self._xp.empty(count) if summed else out
        # What a call does without is never touched; x lends its address.
        operands, outputs = (
            tuple(x if array is None else array for array in arrays)
            for arrays in ((x, class_weight, sample_weight), (losses, dx, h))
        )
        if count:
            shares = options.keep, options.smoothing, options.z_loss
            numbers = options.parameters if self._bent else shares
            totals = Numbers(self._xp, (options.weight_sum, options.divisor), "float64")
            self._kernel(str(outputs[0].dtype), totals)(
                min(count, GRID), np.int64(count), np.int64(classes), np.int64(options.ignore_index),
                np.int64(sample_weight is not None), tuple(map(np.float64, numbers)),
                totals.values, operands, (target,), outputs,
            )  # fmt: skip
        if not summed:
            return None
        return finish(self._xp, self._total.launch((losses,), (), (), ()), options.divisor, self._dtype)


class VectorLossKernel:
    """A loss of the rows of several 2-d arrays."""

    def __init__(self, record: VectorLoss, form: str, dtype: str, total: FormKernel, xp: Any) -> None:
        self._record, self._dtype, self._total, self._xp = record, dtype, total, xp
        self._form, (_, self._results) = form, record.slopes(form)
        self._kernels: dict[tuple[str, bool], Kernel] = {}

    def _kernel(self, losses: str, divisor: Numbers) -> Kernel:
        """`losses` is the dtype of the rows' losses, as in `RowLossKernel`."""
        key = losses, divisor.on_device
        if key not in self._kernels:
            record, dtype = self._record, self._dtype
            read = maps.reader(1, on_device=divisor.on_device)
            function = vector_losses.loss_kernel(record, dtype, read, self._form)
            self._kernels[key] = Kernel(
                function, *[types.int64] * 3, divisor.signature, scalars("float64", len(record.parameters)),
                pointers(dtype, record.vectors), pointers(dtype, 2), pointers(losses, 1),
                pointers(dtype, self._results),
            )  # fmt: skip
        return self._kernels[key]

    def __call__(
        self, vectors: Arrays, target: Any, sample_weight: Any, parameters: tuple[float, ...], divisor: Any, out: Any,
        grads: Arrays,
    ) -> Any:  # fmt: skip
        count, columns = vectors[0].shape
        summed = "value" in self._form and out is None
        losses = self._xp.empty(count) if summed else out
        # What a call does without is never touched; a vector lends its address.
        lent = vectors[0]
        numbers = tuple(lent if array is None else array for array in (target, sample_weight))
        outputs = (lent if losses is None else losses,), grads or (lent,) * self._results
        if count:
            divisors = Numbers(self._xp, (divisor,), "float64")
            self._kernel(str(outputs[0][0].dtype), divisors)(
                min(count, GRID), np.int64(count), np.int64(columns), np.int64(sample_weight is not None),
                divisors.values, tuple(map(np.float64, parameters)), vectors, numbers, *outputs,
            )  # fmt: skip
        if not summed:
            return None
        return finish(self._xp, self._total.launch((losses,), (), (), ()), divisor, self._dtype)


class PairedLossKernel:
    """A loss of the rows of a 2-d array through pairs of a row's labels and its other classes."""

    def __init__(self, record: PairedLoss, form: str, dtype: str, total: FormKernel, xp: Any) -> None:
        self._record, self._form, self._dtype, self._total, self._xp = record, form, dtype, total, xp
        self._results = max(1, record.slopes(form)[1])
        self._kernels: dict[tuple[str, bool], Kernel] = {}

    def _kernel(self, losses: str, divisor: Numbers) -> Kernel:
        """`losses` is the dtype of the rows' losses, as in `RowLossKernel`."""
        key = losses, divisor.on_device
        if key not in self._kernels:
            record, dtype = self._record, self._dtype
            function = paired_losses.loss_kernel(
                record, dtype, maps.reader(1, on_device=divisor.on_device), self._form
            )  # fmt: skip
            self._kernels[key] = Kernel(
                function, *[types.int64] * 4, divisor.signature, scalars("float64", len(record.parameters)),
                pointers(dtype, 1), pointers("int64", 1), pointers(dtype, 1), pointers(losses, 1),
                pointers(dtype, self._results),
            )  # fmt: skip
        return self._kernels[key]

    def __call__(
        self, vectors: Arrays, labels: Any, sample_weight: Any, parameters: tuple[float, ...], divisor: Any, out: Any,
        grads: Arrays,
    ) -> Any:  # fmt: skip
        (x,) = vectors
        count, columns = x.shape
        summed = "value" in self._form and out is None
        losses = self._xp.empty(count) if summed else out
        # What a call does without is never touched; x lends its address.
        weights, kept = (x if array is None else array for array in (sample_weight, losses))
        if count:
            divisors = Numbers(self._xp, (divisor,), "float64")
            self._kernel(str(kept.dtype), divisors)(
                min(count, GRID), np.int64(count), np.int64(columns), np.int64(labels.shape[1]),
                np.int64(sample_weight is not None), divisors.values, tuple(map(np.float64, parameters)), (x,),
                (labels,), (weights,), (kept,), grads or (x,),
            )  # fmt: skip
        if not summed:
            return None
        return finish(self._xp, self._total.launch((losses,), (), (), ()), divisor, self._dtype)


class AlignmentKernel:
    """A loss of the sequences of a 3-d array."""

    def __init__(self, record: AlignmentLoss, form: str, dtype: str, total: FormKernel, xp: Any) -> None:
        self._record, self._dtype, self._total, self._xp = record, dtype, total, xp
        self._asked = {"value": "value" in form, "grad": "grad" in form}
        self._kernels: dict[tuple[str, bool], Kernel] = {}

    def _kernel(self, losses: str, divisor: Numbers) -> Kernel:
        """`losses` is the dtype of the sequences' losses, as in `RowLossKernel`."""
        key = losses, divisor.on_device
        if key not in self._kernels:
            read = maps.reader(1, on_device=divisor.on_device)
            function = alignments.loss_kernel(self._record, read, **self._asked)
            self._kernels[key] = Kernel(
                function, scalars("int64", alignments.NUMBERS), divisor.signature, pointers(self._dtype, 3),
                pointers("int64", 3), pointers(losses, 1), pointers("float64", 1),
            )  # fmt: skip
        return self._kernels[key]

    def __call__(
        self, frames: Any, labels: Any, spans: Any, sample_weight: Any, options: AlignmentOptions, out: Any, grad: Any
    ) -> Any:
        xp, (steps, count, classes) = self._xp, frames.shape
        summed = self._asked["value"] and out is None
        losses = xp.empty(count) if summed else out
        # What a call does without is never touched; the frames lend their address.
        operands = tuple(frames if array is None else array for array in (frames, sample_weight, grad))
        losses = frames if losses is None else losses
        rows, width = room_shape(steps, options.longest, grad=self._asked["grad"])
        step = at_a_time(count, (rows, width), ROOMS)
        rooms, links = xp.empty(step * rows * width), xp.empty(step * LINKS * width, "int64")
        flags = sample_weight is not None, options.blank, options.zero_infinity, options.averaged
        for start in range(0, count, step or 1):
            held, divisors = min(step, count - start), Numbers(xp, (options.divisor,), "float64")
            numbers = tuple(map(np.int64, (start, held, steps, count, classes, rows, width, *flags)))
            self._kernel(str(losses.dtype), divisors)(
                min(held, GRID), numbers, divisors.values, operands, (labels, spans, links), (losses,), (rooms,)
            )  # fmt: skip
        if not summed:
            return None
        return finish(xp, self._total.launch((losses,), (), (), ()), options.divisor, self._dtype)


@functools.cache
def _label_kernels(dtype: str, weighted: bool) -> tuple[Kernel, Kernel]:
    integer, firsts = types.int64, pointers("int64", 1)
    blocks = Kernel(
        label_weights.block_kernel(weighted=weighted),
        *[integer] * 4, firsts, pointers(dtype, 2), pointers("float64", 2), firsts,
    )  # fmt: skip
    return blocks, Kernel(label_weights.first_kernel(), integer, integer, firsts, firsts)


class Engine:
    """numba-cuda on CuPy's arrays; in the simulator, on NumPy's."""

    name = "cuda"
    strided = sixteen_bits = False
    library = "numpy" if SIMULATED else "cupy"
    apart = staticmethod(lists.apart)

    def __init__(self) -> None:
        self.xp = array_module()
        self.array = self.xp.ndarray

    @functools.cache  # noqa: B019  (one engine lives as long as the process)
    def load(self, record: Any, form: Any, dtype: str) -> Any:
        if isinstance(record, Rowwise | Projection):
            return RowKernel(record, form, dtype)
        if isinstance(record, RowLoss | ProjectionLoss):
            return RowLossKernel(record, form, dtype, self.load(IDENTITY, "value_summed", "float64"), self.xp)
        if isinstance(record, PairedLoss):
            return PairedLossKernel(record, form, dtype, self.load(IDENTITY, "value_summed", "float64"), self.xp)
        if isinstance(record, VectorLoss):
            return VectorLossKernel(record, form, dtype, self.load(IDENTITY, "value_summed", "float64"), self.xp)
        if isinstance(record, AlignmentLoss):
            return AlignmentKernel(record, form, dtype, self.load(IDENTITY, "value_summed", "float64"), self.xp)
        return FormKernel(forms.form(record, form), len(record.parameters), dtype, self.xp)

    @functools.cache  # noqa: B019
    def over_arrays(self, record: Any, form: str, dtype: str, stored: tuple[str, ...]) -> Any:
        """A map or a sum of `load` over many arrays at once: ``kernel(table, row, leading, parameters)``."""
        return many.ManyKernel(forms.form(record, form), len(record.parameters), dtype, self.xp)

    def table(self, places: Any, sizes: Any, varying: int) -> Any:
        return many.Table(self.xp, places, sizes, varying)

    def places_of(self, like: Sequence[Any]) -> lists.Places:
        """``places(arrays)``: the addresses of the elements of such arrays, 0 where they are not in order."""
        if SIMULATED:
            return lambda arrays: [x.ctypes.data if x.flags.carray else 0 for x in arrays]
        return lists.places_of(self.xp.cuda.runtime.getDevice(), like)

    def tables_serve(self) -> bool:
        """Whether tables may be used: what is recorded is played back with gradients that they tell no more."""
        return SIMULATED or not self.xp.cuda.get_current_stream().is_capturing()

    def label_weights(
        self, labels: Any, class_weight: Any, sample_weight: Any, ignore_index: int, classes: int
    ) -> tuple[Any, Any]:
        """Both results are 0-d arrays; an out-of-range label adds nothing to the sum."""
        weights = class_weight, sample_weight
        dtype = next((str(array.dtype) for array in weights if array is not None), "float64")
        check, first = _label_kernels(dtype, class_weight is not None)
        rows, blocks = np.int64(labels.size), _blocks(labels.size, BLOCK)
        sums = self.xp.empty(blocks), self.xp.empty(blocks)
        firsts, bad = self.xp.empty(blocks, "int64"), self.xp.empty((), "int64")
        if blocks:
            check(
                blocks, rows, np.int64(classes), np.int64(ignore_index), np.int64(sample_weight is not None),
                (labels,), tuple(labels if array is None else array for array in weights), sums, (firsts,),
            )  # fmt: skip
        first(1, np.int64(blocks), rows, (firsts,), (bad,))
        return bad, finish(self.xp, sums, 1.0, "float64")

    def fill_uniform(self, out: Any, seed: int, stream: int, start: int) -> None:
        uniforms.fill(out, seed, stream, start)

    def converted(self, array: Any, dtype: Any) -> Any:
        return self.xp.array(array, dtype, order="C")

    def bring(self, array: Any) -> Any:
        if self.xp is np:
            return array if isinstance(array, np.ndarray) else array.get()
        return self.xp.asarray(array)
