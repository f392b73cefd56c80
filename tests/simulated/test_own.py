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
@pytest.mark.parametrize("function", [own_formulas.dish, own_formulas.statements, own_formulas.kinks])
def test_activations(function, dtype):
    operation, x = fl.activation(function), X.astype(dtype)
    for call in (operation, operation.derivative):
        check_same_bits(call(x, backend="cuda"), call(x, backend="cpu"))


def test_losses():
    operation, x = fl.loss(own_formulas.cauchy), X[1:8].astype("float32")
    for call in (operation.value_and_grad, operation.grad_and_hess):
        given = {"c": 1.5, "sample_weight": x * x}
        check_same_bits(call(x, x[::-1], backend="cuda", **given), call(x, x[::-1], backend="cpu", **given))
