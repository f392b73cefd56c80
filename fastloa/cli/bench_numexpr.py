"""numexpr's side of the benchmark: the same work as expressions, of those that it can hold."""

import importlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from fastloa.cli.bench_library import Library
from fastloa.cli.bench_table import Row
from fastloa.cli.timing import Competitor

# By the operation and its form; of a loss the sum and the gradient. No number in them is but whole: numexpr would
# compute the rest in float64.
EXPRESSIONS: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("relu", "value"): ("where(x > 0, x, 0)",),
    ("relu", "backward"): ("where(x > 0, g, 0)",),
    ("relu", "backward_from_output"): ("where(x > 0, g, 0)",),
    ("elu", "value"): ("where(x > 0, x, expm1(x))",),
    ("elu", "backward"): ("where(x > 0, g, g * exp(x))",),
    ("elu", "backward_from_output"): ("where(x > 0, g, g * (x + 1))",),
    ("sigmoid", "value"): ("1 / (1 + exp(-x))",),
    ("sigmoid", "backward_from_output"): ("g * x * (1 - x)",),
    ("tanh", "value"): ("tanh(x)",),
    ("tanh", "backward_from_output"): ("g * (1 - x * x)",),
    ("silu", "value"): ("x / (1 + exp(-x))",),
    ("softplus", "value"): ("where(x > 0, x, 0) + log1p(exp(-abs(x)))",),
    ("softsign", "value"): ("x / (1 + abs(x))",),
    ("l1_loss", "value_and_grad"): ("sum(abs(x - t))", "where(x > t, 1, where(x < t, -1, 0)) / n"),
    ("mse_loss", "value_and_grad"): ("sum((x - t) * (x - t))", "2 * (x - t) / n"),
    ("binary_cross_entropy_with_logits", "value_and_grad"): (
        "sum(where(x > 0, x, 0) - x * t + log1p(exp(-abs(x))))",
        "(1 / (1 + exp(-x)) - t) / n",
    ),
}


class Numexpr(Library):
    """numexpr with as many threads; raises ModuleNotFoundError where it is not installed."""

    def __init__(self, *, threads: int) -> None:
        self.numexpr: Any = importlib.import_module("numexpr")
        self.numexpr.set_num_threads(threads)

    def activation(
        self, name: str, arrays: list[Any], options: Mapping[str, Any], *, rows: bool, allocate: bool
    ) -> Competitor | None:
        """The function of that name."""
        return self._map(name, "value", dict(zip("x", arrays, strict=True)), allocate=allocate)

    def backward(self, name: str, form: str, row: Row, arrays: list[Any], *, allocate: bool) -> Competitor | None:
        """Its backward."""
        return self._map(name, form, dict(zip("gx", arrays, strict=True)), allocate=allocate)

    def loss(
        self, name: str, arrays: list[Any], options: Mapping[str, Any], wanted: tuple[int, ...]
    ) -> Competitor | None:
        """The sum, divided, and the gradient of the loss of that name."""
        found = EXPRESSIONS.get((name, "value_and_grad"))
        if found is None:
            return None
        x, t = arrays
        names = {"x": x, "t": t, "n": x.dtype.type(x.size)}
        out = np.empty_like(x)

        def run() -> tuple[Any, Any]:
            total, grad = found
            value = self.numexpr.evaluate(total, local_dict=names, global_dict={})
            return value / x.size, self.numexpr.evaluate(grad, local_dict=names, global_dict={}, out=out)

        return Competitor(run)

    def _map(self, name: str, form: str, names: Mapping[str, Any], *, allocate: bool) -> Competitor | None:
        found = EXPRESSIONS.get((name, form))
        if found is None:
            return None
        out = None if allocate else np.empty_like(names["x"])
        (expression,) = found
        return Competitor(lambda: self.numexpr.evaluate(expression, local_dict=names, global_dict={}, out=out))
