"""Launches the kernels of elementwise work: maps, and sums of their first output."""

import functools
import struct
from ctypes import c_float
from typing import Any

from fastloa_kernels.engines.cupy_native import source
from fastloa_kernels.engines.cupy_native.driver import Driver, Launch
from fastloa_kernels.engines.cupy_native.strides import LIMIT, collapsed
from fastloa_kernels.engines.cupy_native.teams import THREADS
from fastloa_kernels.forms import Form
from fastloa_kernels.sums import BLOCK, LANES

LETTER = {"float32": "f", "float64": "d"}
NUMBER = "Pdq"  # struct Number of sum.cuh


def number(driver: Driver, value: Any) -> tuple[int, float, int]:
    """A number from the host or a 0-d array on the device, as struct Number."""
    if isinstance(value, driver.array):
        return driver.pointer(value), 0.0, value.dtype.itemsize
    return 0, float(value), 0


@functools.lru_cache
def _singles(parameters: tuple[float, ...]) -> tuple[float, ...]:
    """Parameters in float32, as float."""
    return tuple([c_float(p).value for p in parameters])


class Layout:
    """How struct MapArguments of map.cuh lies in memory, for one form and dtype."""

    def __init__(self, driver: Driver, form: Form, parameters: int, dtype: str) -> None:
        self._driver, self._dtype = driver, dtype
        self._narrow = dtype == "float32"
        letter, self._outputs = LETTER[dtype], form.outputs - form.summed
        self._blanks = (0,) * (self._outputs == 0)
        self._no_leading, self._no_parameters = (0, 0.0) * (form.leading == 0), (0.0,) * (parameters == 0)
        # "0P" rounds a struct's size up to its alignment, as C does.
        self.format = (
            f"{form.inputs}P{max(1, self._outputs)}P" + f"P{letter}0P" * max(1, form.leading)
            + f"qi{max(1, parameters)}{letter}0P"
        )  # fmt: skip

    def values(
        self, arrays: tuple[Any, ...], size: int, leading: tuple[Any, ...], parameters: tuple[float, ...]
    ) -> tuple[Any, ...]:
        """What the struct holds, for its arrays in order."""
        return self.of_places([self._driver.pointer(x) for x in arrays], size, leading, parameters)

    def of_places(
        self, places: list[int], size: int, leading: tuple[Any, ...], parameters: tuple[float, ...]
    ) -> tuple[Any, ...]:
        """The same, for the addresses of arrays."""
        bits = 0
        for place in places:
            bits |= place
        scalars = [item for value in leading for item in self._scalar(value)]
        if self._narrow:
            parameters = _singles(parameters)
        return (
            *places, *self._blanks, *scalars, *self._no_leading, size, bits % 16 == 0, *parameters, *self._no_parameters
        )  # fmt: skip

    def narrowed(self, leading: tuple[Any, ...]) -> tuple[Any, ...]:
        """Numbers on the device in the kernel's dtype; to be held until the launch, or their memory is another's."""
        array = self._driver.array
        return tuple([x.astype(self._dtype) if isinstance(x, array) and x.dtype != self._dtype else x for x in leading])

    def _scalar(self, value: Any) -> tuple[int, float]:
        if isinstance(value, self._driver.array):
            return self._driver.pointer(value), 0.0
        return 0, c_float(value).value if self._narrow else float(value)


