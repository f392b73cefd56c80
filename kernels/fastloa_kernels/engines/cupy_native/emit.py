"""Writes a formula, and every formula it calls, as CUDA C++ functions at one precision.

The text is the same arithmetic in the same order: Python folds constant expressions in float64 before a formula ever
runs, so that is done here too; every literal is rounded once to the precision at hand, as the CPU engine does.
"""

import ast
import collections
import functools
import inspect
import math
import operator
import textwrap
from collections.abc import Callable
from typing import Any

import numpy as np

from fastloa_kernels.formulas import resolve
from fastloa_kernels.records import Formula

SCALAR = {"float32": "float", "float64": "double"}

_OPERATORS: dict[type, tuple[str, Callable[[Any, Any], Any]]] = {
    ast.Add: ("+", operator.add),
    ast.Sub: ("-", operator.sub),
    ast.Mult: ("*", operator.mul),
    ast.Div: ("/", operator.truediv),
}
_COMPARISONS = {ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!="}


class EmitError(TypeError):
    """A formula holds something that has no counterpart in the emitted text."""


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
            raise EmitError(f"formula {formula.__name__!r} calls itself")
        if key not in self._names:
            self._open.add(key)
            name = self._unused(f"{'f32' if dtype == 'float32' else 'f64'}_{formula.__name__}")
            body = _Body(self, formula, dtype, arity)
            self.functions.append(body.text(name))
            self._names[key] = name
            self._open.remove(key)
        return self._names[key]

    def _unused(self, name: str) -> str:
        """Formulas of equal name, such as those of other forms, are numbered."""
        self._given[name] += 1
        return name if self._given[name] == 1 else f"{name}__{self._given[name]}"

    @property
    def text(self) -> str:
        return "\n".join(self.functions)


def _parsed(formula: Formula) -> ast.FunctionDef:
    try:
        source = getattr(formula, "text", None) or textwrap.dedent(inspect.getsource(formula))
        tree = ast.parse(source)
    except (OSError, SyntaxError) as error:
        raise EmitError(f"formula {formula.__name__!r} has no readable source: {error}") from None
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.name == formula.__name__:
            return node
    raise EmitError(f"formula {formula.__name__!r} must be written with def, in a file that stays as it was imported")


class _Body:
    """One formula on its way to text."""

    def __init__(self, emitter: Emitter, formula: Formula, dtype: str, arity: int) -> None:
        self._emitter, self._formula, self._dtype = emitter, formula, dtype
        self._scalar = SCALAR[dtype]
        self._tree = _parsed(formula)
        self._locals: set[str] = set()
        self._star: str | None = None
        self._starred: list[str] = []
        self._count = 0
        self._arguments = self._bind_arguments(arity)

    @functools.cached_property
    def _names(self) -> dict[str, Any]:
        try:
            return resolve.referenced(self._formula, self._dtype)
        except KeyError as missing:
            raise self._error(self._tree, f"{missing} is not defined") from None

    def text(self, name: str) -> str:
        lines = [line for statement in self._tree.body for line in self._statement(statement)]
        arguments = ", ".join(f"{self._scalar} {argument}" for argument in self._arguments)
        body = "\n".join(f"  {line}" for line in lines)
        return f"static __device__ __forceinline__ auto {name}({arguments}) {{\n{body}\n}}"

    def _bind_arguments(self, arity: int) -> list[str]:
        arguments = self._tree.args
        if arguments.kwonlyargs or arguments.kwarg or arguments.defaults:
            raise self._error(self._tree, "takes positional arguments only, without defaults")
        named = [argument.arg for argument in (*arguments.posonlyargs, *arguments.args)]
        extra = arity - len(named)
        if extra < 0 or (extra and arguments.vararg is None):
            raise self._error(self._tree, f"takes {len(named)} arguments, and is called with {arity}")
        if arguments.vararg is not None:
            self._star = arguments.vararg.arg
            self._starred = [_spelled(f"{self._star}{i}") for i in range(extra)]
        self._locals.update(named)
        return [_spelled(name) for name in named] + self._starred

    def _error(self, node: ast.AST, reason: str) -> EmitError:
        code = self._formula.__code__
        line = code.co_firstlineno + getattr(node, "lineno", 1) - 1
        return EmitError(f"formula {self._formula.__name__!r}, {code.co_filename}:{line}: {reason}")

    def _statement(self, node: ast.stmt) -> list[str]:
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            return []
        if isinstance(node, ast.Return) and node.value is not None:
            return [f"return {self._result(node.value)};"]
        if isinstance(node, ast.Assign) and len(node.targets) == 1:
            target = node.targets[0]
            if isinstance(target, ast.Name):
                value = self._expression(node.value)
                return [self._assigned(target.id, value)]
            if isinstance(target, ast.Tuple):
                return self._unpacked(target, node.value)
        raise self._error(
            node, f"{ast.unparse(node).splitlines()[0]!r} is not a return or an assignment to local names"
        )

    def _assigned(self, name: str, value: str) -> str:
        known = name in self._locals
        self._locals.add(name)
        return f"{'' if known else 'auto '}{_spelled(name)} = {value};"

    def _unpacked(self, target: ast.Tuple, value: ast.expr) -> list[str]:
        names = []
        for element in target.elts:
            if not isinstance(element, ast.Name):
                raise self._error(element, f"{ast.unparse(element)!r} is not a local name")
            names.append(element.id)
        self._count += 1
        whole = f"values_{self._count}"
        lines = [f"const auto {whole} = {self._result(value)};"]
        return lines + [self._assigned(name, f"{whole}.at[{i}]") for i, name in enumerate(names) if name != "_"]

    def _result(self, node: ast.expr) -> str:
        """An expression, or several of them together, or a choice between such."""
        if isinstance(node, ast.Tuple):
            values = ", ".join(self._expression(element) for element in node.elts)
            return f"fastloa::Values<{self._scalar}, {len(node.elts)}>{{{values}}}"
        if isinstance(node, ast.IfExp):
            arms = ", ".join((self._expression(node.test), self._result(node.body), self._result(node.orelse)))
            return f"fastloa::either({arms})"
        return self._expression(node)

    def _expression(self, node: ast.expr) -> str:
        value = _folded(node)
        if value is not None:
            return literal(value, self._dtype)
        if isinstance(node, ast.Name):
            return self._name(node)
        if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
            symbol = _OPERATORS[type(node.op)][0]
            return f"({self._expression(node.left)} {symbol} {self._expression(node.right)})"
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.Not):
            return f"({'-' if isinstance(node.op, ast.USub) else '!'}{self._expression(node.operand)})"
        if isinstance(node, ast.IfExp):
            return self._result(node)
        if isinstance(node, ast.Compare):
            return self._compared(node)
        if isinstance(node, ast.BoolOp):
            symbol = " && " if isinstance(node.op, ast.And) else " || "
            return f"({symbol.join(map(self._expression, node.values))})"
        if isinstance(node, ast.Call):
            return self._called(node)
        raise self._error(node, f"{ast.unparse(node)!r} has no counterpart in CUDA C++")

    def _name(self, node: ast.Name) -> str:
        if node.id in self._locals:
            return _spelled(node.id)
        meaning = self._names.get(node.id)
        if type(meaning) is float:
            return literal(meaning, self._dtype)
        raise self._error(node, f"{node.id!r} is neither a local name nor a float constant")

    def _compared(self, node: ast.Compare) -> str:
        if any(type(comparison) not in _COMPARISONS for comparison in node.ops):
            raise self._error(node, f"{ast.unparse(node)!r} is not a comparison of numbers")
        operands = [self._expression(operand) for operand in (node.left, *node.comparators)]
        symbols = [_COMPARISONS[type(comparison)] for comparison in node.ops]
        parts = [f"({operands[i]} {symbol} {operands[i + 1]})" for i, symbol in enumerate(symbols)]
        return parts[0] if len(parts) == 1 else f"({' && '.join(parts)})"

    def _called(self, node: ast.Call) -> str:
        if not isinstance(node.func, ast.Name) or node.keywords:
            raise self._error(node, f"{ast.unparse(node)!r} is not a call by bare name with positional arguments")
        arguments = []
        for argument in node.args:
            if isinstance(argument, ast.Starred):
                if not isinstance(argument.value, ast.Name) or argument.value.id != self._star:
                    raise self._error(node, f"{ast.unparse(argument)!r} is not the formula's own star argument")
                arguments.extend(self._starred)
            else:
                arguments.append(self._expression(argument))
        return f"{self._callee(node, node.func.id, len(arguments))}({', '.join(arguments)})"

    def _callee(self, node: ast.Call, name: str, arity: int) -> str:
        meaning: Any = self._names.get(name)
        if meaning is abs:
            return "fastloa::primitives::absolute"
        for primitive, definition in resolve.PRIMITIVES.items():
            if meaning is definition:
                return f"fastloa::primitives::{primitive}"
        if resolve.is_formula(meaning):
            return self._emitter.function(meaning, self._dtype, arity)
        raise self._error(node, f"{name!r} is neither a formula nor a primitive")


def _spelled(name: str) -> str:
    return f"{name}_"  # so that no local name is a word of C++


def _folded(node: ast.expr) -> float | None:
    """The value of a constant expression, as Python's own compiler folds it; None for any other."""
    value = _constant(node)
    return value if type(value) is float else None


def _constant(node: ast.expr) -> float | int | None:
    if isinstance(node, ast.Constant):
        return node.value if type(node.value) in (float, int) else None  # type: ignore[return-value]
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        value = _constant(node.operand)
        return None if value is None else -value
    if isinstance(node, ast.BinOp) and (isinstance(node.op, ast.Pow) or type(node.op) in _OPERATORS):
        left, right = _constant(node.left), _constant(node.right)
        if left is not None and right is not None:
            fold = operator.pow if isinstance(node.op, ast.Pow) else _OPERATORS[type(node.op)][1]
            try:
                folded: float | int = fold(left, right)
            except ArithmeticError:  # left to run time, as by Python
                return None
            return folded
    return None
