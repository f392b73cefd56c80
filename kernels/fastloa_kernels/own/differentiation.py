"""The derivative of an expression: forward, from its operands' derivatives to its own.

A derivative that is 0 everywhere is None, and drops out: 0 times an infinite factor would be NaN. Of a choice, each arm
has its own derivative. At its kink abs has the derivative 0, and the greater or lesser of equal numbers the mean of
theirs.
"""

import math
from collections.abc import Callable

from fastloa_kernels.own.expressions import Graph, Node, in_order
from fastloa_kernels.own.functions import STEPWISE

Slope = Node | None


class NotDerived(ValueError):
    """A derivative that only the user knows."""


def derivative(graph: Graph, root: Node, argument: str) -> Node:
    """The derivative of `root` in the argument of that name."""
    slopes: dict[Node, Slope] = {}
    for node in in_order([root]):
        found = [slopes[operand] for operand in node.operands]
        if node.kind == "argument" and node.word == argument:
            slopes[node] = graph.one
        else:
            given = any(slope is not None for slope in found)
            slopes[node] = _slope(graph, node, found) if given else None
        slope = slopes[node]
        if slope is not None and node in graph.names:
            graph.names.setdefault(slope, f"d_{graph.names[node]}")
    return slopes[root] or graph.constant(0.0)


def _slope(graph: Graph, node: Node, slopes: list[Slope]) -> Slope:
    if node.kind == "negative":
        return _negative(graph, slopes[0])
    if node.kind == "choice":
        return _choice(graph, node.word, *node.operands[:2], *slopes[2:])
    if node.kind != "call":
        return _ARITHMETIC[node.kind](graph, node, *slopes)
    if node.word in _FLAT:
        return None
    if node.word in _UNARY:
        (slope,) = slopes
        assert slope is not None
        return graph.multiply(_UNARY[node.word](graph, node, *node.operands), slope)
    return _CALLS[node.word](graph, node, *slopes)


def _negative(graph: Graph, slope: Slope) -> Slope:
    return None if slope is None else graph.negative(slope)


def _sum(graph: Graph, a: Slope, b: Slope) -> Slope:
    if a is None or b is None:
        return b if a is None else a
    return graph.subtract(a, b.operands[0]) if b.kind == "negative" else graph.add(a, b)


def _difference(graph: Graph, a: Slope, b: Slope) -> Slope:
    if a is None or b is None:
        return a if b is None else graph.negative(b)
    return graph.subtract(a, b)


def _times(graph: Graph, slope: Slope, factor: Node) -> Slope:
    return None if slope is None else graph.multiply(slope, factor)


def _product(graph: Graph, node: Node, da: Slope, db: Slope) -> Slope:
    a, b = node.operands
    if a is b:
        return _times(graph, _times(graph, da, a), graph.constant(2.0))
    return _sum(graph, _times(graph, da, b), None if db is None else graph.multiply(a, db))


def _quotient(graph: Graph, node: Node, da: Slope, db: Slope) -> Slope:
    over = _difference(graph, da, _times(graph, db, node))
    return None if over is None else graph.divide(over, node.operands[1])


_ARITHMETIC: dict[str, Callable[[Graph, Node, Slope, Slope], Slope]] = {
    "+": lambda graph, node, da, db: _sum(graph, da, db),
    "-": lambda graph, node, da, db: _difference(graph, da, db),
    "*": _product,
    "/": _quotient,
}


def _choice(graph: Graph, comparison: str, left: Node, right: Node, chosen: Slope, other: Slope) -> Slope:
    if chosen is None and other is None:
        return None
    zero = graph.constant(0.0)
    return graph.choose(comparison, left, right, chosen or zero, other or zero)


_TWO_OVER_ROOT_PI = 2.0 / math.sqrt(math.pi)


def _bell(graph: Graph, factor: float, u: Node) -> Node:
    return graph.multiply(graph.constant(factor), graph.call("bell", u))


def _bell_bend(graph: Graph, node: Node, u: Node) -> Node:
    return graph.multiply(graph.multiply(graph.constant(-2.0), u), node)


def _over(factor: float) -> Callable[[Graph, Node, Node], Node]:
    return lambda graph, node, u: graph.divide(graph.constant(factor), u)


def _cbrt_slope(graph: Graph, node: Node, u: Node) -> Node:
    return graph.divide(graph.constant(1.0 / 3.0), graph.multiply(node, node))


def _sigmoid_bend(graph: Graph, node: Node, u: Node) -> Node:
    return graph.negative(graph.multiply(node, graph.call("tanh", graph.multiply(graph.constant(0.5), u))))


def _tanh_bend(graph: Graph, node: Node, u: Node) -> Node:
    return graph.multiply(graph.multiply(graph.constant(-2.0), graph.call("tanh", u)), node)


