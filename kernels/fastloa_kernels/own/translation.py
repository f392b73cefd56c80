"""Translates a function of Python numbers to an expression: its source is followed as Python would run it.

Calls of other functions are followed into them, and both arms of an ``if`` are, so that what comes out holds no names
but the arguments', no statements and no truth values: only arithmetic, known functions and choices.
"""

import ast
import inspect
import numbers
import types
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from fastloa_kernels.own.calls import KNOWN, LIBRARIES, find
from fastloa_kernels.own.expressions import Graph, Node
from fastloa_kernels.own.reading import Source, parameters_of

Names: TypeAlias = dict[str, Any]  # of a local name the Node, Truth or tuple; None where only some paths set it

LONGEST = 10_000  # statements and calls that a formula may come to
OPERATORS: dict[type, Callable[..., Node]] = {
    ast.Add: Graph.add, ast.Sub: Graph.subtract, ast.Mult: Graph.multiply, ast.Div: Graph.divide, ast.Pow: Graph.power,
}  # fmt: skip
INSTEAD = {
    ast.FloorDiv: "math.floor(a / b)", ast.Mod: "a - b * math.floor(a / b)", ast.MatMult: "a product of numbers",
    ast.BitAnd: "and", ast.BitOr: "or", ast.BitXor: "!=",
}  # fmt: skip
SYMBOLS = {ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!="}
STATEMENTS = "hold assignments, if and return, and neither loops nor anything else"
EXPRESSIONS = "be arithmetic, comparisons, a if c else b, or calls of known functions, all of plain numbers"


@dataclass(frozen=True)
class Truth:
    """A truth value, by what it chooses: ``choose(chosen, other)``."""

    choose: Callable[[Node, Node], Node]


class Translator:
    """Follows one formula into all that it calls."""

    def __init__(self, operation: str, graph: Graph) -> None:
        self.operation, self.graph = operation, graph
        self._steps, self._open = 0, list[Any]()

    def expression(self, function: Any, what: str = "formula") -> Node:
        """The expression of its arguments that a function is; errors call it `what`."""
        source = Source(self.operation, function, what)
        names = {name: self.graph.argument(name) for name in parameters_of(function)}
        try:
            return self.number(source, source.tree, self.run(source, names))
        except RecursionError:
            raise source.error(source.tree, "be less deeply nested: sums of hundreds of terms go in parts") from None

    def run(self, source: Source, names: Names) -> Any:
        """What the function returns for its arguments."""
        self._open.append(source.function)
        found = self._block(source, source.tree.body, names)
        self._open.pop()
        if found is None:
            raise source.error(source.tree, "return a number on every path")
        return found

    def _block(self, source: Source, statements: list[ast.stmt], names: Names) -> Any:
        """What the statements return, or None where they come to their end; `names` is written to."""
        for i, statement in enumerate(statements):
            self._count(source, statement)
            if isinstance(statement, ast.Return) and statement.value is not None:
                return self.value(source, statement.value, names)
            if isinstance(statement, ast.If):
                test = self.truth(source, statement.test, names)
                returns = any(isinstance(part, ast.Return) for part in ast.walk(statement))
                rest = statements[i + 1 :] if returns else []
                arms = dict(names), dict(names)
                found = [
                    self._block(source, body + rest, arm)
                    for body, arm in zip((statement.body, statement.orelse), arms, strict=True)
                ]
                if returns:
                    return None if None in found else self._either(source, statement, test, *found)
                for name in {**arms[0], **arms[1]}:
                    kept = [arm.get(name) for arm in arms]
                    names[name] = None if None in kept else self._once(self._either(source, statement, test, *kept))
            elif not self._is_idle(statement):
                self._assign(source, statement, names)
        return None

    def _count(self, source: Source, node: Any) -> None:
        self._steps += 1
        if self._steps > LONGEST:
            raise source.error(node, f"come to at most {LONGEST} statements and calls")

    @staticmethod
    def _is_idle(statement: ast.stmt) -> bool:
        text = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
        declared = isinstance(statement, ast.AnnAssign) and statement.value is None
        return text or declared or isinstance(statement, ast.Pass)

    def _assign(self, source: Source, statement: ast.stmt, names: Names) -> None:
        if isinstance(statement, ast.Assign):
            value = self.value(source, statement.value, names)
            for target in statement.targets:
                self._bind(source, target, value, names)
        elif isinstance(statement, ast.AnnAssign) and statement.value is not None:
            self._bind(source, statement.target, self.value(source, statement.value, names), names)
        elif isinstance(statement, ast.AugAssign) and isinstance(statement.target, ast.Name):
            before = ast.copy_location(ast.Name(statement.target.id, ast.Load()), statement)
            whole = ast.copy_location(ast.BinOp(before, statement.op, statement.value), statement)
            self._bind(source, statement.target, self.value(source, whole, names), names)
        else:
            raise source.error(statement, STATEMENTS)

    def _bind(self, source: Source, target: ast.expr, value: Any, names: Names) -> None:
        if isinstance(target, ast.Name):
            names[target.id] = self._once(value)
            if isinstance(value, Node) and value.operands:
                self.graph.names.setdefault(value, target.id)
        elif isinstance(target, ast.Tuple | ast.List) and isinstance(value, tuple) and len(target.elts) == len(value):
            for one, part in zip(target.elts, value, strict=True):
                self._bind(source, one, part, names)
        else:
            raise source.error(target, "assign to local names, as many as there are values")

    def _once(self, value: Any) -> Any:
        """A truth value as one expression, which names may use again and again; anything else as it is."""
        if not isinstance(value, Truth):
            return value
        zero = self.graph.constant(0.0)
        return self._comparison("!=", value.choose(self.graph.one, zero), zero)

    def _either(self, source: Source, node: ast.AST, test: Truth, chosen: Any, other: Any) -> Any:
        """``chosen if test else other`` of numbers, truth values or several of them."""
        if isinstance(chosen, Truth) and isinstance(other, Truth):
            return Truth(lambda a, b: test.choose(chosen.choose(a, b), other.choose(a, b)))
        if isinstance(chosen, tuple) and isinstance(other, tuple) and len(chosen) == len(other):
            return tuple(self._either(source, node, test, a, b) for a, b in zip(chosen, other, strict=True))
        return test.choose(self.number(source, node, chosen), self.number(source, node, other))

    def number(self, source: Source, node: ast.AST, value: Any) -> Node:
        """A value as a number; a truth value is 1 or 0."""
        if isinstance(value, Truth):
            return value.choose(self.graph.one, self.graph.constant(0.0))
        if isinstance(value, Node):
            return value
        raise source.error(node, "be one number, not several")

    def value(self, source: Source, node: ast.expr, names: Names) -> Any:
        """The Node, Truth or tuple that an expression is."""
        if isinstance(node, ast.Constant):
            return self._constant(source, node, node.value)
        if isinstance(node, ast.Name | ast.Attribute):
            return self._named(source, node, names)
        if isinstance(node, ast.BinOp):
            if type(node.op) not in OPERATORS:
                instead = INSTEAD.get(type(node.op), "+ - * / **")
                raise source.error(node, f"use + - * / or **, such as {instead}")
            left, right = (self._operand(source, operand, names) for operand in (node.left, node.right))
            return OPERATORS[type(node.op)](self.graph, left, right)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
            operand = self._operand(source, node.operand, names)
            return self.graph.negative(operand) if isinstance(node.op, ast.USub) else operand
        if isinstance(node, ast.IfExp):
            test = self.truth(source, node.test, names)
            return self._either(source, node, test, *(self.value(source, a, names) for a in (node.body, node.orelse)))
        if isinstance(node, ast.Compare | ast.BoolOp) or (
            isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not)
        ):
            return self.truth(source, node, names)
        if isinstance(node, ast.Tuple):
            return tuple(self.value(source, element, names) for element in node.elts)
        if isinstance(node, ast.Call):
            return self._called(source, node, names)
        raise source.error(node, EXPRESSIONS)

    def _operand(self, source: Source, node: ast.expr, names: Names) -> Node:
        return self.number(source, node, self.value(source, node, names))

    def truth(self, source: Source, node: ast.expr, names: Names) -> Truth:
        """An expression as a truth value."""
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            inner = self.truth(source, node.operand, names)
            return Truth(lambda a, b: inner.choose(b, a))
        if isinstance(node, ast.BoolOp):
            parts = [self.value(source, part, names) for part in node.values]
            if not all(isinstance(part, Truth) for part in parts):
                raise source.error(node, "join comparisons, as in x > 0.0 and x < 1.0")
            return _all(parts) if isinstance(node.op, ast.And) else _any(parts)
        if isinstance(node, ast.Compare):
            return self._compared(source, node, names)
        value = self.value(source, node, names)
        if isinstance(value, Truth):
            return value
        return self._comparison("!=", self.number(source, node, value), self.graph.constant(0.0))

    def _compared(self, source: Source, node: ast.Compare, names: Names) -> Truth:
        if any(type(comparison) not in SYMBOLS for comparison in node.ops):
            raise source.error(node, "compare numbers by < <= > >= == or !=")
        operands = [self._operand(source, operand, names) for operand in (node.left, *node.comparators)]
        found = []
        for i, comparison in enumerate(node.ops):
            if operands[i] is operands[i + 1] and operands[i].kind != "constant":
                raise source.error(
                    node, "compare two different numbers: NaN in an element is NaN in its result in any case"
                )
            found.append(self._comparison(SYMBOLS[type(comparison)], operands[i], operands[i + 1]))
        return _all(found)

    def _comparison(self, symbol: str, left: Node, right: Node) -> Truth:
        return Truth(lambda a, b: self.graph.choose(symbol, left, right, a, b))

    def _constant(self, source: Source, node: ast.expr, value: Any) -> Any:
        if isinstance(value, bool | np.bool_):
            return Truth(lambda a, b: a if value else b)
        if isinstance(value, numbers.Real | np.floating):
            try:
                return self.graph.constant(float(value))
            except OverflowError:
                raise source.error(node, "be a number within the range of float64") from None
        raise source.error(node, f"be a number, not {type(value).__name__}")

    def _named(self, source: Source, node: ast.Name | ast.Attribute, names: Names) -> Any:
        if isinstance(node, ast.Name) and node.id in source.locals:
            if names.get(node.id) is None:
                raise source.error(node, "name what is set before on every path")
            return names[node.id]
        return self._constant(source, node, self._meaning(source, node, node))

    def _meaning(self, source: Source, node: ast.expr, whole: ast.expr) -> Any:
        """What a name such as ``exp`` or ``math.exp``, or a part of the `whole`, means when the formula is defined."""
        try:
            if isinstance(node, ast.Name) and node.id not in source.locals:
                return source.meaning(node.id)
            if isinstance(node, ast.Attribute):
                return getattr(self._meaning(source, node.value, whole), node.attr)
        except (KeyError, AttributeError):
            raise source.error(whole, "name what is defined before the formula is") from None
        raise source.error(whole, EXPRESSIONS)

    def _called(self, source: Source, node: ast.Call, names: Names) -> Any:
        self._count(source, node)
        meaning = self._meaning(source, node.func, node)
        build = find(meaning)
        if build is None:
            # Another operation of the user's own, or what numba compiles, is looked through.
            plain = meaning if isinstance(meaning, types.FunctionType) else getattr(meaning, "__wrapped__", None)
            if isinstance(plain, types.FunctionType) and (plain.__module__ or "").partition(".")[0] not in LIBRARIES:
                found = self._followed(source, node, plain, names)
                return self._with_slopes(source, node, found, getattr(meaning, "__derivatives__", ()), names)
            raise source.error(
                node, f"call plain functions written with def, or those of math and numpy known here: {KNOWN}"
            )
        if node.keywords or not build.takes(len(node.args)):
            raise source.error(node, f"call it with {build.count} by position")
        return build.build(self.graph, *(self._operand(source, argument, names) for argument in node.args))

    def _with_slopes(self, source: Source, node: ast.Call, found: Any, derivatives: Sequence[Any], names: Names) -> Any:
        """What an operation returns, with the derivatives that its user gave, each that of the one before."""
        if not any(derivatives):
            return found
        given, *others = derivatives
        if given is None:
            raise source.error(node, "call operations whose first derivative is given, if the second is")
        slope = self._with_slopes(source, node, self._followed(source, node, given, names), others, names)
        order = list(parameters_of(given))
        named = dict(zip(order, node.args, strict=False)) | {word.arg: word.value for word in node.keywords}
        x, *options = [self._operand(source, named[name], names) for name in order if name in named]
        result = self.graph.call("given", self.number(source, node, found), self.number(source, node, slope), x)
        for option in options:
            result = self.graph.call("apart", result, option)
        return result

    def _followed(self, source: Source, node: ast.Call, function: Any, names: Names) -> Any:
        if function in self._open:
            raise source.error(node, "call functions that do not call themselves")
        inner = Source(self.operation, function)
        if any(isinstance(a, ast.Starred) for a in node.args) or any(k.arg is None for k in node.keywords):
            raise source.error(node, "give arguments one by one")
        positional = [self.value(source, argument, names) for argument in node.args]
        named = {k.arg: self.value(source, k.value, names) for k in node.keywords if k.arg is not None}
        signature, parameters = inspect.signature(function, follow_wrapped=False), parameters_of(function)
        if any(p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD) for p in parameters.values()):
            raise inner.error(inner.tree, "take arguments one by one")
        try:
            bound = signature.bind(*positional, **named)
        except TypeError as error:
            raise source.error(node, f"call {function.__name__} as it is defined ({error})") from None
        defaults = {
            name: self._constant(source, node, parameter.default)
            for name, parameter in parameters.items()
            if name not in bound.arguments
        }
        return self.run(inner, {**bound.arguments, **defaults})


def _all(parts: list[Truth]) -> Truth:
    def choose(chosen: Node, other: Node) -> Node:
        for part in reversed(parts):
            chosen = part.choose(chosen, other)
        return chosen

    return Truth(choose)


def _any(parts: list[Truth]) -> Truth:
    def choose(chosen: Node, other: Node) -> Node:
        for part in reversed(parts):
            other = part.choose(chosen, other)
        return other

    return Truth(choose)
