"""Numbers that kernels are given: by value, or by where they stand on the device."""

from typing import Any

import numpy as np

from fastloa_kernels.engines.numba_cuda.toolchain import pointers, scalars


class Numbers:
    """Numbers for a kernel: by value, or where one of them is an array of the device's, all as such arrays."""

    def __init__(self, xp: Any, values: tuple[Any, ...], dtype: str) -> None:
        self.on_device = any(isinstance(value, xp.ndarray) for value in values)
        # An array may hold one for all, or one for each.
        self.steps = tuple(np.int64(value.ndim if isinstance(value, xp.ndarray) else 0) for value in values)
        if self.on_device:
            # A host's number is filled in by a kernel: copying it over could wait for the device.
            self.values = tuple(
                value.astype(dtype) if isinstance(value, xp.ndarray) else xp.full((), value, dtype) for value in values
            )
        else:
            with np.errstate(over="ignore"):  # in the precision of the arrays it is infinite, as for other engines
                self.values = tuple(map(np.dtype(dtype).type, values))
        self.signature = (pointers if self.on_device else scalars)(dtype, len(values))
