"""What a user's formula may call: as good as NumPy's, and smooth where the function is."""

import linecache
import math
import time

import numpy as np
import pytest
from fastloa_kernels.own.reading import FormulaError
from mpmath import mp

import fastloa as fl
from tests.own_formulas import typed_in

TYPES = ("float32", "float64")


def error(found, x, exact):
    """The greatest error in ulp."""
    with mp.workprec(200):
        expected = [exact(mp.mpf(float(value))) for value in x]
        spacings = np.spacing(np.abs(np.array([float(value) for value in expected], found.dtype)))
        pairs = zip(found.tolist(), expected, spacings.tolist(), strict=True)
        return max(float(abs(mp.mpf(got) - value) / spacing) for got, value, spacing in pairs)


def sizes(dtype, low, high):
    """Numbers of all sizes, and many near 1."""
    rng = np.random.default_rng(0)
    return np.concatenate([10.0 ** rng.uniform(low, high, 400), rng.uniform(0.5, 2.0, 200)]).astype(dtype)


def cube_root(x):
    return np.cbrt(x)


def binary(x):
    return math.log2(x)


def decimal(x):
    return np.log10(x)


def bell_sum(x):
    return math.erf(x)


def bell_rest(x):
    return math.erfc(x)


def bell(x):
    return 2 / mp.sqrt(mp.pi) * mp.exp(-x * x)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize(
    ("function", "value", "slope"),
    [
        (cube_root, mp.cbrt, lambda x: mp.cbrt(x) / x / 3),
        (binary, lambda x: mp.log(x, 2), lambda x: 1 / x / mp.log(2)),
        (decimal, mp.log10, lambda x: 1 / x / mp.log(10)),
        (bell_sum, mp.erf, bell),
        (bell_rest, mp.erfc, lambda x: -bell(x)),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_values_and_derivatives_are_within_a_few_ulp(function, value, slope, dtype):
    made, bells = fl.activation(function), function.__name__.startswith("bell")
    ends = (-37, 38) if dtype == "float32" else (-320, 308)
    x = np.linspace(0.01, 8.9 if dtype == "float32" else 26.0, 601).astype(dtype) if bells else sizes(dtype, *ends)
    assert error(made(x), x, value) <= 1.0
    assert error(made.derivative(x), x, slope) <= 3.0


@pytest.mark.parametrize("dtype", TYPES)
def test_logarithms_of_whole_powers_are_whole(dtype):
    info = np.finfo(dtype)
    k = np.arange(info.minexp - info.nmant, info.maxexp)
    np.testing.assert_array_equal(fl.activation(binary)(np.ldexp(np.ones(1, dtype), k)), k)
    k = np.arange(11 if dtype == "float32" else 23)
    np.testing.assert_array_equal(fl.activation(decimal)(np.array([10 ** int(n) for n in k], dtype)), k)


def test_ends_are_those_of_numpy():
    x = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, -8.0])
    with np.errstate(all="ignore"):
        for function, expected in ((cube_root, np.cbrt), (binary, np.log2), (decimal, np.log10)):
            np.testing.assert_array_equal(fl.activation(function)(x), expected(x))
    np.testing.assert_array_equal(np.signbit(fl.activation(cube_root)(x[:2])), [False, True])
    np.testing.assert_array_equal(fl.activation(cube_root).derivative(x[:3]), [np.inf, np.inf, 0.0])


def logistic(z, t):
    return np.logaddexp(0.0, -t * z)


def log_sum(a, b):
    return np.logaddexp(a, b)


@pytest.mark.parametrize("dtype", TYPES)
def test_a_sum_of_exponentials_is_smooth_where_its_terms_are_equal(dtype):
    z, t = np.array([0.0, 1.0, -3.0], dtype), np.array([1.0, -1.0, 1.0], dtype)
    grad, hess = fl.loss(logistic).grad_and_hess(z, t, reduction="sum")
    share = 1 / (1 + np.exp(np.float64(t * z)))
    np.testing.assert_allclose(grad, -t * share, rtol=1e-6)
    np.testing.assert_allclose(hess, share * (1 - share), rtol=1e-6)


def test_a_sum_of_infinite_exponentials_has_the_limit():
    a = np.array([np.inf, -np.inf, np.inf, -np.inf, 1.0])
    b = np.array([np.inf, -np.inf, -np.inf, np.inf, np.nan])
    made = fl.loss(log_sum)
    with np.errstate(invalid="ignore"):
        np.testing.assert_array_equal(made(a, b, reduction="none"), np.logaddexp(a, b))
    np.testing.assert_array_equal(made.grad(a, b, reduction="sum"), [0.5, 0.5, 1.0, 0.0, np.nan])


def swish(x):
    return x / (1 + math.exp(-x))


def share(x):
    return 1 / (np.exp(-x) + 1)


def other_share(x):
    return math.exp(x) / (1 + math.exp(x))


def soft(x):
    return math.log(1 + math.exp(x))


def soft_again(x):
    return np.log1p(np.exp(x))


def test_sigmoid_and_softplus_are_recognised():
    x = np.array([-104, -100, -89, -1, 0, 1, 89, 100, np.inf], "f4")
    for formula, ours in ((share, fl.sigmoid), (other_share, fl.sigmoid)):
        np.testing.assert_array_equal(fl.activation(formula)(x), ours(x))
        np.testing.assert_array_equal(fl.activation(formula).derivative(x), ours.derivative(x))
    for formula in (soft, soft_again):
        made = fl.activation(formula)
        np.testing.assert_array_equal(made(x), fl.softplus(x, threshold=1e30))
        np.testing.assert_array_equal(made.derivative(x), fl.sigmoid(x))
    made, x = fl.activation(swish), x[:-1]
    np.testing.assert_allclose(made(x), fl.silu(x), rtol=1e-6, atol=1e-43)
    np.testing.assert_allclose(made.derivative(x), fl.silu.derivative(x), rtol=1e-5, atol=1e-43)


