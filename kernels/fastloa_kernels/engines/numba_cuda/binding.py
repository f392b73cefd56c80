"""Turns a formula into a function that kernels call, at one precision; in the simulator it runs as plain Python.

A float literal would make float32 work float64, so a formula's code object is rebuilt with typed constants, in a
namespace of its own that holds the formulas it calls, rebuilt likewise.
"""

import functools
import types
from typing import Any

import numpy as np

from fastloa_kernels.engines.numba_cuda.primitives import VERSIONS
from fastloa_kernels.engines.numba_cuda.toolchain import SIMULATED, device
from fastloa_kernels.formulas import resolve
from fastloa_kernels.records import Formula


@functools.cache
def bind(formula: Formula, dtype: str) -> Any:
    """`formula` at `dtype` ("float32" or "float64")."""
    function = _rebuilt(formula, dtype)
    return function if SIMULATED else device(function)


def _rebuilt(formula: Formula, dtype: str) -> Formula:
    formula, scalar = resolve.version(formula, dtype), np.dtype(dtype).type

    def meant(value: Any) -> Any:
        if isinstance(value, types.FunctionType):
            return bind(value, dtype) if resolve.is_formula(value) else VERSIONS[dtype][value.__name__]
        if type(value) is tuple:  # Python makes one constant of a tuple of literals
            return tuple(map(meant, value))
        return scalar(value) if type(value) is float else value

    names = {name: meant(meaning) for name, meaning in resolve.referenced(formula, dtype).items()}
    code = formula.__code__
    closure = tuple(types.CellType(names[name]) for name in code.co_freevars)
    namespace = {"__name__": formula.__module__, "__builtins__": __builtins__, **names}
    typed = code.replace(co_consts=tuple(map(meant, code.co_consts)))
    return types.FunctionType(typed, namespace, formula.__name__, None, closure)
