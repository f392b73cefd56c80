"""What functions of `math`, NumPy and SciPy are to a formula, by their names."""

import builtins
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastloa_kernels.own.expressions import Graph, Node
from fastloa_kernels.own.functions import FUNCTIONS
from fastloa_kernels.records import Elementwise


@dataclass(frozen=True)
class Call:
    """A known function: what it makes of its arguments, and how many there may be (None: any number from `least`)."""

    build: Callable[..., Node]
    least: int = 1
    most: int | None = 1

    def takes(self, count: int) -> bool:
        return self.least <= count and (self.most is None or count <= self.most)

    @property
    def count(self) -> str:
        if self.most is None:
            return f"{self.least} arguments or more"
        both = str(self.least) if self.least == self.most else f"{self.least} or {self.most}"
        return f"{both} argument{'s' * (both != '1')}"


def _plain(name: str, count: int = 1) -> Call:
    return Call(lambda graph, *given: graph.call(name, *given), count, count)


def _log(graph: Graph, u: Node, *base: Node) -> Node:
    value = graph.logarithm(u)
    return graph.divide(value, graph.call("log", *base)) if base else value


def _extreme(name: str) -> Callable[..., Node]:
    def build(graph: Graph, first: Node, *others: Node) -> Node:
        for other in others:
            first = graph.call(name, first, other)
        return first

    return build


def _clip(graph: Graph, u: Node, low: Node, high: Node) -> Node:
    return graph.call("lesser", graph.call("greater", u, low), high)


def _where(graph: Graph, test: Node, chosen: Node, other: Node) -> Node:
    return graph.choose("!=", test, graph.constant(0.0), chosen, other)


CALLS = {
    **{name: _plain(name) for name in (
        "abs", "cbrt", "ceil", "cos", "cosh", "erf", "erfc", "exp", "expm1", "floor", "log2", "log10", "sign", "sin",
        "sinh", "sqrt", "tanh", "trunc",
    )},
    "absolute": _plain("abs"), "fabs": _plain("abs"), "rint": _plain("round_even"), "round": _plain("round_even"),
    "expit": _plain("sigmoid"), "copysign": _plain("copysign", 2),
    "log": Call(_log, 1, 2), "log1p": Call(Graph.logarithm_beside_one), "logaddexp": _plain("log_add_exp", 2),
    "exp2": Call(lambda graph, u: graph.call("signed_power", graph.constant(2.0), u)),
    "tan": Call(lambda graph, u: graph.divide(graph.call("sin", u), graph.call("cos", u))),
    "pow": Call(Graph.power, 2, 2), "power": Call(Graph.power, 2, 2), "float_power": Call(Graph.power, 2, 2),
    "square": Call(lambda graph, u: graph.multiply(u, u)),
    "reciprocal": Call(lambda graph, u: graph.divide(graph.one, u)),
    "negative": Call(Graph.negative), "positive": Call(lambda graph, u: u), "float": Call(lambda graph, u: u),
    "max": Call(_extreme("greater"), 2, None), "min": Call(_extreme("lesser"), 2, None),
    "maximum": Call(_extreme("greater"), 2, 2), "minimum": Call(_extreme("lesser"), 2, 2),
    "clip": Call(_clip, 3, 3), "where": Call(_where, 3, 3),
}  # fmt: skip
KNOWN = ", ".join(sorted(CALLS))
LIBRARIES = ("numpy", "scipy", "fastloa")  # whose functions are known here or not at all
OF_ARRAYS = (np.max, np.min)  # which have the names of Python's functions of several numbers


def find(meaning: Any) -> Call | None:
    """The known function that `meaning` is: a ufunc (SciPy's too), or of Python itself, `math`, NumPy or fastloa."""
    name, record = getattr(meaning, "__name__", ""), getattr(meaning, "record", None)
    if isinstance(record, Elementwise):
        own = (known for known, function in FUNCTIONS.items() if function.formula is record.value)
        return next(map(_plain, own), None)
    if isinstance(meaning, np.ufunc):
        return CALLS.get(name)
    homes = [getattr(module, name, None) for module in (builtins, math, np)]
    return CALLS.get(name) if any(home is meaning for home in homes) and meaning not in OF_ARRAYS else None
