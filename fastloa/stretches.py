"""Stretches of arrays that kernels of the CPU take by their addresses, where a view of the arrays would be copied."""

from typing import Any

import numpy as np
from numpy import ndarray  # looked up on every call


def over_stretches(
    engine: Any, kernel: Any, x: Any, places: Any, starts: Any, parameters: tuple[float, ...]
) -> None:  # fmt: skip
    """Run a kernel of the CPU's engine over stretches of arrays of the dtype of `x`, by their addresses."""
    kinds = engine.kinds_of([[x]])
    kinds = None if kinds is None else np.full(places.shape, kinds[0, 0])
    kernel.over_arrays(np.ascontiguousarray(places), starts, (), parameters, kinds)


def plain(array: Any, shape: tuple[int, ...], dtype: Any) -> bool:
    """Whether it is NumPy's own of that shape and dtype, in order."""
    return type(array) is ndarray and array.shape == shape and array.dtype is dtype and array.flags.carray
