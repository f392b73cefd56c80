"""A GPU engine on NumPy arrays: their memory is copied to the device as it lies, and back after every kernel.

So what holds of the shim's kernels is asked of the device's, of the same arrays: misaligned, strided, or one in another.
"""

import ctypes
import dataclasses

import numpy as np
from numpy.lib.array_utils import byte_bounds

LINE = 256  # bytes to whose multiples CuPy aligns memory, at least


class Mirrored:
    """An engine whose kernels take NumPy arrays of any layout."""

    library, xp = "numpy", np

    def __init__(self, engine):
        self._engine, self._xp = engine, engine.xp
        self.name, self.strided = engine.name, engine.strided

    def bring(self, array):
        return np.asarray(array)

    def load(self, *what):
        kernel = self._engine.load(*what)

        def call(*arguments):
            memory = Memory(self._xp, arguments)
            result = kernel(*memory.there(arguments))
            memory.fetch()
            return result.get()[()] if isinstance(result, self._xp.ndarray) else result

        return call

    def label_weights(self, *arguments):
        found = self._engine.label_weights(*Memory(self._xp, arguments).there(arguments))
        return tuple(x.get() for x in found)


class Memory:
    """The stretches of memory that arrays lie in, and a copy of each on the device, as far from an aligned address."""

    def __init__(self, xp, arguments):
        self._xp, self._parts = xp, []
        spans = sorted({byte_bounds(x) for x in arrays_of(arguments)})
        joined = []
        for low, high in spans:
            if joined and low < joined[-1][1]:
                joined[-1][1] = max(high, joined[-1][1])
            else:
                joined.append([low, high])
        for low, high in joined:
            room = xp.empty(high - low + LINE, np.uint8)
            start = low % LINE
            assert room.data.ptr % LINE == 0
            room[start : start + high - low] = xp.asarray(np.frombuffer(ctypes.string_at(low, high - low), np.uint8))
            self._parts.append((low, high, room))

    def there(self, argument):
        """The arguments with the device's arrays in place of NumPy's."""
        if isinstance(argument, tuple):
            return tuple(self.there(x) for x in argument)
        if dataclasses.is_dataclass(argument):
            return dataclasses.replace(argument, **{k: self.there(v) for k, v in vars(argument).items()})
        return self._copy(argument) if isinstance(argument, np.ndarray) else argument

    def _copy(self, array):
        first, _ = byte_bounds(array)
        low, _, room = [part for part in self._parts if part[0] <= first][-1]
        at = array.ctypes.data - low + low % LINE
        return self._xp.ndarray(array.shape, array.dtype, room.data + at, array.strides)

    def fetch(self):
        """Copies everything back."""
        for low, high, room in self._parts:
            start = low % LINE
            content = room[start : start + high - low].get()
            ctypes.memmove(low, content.ctypes.data, high - low)


def arrays_of(argument):
    """Every NumPy array in nested arguments."""
    if isinstance(argument, tuple):
        return [x for one in argument for x in arrays_of(one)]
    if dataclasses.is_dataclass(argument):
        return arrays_of(tuple(vars(argument).values()))
    return [argument] if isinstance(argument, np.ndarray) else []
