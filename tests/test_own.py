"""Operations of a user's own: values, derivatives and every engine."""

import copy
import inspect
import math
import pickle
import sys
import types

import numba
import numpy as np
import pytest
from fastloa_kernels import forms
from fastloa_kernels.engines.cupy_native import source
from fastloa_kernels.engines.cupy_native.engine import Engine
from fastloa_kernels.own.differentiation import derivative as derived
from fastloa_kernels.own.expressions import Graph, evaluate
from mpmath import mp, mpf

import fastloa as fl
from tests import harness, own_formulas
from tests.own_formulas import cauchy as cauchy_formula
from tests.own_formulas import dish as dish_formula
from tests.own_formulas import typed_in
from tests.shim.compare import cpu, needs_compiler, same
from tests.shim.driver import ShimDriver

DISH, CAUCHY = fl.activation(dish_formula), fl.loss(cauchy_formula)
X = np.linspace(-4.01, 4.0, 23)


# what the formula says, by mpmath: the user's own code, with mpmath's functions for those of math and NumPy


def branch(test, chosen, other):
    return chosen if test else other


EXACT = {
    "expm1": lambda x: mp.exp(x) - 1, "log1p": lambda x: mp.log(1 + x), "fabs": abs, "exp2": lambda x: mpf(2) ** x,
    "expit": lambda x: 1 / (1 + mp.exp(-x)), "copysign": lambda a, b: abs(a) * mp.sign(b),
    "cbrt": lambda x: mp.cbrt(abs(x)) * mp.sign(x), "where": branch, "logaddexp": lambda a, b: mp.log(mp.exp(a) + mp.exp(b)),
    "log": lambda x, base=mp.e: mp.log(x) / mp.log(base),
}  # fmt: skip
NAMES = ("sqrt", "exp", "tanh", "erf", "erfc", "sin", "cos", "tan", "sinh", "cosh", "sign")
MP = types.SimpleNamespace(**{name: getattr(mp, name) for name in NAMES}, **EXACT)
PLACES = {"math": MP, "np": MP, "scipy": types.SimpleNamespace(special=MP)}


def exact(function):
    """The function's very code, on mpmath's numbers."""
    names = {**function.__globals__, **PLACES}
    names["bounded"] = types.FunctionType(own_formulas.bounded.__code__, names, None, (3,))
    return types.FunctionType(function.__code__, names, None, function.__defaults__)


def alone(formula, points, parameters):
    """A formula of the engines' own, in plain Python."""
    with np.errstate(all="ignore"):
        return np.array([formula(*map(np.float64, point), *map(float, parameters)) for point in points])


def slope(function, order):
    """The derivative by mpmath in the first argument, to some thirty digits."""
    return lambda x, *rest: mp.diff(lambda z: function(z, *rest), x, order, h=mpf(10) ** -15)


def options_of(function):
    return [p.default for p in inspect.signature(function).parameters.values() if p.default is not p.empty]


@pytest.mark.parametrize("function", own_formulas.ACTIVATIONS, ids=lambda f: f.__name__)
def test_activations_and_their_derivatives_by_mpmath(function):
    record, options = fl.activation(function).record, options_of(function)
    points = [(float(x),) for x in np.linspace(-3.93, 4.07, 21)]
    check_formulas((record.value, record.derivative), function, points, options)


@pytest.mark.parametrize("function", own_formulas.LOSSES, ids=lambda f: f.__name__)
def test_losses_and_their_derivatives_by_mpmath(function):
    record, options = fl.loss(function).record, options_of(function)
    points = [(float(x), t) for x in np.linspace(-3.93, 4.07, 17) for t in (-1.3, 0.0, 1.0)]
    check_formulas((record.value, record.derivative, record.second), function, points, options)


def check_formulas(formulas, function, points, options):
    with mp.workdps(60):
        for order, formula in enumerate(formulas):
            by_mpmath = slope(exact(function), order) if order else exact(function)
            expected = np.array([float(by_mpmath(*map(mpf, point), *map(mpf, options))) for point in points])
            np.testing.assert_allclose(alone(formula, points, options), expected, rtol=1e-12, atol=1e-12)


