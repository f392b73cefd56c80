"""Sine and cosine over all numbers: accuracy, above all next to the multiples of pi / 2, and what they compile to."""

import math
from functools import cache

import numpy as np
import pytest
from fastloa_kernels import forms
from fastloa_kernels.engines.cupy_native import source
from fastloa_kernels.engines.cupy_native.engine import Engine
from fastloa_kernels.formulas import trigonometric32, trigonometric64
from fastloa_kernels.formulas.trigonometric import cos, sin
from fastloa_kernels.primitives import fma, round_even
from fastloa_kernels.records import Elementwise
from mpmath import mp, mpf

from benchmarks import coefficients
from tests.formulas import arithmetic, compiled, everywhere, hard, needs_avx2, scalar_operations
from tests.harness import exact, ulps
from tests.shim.compare import cpu, needs_compiler, numbers, same
from tests.shim.driver import ShimDriver

DTYPES = ("float32", "float64")
BITS = 200  # of the references: mpmath takes what more it needs to reduce an argument
FUNCTIONS = {"sin": (sin, mp.sin), "cos": (cos, mp.cos)}
# What was measured, rounded up; float32 over 306 million of its numbers, float64 over 225,000.
ALLOWED = {"float32": 0.70, "float64": 0.64}

named = pytest.mark.parametrize(("formula", "reference"), FUNCTIONS.values(), ids=FUNCTIONS)
both = pytest.mark.parametrize("dtype", DTYPES)


# numbers to try


