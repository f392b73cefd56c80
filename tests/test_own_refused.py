"""What a user's own operation may not hold, and the line that the error names."""

import functools
import math

import numpy as np
import pytest
from fastloa_kernels.own import translation
from fastloa_kernels.own.reading import FormulaError

import fastloa as fl
from tests.own_formulas import dish, typed_in

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
        fl.activation(derivative=other_arguments)(dish)
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