def test_what_python_computes_is_what_is_computed():
    for function in own_formulas.ACTIVATIONS:
        operation = fl.activation(function)
        assert operation.__wrapped__ is function
        found = alone(operation.record.value, [(x,) for x in X], options_of(function))
        np.testing.assert_allclose(found, [function(float(x)) for x in X], rtol=1e-13, atol=1e-13)


@numba.njit
def twice(x):
    return 2 * x


def test_operations_and_compiled_functions_may_be_called():
    def nested(x):
        return DISH(x, scale=3.0) * fl.sigmoid(x) + twice(x) - fl.tanh(x)

    formula = fl.activation(nested).record.value
    for x in (-2.0, 0.5):
        expected = dish_formula(x, 3.0) / (1.0 + math.exp(-x)) + 2.0 * x - math.tanh(x)
        assert formula(x) == pytest.approx(expected, rel=1e-14)


def test_names_that_mean_something_else_in_a_formula_are_spelled_anew():
    def exp(x, sqrt=2.0, σ=3, nan=4):  # noqa: PLC2401
        tanh: float
        tanh = abs(x) * sqrt
        part = (tanh + σ) * (tanh + σ)
        return part * math.exp(x) / part + nan if x < math.inf else math.nan

    formula = fl.activation(exp).record.value
    assert formula(1.0, 2.0, 3.0, 4.0) == pytest.approx(math.e + 4.0)
    assert formula.__name__.isascii()
    assert str(inspect.signature(formula)).isascii()
    assert inspect.getsource(formula).isascii()


# every method, dtype, option and layout: that of all operations


def test_every_method_of_an_activation():
    slopes = 0.5 * (1 + X / np.sqrt(1 + X * X)) + 0.5 * X / (1 + X * X) ** 1.5
    np.testing.assert_allclose(DISH(X, scale=2), X * (1 + X / np.sqrt(1 + X * X)), rtol=1e-14)
    np.testing.assert_allclose(DISH.derivative(X), slopes, rtol=1e-12)
    np.testing.assert_allclose(DISH.backward(X, X, scale=3.0), 3 * X * slopes, rtol=1e-12)
    wide, out = np.asfortranarray(np.tile(X, (5, 1))), np.empty((5, 23))
    assert DISH(wide, out=out, backend="cpu") is out
    harness.check_same_bits(out[0], DISH(X))
    for dtype in (np.float16, np.float32):
        assert DISH(X.astype(dtype)).dtype == dtype
    harness.check_rounded_once(DISH, (X.astype(np.float16),))
    with pytest.raises(
        TypeError, match=r"^dish\.backward_from_output: the derivative does not follow from the output$"
    ):
        DISH.backward_from_output(X, X)


def test_every_method_of_a_loss():
    t, w = X[::-1].copy(), np.abs(X) + 0.5
    r = (X - t) / 2
    value, grad, hess = 2 * np.log1p(r * r), 2 * r / (1 + r * r), (1 - r * r) / (1 + r * r) ** 2
    np.testing.assert_allclose(CAUCHY(X, t, c=2, reduction="none"), value, rtol=1e-14)
    np.testing.assert_allclose(CAUCHY(X, t, c=2, weight=w), np.mean(w * value), rtol=1e-14)
    got = CAUCHY.value_and_grad(X, t, c=2, sample_weight=w)
    np.testing.assert_allclose(got[0], np.sum(w * value) / np.sum(w), rtol=1e-14)
    np.testing.assert_allclose(got[1], w * grad / np.sum(w), rtol=1e-13, atol=1e-16)
    np.testing.assert_allclose(CAUCHY.grad(X, t, c=2, reduction="sum"), grad, rtol=1e-13, atol=1e-15)
    for found, expected in zip(CAUCHY.grad_and_hess(X, t, c=2, reduction="sum"), (grad, hess), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-15)


def test_arrays_have_the_names_of_the_formula():
    pinball = fl.loss(own_formulas.pinball)
    message = r"^pinball\.grad: guess and truth must have the same shape, got \(23,\) and \(3,\)$"
    with pytest.raises(ValueError, match=message):
        pinball.grad(X, X[:3])
    with pytest.raises(TypeError, match=r"^pinball: takes guess and truth, got 1 positional arguments$"):
        pinball(X)


