"""Reads a formula from its source for an engine, which says in a language of its own what stands there.

The arithmetic is the same in the same order: Python folds constant expressions in float64 before a formula ever runs,
so that is done here too.
"""

import ast
import functools
import inspect
import operator
import textwrap
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

from fastloa_kernels.formulas import resolve
from fastloa_kernels.records import Formula

Word = TypeVar("Word")

_ARITHMETIC: dict[type, tuple[str, Callable[[Any, Any], Any]]] = {
    ast.Add: ("+", operator.add),
    ast.Sub: ("-", operator.sub),
    ast.Mult: ("*", operator.mul),
    ast.Div: ("/", operator.truediv),
}
_COMPARISONS = {ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!="}


class Unreadable(TypeError):
    """A formula holds something that no engine has a counterpart for."""


class Language(Protocol[Word]):
    """How an engine says what a formula may hold. A word is a number, a condition, or several numbers."""

    def number(self, value: float) -> Word:
        """Say a constant, which is float64 and to be rounded."""
        ...

    def arithmetic(self, symbol: str, left: Word, right: Word) -> Word:
        """``left symbol right`` of ``+ - * /``."""
        ...

    def negative(self, operand: Word) -> Word:
        """``-operand``."""
        ...

    def comparison(self, symbol: str, left: Word, right: Word) -> Word:
        """``left symbol right``; NaN compares as in Python."""
        ...

    def joined(self, symbol: str, conditions: list[Word]) -> Word:
        """Conditions with ``and`` or ``or`` between."""
        ...

    def inverted(self, condition: Word) -> Word:
        """``not condition``."""
        ...

    def chosen(self, condition: Word, chosen: Word, other: Word) -> Word:
        """``chosen if condition else other``."""
        ...

    def several(self, values: list[Word]) -> Word:
        """Numbers together."""
        ...

    def parts(self, several: Word, count: int) -> list[Word]:
        """Give those numbers one by one."""
        ...

    def assigned(self, name: str, value: Word) -> Word:
        """What stands for a local name from here on."""
        ...

    def primitive(self, name: str, arguments: list[Word]) -> Word:
        """One of `resolve.PRIMITIVES`, or ``abs``."""
        ...

    def called(self, formula: Formula, arguments: list[Word]) -> Word:
        """Another formula's result."""
        ...


def read(formula: Formula, dtype: str, arguments: Sequence[Word], language: Language[Word]) -> Word:
    """What `formula` returns at `dtype` for these arguments."""
    return _Reading(formula, dtype, language).result_of(arguments)


def arguments_of(formula: Formula, arity: int) -> list[str]:
    """What a formula's arguments are called where there are so many; those of its star argument are numbered."""
    tree = parsed(formula)
    arguments = tree.args
    if arguments.kwonlyargs or arguments.kwarg or arguments.defaults:
        raise _error(formula, tree, "takes positional arguments only, without defaults")
    named = [argument.arg for argument in (*arguments.posonlyargs, *arguments.args)]
    extra = arity - len(named)
    if extra < 0 or (extra and arguments.vararg is None):
        raise _error(formula, tree, f"takes {len(named)} arguments, and is called with {arity}")
    return named + [f"{arguments.vararg.arg}{i}" for i in range(extra) if arguments.vararg]


def results_of(formula: Formula, dtype: str) -> int:
    """How many numbers a formula returns."""
    formula = resolve.version(formula, dtype)
    returned = next((node.value for node in parsed(formula).body if isinstance(node, ast.Return)), None)
    while isinstance(returned, ast.IfExp):
        returned = returned.body
    if isinstance(returned, ast.Tuple):
        return len(returned.elts)
    if isinstance(returned, ast.Call) and isinstance(returned.func, ast.Name):
        meaning: Any = _referenced(formula, dtype).get(returned.func.id)
        return results_of(meaning, dtype) if resolve.is_formula(meaning) else 1
    return 1


@functools.cache
def parsed(formula: Formula) -> ast.FunctionDef:
    try:
        source = getattr(formula, "text", None) or textwrap.dedent(inspect.getsource(formula))
        tree = ast.parse(source)
    except (OSError, SyntaxError) as error:
        raise Unreadable(f"formula {formula.__name__!r} has no readable source: {error}") from None
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.name == formula.__name__:
            return node
    raise Unreadable(f"formula {formula.__name__!r} must be written with def, in a file that stays as it was imported")


_referenced = functools.cache(resolve.referenced)


def _error(formula: Formula, node: ast.AST, reason: str) -> Unreadable:
    code = formula.__code__
    line = code.co_firstlineno + getattr(node, "lineno", 1) - 1
    return Unreadable(f"formula {formula.__name__!r}, {code.co_filename}:{line}: {reason}")


class _Reading:
    """One formula, read from its first line to its last."""

    def __init__(self, formula: Formula, dtype: str, language: Any) -> None:
        self._formula, self._dtype, self._language = formula, dtype, language
        self._tree = parsed(formula)
        self._locals: dict[str, Any] = {}
        self._starred: list[Any] = []

    def result_of(self, arguments: Sequence[Any]) -> Any:
        names = arguments_of(self._formula, len(arguments))
        fixed = len(self._tree.args.posonlyargs) + len(self._tree.args.args)
        self._locals.update(zip(names[:fixed], arguments[:fixed], strict=True))
        self._starred = list(arguments[fixed:])
        for statement in self._tree.body:
            if isinstance(statement, ast.Return) and statement.value is not None:
                return self._result(statement.value)
            self._assignment(statement)
        raise self._error(self._tree, "returns nothing")

    def _error(self, node: ast.AST, reason: str) -> Unreadable:
        return _error(self._formula, node, reason)

    def _meaning(self, name: str) -> Any:
        try:
            return _referenced(self._formula, self._dtype).get(name)
        except KeyError as missing:
            raise self._error(self._tree, f"{missing} is not defined") from None

    def _assignment(self, node: ast.stmt) -> None:
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            return
        target = node.targets[0] if isinstance(node, ast.Assign) and len(node.targets) == 1 else None
        if isinstance(node, ast.Assign) and isinstance(target, ast.Name):
            self._assign(target.id, self._expression(node.value))
        elif isinstance(node, ast.Assign) and isinstance(target, ast.Tuple):
            for element in target.elts:
                if not isinstance(element, ast.Name):
                    raise self._error(element, f"{ast.unparse(element)!r} is not a local name")
            names = [element.id for element in target.elts if isinstance(element, ast.Name)]
            parts = self._language.parts(self._result(node.value), len(names))
            for name, part in zip(names, parts, strict=True):
                if name != "_":
                    self._assign(name, part)
        else:
            text = ast.unparse(node).splitlines()[0]
            raise self._error(node, f"{text!r} is not a return or an assignment to local names")

    def _assign(self, name: str, value: Any) -> None:
        self._locals[name] = self._language.assigned(name, value)

    def _result(self, node: ast.expr) -> Any:
        """An expression, or several of them together, or a choice between such."""
        if isinstance(node, ast.Tuple):
            return self._language.several([self._expression(element) for element in node.elts])
        if isinstance(node, ast.IfExp):
            return self._language.chosen(
                self._expression(node.test), self._result(node.body), self._result(node.orelse)
            )
        return self._expression(node)

    def _expression(self, node: ast.expr) -> Any:
        value = _constant(node)
        if type(value) is float:
            return self._language.number(value)
        if isinstance(node, ast.Name):
            return self._name(node)
        if isinstance(node, ast.BinOp) and type(node.op) in _ARITHMETIC:
            symbol = _ARITHMETIC[type(node.op)][0]
            return self._language.arithmetic(symbol, self._expression(node.left), self._expression(node.right))
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            return self._language.negative(self._expression(node.operand))
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            return self._language.inverted(self._expression(node.operand))
        if isinstance(node, ast.IfExp):
            return self._result(node)
        if isinstance(node, ast.Compare):
            return self._compared(node)
        if isinstance(node, ast.BoolOp):
            symbol = "and" if isinstance(node.op, ast.And) else "or"
            return self._language.joined(symbol, [self._expression(one) for one in node.values])
        if isinstance(node, ast.Call):
            return self._called(node)
        raise self._error(node, f"{ast.unparse(node)!r} is nothing that a formula may hold")

    def _name(self, node: ast.Name) -> Any:
        if node.id in self._locals:
            return self._locals[node.id]
        meaning = self._meaning(node.id)
        if type(meaning) is float:
            return self._language.number(meaning)
        raise self._error(node, f"{node.id!r} is neither a local name nor a float constant")

    def _compared(self, node: ast.Compare) -> Any:
        if any(type(comparison) not in _COMPARISONS for comparison in node.ops):
            raise self._error(node, f"{ast.unparse(node)!r} is not a comparison of numbers")
        operands = [self._expression(operand) for operand in (node.left, *node.comparators)]
        symbols = [_COMPARISONS[type(comparison)] for comparison in node.ops]
        pairs = zip(symbols, operands, operands[1:], strict=False)
        parts = [self._language.comparison(symbol, left, right) for symbol, left, right in pairs]
        return parts[0] if len(parts) == 1 else self._language.joined("and", parts)

    def _called(self, node: ast.Call) -> Any:
        if not isinstance(node.func, ast.Name) or node.keywords:
            raise self._error(node, f"{ast.unparse(node)!r} is not a call by bare name with positional arguments")
        arguments: list[Any] = []
        for argument in node.args:
            if isinstance(argument, ast.Starred):
                star = self._tree.args.vararg
                if not isinstance(argument.value, ast.Name) or star is None or argument.value.id != star.arg:
                    raise self._error(node, f"{ast.unparse(argument)!r} is not the formula's own star argument")
                arguments.extend(self._starred)
            else:
                arguments.append(self._expression(argument))
        name = node.func.id
        meaning = self._meaning(name)
        if meaning is abs:
            return self._language.primitive("abs", arguments)
        for primitive, definition in resolve.PRIMITIVES.items():
            if meaning is definition:
                return self._language.primitive(primitive, arguments)
        if resolve.is_formula(meaning):
            return self._language.called(meaning, arguments)
        raise self._error(node, f"{name!r} is neither a formula nor a primitive")


def _constant(node: ast.expr) -> float | int | None:
    """The value of a constant expression, as Python's own compiler folds it; None for any other."""
    if isinstance(node, ast.Constant):
        return node.value if type(node.value) in (float, int) else None  # type: ignore[return-value]
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        value = _constant(node.operand)
        return None if value is None else -value
    if isinstance(node, ast.BinOp) and (isinstance(node.op, ast.Pow) or type(node.op) in _ARITHMETIC):
        left, right = _constant(node.left), _constant(node.right)
        if left is not None and right is not None:
            fold = operator.pow if isinstance(node.op, ast.Pow) else _ARITHMETIC[type(node.op)][1]
            try:
                folded: float | int = fold(left, right)
            except ArithmeticError:  # left to run time, as by Python
                return None
            return folded
    return None