class MapKernel:
    """Maps arrays of one shape, of any layout, onto others; an output may be an input."""

    def __init__(self, driver: Driver, label: str, form: Form, parameters: int, dtype: str) -> None:
        self._driver, self._form = driver, form
        self._texts = label, form, parameters, dtype
        self._layout = Layout(driver, form, parameters, dtype)
        self._pack = struct.Struct(self._layout.format).pack
        self._pack_strided = struct.Struct(self._layout.format + f"q{LIMIT * (1 + form.arrays)}q").pack
        self._found = functools.cache(self._load)
        self._alike: dict[Any, tuple[Launch, int]] = {}

    def __call__(
        self, inputs: tuple[Any, ...], outputs: tuple[Any, ...], leading: tuple[Any, ...], parameters: tuple[Any, ...]
    ) -> None:
        if self._form.in_place:
            outputs = tuple([inputs[i] for i in self._form.in_place])
        arrays, size = inputs + outputs, outputs[0].size
        if size == 0:
            return
        for x in arrays:
            if not x.flags.c_contiguous:
                self._run_strided(arrays, size, leading, parameters)
                return
        self.run(arrays, leading, parameters)

    def run(self, arrays: tuple[Any, ...], leading: tuple[Any, ...], parameters: tuple[Any, ...]) -> None:
        """The same for inputs and, after them, outputs that are contiguous and not empty."""
        size = arrays[0].size
        leading = self._layout.narrowed(leading)
        values = self._layout.values(arrays, size, leading, parameters)
        launch, tile = self._found(tuple([x.dtype for x in arrays]))
        launch(-(-size // tile), THREADS, self._pack(*values))

    def run_at(self, places: list[int], like: Any, parameters: tuple[float, ...]) -> None:
        """The same for arrays like this one, of which the addresses are known, and no numbers from elsewhere."""
        dtype, size = like.dtype, like.size
        found = self._alike.get(dtype)
        if found is None:
            found = self._alike[dtype] = self._found((dtype,) * len(places))
        launch, tile = found
        launch(-(-size // tile), THREADS, self._pack(*self._layout.of_places(places, size, (), parameters)))

    def _load(self, dtypes: tuple[Any, ...], *, strided: bool = False) -> tuple[Launch, int]:
        """The kernel for arrays of these dtypes, and how many elements a block of it maps."""
        stored = tuple([dtype.name for dtype in dtypes])
        (launch,) = self._driver.load(source.map_source(*self._texts, stored, strided=strided))
        return launch, 4 * THREADS if strided else tile_size(self._form, stored)

    def _run_strided(
        self, arrays: tuple[Any, ...], size: int, leading: tuple[Any, ...], parameters: tuple[Any, ...]
    ) -> None:
        shape, strides = collapsed(arrays, self._form.inputs)
        if len(shape) <= 1 and all(step == [1] for step in strides):
            self.run(arrays, leading, parameters)
            return
        if len(shape) > LIMIT:
            self._run_copies(arrays, leading, parameters)
            return
        launch, tile = self._found(tuple([x.dtype for x in arrays]), strided=True)
        leading = self._layout.narrowed(leading)
        values = self._layout.values(arrays, size, leading, parameters)
        filled = [number for row in (shape, *strides) for number in (*row, *[0] * (LIMIT - len(row)))]
        launch(-(-size // tile), THREADS, self._pack_strided(*values, len(shape), *filled))

    def _run_copies(self, arrays: tuple[Any, ...], leading: tuple[Any, ...], parameters: tuple[Any, ...]) -> None:
        """For the rare layouts with more dimensions than a kernel takes."""
        order = self._driver.xp.ascontiguousarray
        copies = tuple([order(x) for x in arrays])
        self.run(copies, leading, parameters)
        for x, copy in list(zip(arrays, copies, strict=True))[self._form.inputs :]:
            if copy is not x:
                x[...] = copy


def tile_size(form: Form, stored: tuple[str, ...]) -> int:
    """How many elements a block maps, as in map.cuh."""
    lanes, inputs = 16 // min(source.SIZES[dtype] for dtype in stored), form.inputs + source.parted(stored)
    return THREADS * (2 * lanes if inputs == 1 else min(lanes, 4) if inputs > 4 else lanes)


class Finish:
    """One number from partial sums, divided by another."""

    def __init__(self, driver: Driver, dtype: str) -> None:
        self._driver, self._dtype = driver, dtype
        self._pack = struct.Struct(f"PPq{NUMBER}P").pack
        (self._launch,) = driver.load(source.finish_source(dtype))

    def __call__(self, partials: Any, blocks: int, divisor: Any) -> Any:
        out = self._driver.xp.empty((), self._dtype)
        high = self._driver.pointer(partials)
        values = high, high + 8 * blocks, blocks, *number(self._driver, divisor), self._driver.pointer(out)
        self._launch(1, LANES, self._pack(*values))
        return out


class SumKernel:
    """Like a map of contiguous arrays whose first output is summed and divided by the leading divisor."""

    def __init__(self, driver: Driver, label: str, form: Form, parameters: int, dtype: str, finish: Finish) -> None:
        self._driver, self._finish = driver, finish
        self._layout = Layout(driver, form, parameters, dtype)
        self._pack = struct.Struct(self._layout.format + "PP").pack
        self._texts = label, form, parameters, dtype
        self._found = functools.cache(self._load)

    def _load(self, dtypes: tuple[Any, ...]) -> Launch:
        """The kernel for arrays of these dtypes."""
        (launch,) = self._driver.load(source.sum_source(*self._texts, tuple([dtype.name for dtype in dtypes])))
        return launch

    def __call__(
        self, inputs: tuple[Any, ...], outputs: tuple[Any, ...], leading: tuple[Any, ...], parameters: tuple[Any, ...]
    ) -> Any:
        partials, blocks = self.partials(inputs, outputs, leading, parameters)
        return self._finish(partials, blocks, leading[0] if leading else 1.0)

    def partials(
        self, inputs: tuple[Any, ...], outputs: tuple[Any, ...], leading: tuple[Any, ...], parameters: tuple[Any, ...]
    ) -> tuple[Any, int]:
        """The sums of the blocks and, after them in the same array, their errors; and how many blocks there are."""
        size = inputs[0].size
        blocks = -(-size // BLOCK)
        partials = self._driver.xp.empty(2 * blocks, "float64")
        if blocks:
            high = self._driver.pointer(partials)
            leading = self._layout.narrowed(leading)
            arrays = inputs + outputs
            values = self._layout.values(arrays, size, leading, parameters)
            launch = self._found(tuple([x.dtype for x in arrays]))
            launch(blocks, THREADS, self._pack(*values, high, high + 8 * blocks))
        return partials, blocks
