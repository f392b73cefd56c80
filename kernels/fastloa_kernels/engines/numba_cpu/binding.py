"""Formulas as compiled code calls them: LLVM's instructions, read from their source at one precision.

numba would compile each formula from its bytecode: what it infers there (all is of one type) and writes down took
more than half of the time of every kernel's compilation.
"""

import functools
from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import cgutils, errors, types

from fastloa_kernels.engines.numba_cpu.kinds import NUMBER
from fastloa_kernels.engines.numba_cpu.lowered import Lowered
from fastloa_kernels.engines.numba_cpu.primitives import INSTRUCTIONS
from fastloa_kernels.formulas import resolve
from fastloa_kernels.formulas.reading import read, results_of
from fastloa_kernels.records import Formula

_ARITHMETIC = {"+": "fadd", "-": "fsub", "*": "fmul", "/": "fdiv"}


class Bound(Lowered):
    """`formula` at `dtype` ("float32" or "float64"); compiled code calls it with numbers of that dtype alone."""

    def __init__(self, formula: Formula, dtype: str) -> None:
        self._formula, self._dtype = resolve.version(formula, dtype), dtype
        self._number, self._results = NUMBER[dtype], results_of(formula, dtype)
        super().__init__(f"{formula.__name__} of {dtype}")

    def __reduce__(self) -> tuple[Any, ...]:
        return bind, (self._formula, self._dtype)

    def result(self, arguments: tuple[Any, ...]) -> Any:
        if any(kind != self._number for kind in arguments):
            raise errors.TypingError(f"{self.name} takes numbers of its dtype, got {arguments}")
        return self._number if self._results == 1 else types.UniTuple(self._number, self._results)

    def lower(self, context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        found = self.values(builder, arguments)
        return found[0] if len(found) == 1 else context.make_tuple(builder, signature.return_type, found)

    def values(self, builder: Any, arguments: Any) -> tuple[Any, ...]:
        """LLVM's values for the results, of LLVM's values for the arguments."""
        found = read(self._formula, self._dtype, arguments, _Instructions(builder, self._dtype))
        return found if isinstance(found, tuple) else (found,)


@functools.cache
def bind(formula: Formula, dtype: str) -> Bound:
    """The same for the same formula."""
    return Bound(formula, dtype)


class BoundLoop(Lowered):
    """``loop(numbers, *arrays)`` of ``formula(*leading, *inputs, *parameters)``, the scalars being read from `numbers`.

    The first `inputs` arrays are read, those at `places` are written. All inputs are loaded before the first store, or
    LLVM, fearing aliases, would compute twice.
    """

    def __init__(self, formula: Bound, leading: int, inputs: int, places: tuple[int, ...], parameters: int) -> None:
        self._given = formula, leading, inputs, places, parameters
        super().__init__(f"loop over {formula.name}")

    def __reduce__(self) -> tuple[Any, ...]:
        return BoundLoop, self._given

    def result(self, arguments: tuple[Any, ...]) -> Any:
        return types.void

    def lower(self, context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        formula, leading, inputs, places, parameters = self._given
        numbers, *arrays = arguments
        scalars = [builder.load(cgutils.gep_inbounds(builder, numbers, i)) for i in range(leading + parameters)]
        kinds = signature.args[1:]
        views = [context.make_array(kind)(context, builder, value) for kind, value in zip(kinds, arrays, strict=True)]
        with cgutils.for_range(builder, views[0].nitems) as loop:
            at = [builder.gep(view.data, [loop.index], inbounds=True) for view in views]
            operands = [*scalars[:leading], *map(builder.load, at[:inputs]), *scalars[leading:]]
            for place, value in zip(places, formula.values(builder, operands), strict=True):
                builder.store(value, at[place])
        return context.get_dummy_value()


class _Instructions:
    """A formula's words as LLVM's values. All arms are computed, as vectors need them."""

    def __init__(self, builder: Any, dtype: str) -> None:
        self._builder, self._dtype = builder, dtype
        self._kind, self._scalar = ir.FloatType() if dtype == "float32" else ir.DoubleType(), np.dtype(dtype).type

    def number(self, value: float) -> Any:
        with np.errstate(over="ignore"):
            return ir.Constant(self._kind, float(self._scalar(value)))

    def arithmetic(self, symbol: str, left: Any, right: Any) -> Any:
        return getattr(self._builder, _ARITHMETIC[symbol])(left, right)

    def negative(self, operand: Any) -> Any:
        return self._builder.fneg(operand)

    def comparison(self, symbol: str, left: Any, right: Any) -> Any:
        compare = self._builder.fcmp_unordered if symbol == "!=" else self._builder.fcmp_ordered
        return compare(symbol, left, right)

    def joined(self, symbol: str, conditions: list[Any]) -> Any:
        join = self._builder.and_ if symbol == "and" else self._builder.or_
        return functools.reduce(join, conditions)

    def inverted(self, condition: Any) -> Any:
        return self._builder.not_(condition)

    def chosen(self, condition: Any, chosen: Any, other: Any) -> Any:
        if isinstance(chosen, tuple):
            return tuple(self._builder.select(condition, *pair) for pair in zip(chosen, other, strict=True))
        return self._builder.select(condition, chosen, other)

    def several(self, values: list[Any]) -> Any:
        return tuple(values)

    def parts(self, several: Any, count: int) -> Any:
        return several

    def assigned(self, name: str, value: Any) -> Any:
        return value

    def primitive(self, name: str, arguments: list[Any]) -> Any:
        return INSTRUCTIONS[name](self._builder, *arguments)

    def called(self, formula: Formula, arguments: list[Any]) -> Any:
        return read(formula, self._dtype, arguments, self)
