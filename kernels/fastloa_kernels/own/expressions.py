"""Expressions of a formula: each is made once, so that what a formula and its derivatives have in common is shared."""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from fastloa_kernels.own.functions import FUNCTIONS, PERIODIC, STEPWISE

ARITHMETIC: dict[str, Callable[[Any, Any], Any]] = {
    "+": np.add, "-": np.subtract, "*": np.multiply, "/": np.divide,
}  # fmt: skip
COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    "<": np.less, "<=": np.less_equal, ">": np.greater, ">=": np.greater_equal, "==": np.equal, "!=": np.not_equal,
}  # fmt: skip


class Node:
    """An expression: "constant", "argument", "negative", "call", "choice", or an operation of two.

    The `word` of a constant is its number, that of an argument or call its name, and that of a choice its comparison:
    ``chosen if left <word> right else other``.
    """

    __slots__ = ("kind", "operands", "word")

    def __init__(self, kind: str, word: Any, operands: tuple["Node", ...]) -> None:
        self.kind, self.word, self.operands = kind, word, operands

    def calls(self, *names: str) -> bool:
        """Whether it is a call of one of these functions."""
        return self.kind == "call" and self.word in names


class Graph:
    """Makes expressions. What is constant is computed here, in float64, and rounded once by each engine."""

    def __init__(self) -> None:
        self._made: dict[Any, Node] = {}
        self.names: dict[Node, str] = {}  # what expressions are called in the source
        self.one = self.constant(1.0)

    def _node(self, kind: str, word: Any, *operands: Node) -> Node:
        key = (kind, repr(word), *map(id, operands))
        if key not in self._made:
            self._made[key] = Node(kind, word, operands)
        made = self._made[key]
        if operands and all(operand.kind == "constant" for operand in operands):
            value = float(evaluate(made, {})[0])
            if np.isfinite(value):
                return self.constant(value)
        return made

    def constant(self, value: float) -> Node:
        return self._node("constant", float(value))

    def argument(self, name: str) -> Node:
        return self._node("argument", name)

    def add(self, a: Node, b: Node) -> Node:
        return self._node("+", None, a, b)

    def subtract(self, a: Node, b: Node) -> Node:
        return self._node("-", None, a, b)

    def multiply(self, a: Node, b: Node) -> Node:
        if self.one in (a, b):
            return b if a is self.one else a
        if a is b and a.calls("abs"):  # whose square bends at 0 as that of the number does
            (a,) = (b,) = a.operands
        return self._node("*", None, a, b)

    def divide(self, a: Node, b: Node) -> Node:
        u = self._exponent_beside_one(b)
        if u is not None:  # 1 / (1 + exp(u)), and times whatever else
            if a.calls("exp") and a.operands == (u,):
                return self.call("sigmoid", u)
            return self.multiply(a, self.call("sigmoid", self.negative(u)))
        return a if b is self.one else self._node("/", None, a, b)

    def logarithm(self, u: Node) -> Node:
        power = self._exponent_beside_one(u)
        return self.call("log", u) if power is None else self.call("softplus", power)

    def logarithm_beside_one(self, u: Node) -> Node:
        return self.call("softplus", *u.operands) if u.calls("exp") else self.call("log1p", u)

    def _exponent_beside_one(self, node: Node) -> Node | None:
        """u of 1 + exp(u)."""
        if node.kind != "+" or self.one not in node.operands:
            return None
        other = node.operands[node.operands[0] is self.one]
        return other.operands[0] if other.calls("exp") else None

    def negative(self, a: Node) -> Node:
        return a.operands[0] if a.kind == "negative" else self._node("negative", None, a)

    def call(self, name: str, *operands: Node) -> Node:
        first = operands[0]
        if name in EVEN and (first.calls("abs") or first.kind == "negative"):
            return self.call(name, *first.operands)
        if name == "copysign" and operands[1] in (first, *(first.operands if first.calls("abs") else ())):
            return operands[1]
        return self._node("call", name, *operands)

    def choose(self, comparison: str, left: Node, right: Node, chosen: Node, other: Node) -> Node:
        if chosen is other:
            return chosen
        if left.kind == "choice" and (comparison, right.word) == ("!=", 0.0):
            inner, outer, one, zero = left.operands
            if (one.word, zero.word) == (1.0, 0.0):  # a truth value that was made a number
                return self.choose(left.word, inner, outer, chosen, other)
        if left.kind == right.kind == "constant":
            return chosen if COMPARISONS[comparison](left.word, right.word) else other
        return self._node("choice", comparison, left, right, chosen, other)

    def power(self, base: Node, exponent: Node) -> Node:
        """``base**exponent``: small whole powers as products, for nothing is more exact."""
        n = exponent.word if exponent.kind == "constant" else None
        if n == 0.0:
            return self.one
        if n == 0.5:
            return self.call("sqrt", base)
        if n in PRODUCTS:
            square = self.multiply(base, base) if n >= 2.0 else base
            return square if n <= 2.0 else self.multiply(square, base if n == 3.0 else square)
        if n in QUOTIENTS:  # one by one, or the product would overflow before the quotient is 0
            quotient = self.one
            for _ in range(int(-n)):
                quotient = self.divide(quotient, base)
            return quotient
        if n is not None and n % 2.0 == 0.0 and base.calls("abs"):
            (base,) = base.operands
        return self.call("signed_power", base, exponent)


