"""Writes a formula, and every formula it calls, as CUDA C++ functions at one precision.

Every literal is rounded once to the precision at hand, as the CPU engine does.
"""

import collections
import math

import numpy as np

from fastloa_kernels.formulas import resolve
from fastloa_kernels.formulas.reading import Unreadable, arguments_of, read
from fastloa_kernels.records import Formula

SCALAR = {"float32": "float", "float64": "double"}
_JOINTS = {"and": " && ", "or": " || "}


def literal(value: float, dtype: str) -> str:
    """`value`, rounded to `dtype`, as C++ writes exactly that number."""
    with np.errstate(over="ignore"):
        rounded = float(np.dtype(dtype).type(value))
    if math.isnan(rounded):
        return f"fastloa::not_a_number<{SCALAR[dtype]}>()"
    if math.isinf(rounded):
        text = f"fastloa::infinity<{SCALAR[dtype]}>()"
    else:
        mantissa, exponent = abs(rounded).hex().split("p")
        text = f"{mantissa.rstrip('0').rstrip('.')}p{exponent}{'f' if dtype == 'float32' else ''}"
    return f"(-{text})" if math.copysign(1.0, rounded) < 0.0 else text


class Emitter:
    """The functions of one piece of text: each formula once for each precision and number of arguments."""

    def __init__(self) -> None:
        self.functions: list[str] = []
        self._names: dict[tuple[Formula, str, int], str] = {}
        self._open: set[tuple[Formula, str, int]] = set()
        self._given: collections.Counter[str] = collections.Counter()

    def function(self, formula: Formula, dtype: str, arity: int) -> str:
        """The name of the C++ function for `formula`, which is written first if it is not there yet."""
        formula = resolve.version(formula, dtype)
        key = (formula, dtype, arity)
        if key in self._open:
            raise Unreadable(f"formula {formula.__name__!r} calls itself")
        if key not in self._names:
            self._open.add(key)
            name = self._unused(f"{'f32' if dtype == 'float32' else 'f64'}_{formula.__name__}")
            self.functions.append(self._written(formula, dtype, arity, name))
            self._names[key] = name
            self._open.remove(key)
        return self._names[key]

    def _unused(self, name: str) -> str:
        """Formulas of equal name, such as those of other forms, are numbered."""
        self._given[name] += 1
        return name if self._given[name] == 1 else f"{name}__{self._given[name]}"

    def _written(self, formula: Formula, dtype: str, arity: int, name: str) -> str:
        arguments = [_spelled(argument) for argument in arguments_of(formula, arity)]
        words = _Text(self, dtype, arguments)
        result = read(formula, dtype, arguments, words)
        typed = ", ".join(f"{SCALAR[dtype]} {argument}" for argument in arguments)
        body = "\n".join(f"  {line}" for line in (*words.lines, f"return {result};"))
        return f"static __device__ __forceinline__ auto {name}({typed}) {{\n{body}\n}}"

    @property
    def text(self) -> str:
        return "\n".join(self.functions)


class _Text:
    """A formula's words as C++ writes them, and the lines before the one that returns."""

    def __init__(self, emitter: Emitter, dtype: str, arguments: list[str]) -> None:
        self.lines: list[str] = []
        self._emitter, self._dtype, self._scalar = emitter, dtype, SCALAR[dtype]
        self._known, self._count = set(arguments), 0

    def number(self, value: float) -> str:
        return literal(value, self._dtype)

    def arithmetic(self, symbol: str, left: str, right: str) -> str:
        return f"({left} {symbol} {right})"

    comparison = arithmetic

    def negative(self, operand: str) -> str:
        return f"(-{operand})"

    def inverted(self, condition: str) -> str:
        return f"(!{condition})"

    def joined(self, symbol: str, conditions: list[str]) -> str:
        return f"({_JOINTS[symbol].join(conditions)})"

    def chosen(self, condition: str, chosen: str, other: str) -> str:
        return f"fastloa::either({condition}, {chosen}, {other})"

    def several(self, values: list[str]) -> str:
        return f"fastloa::Values<{self._scalar}, {len(values)}>{{{', '.join(values)}}}"

    def parts(self, several: str, count: int) -> list[str]:
        self._count += 1
        whole = f"values_{self._count}"
        self.lines.append(f"const auto {whole} = {several};")
        return [f"{whole}.at[{i}]" for i in range(count)]

    def assigned(self, name: str, value: str) -> str:
        spelled = _spelled(name)
        self.lines.append(f"{'' if spelled in self._known else 'auto '}{spelled} = {value};")
        self._known.add(spelled)
        return spelled

    def primitive(self, name: str, arguments: list[str]) -> str:
        return f"fastloa::primitives::{'absolute' if name == 'abs' else name}({', '.join(arguments)})"

    def called(self, formula: Formula, arguments: list[str]) -> str:
        return f"{self._emitter.function(formula, self._dtype, len(arguments))}({', '.join(arguments)})"


def _spelled(name: str) -> str:
    return f"{name}_"  # so that no local name is a word of C++