@cache
def hardest(dtype, count=2):
    """Give of each binade from 1/2 on the numbers nearest to a multiple of pi / 2, the nearest of all first.

    By continued fractions, as in the chapter on range reduction of Muller's Elementary Functions: no fraction with a
    smaller denominator is nearer to 2**e * 2 / pi than a convergent n / m, so that m * 2**e is nearest to n * pi / 2.
    """
    info = np.finfo(dtype)
    least, most, scale = 2**info.nmant, 2 ** (info.nmant + 1), 2 ** (2 * info.maxexp)
    with mp.workprec(2 * info.maxexp + 100):
        inverse = int(mp.floor(2 * scale / mp.pi))
    found = []
    for e in range(-info.nmant - 1, info.maxexp - info.nmant):
        top, bottom = inverse << max(e, 0), scale << max(-e, 0)
        multiples = [m * -(-least // m) for m in denominators(top, bottom, most)]
        distances = [(min(m * top % bottom, -m * top % bottom) / bottom, m) for m in multiples if m < most]
        found += [(distance, math.ldexp(m, e)) for distance, m in sorted(set(distances))[:count]]
    return [x for _, x in sorted(found)]


def denominators(top, bottom, most):
    """Give the denominators of the convergents of top / bottom, and of each one's mediant with the one before it."""
    found, before, last, a, b = [], 0, 1, top, bottom
    while last < most:
        found += [last, last + before]
        a, b = b, a % b
        before, last = last, last * (a // b) + before
    return found


def test_the_search_finds_the_hardest_numbers_known():
    assert hardest("float64")[0] == math.ldexp(6381956970095103, 797)
    assert hardest("float32")[0] == math.ldexp(16367173, 72)


def spread(dtype, count):
    """Give ordinary angles, multiples of pi / 2, numbers of all sizes, and every power of two with the number below it.

    At some powers of two, other digits of 1 / (2 * pi) come into play.
    """
    info, rng = np.finfo(dtype), np.random.default_rng(4)
    powers = np.ldexp(np.ones((), dtype), np.arange(info.minexp - info.nmant, info.maxexp))
    near = [rng.uniform(-a, a, count) for a in (1e-3, 1.0, 4.0, 100.0, 1e5, 1e10)]
    parts = [*near, rng.integers(1, 2000, count) * np.pi / 2]
    parts = [part.astype(dtype) for part in parts]
    return np.concatenate([*parts, powers, np.nextafter(powers, 0), everywhere(dtype, count), hard(dtype)])


# accuracy


def errors(formula, reference, x):
    got = compiled(formula, x.dtype.name)[0](x)
    with mp.workprec(BITS):
        return ulps(got, exact([reference(mpf(float(value))) for value in x], x.dtype.name))


def check(error, x, allowed):
    worst = int(np.argmax(error))
    assert error[worst] <= allowed, f"{error[worst]:.3f} ulp at {x[worst]!r}"


@both
@named
def test_error_against_mpmath(formula, reference, dtype):
    x = spread(dtype, 300)
    check(errors(formula, reference, x), x, ALLOWED[dtype])


@both
@named
def test_error_next_to_the_multiples_of_a_quarter_turn(formula, reference, dtype):
    x = np.array(hardest(dtype), dtype)
    check(errors(formula, reference, x), x, ALLOWED[dtype])


@pytest.mark.parametrize("name", FUNCTIONS)
def test_error_in_float32_over_all_bits(name):
    """Every 4,099th of the 2**32 numbers, and a million ordinary angles, against NumPy's float64."""
    ordinary = np.random.default_rng(6).uniform(-100.0, 100.0, 1_000_000).astype(np.float32)
    x = np.concatenate([np.arange(0, 2**32, 4099, dtype=np.uint32).view(np.float32), ordinary])
    x = x[np.isfinite(x)]
    got = compiled(FUNCTIONS[name][0], "float32")[0](x)
    right = getattr(np, name)(x.astype(np.float64))
    unit = np.ldexp(1.0, np.maximum(np.frexp(right)[1] - 24, -149))
    check(np.abs(got - right) / unit, x, ALLOWED["float32"])
    assert np.abs(got).max() == 1.0


def rough_sin(x):
    turns = x * 0.15915494309189535
    r = fma(-6.283185307179586, round_even(turns), x)
    return r * (1.0 + r * r * (-0.16666667 + r * r * (0.0083333333 + r * r * -0.0001984127)))


@both
def test_a_rough_sin_is_found_out(dtype):
    x = np.array(hardest(dtype), dtype)
    assert errors(rough_sin, mp.sin, x).max() > 1e6


# special cases


@both
def test_limits(dtype):
    for formula, expected in ((sin, [0.0, -0.0, np.nan, np.nan, np.nan]), (cos, [1.0, 1.0, np.nan, np.nan, np.nan])):
        got = compiled(formula, dtype)[0]([0.0, -0.0, np.nan, np.inf, -np.inf])
        np.testing.assert_array_equal(got, expected)
        np.testing.assert_array_equal(np.signbit(got)[:2], np.signbit(expected)[:2])


@both
def test_tiny_arguments(dtype):
    info = np.finfo(dtype)
    x = info.smallest_subnormal * np.array([1, -1, 2, -3, 1000], dtype)
    x = np.concatenate([x, np.array([1, -1.5, 100], dtype) * info.tiny])
    np.testing.assert_array_equal(compiled(sin, dtype)[0](x), x)
    np.testing.assert_array_equal(compiled(cos, dtype)[0](x), np.ones(x.size))


@both
def test_sin_is_odd_and_cos_even(dtype):
    x = np.concatenate([spread(dtype, 300), np.array(hardest(dtype), dtype)])
    call = compiled(sin, dtype)[0]
    np.testing.assert_array_equal(call(-x), -call(x))
    call = compiled(cos, dtype)[0]
    np.testing.assert_array_equal(call(-x), call(x))


# where the constants come from


@pytest.mark.parametrize("words", coefficients.WORDS, ids=lambda words: words.dtype.__name__)
def test_words_are_those_of_the_script(words):
    module = trigonometric32 if words.dtype is np.float32 else trigonometric64
    held = {name: value for name, value in vars(module).items() if name.startswith("TURN_")}
    assert [words.dtype(held[f"TURN_{i}"]) for i in range(len(held))] == words.turn()
    assert [words.dtype(module.TAU_HIGH), words.dtype(module.TAU_LOW)] == words.tau()
    assert 2.0**-words.bits == module.STEP_1


# the same bits everywhere, and what it compiles to


@named
def test_plain_python_gives_the_same_bits(formula, reference):
    x = np.concatenate([spread("float64", 2)[::60], hardest("float64")[:10]])
    np.testing.assert_array_equal(compiled(formula, "float64")[0](x), [formula(float(value)) for value in x])


@both
@named
def test_vector_body_and_tail_give_the_same_bits(formula, reference, dtype):
    x = np.concatenate([np.array(hardest(dtype)[:20], dtype), everywhere(dtype, 20)])
    call = compiled(formula, dtype)[0]
    alone = np.concatenate([call(x[i : i + 1]) for i in range(40)])
    for length in range(1, 41):
        np.testing.assert_array_equal(call(x[:length]), alone[:length])
        np.testing.assert_array_equal(call(x[40 - length : 40]), alone[40 - length :])


@both
@named
def test_compiles_to_vector_instructions_without_libm(formula, reference, dtype):
    needs_avx2()
    call, kernel = compiled(formula, dtype)
    call(np.ones(8))
    wide, calls = arithmetic(kernel)
    assert not calls
    assert wide >= scalar_operations(kernel) / 4
    assert wide > 0


RECORD = Elementwise(sin, cos)
FORMS = ("value", "derivative")


@pytest.fixture(scope="module")
def engine():
    """The CUDA C++ engine on NumPy arrays, with all kernels of this file built at once."""
    driver = ShimDriver()
    driver.prepare(
        source.map_source(source.map_label(RECORD, name), forms.form(RECORD, name), 0, dtype)
        for name in FORMS
        for dtype in DTYPES
    )
    return Engine(driver)


@needs_compiler
@both
def test_cuda_text_gives_the_bits_of_the_cpu(engine, dtype):
    x = np.concatenate([numbers(3000, dtype, 1), spread(dtype, 300), np.array(hardest(dtype), dtype)])
    for form in FORMS:
        got, expected = np.empty_like(x), np.empty_like(x)
        engine.load(RECORD, form, dtype)((x,), (got,), (), ())
        cpu().load(RECORD, form, dtype)((x,), (expected,), (), ())
        same(got, expected)
