"""A user's own operations on the cuda engine: the bits of the CPU, in the simulator or on a GPU."""

import numpy as np
import pytest
from fastloa_kernels import engines

import fastloa as fl
from tests import own_formulas
from tests.harness import check_same_bits

try:
    engines.load_engine("cuda")
except engines.Unavailable as reason:
    pytest.skip(f"no device for cuda: {reason}", allow_module_level=True)

X = np.array([-np.inf, -2.5, -0.75, -0.0, 0.25, 0.5, 1.25, 2.0, 3e38, np.nan])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "function", [own_formulas.dish, own_formulas.statements, own_formulas.kinks, own_formulas.elementary]
)
def test_activations(function, dtype):
    operation, x = fl.activation(function), X.astype(dtype)
    for call in (operation, operation.derivative):
        check_same_bits(call(x, backend="cuda"), call(x, backend="cpu"))


def box(x):
    return 1.0 if abs(x) < 0.5 else 0.0


@fl.activation(derivative=box, check=False)
def step(x):
    return 1.0 if x > 0.0 else 0.0


def steps(x):
    return 2.0 * step(x) + x


def test_a_derivative_that_was_given():
    operation, x = fl.activation(steps, check=False), X.astype("float32")
    check_same_bits(operation.derivative(x, backend="cuda"), operation.derivative(x, backend="cpu"))


@pytest.mark.parametrize(("function", "option"), [(own_formulas.cauchy, "c"), (own_formulas.logistic, "gamma")])
def test_losses(function, option):
    operation, x = fl.loss(function), X[1:8].astype("float32")
    for call in (operation.value_and_grad, operation.grad_and_hess):
        given = {option: 1.5, "sample_weight": x * x}
        check_same_bits(call(x, x[::-1], backend="cuda", **given), call(x, x[::-1], backend="cpu", **given))
