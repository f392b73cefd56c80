"""JAX's side of the benchmark: what its users would call for the same work, compiled by XLA."""

import importlib
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

from fastloa.cli.bench_library import Library
from fastloa.cli.bench_table import Row
from fastloa.cli.timing import Competitor

# Where jax.nn has another name for it.
NAMES = {
    "hardsigmoid": "hard_sigmoid",
    "hardswish": "hard_silu",
    "hardtanh": "hard_tanh",
    "logsigmoid": "log_sigmoid",
    "softsign": "soft_sign",
}
OPTIONS: dict[str, dict[str, Any]] = {
    "gelu": {"approximate": False},
    "softmax": {"axis": -1},
    "log_softmax": {"axis": -1},
}


def _bce(jax: Any, p: Any, t: Any) -> Any:
    return -(t * jax.numpy.log(p) + (1 - t) * jax.numpy.log1p(-p)).mean()


def _cross_entropy(jax: Any, x: Any, labels: Any) -> Any:
    return _nll(jax, jax.nn.log_softmax(x), labels)


def _nll(jax: Any, x: Any, labels: Any) -> Any:
    return -jax.numpy.take_along_axis(x, labels[:, None], -1).mean()


def _smooth(jax: Any, x: Any, t: Any) -> Any:
    r = jax.numpy.abs(x - t)
    return jax.numpy.where(r < 1, 0.5 * r * r, r - 0.5).mean()


# The mean of each loss, as optax or the textbook has it; XLA derives the gradient.
LOSSES: Mapping[str, Callable[..., Any]] = {
    "l1_loss": lambda jax, x, t: jax.numpy.abs(x - t).mean(),
    "mse_loss": lambda jax, x, t: ((x - t) ** 2).mean(),
    "huber_loss": _smooth,
    "smooth_l1_loss": _smooth,
    "log_cosh_loss": lambda jax, x, t: (jax.numpy.logaddexp(x - t, t - x) - np.log(2)).mean(),
    "msle_loss": lambda jax, x, t: ((jax.numpy.log1p(x) - jax.numpy.log1p(t)) ** 2).mean(),
    "binary_cross_entropy": _bce,
    "binary_cross_entropy_with_logits": lambda jax, z, t: (jax.nn.softplus(z) - z * t).mean(),
    "hinge_loss": lambda jax, x, t: jax.nn.relu(1 - t * x).mean(),
    "squared_hinge_loss": lambda jax, x, t: (jax.nn.relu(1 - t * x) ** 2).mean(),
    "soft_margin_loss": lambda jax, x, t: jax.nn.softplus(-t * x).mean(),
    "exponential_loss": lambda jax, x, t: jax.numpy.exp(-t * x).mean(),
    "poisson_nll_loss": lambda jax, x, t: (jax.numpy.exp(x) - t * x).mean(),
    "cross_entropy": _cross_entropy,
    "linear_cross_entropy": lambda jax, x, weight, labels: _cross_entropy(jax, x @ weight.T, labels),
    "nll_loss": _nll,
}


class Jax(Library):
    """JAX on the CPU, with all of its cores; raises ModuleNotFoundError where it is not installed."""

    def __init__(self) -> None:
        self.jax: Any = importlib.import_module("jax")
        self.jax.config.update("jax_enable_x64", True)

    def activation(
        self, name: str, arrays: list[Any], options: Mapping[str, Any], *, rows: bool, allocate: bool
    ) -> Competitor | None:
        """The function of that name; XLA always allocates its result."""
        function = self._function(name, options)
        return None if function is None else self._call(function, arrays)

    def backward(self, name: str, form: str, row: Row, arrays: list[Any], *, allocate: bool) -> Competitor | None:
        """What JAX derives of the function of that name; from an output, the formula of the table."""
        if form == "backward_from_output":
            formula = row.numpy.get(form)
            return None if formula is None else self._call(partial(formula, self.jax.numpy), arrays)
        function = self._function(name, row.options)
        return None if function is None else self._call(lambda g, x: self.jax.vjp(function, x)[1](g)[0], arrays)

    def loss(
        self, name: str, arrays: list[Any], options: Mapping[str, Any], wanted: tuple[int, ...]
    ) -> Competitor | None:
        """The value and the gradients of the loss of that name."""
        formula = LOSSES.get(name)
        if formula is None:
            return None
        derived = self.jax.value_and_grad(partial(formula, self.jax), wanted)

        def value_and_grad(*given: Any) -> tuple[Any, ...]:
            value, grads = derived(*given)
            return value, *grads

        return self._call(value_and_grad, arrays)

    def _function(self, name: str, options: Mapping[str, Any]) -> Callable[..., Any] | None:
        function = getattr(self.jax.nn, NAMES.get(name, name), None) or getattr(self.jax.numpy, name, None)
        return None if function is None else partial(function, **{**options, **OPTIONS.get(name, {})})

    def _call(self, function: Callable[..., Any], arrays: list[Any]) -> Competitor:
        once, given = self.jax.jit(function), [self.jax.numpy.array(x) for x in arrays]
        return Competitor(lambda: self.jax.block_until_ready(once(*given)))
