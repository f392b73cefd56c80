"""Elementwise kernels: a form's loop, compiled once, and what runs it over arrays, weighs its results and sums them."""

import functools
import struct
from collections.abc import Callable
from typing import Any

import numpy as np
from numba.core import types

from fastloa_kernels import forms
from fastloa_kernels.engines import PARALLEL, spelled
from fastloa_kernels.engines.numba_cpu import maps, small, small_stored, stored, summation
from fastloa_kernels.engines.numba_cpu.binding import BoundLoop, bind
from fastloa_kernels.engines.numba_cpu.compilation import address_of, compiled
from fastloa_kernels.engines.numba_cpu.kinds import NUMBER, array
from fastloa_kernels.engines.numba_cpu.launching import LOCKED, NOTHING, SCRATCH, Kernel, with_room
from fastloa_kernels.engines.numba_cpu.over_stored import firsts_of, run_blocks
from fastloa_kernels.sums import BLOCK

HUGE = 2.0**127  # rounded to float32, no number below overflows
PARTIALS = array(types.float64, written=True)
_LOOP = (types.int64, types.int64)  # the addresses of a loop and of its numbers


class Loop:
    """A form's loop over elements: compiled when it is first needed, and called by its address.

    Without parts, rooms and tuples it is soon compiled: all that was the greater part of a kernel's compilation, and is
    now the same for all formulas.
    """

    def __init__(self, form: forms.Form, parameters: int, dtype: str) -> None:
        plain = form.weighted or form
        self.inputs, self.results, self.weighted = plain.inputs, plain.outputs, form.weighted is not None
        self.places = places = plain.in_place or tuple(range(plain.inputs, plain.inputs + plain.outputs))
        loop = BoundLoop(bind(plain.formula, dtype), plain.leading, plain.inputs, places, parameters)
        operands = [array(NUMBER[dtype], written=i in places) for i in range(max(plain.inputs, max(places) + 1))]
        self._function = spelled.called(loop, 1 + len(operands))
        self._signature = types.CPointer(NUMBER[dtype]), *operands
        self._address = 0
        self._packed = struct.Struct(f"{plain.leading + parameters}d").pack
        self.dtype = np.dtype(dtype)
        self._numbers = functools.lru_cache(64)(functools.partial(_numbers, self.dtype))

    @property
    def address(self) -> int:
        """Where compiled code calls it."""
        if not self._address:  # not a `functools.cached_property`: see `Kernel`
            self._address = address_of(self._function, self._signature)
        return self._address

    def numbers(self, values: tuple[Any, ...]) -> tuple[Any, int]:
        """Scalars as the loop reads them, which must be kept while it runs, and their address."""
        return self._numbers(self._packed(*values))  # as bytes, which tell 0 from -0

    def numbers_of_each(self, values: tuple[Any, ...]) -> tuple[Any, int, int]:
        """The same where scalars may be arrays of one for each call of the loop; and how far apart the numbers are."""
        if not any(isinstance(value, np.ndarray) for value in values):
            return *self.numbers(values), 0
        with np.errstate(over="ignore"):
            kept = np.stack(np.broadcast_arrays(*values), axis=1).astype(self.dtype)
        return kept, kept.ctypes.data, kept.strides[0]


def _numbers(dtype: Any, packed: bytes) -> tuple[Any, int]:
    with np.errstate(over="ignore"):  # in the precision of the arrays it is infinite
        kept = np.frombuffer(packed).astype(dtype)
    return kept, small.place_of(dtype.name, 1)(kept)  # NumPy's own way to the address takes longer than small calls do


def _several(count: int, dtype: str) -> types.Tuple:
    return types.Tuple([array(NUMBER[dtype], written=True)] * count)


@functools.cache
def _over_parts(count: int, dtype: str) -> Kernel:
    return Kernel(maps.over_parts(count), types.Tuple([*_LOOP, _several(count, dtype)]), unit=maps.LINE)


@functools.cache
def _over_arrays(count: int, dtype: str) -> Kernel:
    arguments = types.Tuple([*_LOOP, types.int64, array(types.int64, 2), array(types.int64)])
    return Kernel(maps.over_arrays(count, dtype), arguments, unit=maps.LINE)


@functools.cache
def _summed_over_arrays(inputs: int, dtype: str) -> Kernel:
    arguments = types.Tuple([*_LOOP, array(types.int64, 2), *[array(types.int64)] * 2, PARTIALS, PARTIALS])
    return Kernel(maps.summed_over_arrays(inputs, dtype), arguments, unit=1, scratch=True)


@functools.cache
def _weighted(inputs: int, outputs: int, dtype: str) -> Kernel:
    operands = array(NUMBER[dtype]), _several(inputs, dtype), _several(outputs, dtype)
    return Kernel(maps.weighted(inputs, outputs), types.Tuple([*_LOOP, *operands]), unit=maps.LINE)


@functools.cache
def _summed(inputs: int, outputs: int, dtype: str, *, weighted: bool) -> Kernel:
    run = maps.summed(inputs, outputs, dtype, weighted=weighted)
    return Kernel(run, _blocks(inputs, outputs, dtype), unit=BLOCK, scratch=True)


