"""x**y over every x >= 0: the logarithm's pair, the power's error, its special cases, and its machine code."""

import math

import numpy as np
import pytest
from fastloa_kernels import forms
from fastloa_kernels.engines.cupy_native import source
from fastloa_kernels.engines.cupy_native.engine import Engine
from fastloa_kernels.formulas import elementary32, elementary64
from fastloa_kernels.formulas.elementary import exp, log, power
from fastloa_kernels.records import PairwiseLoss
from mpmath import mp, mpf

from tests.formulas import arithmetic, compiled, everywhere, needs_avx2, scalar_operations
from tests.harness import check_accuracy, check_not_lost, exact, ulps
from tests.shim.compare import cpu, needs_compiler, numbers, same
from tests.shim.driver import ShimDriver

INF, NAN = math.inf, math.nan
DTYPES = ("float32", "float64")
BITS = 200  # of the references: y * log(x) may have 64 binary digits before the point, and be nothing but its last
ROOT2 = math.sqrt(2.0)
# What was measured, rounded up, for both dtypes over five million operands like those below; where the result is
# subnormal, and rounded twice, and elsewhere.
ALLOWED, ALLOWED_NORMAL = 0.80, 0.68


def bases(dtype, count, rng):
    """Numbers of all sizes, subnormal ones, those about 1 and from 0 to 2, and where the logarithm changes its e."""
    info = np.finfo(dtype)
    about_one = 1.0 + rng.choice([-1.0, 1.0], count) * 2.0 ** -rng.uniform(1.0, info.nmant, count)
    edges = ROOT2 * 2.0 ** rng.integers(-20, 20, count) * (1.0 + rng.uniform(-1e-2, 1e-2, count))
    subnormal = rng.integers(1, 2**info.nmant, count) * info.smallest_subnormal
    between = rng.uniform(0.0, 1.0, count), rng.uniform(0.5, 2.0, count)
    return [abs(everywhere(dtype, count)), *(x.astype(dtype) for x in (subnormal, about_one, *between, edges))]


def operands(dtype, count, seed=0):
    """Such x, each with y that reach everything, what is next to overflow, what is subnormal, and with small y."""
    info, rng = np.finfo(dtype), np.random.default_rng(seed)
    top, tiny, least = (k * math.log(2.0) for k in (info.maxexp, info.minexp, info.minexp - info.nmant - 1))
    pairs = []
    for x in bases(dtype, count, rng):
        slope = np.log(np.where(x == 1, 2, x).astype(np.float64))
        for low, high in ((least, top), (0.98 * top, 1.001 * top), (1.001 * least, 0.98 * tiny), (-2.0, 2.0)):
            pairs.append((x, (rng.uniform(low, high, count) / slope).astype(dtype)))
        pairs.append((x, rng.uniform(-3.0, 3.0, count).astype(dtype)))
        pairs.append((x, rng.integers(-6, 7, count).astype(dtype) / 2))
    return tuple(np.concatenate(side) for side in zip(*pairs, strict=True))


def call(x, y, dtype):
    x, y = (np.array(side, dtype) for side in np.broadcast_arrays(x, y))
    return compiled(power, dtype, 2)[0](x, y)


def exact_powers(x, y):
    with mp.workprec(BITS):
        return exact([mp.power(mpf(float(a)), mpf(float(b))) for a, b in zip(x, y, strict=True)], x.dtype.name)


# accuracy


@pytest.mark.parametrize("module", [elementary32, elementary64], ids=DTYPES)
def test_the_logarithm_has_more_digits_than_one_number(module):
    split, reduced, root2 = module.log_split, module.log_pair_reduced, module.ROOT2_HIGH

    def log_high(x):
        e, f = split(x, root2)
        high, _ = reduced(e, f)
        return high

    def log_low(x):
        e, f = split(x, root2)
        _, low = reduced(e, f)
        return low

    dtype, digits = ("float32", 35) if module is elementary32 else ("float64", 64)
    x = np.concatenate(bases(dtype, 300, np.random.default_rng(1)))
    x = x[x != 1.0]
    parts = [compiled(part, dtype)[0](x) for part in (log_high, log_low)]
    with mp.workprec(BITS):
        for value, high, low in zip(x, *parts, strict=True):
            right = mp.log(mpf(float(value)))
            assert abs(mpf(float(high)) + mpf(float(low)) - right) <= abs(right) * mpf(2) ** -digits, value