def square(p, t):
    return abs(p - t) ** 2


def product(p, t):
    return abs(p - t) * np.abs(p - t)


def sixth(p, t):
    return abs(p - t) ** 6 + abs(p - t) ** 2


def catenary(p, t):
    return math.cosh(-abs(p - t))


@pytest.mark.parametrize(("formula", "bend"), [(square, 2.0), (product, 2.0), (sixth, 2.0), (catenary, 1.0)])
def test_even_functions_of_an_absolute_value_bend_at_0(formula, bend):
    grad, hess = fl.loss(formula).grad_and_hess(np.zeros(1), np.zeros(1), reduction="sum")
    assert (grad.tolist(), hess.tolist()) == ([0.0], [bend])


def itself(x):
    return math.copysign(x, x)


def itself_again(x):
    return math.copysign(abs(x), x)


@pytest.mark.parametrize("formula", [itself, itself_again])
def test_a_number_with_its_own_sign_is_the_number(formula):
    x = np.array([0.0, -0.0, -2.0, 3.0])
    np.testing.assert_array_equal(fl.activation(formula).derivative(x), np.ones(4))
    np.testing.assert_array_equal(np.copysign(1.0, fl.activation(formula)(x)), np.copysign(1.0, x))


def raised(x, y=5.0):
    return x**y


@pytest.mark.parametrize("y", [5.0, 7.0, -5.0, 1.5, -1.5, 2.5, 6.0, -6.0, 1e30])
def test_powers_have_the_signs_and_infinities_of_numpy(y):
    x = np.array([0.0, -0.0, -np.inf, np.inf, -2.0, -1.0, 2.0])
    with np.errstate(all="ignore"):
        expected = np.power(x, y)
    found = fl.activation(raised)(x, y=y)
    np.testing.assert_allclose(found, expected, rtol=1e-15)
    known = ~np.isnan(expected)
    np.testing.assert_array_equal(np.signbit(found[known]), np.signbit(expected[known]))


def test_chains_of_truth_values_take_no_longer_each():
    lines = [f"    b = (b and x > {i}.5) or (not b and x < {i}.25)\n" for i in range(40)]
    flips = [f"    if x > {i}.5:\n        b = not b\n" for i in range(40)]
    text = "def f(x):\n    b = x > 0.0\n" + "".join(lines + flips) + "    return x if b else 0.5 * x\n"
    function, x = typed_in(text), np.linspace(-3.0, 45.0, 50)
    start = time.perf_counter()
    made = fl.activation(function)
    assert time.perf_counter() - start < 5.0
    np.testing.assert_array_equal(made(x), [function(value) for value in x])


def test_names_that_are_none_and_lines_that_are_gone():
    function = typed_in("def f(x):\n    a = b = x * 3.25\n    [c, d] = a, b\n    return c + d\n")
    function.__name__ = "leaky-0.5"
    made = fl.activation(function)
    linecache.clearcache()
    assert made(np.ones(1)).tolist() == [6.5]
    assert made.derivative(np.ones(1)).tolist() == [6.5]


CHANGES = [
    ("2.0 * x", "5.0 * x"), ("2.0 * x", "2.0 + x"), ("2.0 * x", "x * 2.0"), ("2.0 * x", "2.0 * x if x > 0 else x"),
    ("2.0", "5.0"), ("2 * x", "3 * x"), ("1 * x if not x > 0 else 2 * x", "1 * x if x > 0 else 2 * x"),
    ("1 * x if x > 0 and x < 2 else 2 * x", "1 * x if x > 0 or x < 2 else 2 * x"),
    ("exp(x) * tanh(x) + exp(x)", "exp(x) * tanh(x) + tanh(x)"),
    ("math.exp(x) * math.tanh(x) + math.exp(x)", "math.exp(x) * math.tanh(x) + math.tanh(x)"),
    ("A * x + B * x * A", "A * x + B * x * B"), ("x if 0 < x < 2 else 2 * x", "x if 0 < x <= 2 else 2 * x"),
    ("max(x, A)", "max(x, B)"), ("max(x, A)", "min(x, A)"), ("max(x, A)", "max(x, A, B)"),
]  # fmt: skip


@pytest.mark.parametrize(("before", "after"), CHANGES)
def test_a_file_that_has_changed_is_refused(before, after, tmp_path):
    path, head = tmp_path / "changed.py", "import math\nfrom math import exp, tanh\nA, B = 0.25, 0.5\n"
    names = {}
    path.write_text(f"{head}def f(x):\n    return {before}\n")
    exec(compile(path.read_text(), path, "exec"), names)
    assert fl.activation(names["f"])(np.ones(1)).tolist() == pytest.approx([names["f"](1.0)])
    path.write_text(f"{head}def f(x):\n    return {after}\n")
    linecache.checkcache()
    with pytest.raises(FormulaError, match=r"f: formula must be .*, in a file as it was imported, got 'f' at "):
        fl.activation(names["f"])


def test_a_sum_without_end_is_refused():
    with pytest.raises(FormulaError, match=r":1 must be less deeply nested"):
        fl.activation(typed_in("def f(x):\n    return " + " + ".join(["x"] * 700) + "\n"))
