"""Launches the kernels of elementwise work over many arrays at once, which they find by tables on the device."""

import struct
from ctypes import c_float
from typing import Any

from fastloa_kernels.engines import lists
from fastloa_kernels.engines.cupy_native import source
from fastloa_kernels.engines.cupy_native.driver import Driver
from fastloa_kernels.engines.cupy_native.maps import LETTER, NUMBER, Layout, number
from fastloa_kernels.engines.cupy_native.teams import THREADS
from fastloa_kernels.forms import Form
from fastloa_kernels.sums import LANES


class Table:
    """Many arrays, of one dtype for each operand, by their addresses, on the current device.

    Parameters
    ----------
    driver : Driver
        The device.
    places : array of int64, shape (operands, arrays)
        The address of each operand of each array. Kernels find the arrays whose addresses it holds when they are
        launched, but only the row `varying` may change.
    sizes : array of int64, shape (arrays,)
        How many elements each array has.
    varying : int
        The row that may change.
    """

    def __init__(self, driver: Driver, places: Any, sizes: Any, varying: int) -> None:
        self._driver, self._own, self._places = driver, places[varying], driver.xp.array(places)
        self.arrays = len(sizes)
        chunks, firsts = lists.chunks(sizes)
        self.chunks, self._chunks = len(chunks), driver.xp.array(chunks)
        self._sizes, self._firsts = driver.xp.array(sizes), driver.xp.array(firsts)
        self._row = driver.pointer(self._places) + 8 * self.arrays * varying
        self._sent, self._recorded = self._own.copy(), False
        (self._put,) = driver.load(source.put_source())

    def pointers(self, row: int) -> tuple[int, int, int, int]:
        """What the struct of a kernel that reads operands from that row on begins with."""
        start = self._driver.pointer(self._places) + 8 * self.arrays * row
        return start, self._driver.pointer(self._sizes), self._driver.pointer(self._chunks), self.arrays

    @property
    def firsts(self) -> int:
        """Where it stands where the chunks of each array begin."""
        return self._driver.pointer(self._firsts)

    def bring_up_to_date(self) -> None:
        """Have the device know of addresses that have changed, before the next kernel runs.

        What is recorded puts its own there whenever it is played back, and leaves them to whatever comes after it: so
        while launches are recorded, and ever after, they go along each time.
        """
        recording = self._driver.recording()
        if not (recording or self._recorded or (self._own != self._sent).any()):
            return
        for i in range(0, self.arrays, source.PUT):
            some = self._own[i : i + source.PUT].tobytes()
            self._put(1, THREADS, struct.pack(f"Pq{8 * source.PUT}s", self._row + 8 * i, len(some) // 8, some))
        self._recorded |= recording
        self._sent[:] = self._own


class _Kernel:
    """What maps and sums have in common: struct ManyArguments of many.cuh, for one form and dtype."""

    tail = ""

    def __init__(
        self, driver: Driver, label: str, form: Form, parameters: int, dtype: str, stored: tuple[str, ...]
    ) -> None:  # fmt: skip
        self._driver, self._narrow = driver, dtype == "float32"
        self._narrowed = Layout(driver, form, parameters, dtype).narrowed
        letter = LETTER[dtype]
        self._blanks = (0, 0, 0.0) * (form.leading == 0), (0.0,) * (parameters == 0)
        # "0P" rounds a struct's size up to its alignment, as C does.
        numbers = f"Pq{letter}0P" * max(1, form.leading)
        self._pack = struct.Struct(f"3Pq{numbers}{max(1, parameters)}{letter}0P{self.tail}").pack
        (self._launch,) = driver.load(source.many_source(label, form, parameters, dtype, stored))

    def run(
        self, table: Table, row: int, leading: tuple[Any, ...], parameters: tuple[float, ...], *rest: int
    ) -> None:  # fmt: skip
        table.bring_up_to_date()
        if not table.chunks:
            return
        leading = self._narrowed(leading)  # held until the launch
        numbers = [item for value in leading for item in self._number(value)]
        no_leading, no_parameters = self._blanks
        if self._narrow:
            parameters = tuple([c_float(p).value for p in parameters])
        arguments = self._pack(*table.pointers(row), *numbers, *no_leading, *parameters, *no_parameters, *rest)
        self._launch(table.chunks, THREADS, arguments)

    def _number(self, value: Any) -> tuple[int, int, float]:
        if isinstance(value, self._driver.array):
            return self._driver.pointer(value), value.ndim, 0.0  # one for all arrays, or one for each
        return 0, 0, c_float(value).value if self._narrow else float(value)


class ManyMap(_Kernel):
    """A map over all arrays of a table, whose operands are inputs and then outputs, if these are not inputs."""

    def __call__(self, table: Table, row: int, leading: tuple[Any, ...], parameters: tuple[float, ...]) -> None:
        """Map the operands from that row of the table on; a leading number may be a 1-d array of one for each array."""
        self.run(table, row, leading, parameters)


class ManySum(_Kernel):
    """A sum for each array of a table."""

    tail = "PP"

    def __init__(
        self, driver: Driver, label: str, form: Form, parameters: int, dtype: str, stored: tuple[str, ...]
    ) -> None:  # fmt: skip
        super().__init__(driver, label, form, parameters, dtype, stored)
        self._dtype, self._pack_finish = "float64" if form.wide else dtype, struct.Struct(f"3P{NUMBER}P").pack
        (self._finish,) = driver.load(source.finish_many_source(self._dtype))

    def __call__(self, table: Table, row: int, leading: tuple[Any, ...], parameters: tuple[float, ...]) -> Any:
        """The sums over the leading divisor, as an array on the device."""
        partials = self._driver.xp.empty(2 * table.chunks, "float64")
        high = self._driver.pointer(partials)
        low = high + 8 * table.chunks
        self.run(table, row, leading, parameters, high, low)
        out = self._driver.xp.empty(table.arrays, self._dtype)
        divisor = number(self._driver, leading[0] if leading else 1.0)
        arguments = self._pack_finish(high, low, table.firsts, *divisor, self._driver.pointer(out))
        self._finish(table.arrays, LANES, arguments)
        return out