def test_name_docstring_and_signature_are_the_formulas():
    assert DISH.__name__ == "dish"
    assert DISH.__doc__ == "Dish, by its algebraic sigmoid."
    assert DISH.__module__ == own_formulas.__name__
    assert str(inspect.signature(fl.loss(own_formulas.pinball))).startswith(
        "(guess, truth, /, *, q=0.3, weight=None, reduction='mean', sample_weight=None, backend=None)"
    )


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"scale": math.nan}, ValueError, "dish: scale must be finite, got nan"),
        ({"scale": "2"}, TypeError, "dish: scale must be a real number, got str"),
        ({"gain": 2.0}, TypeError, "dish() got an unexpected keyword argument 'gain'"),
    ],
)
def test_options_are_checked(options, error, message):
    with pytest.raises(error) as caught:
        DISH(X, **options)
    assert str(caught.value) == message


def test_nan_reaches_every_result_whatever_is_chosen():
    def step(x):
        return 1.0 if x > 0.0 else 0.0

    def hinge(p, t):
        return max(0.0, 1.0 - p * t) if t > 0.0 else 0.0

    operation, loss = fl.activation(step).record, fl.loss(hinge).record
    assert [operation.value(x) for x in (-1.0, 2.0)] == [0.0, 1.0]
    for formula in (operation.value, operation.derivative):
        assert math.isnan(formula(math.nan))
    for formula in (loss.value, loss.derivative, loss.second):
        assert math.isnan(formula(math.nan, -1.0))
        assert math.isnan(formula(0.5, math.nan))


@pytest.mark.parametrize(
    ("formula", "x", "expected"),
    [
        (lambda g, x: g.call("abs", x), 0.0, 0.0),
        (lambda g, x: g.call("greater", x, g.constant(0.0)), 0.0, 0.5),
        (lambda g, x: g.call("lesser", x, g.negative(x)), 0.0, 0.0),
        (lambda g, x: g.power(x, g.argument("p")), 0.0, 0.0),
        (lambda g, x: g.power(g.constant(0.0), x), 2.0, 0.0),
    ],
)
def test_derivatives_at_kinks(formula, x, expected):
    graph = Graph()
    found = derived(graph, formula(graph, graph.argument("x")), "x")
    values, _ = evaluate(found, {"x": np.array([x]), "p": np.array([0.0])})
    assert values == expected


# engines


@needs_compiler
def called(x):
    return math.log2(2 + x * x) * np.log10(1 + x * x) + math.log(1 + math.exp(x)) / (1 + np.exp(-x)) + abs(x) ** 5


def with_slopes(x):
    return STEP(x) * x + KEPT(2 * x)


def test_the_cuda_text_gives_the_bits_of_the_cpu():
    driver = ShimDriver()
    jobs = (
        *((fl.activation(made).record, "backward", ()) for made in (own_formulas.statements, own_formulas.elementary, called)),
        (fl.activation(with_slopes, check=False).record, "backward", ()),
        (CAUCHY.record, "grad_and_hess", (1.0,)), (fl.loss(own_formulas.logistic).record, "grad_and_hess", (1.0,)),
    )  # fmt: skip
    found = [(record, name, forms.form(record, name), leading) for record, name, leading in jobs]
    driver.prepare([
        source.map_source(source.map_label(record, name), form, len(record.parameters), dtype)
        for record, name, form, _ in found
        for dtype in ("float32", "float64")
    ])  # fmt: skip
    engine, rng = Engine(driver), np.random.default_rng(0)
    for dtype in ("float32", "float64"):
        for record, name, form, leading in found:
            arrays = tuple(rng.normal(size=999).astype(dtype) for _ in range(form.inputs))
            results = [np.empty((form.outputs, 999), dtype) for _ in range(2)]
            for made, result in zip((engine, cpu()), results, strict=True):
                made.load(record, name, dtype)(arrays, tuple(result), leading, (1.5,) * len(record.parameters))
            same(*results)


# one name, many formulas


def test_a_formula_defined_again_is_the_new_one_and_the_same_text_is_made_once():
    text = "@fl.activation\ndef f(x, k=2.0):\n    return {} * x * k\n"
    first, second, third = (typed_in(text.format(factor)) for factor in (3, 5, 3))
    assert [f(np.ones(1))[0] for f in (first, second, third)] == [6.0, 10.0, 6.0]
    assert first.record == third.record != second.record


