"""One call's arrays: made ready for the engine on the way in, put where the caller wants them on the way out."""

from bisect import bisect_left
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from itertools import accumulate
from typing import Any

import numpy as np
from numpy.lib.array_utils import byte_bounds

from fastloa import backends
from fastloa.dtypes import Kind

SOON = 10_000  # steps of NumPy's search for an element that two arrays have in common


class Call:
    """The arrays of one call, all of one library, and the engine that runs them.

    Parameters
    ----------
    function : str
        The public name, for errors.
    arrays : dict of str to array or None
        All array arguments by name, buffers for results included.
    backend : str or None
        The caller's choice.
    """

    def __init__(self, function: str, arrays: dict[str, Any], backend: str | None) -> None:
        self.function = function
        self.home = backends.common_library(function, arrays)
        self.engine = backends.choose(function, self.home, backend)
        self.moved = self.engine.library != self.home
        self._inputs: list[Any] = []
        if self.home == "cupy":
            self._device = next(array.device for array in arrays.values() if array is not None)

    @property
    def home_namespace(self) -> Any:
        """The caller's library."""
        return backends.namespace_of(self.home)

    def on_device(self) -> AbstractContextManager[Any]:
        """The device of the caller's arrays as the current one."""
        return self._device if self.home == "cupy" else nullcontext()

    def stored(self, kind: Kind, compute: str) -> Any:
        """The dtype in which kernels that compute in `compute` take and give arrays of a kind."""
        as_it_is = self.engine.sixteen_bits and kind.result.itemsize == 2 and compute == "float32"
        return kind.result if as_it_is else compute

    def ready(self, array: Any, dtype: Any, *, mapped: bool = False) -> Any:
        """`array` on the engine: C-contiguous, aligned, of exactly `dtype`; itself if it is all that.

        What is only `mapped` may keep its layout where the engine's maps take any.
        """
        self._inputs.append(array)
        if self.moved:
            array = self.engine.bring(_native_order(array) if self.home == "numpy" else array)
        if isinstance(array, np.ndarray | np.generic):
            fits = array.dtype == dtype and array.flags.c_contiguous and array.flags.aligned
            return np.asarray(array) if fits else self.engine.converted(array, dtype)
        if mapped and self.engine.strided and array.dtype == dtype:
            return array
        return self.engine.xp.asarray(array, dtype, order="C")

    def buffer(self, name: str, out: Any, shape: tuple[int, ...], result: Any, stored: Any) -> Any:
        """Where the engine writes a result: the caller's own array if it fits, else a new one."""
        if out is None:
            return self.engine.xp.empty(shape, stored)
        check_out(self.function, name, out, shape, result)
        fits = not self.moved and out.dtype == stored and out.flags.c_contiguous and _aligned(out)
        if fits and (type(out) is np.ndarray or self.home == "cupy") and not self._overlaps(out):
            return out
        return self.engine.xp.empty(shape, stored)

    def give(self, buffer: Any, out: Any, result: Any) -> Any:
        """The result for the caller: in `out` if there is one, in the caller's library and dtype."""
        if buffer is out:
            return out
        value = buffer if buffer.dtype == result else self.engine.converted(buffer, result)
        if self.moved:
            value = backends.bring_home(value, self.home)
        if out is None:
            return value
        out[...] = value
        return out

    def scalar(self, value: Any) -> Any:
        """A reduced value for the caller: a NumPy scalar, or a 0-d array that stays on the device."""
        if not self.moved:
            return value[()] if self.home == "numpy" else value
        return np.asarray(value.get())[()] if self.home == "numpy" else backends.bring_home(value, self.home)

    def is_input(self, out: Any) -> bool:
        """Whether `out` shares memory with an input."""
        return any(share_memory(x, out) for x in self._inputs)

    def _overlaps(self, out: Any) -> bool:
        """Whether `out` shares memory with an input in any other way than being that input."""
        return any(x is not out and share_memory(x, out) for x in self._inputs)


def rounded(array: Any, dtype: Any) -> Any:
    """An array in another dtype, of which what is too large is infinite."""
    with np.errstate(all="ignore"):  # what is too large is infinite, in 16 bits as in 32, and nothing to warn of
        return array.astype(dtype)


def share_memory(a: Any, b: Any) -> bool:
    """Whether two arrays of one library have memory in common, as far as that is soon found."""
    if isinstance(a, np.ndarray | np.generic):
        try:
            return bool(np.may_share_memory(a, b)) and bool(np.shares_memory(a, b, max_work=SOON))  # type: ignore[arg-type]
        except np.exceptions.TooHardError:
            return True
    # CuPy's own function takes arrays that another library allocated for strangers, wherever they lie.
    (first, last), (low, high) = _span(a), _span(b)
    return bool(a.device == b.device and first < high and low < last)


def touching(arrays: list[Any], others: list[Any]) -> list[bool]:
    """Of each array, whether its stretch of memory meets that of one of the others, all of one library."""
    spans = sorted(_span(x) for x in others)
    starts, lasts = [first for first, _ in spans], list(accumulate((last for _, last in spans), max))
    found = []
    for first, last in map(_span, arrays):
        before = bisect_left(starts, last) - 1
        found.append(first < last and before >= 0 and lasts[before] > first)
    return found


def meetings(arrays: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The names of arrays that have memory in common, two at a time."""
    order = sorted((_span(array), name) for name, array in arrays.items())
    for i, ((first, _), name) in enumerate(order):
        for (start, last), other in order[:i]:
            if last > first and start < last and share_memory(arrays[other], arrays[name]):
                yield other, name


def _span(array: Any) -> tuple[int, int]:
    """The addresses of an array's first byte, and of the byte after its last."""
    if isinstance(array, np.ndarray | np.generic):
        return byte_bounds(array)
    steps = [(length - 1) * stride for length, stride in zip(array.shape, array.strides, strict=True)]
    place: int = array.data.ptr
    if array.size == 0:
        return place, place
    return place + sum(step for step in steps if step < 0), place + sum(s for s in steps if s > 0) + array.itemsize


def _native_order(array: Any) -> Any:
    """`array` in this machine's byte order: no device takes another."""
    return np.asarray(array, array.dtype.newbyteorder("="))


def _aligned(out: Any) -> bool:
    return bool(out.flags.aligned) if isinstance(out, np.ndarray) else True


def check_out(function: str, name: str, out: Any, shape: tuple[int, ...], result: Any) -> None:
    """Raise unless `out` is a writable array of exactly that shape and dtype."""
    if out.shape != shape:
        raise ValueError(f"{function}: {name} must have shape {tuple(shape)}, got {tuple(out.shape)}")
    if out.dtype != result:
        raise TypeError(f"{function}: {name} must be {result}, got {out.dtype}")
    if isinstance(out, np.generic) or (isinstance(out, np.ndarray) and not out.flags.writeable):
        raise ValueError(f"{function}: {name} must be writable, got a read-only array")


def check_apart(function: str, buffers: dict[str, Any]) -> None:
    """Raise where two results would be written to the same memory."""
    given = [(name, buffer) for name, buffer in buffers.items() if buffer is not None]
    for i, (name, buffer) in enumerate(given):
        for other, earlier in given[:i]:
            if share_memory(earlier, buffer):
                raise ValueError(f"{function}: {other} and {name} must be arrays apart, got overlapping memory")
