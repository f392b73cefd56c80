"""Functions of everyday Python as formulas, by NumPy and mpmath."""

import math

import numpy as np
import pytest
from fastloa_kernels.formulas import everyday, hyperbolic
from mpmath import mp, mpf

from tests.formulas import compiled, everywhere, hard
from tests.harness import PRECISION, check_same_bits, exact, ulps

DTYPES = ("float32", "float64")
INF, NAN = math.inf, math.nan


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["sinh", "cosh"])
def test_hyperbolic_functions_by_mpmath(name, dtype):
    edge = {"float32": 89.5, "float64": 710.5}[dtype]
    near = np.concatenate([np.linspace(-edge, edge, 301), np.linspace(-1.5, 1.5, 301), np.linspace(0.99, 1.01, 41)])
    x = np.concatenate([near.astype(dtype), everywhere(dtype, 200), hard(dtype)])
    with mp.workprec(PRECISION[dtype]):
        expected = exact([getattr(mp, name)(mpf(float(v))) if abs(v) < 1e4 else mpf(end(name, v)) for v in x], dtype)
    assert ulps(compiled(getattr(hyperbolic, name), dtype)[0](x), expected).max() <= 2.0


def end(name, x):
    return math.copysign(INF, x if name == "sinh" else 1.0)


X = [0.0, -0.0, 0.3, -0.3, 0.5, -0.5, 1.5, 2.5, -2.5, 2.75, 1e9, -1e9, 3e38, -3e38, INF, -INF, NAN]
BY_NUMPY = {"floor": np.floor, "ceil": np.ceil, "trunc": np.trunc, "sign": np.sign}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", BY_NUMPY)
def test_functions_of_one_number_by_numpy(name, dtype):
    x = np.array(X, dtype)
    np.testing.assert_array_equal(compiled(getattr(everyday, name), dtype)[0](x), BY_NUMPY[name](x))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("name", "by_numpy"), [("greater", np.maximum), ("lesser", np.minimum)])
def test_extremes_by_numpy(name, by_numpy, dtype):
    a, b = (side.ravel() for side in np.meshgrid(np.array(X, dtype), np.array(X, dtype)))
    got = compiled(getattr(everyday, name), dtype, arrays=2)[0](a, b)
    check_same_bits(np.abs(got), np.abs(by_numpy(a, b)))
    np.testing.assert_array_equal(got, by_numpy(a, b))


@pytest.mark.parametrize("dtype", DTYPES)
def test_powers_of_any_number_by_numpy(dtype):
    bases = [0.0, -0.0, 0.5, -0.5, 1.0, -1.0, 2.0, -2.0, 7.25, -7.25, INF, -INF]
    exponents = [0.0, 1.0, -1.0, 2.0, -2.0, 3.0, -3.0, 0.5, -0.5, 1.5, 101.0, 100.0, INF, -INF]
    x, y = (side.ravel() for side in np.meshgrid(np.array(bases, dtype), np.array(exponents, dtype)))
    with np.errstate(all="ignore"):
        expected = np.power(x, y)
    got = compiled(everyday.signed_power, dtype, arrays=2)[0](x, y)
    np.testing.assert_allclose(got, expected, rtol=4.0 * np.finfo(dtype).eps)
    known = ~np.isnan(expected)
    np.testing.assert_array_equal(np.signbit(got[known]), np.signbit(expected[known]))
    nan = compiled(everyday.signed_power, dtype, arrays=2)[0]([NAN, 1.0, 2.0], [0.0, NAN, NAN])
    assert np.isnan(nan).all()
