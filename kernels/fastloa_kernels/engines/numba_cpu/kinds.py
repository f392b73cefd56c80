"""The types of the arrays that kernels take, as numba names them."""

from typing import Any

from numba.core import types

NUMBER = {"float32": types.float32, "float64": types.float64}


def array(dtype: Any, ndim: int = 1, *, written: bool = False) -> Any:
    """The type of a C-contiguous array."""
    return types.Array(dtype, ndim, "C", readonly=not written)