@functools.cache
def _through_blocks(inputs: int, results: int, dtype: str, *, weighted: bool, first_summed: bool) -> Kernel:
    run = maps.through_blocks(inputs, results, dtype, weighted=weighted, first_summed=first_summed)
    return Kernel(run, _blocks(inputs, results - first_summed, dtype), unit=BLOCK, scratch=True)


def _blocks(inputs: int, outputs: int, dtype: str) -> types.Tuple:
    operands = array(NUMBER[dtype]), _several(inputs, dtype), _several(outputs, dtype)
    return types.Tuple([*_LOOP, *operands, PARTIALS, PARTIALS])


class MapKernel:
    """Maps arrays onto others, or onto themselves."""

    def __init__(self, form: forms.Form, parameters: int, dtype: str) -> None:
        self._loop, self._parameters, self._dtype = Loop(form, parameters, dtype), parameters, dtype
        self._parts = _over_parts(form.inputs + form.outputs * (not form.in_place), dtype)

    def __call__(
        self, inputs: tuple[Any, ...], outputs: tuple[Any, ...], leading: tuple[Any, ...], parameters: tuple[Any, ...]
    ) -> None:
        loop = self._loop
        if stored.sixteen_bits(inputs + outputs):
            _run_stored(loop, inputs, outputs, leading + parameters)
            return
        _kept, numbers = loop.numbers(leading + parameters)
        overlaid, size = _overlaid(inputs, outputs), inputs[0].size
        if inputs[0].ndim != 1:
            inputs, outputs = _flat(inputs), _flat(outputs)
        if overlaid:
            kernel = _through_blocks(loop.inputs, loop.results, self._dtype, weighted=loop.weighted, first_summed=False)
            read = inputs[loop.weighted :]
            kernel(size, size, (loop.address, numbers, inputs[0], read, outputs, NOTHING, NOTHING))
        elif loop.weighted:
            kernel = _weighted(loop.inputs, loop.results, self._dtype)
            kernel(size, size, (loop.address, numbers, inputs[0], inputs[1:], outputs))
        elif size < PARALLEL:
            self._parts.run(0, 1, size, size, (loop.address, numbers, inputs + outputs), NOTHING)
        else:
            self._parts(size, size, (loop.address, numbers, inputs + outputs))

    def over_arrays(
        self, places: Any, starts: Any, leading: tuple[Any, ...], parameters: tuple[Any, ...], kinds: Any = None
    ) -> None:
        """The same for several arrays in one call: `maps.over_arrays` says what `places` and `starts` are.

        A leading scalar may be an array of one for each of them. Of `kinds`, if some have 16 bits, `over_stored` does.
        """
        _kept, numbers, step = self._loop.numbers_of_each(leading + parameters)
        if kinds is not None:
            sizes = np.diff(starts)
            run_blocks(self._loop, (numbers, step), places, kinds, sizes, firsts_of(sizes))
            return
        total = int(starts[-1])
        _over_arrays(len(places), self._dtype)(total, total, (self._loop.address, numbers, step, places, starts))

    @functools.cache  # noqa: B019  (kernels live as long as the process)
    def small(self, ndim: int) -> tuple[Callable[..., bool], int]:
        """A function of ``(address, *inputs, out, parameters)`` that looks into its arrays itself, and the address."""
        return small.map_kernel(self._loop.inputs, self._parameters, self._dtype, ndim), self._loop.address

    def small_stored(self, dtype: Any, ndim: int) -> tuple[Callable[..., bool] | None, int]:
        """The same for arrays of that dtype of 16 bits."""
        if not LOCKED:
            return None, 0
        inputs = self._loop.inputs
        kernel = small_stored.map_kernel(inputs, self._parameters, ndim)
        return small_stored.over_bits(kernel, dtype, inputs), self._loop.address

    def small_loss(self, ndim: int, mean: bool, parameters: tuple[float, ...]) -> Callable[..., tuple[bool, float]]:
        """``kernel(x, target, *outputs)`` for few elements, where this is a loss: whether it could, and 0."""
        return _small_loss(self._loop, ndim, mean, parameters, summed=False)


def _small_loss(loop: Loop, ndim: int, mean: bool, parameters: tuple[float, ...], *, summed: bool) -> Any:
    if not LOCKED:
        return lambda *_: (False, 0.0)
    kernel = small.loss_kernel(loop.dtype.name, ndim, summed=summed, results=loop.results - summed)
    numbers, _ = loop.numbers((1.0, *parameters))
    return functools.partial(kernel, small.own_room(), loop.address, numbers.copy(), mean)


def _overlaid(inputs: tuple[Any, ...], outputs: tuple[Any, ...]) -> bool:
    for out in outputs:
        for x in inputs:
            if out is x:
                return True
    return False


