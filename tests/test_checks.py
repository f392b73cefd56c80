"""Checks of arguments: what passes, what it becomes, and every message word for word."""

import math
import re
import subprocess
import sys
import types
from decimal import Decimal
from fractions import Fraction

import ml_dtypes
import numpy as np
import pytest

from fastloa.checks import choice, flag, integer, is_cupy, items, leaves, namespace, number, real
from fastloa.wording import kind


def refused(error, message):
    """Expect an error with this message, word for word."""
    return pytest.raises(error, match=f"^{re.escape(message)}$")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.5, 0.5),
        (3, 3.0),
        (-0.0, -0.0),
        (np.float16(0.5), 0.5),
        (np.float32(0.1), 0.10000000149011612),
        (np.float64(0.1), 0.1),
        (np.longdouble(0.5), 0.5),
        (np.int8(-3), -3.0),
        (np.uint64(2**64 - 1), 2.0**64),
        (ml_dtypes.bfloat16(1.5), 1.5),
        (np.array(0.25), 0.25),
        (np.array(7, dtype=np.int16), 7.0),
        (np.array(1.5, dtype=">f4"), 1.5),
        (np.array(1.5, dtype=ml_dtypes.bfloat16), 1.5),
        (Fraction(1, 4), 0.25),
        (5e-324, 5e-324),
    ],
)
def test_number_becomes_a_python_float(value, expected):
    got = number("f", "x", value)
    assert type(got) is float
    assert got == expected
    assert math.copysign(1.0, got) == math.copysign(1.0, expected)


@pytest.mark.parametrize(
    ("value", "came"),
    [
        ("0.5", "str"),
        (None, "NoneType"),
        (True, "bool"),
        (np.True_, "bool"),
        (1j, "complex"),
        (np.complex64(1), "complex64"),
        (Decimal("0.5"), "Decimal"),
        ([0.5], "list"),
        (np.timedelta64(3, "s"), "timedelta64"),
        (np.str_("0.5"), "str_"),
        (np.array([0.5]), "numpy.ndarray of shape (1,) and dtype float64"),
        (np.array(True), "numpy.ndarray of shape () and dtype bool"),
        (np.array(1j), "numpy.ndarray of shape () and dtype complex128"),
        (np.array(None), "numpy.ndarray of shape () and dtype object"),
    ],
)
def test_number_of_another_kind(value, came):
    with refused(TypeError, f"leaky_relu: negative_slope must be a real number, got {came}"):
        number("leaky_relu", "negative_slope", value)


@pytest.mark.parametrize(
    ("value", "bounds", "message"),
    [
        (math.nan, {}, "finite, got nan"),
        (-math.inf, {}, "finite, got -inf"),
        (np.float32("nan"), {}, "finite, got nan"),
        (np.array(np.inf), {}, "finite, got inf"),
        (10**400, {}, "finite, got an integer of 1329 bits"),
        (np.longdouble("1e400"), {}, "finite, got 1e+400"),
        (-1.0, {"low": 0, "low_open": True}, "positive and finite, got -1.0"),
        (0, {"low": 0, "low_open": True}, "positive and finite, got 0"),
        (-5e-324, {"low": 0}, "non-negative and finite, got -5e-324"),
        (math.inf, {"low": 0}, "non-negative and finite, got inf"),
        (0.5, {"low": 1}, "finite and >= 1, got 0.5"),
        (1.0, {"low": 1, "low_open": True}, "finite and > 1, got 1.0"),
        (2.5, {"high": 2.25}, "finite and <= 2.25, got 2.5"),
        (2.0, {"high": 2, "high_open": True}, "finite and < 2, got 2.0"),
        (1.5, {"low": 0, "high": 1, "high_open": True}, "in [0, 1), got 1.5"),
        (1.0, {"low": 0, "high": 1, "high_open": True}, "in [0, 1), got 1.0"),
        (0.0, {"low": 0, "high": 1, "low_open": True}, "in (0, 1], got 0.0"),
        (math.nan, {"low": -0.5, "high": 0.5}, "in [-0.5, 0.5], got nan"),
        (np.float32(1.1), {"low": 0.0, "high": 1.0}, "in [0, 1], got 1.1"),
    ],
)
def test_number_out_of_range(value, bounds, message):
    with refused(ValueError, f"SGD: momentum must be {message}"):
        number("SGD", "momentum", value, **bounds)


