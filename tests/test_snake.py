"""Snake where it is hard: next to the zeros of its derivative, and for products of alpha and x that are no numbers."""

import math

import numpy as np
import pytest
from fastloa_kernels.formulas import periodic
from fastloa_kernels.formulas.elementary import turn_pair
from mpmath import mp, mpf

import fastloa as fl
from tests import references as ref
from tests.cases.kinds import TWO, VALUE
from tests.formulas import compiled, everywhere
from tests.harness import PRECISION, exact, ulps
from tests.test_trigonometric import hardest

DTYPES = ("float32", "float64")
ALPHAS = (1.0, 0.3, 5.0, 440.0)

both = pytest.mark.parametrize("dtype", DTYPES)
every = pytest.mark.parametrize("alpha", ALPHAS)


def check(name, x, alpha, allowed):
    """Hold a formula to its reference; it takes alpha in the dtype of x."""
    got, dtype = compiled(getattr(periodic, name), x.dtype.name, 1, (alpha,))[0](x), x.dtype.name
    taken = mpf(float(np.dtype(dtype).type(alpha)))
    with mp.workprec(PRECISION[dtype]):
        error = ulps(got, exact([getattr(ref, name)(mpf(float(value)), taken) for value in x], dtype))
    worst = int(np.argmax(error))
    assert error[worst] <= allowed[dtype], f"{error[worst]:.3f} ulp at {x[worst]!r}"


def next_to_zeros(dtype, alpha):
    """Give numbers next to zeros of the derivative, near and far."""
    rng = np.random.default_rng(7)
    n = np.concatenate([np.arange(-50, 50), rng.integers(-(2**20), 2**20, 200), rng.integers(-(2**50), 2**50, 100)])
    with mp.workprec(PRECISION[dtype]):
        zeros = [float((4 * int(k) - 1) * mp.pi / 4 / mpf(float(np.dtype(dtype).type(alpha)))) for k in n]
    x = np.array(zeros, dtype)
    return np.concatenate([x, np.nextafter(x, np.inf, dtype=dtype), np.nextafter(x, -np.inf, dtype=dtype)])


@both
@every
def test_the_derivative_keeps_its_digits_next_to_its_zeros(alpha, dtype):
    check("snake_derivative", next_to_zeros(dtype, alpha), alpha, TWO)


@both
def test_the_derivative_keeps_its_digits_at_the_numbers_nearest_to_its_zeros(dtype):
    x = np.array(hardest(dtype), dtype) / 2  # some are nearest to a zero, and the negatives of others
    check("snake_derivative", np.concatenate([x, -x]), 1.0, TWO)


@both
@every
def test_a_large_alpha_costs_no_digits(alpha, dtype):
    rng = np.random.default_rng(8)
    waves = [rng.uniform(-a, a, 200) / alpha for a in (1.0, 3.0, 100.0, 1e5, 1e10)]
    x = np.concatenate([np.concatenate(waves).astype(dtype), everywhere(dtype, 200)])
    check("snake", x, alpha, VALUE)
    with np.errstate(over="ignore"):
        finite = np.isfinite(x * np.dtype(dtype).type(alpha))
    check("snake_derivative", x[finite], alpha, TWO)


@both
def test_alphas_near_the_ends_of_the_range(dtype):
    info = np.finfo(dtype)
    for alpha in (float(info.max) / 4, float(info.tiny), float(info.smallest_subnormal) * 1000):
        with np.errstate(over="ignore"):
            x = np.linspace(-4.0, 4.0, 101).astype(dtype) / np.dtype(dtype).type(alpha)
        x = x[np.isfinite(x)]
        check("snake", x, alpha, VALUE)
        check("snake_derivative", x, alpha, TWO)


@both
def test_where_the_product_is_no_number(dtype):
    large = float(np.finfo(dtype).max)
    x = np.array([large, -large, math.inf, -math.inf, math.nan], dtype)
    np.testing.assert_array_equal(fl.snake(x, alpha=7.0), x)
    assert np.isnan(fl.snake.derivative(x, alpha=7.0)).all()


def turn_high(x, low):
    high, _ = turn_pair(x, low)
    return high


def turn_low(x, low):
    _, rest = turn_pair(x, low)
    return rest


@both
def test_a_pair_in_turns_has_the_digits_that_are_stated(dtype):
    rng = np.random.default_rng(9)
    x = (rng.uniform(1.0, 2.0, 2000) * 10.0 ** rng.integers(-5, 6, 2000)).astype(dtype)
    low = (rng.uniform(-0.5, 0.5, 2000) * np.spacing(x)).astype(dtype)
    found = compiled(turn_high, dtype, 2)[0](x, low), compiled(turn_low, dtype, 2)[0](x, low)
    with mp.workprec(PRECISION[dtype]):
        for a, b, high, rest in zip(x, low, *found, strict=True):
            right = (mpf(float(a)) + mpf(float(b))) / (2 * mp.pi)
            off = abs(mpf(float(high)) + mpf(float(rest)) - right)
            assert off <= right * mpf(2) ** {"float32": -46, "float64": -104}[dtype]
