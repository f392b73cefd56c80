"""A subject: what is computed of which arrays, and what it should give; and references of arrays made of others.

Parameters are taken in the dtype of the arrays, as the library does: a slope of 0.01 in float32 is the float32 next to
0.01.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
from mpmath import mp, mpf

from tests.harness import PRECISION, exact


@dataclass(frozen=True, eq=False)
class Output:
    """One result: its reference ``(arrays, dtype) -> numbers``, the ulp it may be off, and of what size these are."""

    reference: Callable[..., Any]
    allowed: Mapping[str, float]
    scale: Callable[..., Any] | None = None


@dataclass(frozen=True, eq=False)
class Subject:
    """One form of one operation with one set of options: ``call(*operands, **more)`` and what it should give.

    `buffers` names the arguments that results can be written to. `rows` says that the results of a row belong together,
    `whole` that they depend on all operands.
    """

    operation: str
    form: str
    call: Callable[..., Any]
    outputs: tuple[Output, ...]
    sample: Callable[[str], tuple[np.ndarray, ...]]
    buffers: tuple[str, ...] = ("out",)
    options: Mapping[str, Any] = field(default_factory=dict)
    rows: bool = False
    whole: bool = False

    def __str__(self):
        return "-".join((self.operation, self.form, *(f"{key}={value}" for key, value in self.options.items())))

    def operands(self, dtype):
        """Give the same operands every time, and to all subjects that draw them alike."""
        return _operands(self.sample, dtype)

    def exact(self, dtype):
        """Give the references of the operands."""
        return tuple(_exact(output, self.sample, dtype) for output in self.outputs)


@cache
def _operands(sample, dtype):
    arrays = sample(dtype)
    for array in arrays:
        array.flags.writeable = False
    return arrays


@cache
def _exact(output, sample, dtype):
    """Compute a reference once for all forms that give the result of the same operands."""
    arrays = _operands(sample, dtype)
    with mp.workprec(PRECISION[dtype]):
        values, scales = output.reference(arrays, dtype), output.scale and output.scale(arrays, dtype)
    shape = arrays[0].shape if len(values) == arrays[0].size else arrays[0].shape[:-1]  # one for each row
    return exact(values, dtype, shape, scales)


def rounded(options, dtype):
    """Give options with their numbers as the dtype has them; words and None stay."""
    return {k: mpf(float(np.dtype(dtype).type(v))) if isinstance(v, float) else v for k, v in options.items()}


def lifted(function, options):
    """Make a reference of arrays of one of numbers."""

    def reference(arrays, dtype):
        given, elements = rounded(options, dtype), zip(*(a.tolist() for a in arrays), strict=True)
        return [function(*map(mpf, element), **given) for element in elements]

    return reference


RESULTS = {
    "value": (("out", ""),),
    "grad": (("grad_out", "_derivative"),),
    "value_and_grad": (("out", ""), ("grad_out", "_derivative")),
    "grad_and_hess": (("grad_out", "_derivative"), ("hess_out", "_second")),
}


def form_of(operation, form):
    return operation if form == "value" else getattr(operation, form)


def by_row(function):
    """Make a reference of matrices of one of rows."""

    def reference(arrays, dtype):
        rows = zip(*([[mpf(x) for x in row] for row in a.tolist()] for a in arrays), strict=True)
        return [result for row in rows for result in function(*row)]

    return reference