@pytest.mark.parametrize(
    ("value", "bounds"),
    [
        (0.0, {"low": 0}),
        (1.0, {"low": 0, "high": 1}),
        (0.0, {"low": 0, "high": 1, "high_open": True}),
        (1.0, {"low": 0, "high": 1, "low_open": True}),
        (5e-324, {"low": 0, "low_open": True}),
        (sys.float_info.max, {"low": 0}),
        (math.nextafter(1.0, 0.0), {"high": 1, "high_open": True}),
    ],
)
def test_number_at_the_ends_of_its_range(value, bounds):
    assert number("f", "x", value, **bounds) == value


@pytest.mark.parametrize(
    "value", [7, np.int64(7), np.uint8(7), np.array(7), np.array(7, dtype=">i2")], ids=lambda v: type(v).__name__
)
def test_integer_becomes_a_python_int(value):
    got = integer("f", "n", value, low=7, high=7)
    assert type(got) is int
    assert got == 7


def test_integer_has_no_size_limit():
    assert integer("f", "n", 10**30) == 10**30


@pytest.mark.parametrize(
    ("value", "bounds", "message"),
    [
        (1.0, {"low": 1}, "an integer >= 1, got float"),
        (np.float64(1), {"low": 1}, "an integer >= 1, got float64"),
        (True, {"low": 1}, "an integer >= 1, got bool"),
        (np.True_, {}, "an integer, got bool"),
        ("1", {"high": 9}, "an integer <= 9, got str"),
        (None, {"low": 0, "high": 9}, "an integer in 0..9, got NoneType"),
        (np.timedelta64(3, "s"), {}, "an integer, got timedelta64"),
        (np.array([1]), {}, "an integer, got numpy.ndarray of shape (1,) and dtype int64"),
        (np.array(1.0), {}, "an integer, got numpy.ndarray of shape () and dtype float64"),
    ],
)
def test_integer_of_another_kind(value, bounds, message):
    with refused(TypeError, f"schedules.step: step_size must be {message}"):
        integer("schedules.step", "step_size", value, **bounds)


@pytest.mark.parametrize(
    ("value", "bounds", "message"),
    [
        (0, {"low": 1}, "an integer >= 1, got 0"),
        (10, {"high": 9}, "an integer <= 9, got 10"),
        (10, {"low": 0, "high": 9}, "an integer in 0..9, got 10"),
        (np.int8(-1), {"low": 0, "high": 9}, "an integer in 0..9, got -1"),
        (-(10**100), {"low": 0}, "an integer >= 0, got an integer of 333 bits"),
    ],
)
def test_integer_out_of_range(value, bounds, message):
    with refused(ValueError, f"schedules.step: step_size must be {message}"):
        integer("schedules.step", "step_size", value, **bounds)


@pytest.mark.parametrize("value", [True, False, np.True_, np.False_])
def test_flag_becomes_a_python_bool(value):
    got = flag("f", "x", value)
    assert type(got) is bool
    assert got == value


@pytest.mark.parametrize(
    ("value", "came"),
    [(1, "int"), ("no", "str"), (None, "NoneType"), (np.array(True), "numpy.ndarray of shape () and dtype bool")],
)
def test_flag_of_another_kind(value, came):
    with refused(TypeError, f"SGD: nesterov must be True or False, got {came}"):
        flag("SGD", "nesterov", value)


REDUCTIONS = ("mean", "sum", "none")


@pytest.mark.parametrize("value", ["sum", np.str_("sum")])
def test_choice_becomes_a_python_str(value):
    got = choice("f", "x", value, REDUCTIONS)
    assert type(got) is str
    assert got == "sum"


