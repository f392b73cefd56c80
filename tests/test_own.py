"""Operations of a user's own: values and derivatives, every engine, and what is refused."""

import copy
import functools
import inspect
import linecache
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
from fastloa_kernels.own import translation
from fastloa_kernels.own.differentiation import derivative as derived
from fastloa_kernels.own.expressions import Graph, evaluate
from fastloa_kernels.own.reading import FormulaError
from mpmath import mp, mpf

import fastloa as fl
from tests import harness, own_formulas
from tests.own_formulas import cauchy as cauchy_formula
from tests.own_formulas import dish as dish_formula
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
    """The derivative by mpmath in the first argument, to some forty digits."""
    return lambda x, *rest: mp.diff(lambda z: function(z, *rest), x, order, h=mpf(10) ** -20)


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
    with mp.workdps(80):
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
def test_the_cuda_text_gives_the_bits_of_the_cpu():
    driver = ShimDriver()
    jobs = (fl.activation(own_formulas.statements).record, "backward", ()), (CAUCHY.record, "grad_and_hess", (1.0,))
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


def typed_in(text, name="f", **names):
    """The function that a text defines, as in a notebook, where Python keeps the text of each cell."""
    filename = f"<cell {len(linecache.cache)}>"
    linecache.cache[filename] = len(text), None, text.splitlines(keepends=True), filename
    names = {"fl": fl, "math": math, "np": np, **names}
    exec(compile(text, filename, "exec"), names)
    return names[name]


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


# what is refused, and where


STATEMENTS = "hold assignments, if and return, and neither loops nor anything else"
EXPRESSIONS = "be arithmetic, comparisons, a if c else b, or calls of known functions, all of plain numbers"
REFUSED = [
    ("for i in range(3): x += i", 11, STATEMENTS, "'for i in range(3): x += i'"),
    ("while x > 1:\n        x /= 2", 11, STATEMENTS, "'while x > 1:'"),
    ("if x > 0:\n        return x\n    else:\n        return", 14, STATEMENTS, "'return'"),
    ("if x > 0:\n        import math", 12, STATEMENTS, "'import math'"),
    ("x[0] = 1", 11, "assign to local names, as many as there are values", "'x[0]' in 'x[0] = 1'"),
    ("x, y = 1, 2, x", 11, "assign to local names, as many as there are values", "'(x, y)' in 'x, y = 1, 2, x'"),
    ("y = x if x else x.real", 11, EXPRESSIONS, "'x.real' in 'y = x if x else x.real'"),
    ("y = [x]", 11, EXPRESSIONS, "'[x]' in 'y = [x]'"),
    ("y = (lambda u: u)(x)", 11, EXPRESSIONS, "'(lambda u: u)(x)' in 'y = (lambda u: u)(x)'"),
    ("y = math.gamma(x)", 11, "call plain functions written with def, or those of math and numpy known here: abs, ",
     "'math.gamma(x)' in 'y = math.gamma(x)'"),
    ("y = fl.gelu(x)", 11, "call plain functions", "'fl.gelu(x)' in 'y = fl.gelu(x)'"),
    ("y = np.max(x, 0)", 11, "call plain functions", "'np.max(x, 0)' in 'y = np.max(x, 0)'"),
    ("y = int(x)", 11, "call plain functions", "'int(x)' in 'y = int(x)'"),
    ("y = math.exp(x, x)", 11, "call it with 1 argument by position", "'math.exp(x, x)' in 'y = math.exp(x, x)'"),
    ("y = max(x)", 11, "call it with 2 arguments or more by position", "'max(x)' in 'y = max(x)'"),
    ("y = 1 + x % 2", 11, "use + - * / or **, such as a - b * math.floor(a / b)", "'x % 2' in 'y = 1 + x % 2'"),
    ("y = x // 2", 11, "use + - * / or **, such as math.floor(a / b)", "'x // 2' in 'y = x // 2'"),
    ("y = x is None", 11, "compare numbers by < <= > >= == or !=", "'x is None' in 'y = x is None'"),
    ("y = 0 if x != x else x", 11,
     "compare two different numbers: NaN in an element is NaN in its result in any case", "'x != x'"),
    ("y = x > 0 or x", 11, "join comparisons, as in x > 0.0 and x < 1.0", "'x > 0 or x' in 'y = x > 0 or x'"),
    ("y = x + 'a'", 11, "be a number, not str", "\"'a'\" in"),
    ("y = 2j * x", 11, "be a number, not complex", "'2j' in 'y = 2j * x'"),
    ("y = WEIGHTS", 11, "be a number, not list", "'WEIGHTS' in 'y = WEIGHTS'"),
    (f"y = 1{'0' * 400}", 11, "be a number within the range of float64", f"'1{'0' * 400}' in"),
    ("y = UNKNOWN * x", 11, "name what is defined before the formula is", "'UNKNOWN' in 'y = UNKNOWN * x'"),
    ("y = np.unknown(x)", 11, "name what is defined before the formula is", "'np.unknown(x)' in 'y = np.unknown(x)'"),
    ("y = again(x)", 7, "call functions that do not call themselves", "'again(x)' in 'return again(x)'"),
    ("y = plus(x, z=1)", 11, "call plus as it is defined (got an unexpected keyword argument 'z')", "'plus(x, z=1)'"),
    ("y = plus(*[x, x])", 11, "give arguments one by one", "'plus(*[x, x])' in 'y = plus(*[x, x])'"),
    ("if x > 0: z = 1", 12, "name what is set before on every path", "'z' in 'return x + z'"),
    ("if x > 0: return x\n    z = 1\n    return x, z", 11, "be one number, not several",
     "'if x > 0: return x'"),
]  # fmt: skip
AROUND = """WEIGHTS = [1.0]

def plus(a, b=1):
    return a + b

def again(x):
    return again(x)

@fl.activation
def wrong(x):
    {}
    return x + z
"""


