"""What GELU needs of the normal distribution: the blocks, and a GELU made of them here, whose product rounds once."""

import ast
import inspect

import numpy as np
import pytest
import scipy.special
from fastloa_kernels import forms
from fastloa_kernels.engines.cupy_native import source
from fastloa_kernels.engines.cupy_native.engine import Engine
from fastloa_kernels.formulas import elementary
from fastloa_kernels.formulas.compensated import complement
from fastloa_kernels.formulas.elementary import erf, erfc, normal_tail, normal_tail_parts, normal_tail_slope
from fastloa_kernels.primitives import copysign, fma
from fastloa_kernels.records import Elementwise
from mpmath import mp, mpf

from benchmarks import coefficients
from tests import references as ref
from tests.formulas import arithmetic, check_pair, compiled, everywhere, hard, needs_avx2, parts, scalar_operations
from tests.harness import exact, ulps
from tests.shim.compare import cpu, needs_compiler, numbers, same
from tests.shim.driver import ShimDriver

DTYPES = ("float32", "float64")
BITS = 200  # of the references: nothing cancels but near the derivative's zero
ZERO = -0.7517915246935645  # of GELU's derivative
AROUND = 0.02  # where the relative error of the derivative grows


def gelu(x):
    u = 40.0 if abs(x) > 40.0 else abs(x)  # the tail is 0 there; times an infinity, it would be NaN
    high, low, factor = normal_tail(u)
    below = fma(high, u, low * u) * factor
    upper, rest = complement(1.0, high, low, factor)
    above = fma(upper, abs(x), rest * u)
    return copysign(below if x < 0.0 else above, x)


def gelu_derivative(x):
    slope = normal_tail_slope(x)
    return slope if x < 0.0 else 1.0 - slope


def exact_gelu(x):
    return x * ref.erfc(-x / mp.sqrt(2)) / 2


def exact_derivative(x):
    return ref.erfc(-x / mp.sqrt(2)) / 2 + x * ref.exp(-(x**2) / 2) / mp.sqrt(2 * mp.pi)


def inputs(dtype, count):
    least = {"float32": -14.45, "float64": -38.6}[dtype]
    near = [(least, 6.0), (-2.0, 2.0), (-1.0, -0.5), (least, 0.9 * least), (0.9 * least, 0.8 * least)]
    rng = np.random.default_rng(2)
    parts = [rng.uniform(a, b, count).astype(dtype) for a, b in near]
    return np.concatenate([everywhere(dtype, count), hard(dtype), *parts])


def against_mpmath(formula, reference, x):
    dtype = x.dtype.name
    got = compiled(formula, dtype)[0](x)
    with mp.workprec(BITS):
        return ulps(got, exact([reference(mpf(float(value))) for value in x], dtype))


# What was measured, rounded up; float32 over all of its numbers from 1e-6 to 14.5 and their negatives.
GELU = {"float32": 0.82, "float64": 0.80}
DERIVATIVE = {"float32": 0.90, "float64": 1.40}


def check(error, x, allowed):
    worst = int(np.argmax(error))
    assert error[worst] <= allowed, f"{error[worst]:.3f} ulp at {x[worst]!r}"


@pytest.mark.parametrize("dtype", DTYPES)
def test_gelu_against_mpmath(dtype):
    x = inputs(dtype, 200)
    check(against_mpmath(gelu, exact_gelu, x), x, GELU[dtype])


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_derivative_of_gelu_against_mpmath(dtype):
    x = inputs(dtype, 200)
    x = x[abs(x - ZERO) >= AROUND]
    check(against_mpmath(gelu_derivative, exact_derivative, x), x, DERIVATIVE[dtype])


@pytest.mark.parametrize("dtype", DTYPES)
def test_near_its_zero_the_derivative_of_gelu_is_right_by_the_ulp_of_what_cancels(dtype):
    x = (ZERO + np.linspace(-AROUND, AROUND, 400)).astype(dtype)
    got = compiled(gelu_derivative, dtype)[0](x)
    with mp.workprec(BITS):
        right = [exact_derivative(mpf(float(value))) for value in x]
        check(ulps(got, exact(right, dtype, scales=[mpf(0.2)] * x.size)), x, 0.5)