@pytest.mark.parametrize("dtype", DTYPES)
def test_error_against_mpmath(dtype):
    x, y = operands(dtype, 200)
    got, right = call(x, y, dtype), exact_powers(x, y)
    check_accuracy(got, right, ALLOWED, (x, y))
    normal = got >= np.finfo(dtype).tiny
    assert ulps(got, right)[normal].max() <= ALLOWED_NORMAL
    check_not_lost(got, right, (x, y))


def test_error_in_float32_against_float64():
    """A million and a half operands."""
    x, y = operands("float32", 40_000, seed=1)
    got = call(x, y, "float32")
    with np.errstate(all="ignore"):
        right = np.power(x.astype(np.float64), y.astype(np.float64))
        same_number = got == right.astype(np.float32)  # an infinity, where it is one
        error = np.abs(got - right) / np.ldexp(1.0, np.maximum(np.frexp(right)[1] - 24, -149))
    error = np.where(same_number, 0.0, error)
    worst = int(np.argmax(error))
    assert error[worst] <= ALLOWED, f"{error[worst]:.3f} ulp at {x[worst]!r}, {y[worst]!r}"
    assert error[right >= 2.0**-126].max() <= ALLOWED_NORMAL
    assert np.all((got != 0.0) | (right < 2.0**-149))


def test_a_logarithm_in_one_number_is_found_out():
    def rough(x, y):
        return exp(y * log(x))

    x, y = operands("float32", 50)
    assert ulps(compiled(rough, "float32", 2)[0](x, y), exact_powers(x, y)).max() > 20.0


# exact results


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_first_power_is_the_number_itself(dtype):
    x = np.concatenate(bases(dtype, 100_000, np.random.default_rng(2)))
    np.testing.assert_array_equal(call(x, 1.0, dtype), x)