EVEN = ("abs", "cos", "cosh")
PRODUCTS, QUOTIENTS = (1.0, 2.0, 3.0, 4.0), (-1.0, -2.0, -3.0)


def in_order(roots: Iterable[Node]) -> list[Node]:
    """All that the roots are made of, each after its operands."""
    found: dict[Node, None] = {}
    waiting = list(roots)[::-1]
    while waiting:
        node = waiting[-1]
        missing = [operand for operand in node.operands if operand not in found]
        if missing:
            waiting.extend(reversed(missing))
        else:
            found[waiting.pop()] = None
    return list(found)


def evaluate(root: Node, arguments: dict[str, Any]) -> tuple[Any, Any]:
    """The root by NumPy, in float64, and a bound of its rounding error.

    Independent of the formulas that engines compile. An operand's error goes on as what the operation makes of it.
    """
    values: dict[Node, Any] = {}
    errors: dict[Node, Any] = {}
    with np.errstate(all="ignore"):
        for node in in_order([root]):
            given = [values[operand] for operand in node.operands]
            value = values[node] = _applied(node, given, arguments)
            error = 0.0 if not given else (4.0 if node.kind == "call" else 1.0) * (EPS * np.abs(value) + LEAST)
            for i, operand in enumerate(node.operands):
                if np.any(errors[operand]):
                    moved = (
                        _applied(node, [*given[:i], given[i] + off, *given[i + 1 :]], arguments) - value
                        for off in (errors[operand], -errors[operand])
                    )
                    error = error + np.maximum(*map(np.abs, moved))
            if node.word in STEPWISE:  # steps that are small beside the number look like a slope
                error = np.where(np.abs(value) < 16.0, error, np.inf)
            elif node.word in PERIODIC:  # the same number may come from anywhere, and from many where steps are wide
                sure = (errors[node.operands[0]] < 0.5) & (np.abs(given[0]) < FAR)
                error = np.where(sure, error, np.inf)
            errors[node] = error
    return values[root], errors[root]


EPS, LEAST = 2.0**-52, 2.0**-1074
FAR = 2.0**20  # times the least step of differences this is a small part of a period


def _applied(node: Node, given: list[Any], arguments: dict[str, Any]) -> Any:
    if node.kind == "constant":
        return np.float64(node.word)
    if node.kind == "argument":
        return arguments[node.word]
    if node.kind == "negative":
        return -given[0]
    if node.kind == "call":
        return FUNCTIONS[node.word].evaluate(*given)
    if node.kind == "choice":
        return np.where(COMPARISONS[node.word](*given[:2]), *given[2:])
    return ARITHMETIC[node.kind](*given)


def passes_nan(root: Node, argument: str) -> bool:
    """Whether NaN in the argument certainly is NaN in the root, whatever is chosen on the way."""
    passing: dict[Node, bool] = {}
    for node in in_order([root]):
        operands = [passing[operand] for operand in node.operands]
        if node.kind == "choice":
            passing[node] = operands[2] and operands[3]
        elif node.calls("copysign", "given", "apart"):
            passing[node] = operands[0]
        else:
            passing[node] = any(operands) or (node.kind == "argument" and node.word == argument)
    return passing[root]