@pytest.mark.parametrize(
    ("formula", "allowed"), [(gelu, GELU["float32"]), (gelu_derivative, DERIVATIVE["float32"])], ids=["value", "slope"]
)
def test_error_in_float32_over_all_bits(formula, allowed):
    """Every 4,099th of the 2**32 numbers, and a million where it matters, against SciPy's float64."""
    x = np.concatenate([np.arange(0, 2**32, 4099, dtype=np.uint32).view(np.float32), inputs("float32", 160_000)])
    x = x[np.isfinite(x)]
    x = x[abs(x - ZERO) >= AROUND]
    wide = x.astype(np.float64)
    right = scipy.special.ndtr(wide)
    if formula is gelu:
        right = wide * right
    else:
        right += wide * np.exp(-0.5 * np.minimum(wide * wide, 2000.0)) / np.sqrt(2.0 * np.pi)
    unit = np.ldexp(1.0, np.maximum(np.frexp(right)[1] - 24, -149))
    got = compiled(formula, "float32")[0](x)
    check(np.abs(got - right) / unit, x, allowed)
    assert np.all((got != 0.0) | (np.abs(right) < 2.0**-149))


@pytest.mark.parametrize("dtype", DTYPES)
def test_limits(dtype):
    x = [np.nan, np.inf, -np.inf, 0.0, -0.0, float(np.finfo(dtype).max), -float(np.finfo(dtype).max)]
    for formula, expected in (
        (gelu, [np.nan, np.inf, -0.0, 0.0, -0.0, x[-2], -0.0]),
        (gelu_derivative, [np.nan, 1.0, 0.0, 0.5, 0.5, 1.0, 0.0]),
    ):
        got = compiled(formula, dtype)[0](x)
        np.testing.assert_array_equal(got, expected)
    got = compiled(gelu, dtype)[0](x)
    np.testing.assert_array_equal(np.signbit(got)[1:], [False, True, False, True, False, True])


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_tail_has_more_digits_than_one_number(dtype):
    x = inputs(dtype, 100)
    x = x[abs(x) < {"float32": 14.5, "float64": 38.6}[dtype]]
    check_pair(normal_tail, lambda x: ref.erfc(abs(x) / mp.sqrt(2)) / 2, x, np.finfo(dtype).nmant + 2)


@pytest.mark.parametrize(("dtype", "end"), [("float32", 30.0), ("float64", 70.0)])
def test_the_tail_goes_on_where_it_is_no_number_any_more(dtype, end):
    x = np.linspace(10.0, end, 200).astype(dtype)
    found = [compiled(part, dtype)[0](x) for part in parts(normal_tail_parts)]
    with mp.workprec(BITS):
        for value, k, high, low in zip(x, *found, strict=True):
            right = mp.erfc(mpf(float(value)) / mp.sqrt(2)) / 2
            got = mp.ldexp(mpf(float(high)) + mpf(float(low)), int(k))
            assert abs(got - right) <= right * mpf(2) ** -(np.finfo(dtype).nmant + 1), value


@pytest.mark.parametrize("beyond", coefficients.BEYOND, ids=lambda beyond: beyond.dtype.__name__)
def test_what_it_is_short_of_there_is_what_the_script_says(beyond):
    text = inspect.getsource(elementary.VERSIONS[beyond.dtype.__name__]["normal_tail_parts"])
    literals = {abs(node.value) for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Constant)
                and isinstance(node.value, float)}  # fmt: skip
    assert {abs(float(f"{number:.3g}")) for number in beyond.numbers()} <= literals


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("formula", [gelu, gelu_derivative])
def test_compiles_to_vector_instructions_without_libm(formula, dtype):
    needs_avx2()
    call, kernel = compiled(formula, dtype)
    call(np.ones(8))
    wide, calls = arithmetic(kernel)
    assert not calls
    assert wide >= scalar_operations(kernel) / 4
    assert wide > 0


RECORDS = {"gelu": Elementwise(gelu, gelu_derivative), "erf": Elementwise(erf, erfc)}
FORMS = ("value", "derivative")


@pytest.fixture(scope="module")
def engine():
    """The CUDA C++ engine on NumPy arrays, with all kernels of this file built at once."""
    driver = ShimDriver()
    driver.prepare(
        source.map_source(source.map_label(record, name), forms.form(record, name), 0, dtype)
        for record in RECORDS.values()
        for name in FORMS
        for dtype in DTYPES
    )
    return Engine(driver)


@needs_compiler
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("record", RECORDS.values(), ids=RECORDS)
def test_cuda_text_gives_the_bits_of_the_cpu(engine, record, dtype):
    x = np.concatenate([numbers(3000, dtype, 1), inputs(dtype, 200)])
    for form in FORMS:
        got, expected = np.empty_like(x), np.empty_like(x)
        engine.load(record, form, dtype)((x,), (got,), (), ())
        cpu().load(record, form, dtype)((x,), (expected,), (), ())
        same(got, expected)
