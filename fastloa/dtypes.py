"""Which dtypes fastloa takes, what it computes them in, and what it gives back."""

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Kind:
    """`result` is the dtype of what comes back, `compute` the precision of the arithmetic, `value` that of losses."""

    result: Any
    compute: str

    @property
    def value(self) -> Any:
        """A 16-bit loss is a float32: a mean of many would not survive 16 bits."""
        return self.result if self.result.itemsize > 2 else np.dtype(np.float32)


COMPUTE = {"float16": "float32", "bfloat16": "float32", "float32": "float32", "float64": "float64"}
PRECISIONS = ("float32", "float64")
# What NumPy's own floating-point functions make of integers.
_PROMOTED = {("b", 1): "float16", ("i", 1): "float16", ("u", 1): "float16", ("i", 2): "float32", ("u", 2): "float32"}
_KINDS: dict[Any, Kind] = {}


def computed_in(dtype: Any) -> str | None:
    """What kernels compute arrays of a dtype in, which they may take as they are; None for another."""
    return COMPUTE.get(dtype.name) if dtype.isnative else None


def kind_of(function: str, argument: str, array: Any) -> Kind:
    """The kind of a floating-point, integer or bool array; raises TypeError for any other dtype."""
    found = _KINDS.get(array.dtype)
    if found is None:
        found = _KINDS[array.dtype] = _new_kind(function, argument, array)
    return found


def _new_kind(function: str, argument: str, array: Any) -> Kind:
    dtype = array.dtype.newbyteorder("=")
    if dtype.name in COMPUTE:
        return Kind(np.dtype(dtype.type), COMPUTE[dtype.name])  # that which all arrays share, and calls ask for by `is`
    if dtype.kind in "iub":
        name = _PROMOTED.get((dtype.kind, dtype.itemsize), "float64")
        return Kind(np.dtype(name), COMPUTE[name])
    raise TypeError(
        f"{function}: {argument} must be float16, bfloat16, float32, float64, integer or bool, got {dtype.name}"
    )


def same_kind(function: str, arguments: tuple[str, ...], arrays: tuple[Any, ...]) -> Kind:
    """The one kind of arrays that must not differ in dtype."""
    kind = kind_of(function, arguments[0], arrays[0])
    for argument, array in zip(arguments[1:], arrays[1:], strict=True):
        if kind_of(function, argument, array) != kind:
            raise TypeError(
                f"{function}: {arguments[0]} and {argument} must have the same dtype, "
                f"got {arrays[0].dtype} and {array.dtype}"
            )
    return kind


def same_shape(function: str, arguments: tuple[str, ...], arrays: tuple[Any, ...]) -> None:
    """Raise unless all arrays have one shape: a loss that broadcast its target would hide a mistake."""
    for argument, array in zip(arguments[1:], arrays[1:], strict=True):
        if array.shape != arrays[0].shape:
            raise ValueError(
                f"{function}: {arguments[0]} and {argument} must have the same shape, "
                f"got {tuple(arrays[0].shape)} and {tuple(array.shape)}"
            )


def of_shape(function: str, argument: str, array: Any, shape: tuple[int, ...]) -> None:
    """Raise unless the array has this shape."""
    if tuple(array.shape) != shape:
        raise ValueError(f"{function}: {argument} must have shape {shape}, got {tuple(array.shape)}")


def real(function: str, argument: str, array: Any) -> None:
    """Raise unless the array's dtype is one fastloa takes."""
    kind_of(function, argument, array)