# Of a function of one number: its derivative, from the call and its operand.
_UNARY: dict[str, Callable[[Graph, Node, Node], Node]] = {
    "sqrt": lambda graph, node, u: graph.divide(graph.constant(0.5), node),
    "exp": lambda graph, node, u: node,
    "expm1": lambda graph, node, u: graph.call("exp", u),
    "log": _over(1.0),
    "log2": _over(1.0 / math.log(2.0)),
    "log10": _over(1.0 / math.log(10.0)),
    "cbrt": _cbrt_slope,
    "log1p": lambda graph, node, u: graph.divide(graph.one, graph.add(graph.one, u)),
    "tanh": lambda graph, node, u: graph.call("tanh_derivative", u),
    "tanh_derivative": _tanh_bend,
    "sigmoid": lambda graph, node, u: graph.call("sigmoid_derivative", u),
    "sigmoid_derivative": _sigmoid_bend,
    "softplus": lambda graph, node, u: graph.call("sigmoid", u),
    "bell": _bell_bend,
    "erf": lambda graph, node, u: _bell(graph, _TWO_OVER_ROOT_PI, u),
    "erfc": lambda graph, node, u: _bell(graph, -_TWO_OVER_ROOT_PI, u),
    "sin": lambda graph, node, u: graph.call("cos", u),
    "cos": lambda graph, node, u: graph.negative(graph.call("sin", u)),
    "sinh": lambda graph, node, u: graph.call("cosh", u),
    "cosh": lambda graph, node, u: graph.call("sinh", u),
}
_FLAT = ("sign", *STEPWISE)


def _absolute(graph: Graph, node: Node, du: Slope) -> Slope:
    (u,) = node.operands
    zero = graph.constant(0.0)
    assert du is not None
    # The absolute value itself is the 0 at 0, and the NaN.
    return graph.choose(">", u, zero, du, graph.choose("<", u, zero, graph.negative(du), node))


def _copysign(graph: Graph, node: Node, da: Slope, _: Slope) -> Slope:
    a, b = node.operands
    size = graph.call("abs", a)
    slope = None if da is None else _absolute(graph, size, da)
    return _times(graph, slope, graph.call("copysign", graph.one, b))


def _extreme(comparison: str) -> Callable[..., Slope]:
    def slope(graph: Graph, node: Node, da: Slope, db: Slope) -> Slope:
        (a, b), zero = node.operands, graph.constant(0.0)
        mean = _times(graph, _sum(graph, da, db), graph.constant(0.5))
        assert mean is not None
        level = graph.choose("==", a, b, mean, node)  # or NaN, as the extreme itself
        return graph.choose(comparison, a, b, da or zero, graph.choose(comparison, b, a, db or zero, level))

    return slope


def _power(graph: Graph, node: Node, da: Slope, db: Slope) -> Slope:
    a, b = node.operands
    zero = graph.constant(0.0)
    slope: Slope = None
    if da is not None:
        lower = graph.power(a, graph.subtract(b, graph.one))
        slope = graph.multiply(graph.choose("==", b, zero, zero, graph.multiply(b, lower)), da)
    if db is not None:
        grown = graph.choose("==", node, zero, zero, graph.multiply(node, graph.call("log", a)))
        slope = _sum(graph, slope, graph.multiply(grown, db))
    return slope


def _log_add_exp(graph: Graph, node: Node, da: Slope, db: Slope) -> Slope:
    a, b = node.operands
    return _sum(
        graph, _times(graph, da, graph.call("exp_share", a, b)), _times(graph, db, graph.call("exp_share", b, a))
    )


def _exp_share(graph: Graph, node: Node, da: Slope, db: Slope) -> Slope:
    a, b = node.operands
    apart = graph.choose("==", a, b, graph.constant(0.0), graph.subtract(a, b))  # infinite ones, too
    return _times(graph, _difference(graph, da, db), graph.call("sigmoid_derivative", apart))


def _given(graph: Graph, node: Node, _: Slope, __: Slope, dx: Slope) -> Slope:
    return _times(graph, dx, node.operands[1])


def _apart(graph: Graph, node: Node, slope: Slope, option: Slope) -> Slope:
    if option is not None:
        raise NotDerived("of what has a derivative of its own, nothing but the first argument may depend on")
    return slope


_CALLS: dict[str, Callable[..., Slope]] = {
    "abs": _absolute, "copysign": _copysign, "greater": _extreme(">"), "lesser": _extreme("<"), "signed_power": _power,
    "log_add_exp": _log_add_exp, "exp_share": _exp_share, "given": _given, "apart": _apart,
}  # fmt: skip
