"""Turns a formula into a function that kernels call, at one precision; in the simulator it runs as plain Python."""

import functools
from typing import Any

from fastloa_kernels.engines.numba_cpu.binding import rebuilt
from fastloa_kernels.engines.numba_cuda.primitives import VERSIONS
from fastloa_kernels.engines.numba_cuda.toolchain import SIMULATED, device
from fastloa_kernels.formulas import resolve
from fastloa_kernels.records import Formula


@functools.cache
def bind(formula: Formula, dtype: str) -> Any:
    """`formula` at `dtype` ("float32" or "float64")."""
    function = rebuilt(formula, dtype, _callee)
    return function if SIMULATED else device(function)


def _callee(function: Any, dtype: str) -> Any:
    return bind(function, dtype) if resolve.is_formula(function) else VERSIONS[dtype][function.__name__]