@pytest.mark.parametrize(("body", "number", "expected", "got"), REFUSED, ids=lambda value: str(value)[:40])
def test_a_formula_is_refused_with_its_line(body, number, expected, got, tmp_path):
    path = tmp_path / "users.py"
    path.write_text(AROUND.format(body))
    with pytest.raises(FormulaError) as caught:
        exec(compile(path.read_text(), path, "exec"), {"fl": fl, "math": math, "np": np})
    message = str(caught.value)
    assert message.startswith(f"wrong: {path}:{number} must {expected}")
    assert f", got {got}" in message
    assert "\n" not in message


def nothing(x):
    pass


def unbound(x, *more):
    return x


def several(x, scale):
    return x * scale


def out_of_place(x, out=1.0):
    return x


def worded(x, kind="mean"):
    return x


def unlimited(x, scale=math.inf):
    return x


def other_arguments(x, gain=1.0):
    return x


def empty():
    return 1.0


@functools.wraps(several)
def wrapping(*arguments):
    return arguments


REFUSED_ARGUMENTS = [
    (nothing, "nothing: {file}:{line} must return a number on every path, got 'def nothing(x):'"),
    (unbound, "unbound: formula must take arguments one by one, got *more"),
    (several, "several: scale must have a number as its default, got none"),
    (out_of_place, "out_of_place: out must have another name, for operations have it already"),
    (worded, "worded: kind must be a real number, got str"),
    (unlimited, "unlimited: scale must be finite, got inf"),
    (wrapping, "several: formula must take arguments one by one, got *arguments"),
    (empty, "empty: formula must take an array before its options, got ()"),
    (math.exp, "exp: formula must be a function written with def, got builtin_function_or_method"),
    (lambda x: x, "<lambda>: formula must be a function written with def, in a file as it was imported, "
     "got '<lambda>' at {file}:{line}"),
    (type("Dish", (), {"__call__": lambda self, x: x})(), "Dish: formula must be a function written with def, got Dish"),
]  # fmt: skip


@pytest.mark.parametrize(("function", "message"), REFUSED_ARGUMENTS, ids=lambda value: getattr(value, "__name__", ""))
def test_arguments_are_refused(function, message):
    with pytest.raises((TypeError, ValueError)) as caught:
        fl.activation(function)
    code = getattr(function, "__code__", None)
    assert str(caught.value) == message.format(file=__file__, line=code and code.co_firstlineno)


def test_more_is_refused():
    with pytest.raises(FormulaError, match=r"^nothing: formula must take two arrays before its options, got \(x\)$"):
        fl.loss(typed_in("def nothing(x):\n    return x\n", "nothing"))
    message = r"^dish: derivative must take the formula's arguments \(x, scale=1.0\), got \(x, gain=1.0\)$"
    with pytest.raises(FormulaError, match=message):
        fl.activation(derivative=other_arguments)(dish_formula)
    with pytest.raises(TypeError, match=r"^activation: check must be True or False, got int$"):
        fl.activation(check=1)
    names = {}
    exec("def typed(x): return x", names)
    message = (
        r"^typed: formula must stand in a file or a notebook, where its source can be read, got 'typed' from <string>$"
    )
    with pytest.raises(FormulaError, match=message):
        fl.activation(names["typed"])


def test_a_formula_may_not_be_without_end(monkeypatch):
    monkeypatch.setattr(translation, "LONGEST", 15)
    loop = "    x = 1 / x\n"
    with pytest.raises(FormulaError, match=r":17 must come to at most 15 statements and calls, got 'x = 1 / x'$"):
        fl.activation(typed_in(f"def f(x):\n{loop * 20}    return x\n"))