@pytest.mark.parametrize("dtype", DTYPES)
def test_powers_of_two_are_exact_down_to_the_least(dtype):
    info = np.finfo(dtype)
    k = np.arange(info.minexp - info.nmant, info.maxexp)
    right = np.ldexp(np.ones((), dtype), k)
    np.testing.assert_array_equal(call(2.0, k, dtype), right)
    np.testing.assert_array_equal(call(0.5, -k, dtype), right)
    np.testing.assert_array_equal(call(right, 1.0, dtype), right)
    np.testing.assert_array_equal(call(right[k % 2 == 0], 0.5, dtype), np.ldexp(np.ones((), dtype), k[k % 2 == 0] // 2))


@pytest.mark.parametrize("dtype", DTYPES)
def test_whole_powers_of_whole_numbers_and_their_roots_are_exact(dtype):
    n = np.arange(1.0, 200.0)
    np.testing.assert_array_equal(call(n, 2.0, dtype), n**2)
    np.testing.assert_array_equal(call(n, 3.0, dtype), n**3)
    np.testing.assert_array_equal(call(n**2, 0.5, dtype), n)
    np.testing.assert_array_equal(call(n**2, 1.5, dtype), n**3)
    np.testing.assert_array_equal(call(2.0**-10 * n, 2.0, dtype), 2.0**-20 * n**2)


# special cases


@pytest.mark.parametrize("dtype", DTYPES)
def test_nan_in_either_operand_reaches_the_result(dtype):
    values = np.array([0.0, -0.0, 1.0, 0.5, 3.0, INF, NAN, -1.0, -INF])
    assert np.isnan(call(NAN, values, dtype)).all()  # in C, NaN**0 is 1
    assert np.isnan(call(values, NAN, dtype)).all()  # in C, 1**NaN is 1


SPECIAL = {  # at y = 0, -0, the least number, 3, inf, and those negative; 0 stands for -0 as well
    0.0: (1.0, 1.0, 0.0, 0.0, 0.0, INF, INF, INF),
    0.5: (1.0, 1.0, 1.0, 0.125, 0.0, 1.0, 8.0, INF),
    1.0: (1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0),
    2.0: (1.0, 1.0, 1.0, 8.0, INF, 1.0, 0.125, 0.0),
    INF: (1.0, 1.0, INF, INF, INF, 0.0, 0.0, 0.0),
    -1.0: (NAN,) * 8,
    -INF: (NAN,) * 8,
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("x", SPECIAL)
def test_special_cases(x, dtype):
    least = float(np.finfo(dtype).smallest_subnormal)
    for base in (x,) if x else (x, -x):
        got = call(base, [0.0, -0.0, least, 3.0, INF, -least, -3.0, -INF], dtype)
        np.testing.assert_array_equal(got, SPECIAL[x])
        assert not np.signbit(got[~np.isnan(got)]).any()


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_steepest_powers(dtype):
    info, kind = np.finfo(dtype), np.dtype(dtype).type
    y = np.array([2e3 / info.eps, 1e18 / info.eps, info.max / 2, info.max, INF], dtype)
    above, below = np.nextafter(kind(1), kind(2)), np.nextafter(kind(1), kind(0))
    for x in (above, below, kind(info.tiny), kind(info.smallest_subnormal), kind(info.max)):
        np.testing.assert_array_equal(call(x, y, dtype), INF if x > 1 else 0.0)
        np.testing.assert_array_equal(call(x, -y, dtype), 0.0 if x > 1 else INF)
    np.testing.assert_array_equal(call(1.0, y, dtype), 1.0)


# the same bits everywhere


def test_plain_python_gives_the_same_bits():
    x, y = (side[::97] for side in operands("float64", 40))
    plain = [elementary64.power(float(a), float(b)) for a, b in zip(x, y, strict=True)]
    np.testing.assert_array_equal(call(x, y, "float64"), plain)


@pytest.mark.parametrize("dtype", DTYPES)
def test_vector_body_and_tail_give_the_same_bits(dtype):
    x, y = (side[::37][:40] for side in operands(dtype, 50))
    alone = np.concatenate([call(x[i : i + 1], y[i : i + 1], dtype) for i in range(40)])
    for length in range(1, 41):
        np.testing.assert_array_equal(call(x[:length], y[:length], dtype), alone[:length])


@pytest.mark.parametrize("dtype", DTYPES)
def test_compiles_to_vector_instructions_without_libm(dtype):
    needs_avx2()
    run, kernel = compiled(power, dtype, 2)
    run(np.ones(8), np.ones(8))
    wide, calls = arithmetic(kernel)
    assert not calls
    assert wide >= scalar_operations(kernel) / 4
    assert wide > 0


RECORD = PairwiseLoss(power, power, power)


@needs_compiler
def test_cuda_text_gives_the_bits_of_the_cpu():
    driver, form = ShimDriver(), forms.form(RECORD, "value")
    driver.prepare(source.map_source(source.map_label(RECORD, "value"), form, 0, dtype) for dtype in DTYPES)
    engine = Engine(driver)
    for dtype in DTYPES:
        hard = numbers(3000, dtype, 1), numbers(3000, dtype, 2)
        x, y = (np.concatenate(side) for side in zip(hard, operands(dtype, 100), strict=True))
        got, expected = np.empty_like(x), np.empty_like(x)
        engine.load(RECORD, "value", dtype)((x, y), (got,), (1.0,), ())
        cpu().load(RECORD, "value", dtype)((x, y), (expected,), (1.0,), ())
        same(got, expected)
        same(expected, call(x, y, dtype))
