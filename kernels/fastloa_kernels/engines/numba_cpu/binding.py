"""Turns a formula into a function that numba compiles at one precision.

A float literal would make float32 work float64, so a formula's code object is rebuilt with typed constants, in a
namespace of its own that holds the formulas it calls, rebuilt likewise.
"""

import functools
import types
from collections.abc import Callable
from typing import Any

import numpy as np

from fastloa_kernels.engines.numba_cpu import primitives  # noqa: F401  (registers the overloads)
from fastloa_kernels.engines.numba_cpu.compilation import jitable
from fastloa_kernels.formulas import resolve
from fastloa_kernels.records import Formula


@functools.cache
def bind(formula: Formula, dtype: str) -> Any:
    """`formula` at `dtype` ("float32" or "float64"), callable from compiled code."""
    # LLVM leaves a formula of some length as a call by its own measure, and a loop with a call in it is not vectorised.
    return jitable(rebuilt(formula, dtype, _callee), forceinline=True)


def _callee(function: Any, dtype: str) -> Any:
    return bind(function, dtype) if resolve.is_formula(function) else function


def rebuilt(formula: Formula, dtype: str, callee: Callable[[Any, str], Any]) -> Formula:
    """`formula` with constants of `dtype`, calling ``callee(function, dtype)`` for each function that it names."""
    formula, scalar = resolve.version(formula, dtype), np.dtype(dtype).type

    def meant(value: Any) -> Any:
        if isinstance(value, types.FunctionType):
            return callee(value, dtype)
        if type(value) is tuple:  # Python makes one constant of a tuple of literals
            return tuple(map(meant, value))
        return scalar(value) if type(value) is float else value

    names = {name: meant(meaning) for name, meaning in resolve.referenced(formula, dtype).items()}
    code = formula.__code__
    closure = tuple(types.CellType(names[name]) for name in code.co_freevars)
    namespace = {"__name__": formula.__module__, "__builtins__": __builtins__, **names}
    typed = code.replace(co_consts=tuple(map(meant, code.co_consts)))
    return types.FunctionType(typed, namespace, formula.__name__, None, closure)