def test_numbers_of_the_module_are_those_of_the_definition():
    text = "def make(k):\n    @fl.activation\n    def f(x):\n        return k * x + K if FLAG else 0\n    return f\n"
    make = typed_in(text, "make", K=1.0, FLAG=True)
    formulas = [make(k).record.value for k in (2, np.float32(3.0))]
    make.__globals__["K"] = 100.0
    assert [formula(10.0) for formula in formulas] == [21.0, 31.0]


def test_copies_and_pickles_are_the_operation():
    module = types.ModuleType("users")
    sys.modules["users"] = module
    module.dish = typed_in("@fl.activation\ndef dish(x):\n    return 2 * x\n", "dish", __name__="users")
    try:
        assert pickle.loads(pickle.dumps(module.dish)) is module.dish
        assert copy.deepcopy([module.dish])[0] is module.dish
    finally:
        del sys.modules["users"]


NAMED = """
import sys
import numpy as np
import fastloa as fl

def users(path):
    names = {"fl": fl}
    exec(compile(open(path).read(), path, "exec"), names)
    return names["relu"]

print(*(users(path)(np.array([-1.0, 3.0])).tolist() for path in PATHS))
"""


def test_kernels_are_found_on_the_disk_by_what_they_compute(tmp_path):
    """Two modules' formulas of one name, and in another process one of them once more."""
    paths = [str(tmp_path / f"{name}.py") for name in ("first", "second")]
    for path, body in zip(paths, ("2 * x", "x - 1"), strict=True):
        with open(path, "w") as file:
            file.write(f"@fl.activation\ndef relu(x):\n    return {body}\n")

    def run(*paths):
        return harness.python(f"PATHS = {paths}\n{NAMED}", NUMBA_CACHE_DIR=str(tmp_path / "cache"))

    assert run(*paths) == "[-2.0, 6.0] [-2.0, 2.0]\n"
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.nb?")}
    assert before
    assert run(*paths[:1]) == "[-2.0, 6.0]\n"
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.nb?")} == before


def box(x):
    return 1.0 if abs(x) < 0.5 else 0.0


def step(x):
    return 1.0 if x > 0 else 0.0


def kept(x, scale=1.0):
    return x


def stretched(x, scale=1.0):
    return scale * x


def test_derivatives_may_be_given_with_the_formula():
    x = np.array([0.25, 3.0])
    assert fl.activation(step, derivative=box, check=False).derivative(x).tolist() == [1.0, 0.0]
    with pytest.raises(ValueError, match=r"^step: derivative must be 0 at "):
        fl.activation(step, derivative=box)
    made = fl.loss(cauchy_formula, derivative=wide, second=narrow, check=False)
    assert [one.tolist() for one in made.grad_and_hess(x, x, reduction="sum")] == [[9.0, 9.0], [4.0, 4.0]]


def wide(input, target, c=1.0):
    return 9.0


def narrow(input, target, c=1.0):
    return 4.0


STEP = fl.activation(derivative=box, check=False)(step)
KEPT = fl.activation(derivative=stretched, check=False)(kept)
WIDE = fl.loss(derivative=wide, second=narrow, check=False)(cauchy_formula)


def test_a_derivative_that_was_given_is_that_of_the_operation_in_other_formulas():
    x = np.array([0.25, 3.0])

    def calls(x):
        return 2 * STEP(x * x) + KEPT(scale=4.0, x=x) + x

    made = fl.activation(calls, check=False)
    np.testing.assert_array_equal(made(x), [2.5, 8.0])
    np.testing.assert_array_equal(made.derivative(x), [2 * 2 * 0.25 + 4 * 0.25 + 1.0, 4 * 3.0 + 1.0])
    with pytest.raises(ValueError, match=r"^calls: the derivative derived from it must be 2 at "):
        fl.activation(calls)

    def twice(input, target):
        return WIDE(2 * input, target)

    grad, hess = fl.loss(twice, check=False).grad_and_hess(x, x, reduction="sum")
    assert (grad.tolist(), hess.tolist()) == ([18.0, 18.0], [16.0, 16.0])

    def lost(x):
        return KEPT(x, x)

    message = (
        r"^lost: derivative must be given: of what has a derivative of its own, nothing but the first argument may"
    )
    with pytest.raises(TypeError, match=message):
        fl.activation(lost)