@pytest.mark.parametrize(
    ("options", "listed"), [(REDUCTIONS, "'mean', 'sum' or 'none'"), (("a", "b"), "'a' or 'b'"), (["a"], "'a'")]
)
def test_choice_of_another_word_or_kind(options, listed):
    with refused(ValueError, f"mse_loss: reduction must be {listed}, got 'avg'"):
        choice("mse_loss", "reduction", "avg", options)
    came = "numpy.ndarray of shape (2,) and dtype float64"
    with refused(TypeError, f"mse_loss: reduction must be {listed}, got {came}"):
        choice("mse_loss", "reduction", np.zeros(2), options)


def test_items_become_a_tuple():
    assert items("f", "x", [1, 2]) == (1, 2)
    assert items("f", "x", iter("ab")) == ("a", "b")
    assert items("f", "x", np.array([3, 4])) == (3, 4)


@pytest.mark.parametrize(("value", "came"), [(10, "int"), ("ab", "str")])
def test_items_of_another_kind(value, came):
    with refused(TypeError, f"schedules.join: boundaries must be a sequence, got {came}"):
        items("schedules.join", "boundaries", value)


def test_leaves_in_order():
    assert list(leaves(1)) == [1]
    assert list(leaves([1, (2, 3), {"a": 4, "b": [5]}])) == [1, 2, 3, 4, 5]
    assert list(leaves([])) == []


def _library(name):
    """Make a module that has an array type, as CuPy has."""
    module = types.ModuleType(name)
    module.ndarray = type("ndarray", (), {"__module__": name, "shape": (2,), "dtype": np.dtype("f4")})
    return module


def test_namespace_is_the_library_of_the_array(monkeypatch):
    assert namespace("f", "x", np.zeros(2)) is np
    assert namespace("f", "x", np.zeros(2).view(type("Sub", (np.ndarray,), {}))) is np
    cupy = _library("cupy")
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    assert is_cupy(cupy.ndarray())
    assert namespace("f", "x", cupy.ndarray()) is cupy
    assert not is_cupy(np.zeros(2))


@pytest.mark.parametrize("loaded", [True, False])
def test_namespace_of_something_else(monkeypatch, loaded):
    monkeypatch.setitem(sys.modules, "cupy", types.ModuleType("cupy") if loaded else None)
    with refused(TypeError, "huber: x must be a NumPy or CuPy array, got list"):
        namespace("huber", "x", [1.0])
    came = "other.ndarray of shape (2,) and dtype float32"
    with refused(TypeError, f"huber: x must be a NumPy or CuPy array, got {came}"):
        namespace("huber", "x", _library("other.core").ndarray())


def test_kind_names_arrays_by_library_shape_and_dtype():
    assert kind(np.zeros((2, 3), np.float32)) == "numpy.ndarray of shape (2, 3) and dtype float32"
    assert kind(np.float32(1)) == "float32"
    assert kind(object()) == "object"
    assert kind(np.float32) == "the class float32"


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        (2, 2.0), (np.float32(0.5), 0.5), (np.array(3), 3.0), (10**400, np.inf), (-(10**400), -np.inf),
        (np.inf, np.inf), (ml_dtypes.bfloat16(2.0), 2.0), (Fraction(1, 4), 0.25), (True, None), (np.True_, None),
        (1j, None), (np.complex128(1.0), None), (np.array(1j), None), ("0.5", None), (b"0.5", None),
        (np.array("0.5"), None), (np.ones(1), None), (Decimal("0.5"), None), (None, None),
    ],
    ids=str,
)  # fmt: skip
def test_a_real_scalar(value, wanted):
    assert real(value) == wanted


def test_importing_loads_nothing_heavy():
    code = (
        "import sys; from fastloa import batches, checks, schedules, stopping, training; "
        "print([m for m in ('numba', 'cupy', 'tqdm', 'scipy', 'torch') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