def _run_stored(
    loop: Loop, inputs: tuple[Any, ...], outputs: tuple[Any, ...], scalars: tuple[Any, ...],
    partials: tuple[Any, Any] | None = None,
) -> None:  # fmt: skip
    """A loop over arrays of which some have 16 bits."""
    _kept, numbers = loop.numbers(scalars)
    arrays = inputs[loop.weighted :] + outputs
    places = np.array([_place_of(x) for x in arrays], np.int64).reshape(-1, 1)
    kinds, sizes = _kinds(tuple([x.dtype for x in arrays])), _sizes(inputs[0].size)
    # A weight that is overwritten would be read after the loop has written there.
    kept = inputs[0].copy() if loop.weighted and any(out is inputs[0] for out in outputs) else inputs[0]
    weight = _place_of(kept) if loop.weighted else 0
    run_blocks(loop, (numbers, 0), places, kinds, *sizes, weight=weight, partials=partials)


@functools.cache
def _kinds(held: tuple[Any, ...]) -> Any:
    return np.array([[stored.kind(dtype)] for dtype in held], np.int64)


@functools.lru_cache(64)
def _sizes(size: int) -> tuple[Any, Any]:
    sizes = np.array([size], np.int64)
    return sizes, firsts_of(sizes)


def _place_of(x: Any) -> int:
    """The address of an array's elements, which are in order."""
    return small.place_of("float16" if x.itemsize == 2 else "float32", x.ndim)(x)


def _flat(several: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple([x.reshape(-1) for x in several])


class SumKernel:
    """Like a map whose first output is summed and divided by the leading divisor."""

    def __init__(self, form: forms.Form, parameters: int, dtype: str) -> None:
        self._loop, self._dtype = Loop(form, parameters, dtype), dtype
        self._scalar = np.dtype("float64" if form.wide else dtype).type
        self._summed = _summed(self._loop.inputs, form.outputs - 1, dtype, weighted=self._loop.weighted)

    def __call__(
        self, inputs: tuple[Any, ...], outputs: tuple[Any, ...], leading: tuple[Any, ...], parameters: tuple[Any, ...]
    ) -> Any:
        high, low = partials(inputs[0].size)
        self.sum_blocks(inputs, outputs, leading, parameters, high, low)
        return rounded(self._scalar, divided(finished(high, low), leading[0] if leading else 1.0))

    def small_loss(self, ndim: int, mean: bool, parameters: tuple[float, ...]) -> Callable[..., tuple[bool, float]]:
        """``kernel(x, target, *outputs)`` for few elements: whether it could, and the loss."""
        return _small_loss(self._loop, ndim, mean, parameters, summed=True)

    def sum_blocks(
        self, inputs: tuple[Any, ...], outputs: tuple[Any, ...], leading: tuple[Any, ...], parameters: tuple[Any, ...],
        high: Any, low: Any,
    ) -> None:  # fmt: skip
        """Leave the sums of the blocks, and their errors, in `high` and `low`."""
        loop, size, overlaid = self._loop, inputs[0].size, _overlaid(inputs, outputs)
        if stored.sixteen_bits(inputs + outputs):
            _run_stored(loop, inputs, outputs, leading + parameters, (high, low))
            return
        _kept, numbers = loop.numbers(leading + parameters)
        if inputs[0].ndim != 1:
            inputs, outputs = _flat(inputs), _flat(outputs)
        kernel, read = self._summed, inputs[loop.weighted :]
        if overlaid:
            kernel = _through_blocks(loop.inputs, loop.results, self._dtype, weighted=loop.weighted, first_summed=True)
        kernel(size, size, (loop.address, numbers, inputs[0], read, outputs, high, low))

    def over_arrays(
        self, places: Any, sizes: Any, leading: tuple[Any, ...], parameters: tuple[Any, ...], kinds: Any = None
    ) -> Any:
        """The sum for each of several arrays, undivided and in float64; `places` and `kinds` as in that of a map."""
        firsts = firsts_of(sizes)
        high, low, totals = *partials(int(firsts[-1]) * BLOCK), np.empty(len(sizes))
        _kept, numbers = self._loop.numbers(leading + parameters)
        if kinds is not None:
            run_blocks(self._loop, (numbers, 0), places, kinds, sizes, firsts, partials=(high, low))
        else:
            arguments = self._loop.address, numbers, places, sizes, firsts, high, low
            _summed_over_arrays(len(places), self._dtype)(int(sizes.sum()), len(high), arguments)
        with_room(_finish_each(), firsts, high, low, totals)
        return totals


def partials(size: int) -> tuple[Any, Any]:
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
    return compiled(summation.finish, (PARTIALS, PARTIALS, SCRATCH))


@functools.cache
def _finish_each() -> Callable[..., None]:
    return compiled(summation.finish_each, (array(types.int64), PARTIALS, PARTIALS, PARTIALS, SCRATCH))


def divided(total: float, divisor: float) -> float:
    if divisor:
        return float(total) / float(divisor)
    with np.errstate(all="ignore"):
        return float(np.float64(total) / np.float64(divisor))


def rounded(scalar: Any, total: float) -> Any:
    if -HUGE < total < HUGE:
        return scalar(total)
    with np.errstate(over="ignore"):
        return scalar(total)
