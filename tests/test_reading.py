"""What a formula's source says is what Python makes of it; and what cannot be read is refused by name and line."""

import importlib
import inspect
import operator
import pkgutil

import numpy as np
import pytest
from fastloa_kernels import formulas, primitives
from fastloa_kernels.formulas import activations, resolve
from fastloa_kernels.formulas.reading import Unreadable, arguments_of, read, results_of

OPERATORS = {
    "+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv, "<": operator.lt, "<=": operator.le,
    ">": operator.gt, ">=": operator.ge, "==": operator.eq, "!=": operator.ne,
}  # fmt: skip


class Numbers:
    """A language whose words are what they say."""

    def number(self, value):
        return np.float64(value)

    def arithmetic(self, symbol, left, right):
        return OPERATORS[symbol](left, right)

    comparison = arithmetic

    def negative(self, operand):
        return -operand

    def joined(self, symbol, conditions):
        return all(conditions) if symbol == "and" else any(conditions)

    def inverted(self, condition):
        return not condition

    def chosen(self, condition, chosen, other):
        return chosen if condition else other

    def several(self, values):
        return tuple(values)

    def parts(self, several, count):
        assert len(several) == count
        return several

    def assigned(self, name, value):
        return value

    def primitive(self, name, arguments):
        return (abs if name == "abs" else resolve.PRIMITIVES[name])(*arguments)

    def called(self, formula, arguments):
        return read(formula, "float64", arguments, self)


NUMBERS = Numbers()


def every():
    """All formulas but those of float32, whose constants Python has in float64."""
    for module in pkgutil.iter_modules(formulas.__path__, f"{formulas.__name__}."):
        for name, meaning in vars(importlib.import_module(module.name)).items():
            plain = resolve.is_formula(meaning) and meaning.__module__ == module.name
            if plain and not module.name.endswith(("32", ".resolve", ".reading")):
                yield pytest.param(meaning, id=name)


@pytest.mark.parametrize("formula", list(every()))
def test_a_formula_reads_as_python_runs_it(formula):
    rng, arity = np.random.default_rng(0), len(inspect.signature(formula).parameters)
    for arguments in (rng.uniform(0.0, 1.0, arity), rng.normal(0.0, 9.0, arity)):
        with np.errstate(all="ignore"):
            got, expected = read(formula, "float64", arguments, NUMBERS), formula(*arguments)
        np.testing.assert_array_equal(got, expected)
        assert np.size(expected) == results_of(formula, "float64")


def test_a_star_argument_is_spelled_out():
    def doubled(x, *rest):
        return joined(x, *rest), x + x

    def joined(a, b, c):
        return a * b - c

    assert arguments_of(doubled, 3) == ["x", "rest0", "rest1"]
    assert read(doubled, "float64", [2.0, 3.0, 5.0], NUMBERS) == (1.0, 4.0)
    assert results_of(doubled, "float64") == 2


def test_names_are_what_they_were_last_assigned():
    def turned(x, y):
        """This says nothing to the compiler."""
        high, _ = (x, y) if 0.0 < x <= 1.0 and not y < 1.0 else (y, x)
        x = -abs(high)
        return x, 2.0**3 * y

    for x, y in ((0.5, 2.0), (0.5, 0.5), (2.0, 2.0), (-1.0, 3.0)):
        assert read(turned, "float64", [x, y], NUMBERS) == turned(x, y)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("return 2 * x", "'2' is nothing that a formula may hold"),
        ("return x**2.0", "'x ** 2.0' is nothing that a formula may hold"),
        ("return max(x, 0.0)", "'max' is neither a formula nor a primitive"),
        ("return math.exp(x)", "'math.exp(x)' is not a call by bare name with positional arguments"),
        ("return x if x is None else x", "'x is None' is not a comparison of numbers"),
        ("return math", "'math' is neither a local name nor a float constant"),
        ("return unknown", "'unknown' is not defined"),
        ("for _ in x: pass\n    return x", "'for _ in x:' is not a return or an assignment to local names"),
        ("x.y = 1.0", "'x.y = 1.0' is not a return or an assignment to local names"),
        ("x = x + x", "returns nothing"),
        ("return relu(x, x)", "takes 1 arguments, and is called with 2"),
    ],
)
def test_anything_else_is_refused_with_formula_and_line(tmp_path, body, reason):
    path = tmp_path / "formula.py"
    path.write_text(f"def wrong(x):\n    {body}\n")
    names = {"math": __import__("math"), "max": lambda x, y: x, "relu": activations.relu}
    names["max"].__module__ = primitives.__name__
    exec(compile(path.read_text(), path, "exec"), names)
    with pytest.raises(Unreadable) as error:
        read(names["wrong"], "float64", [1.0], NUMBERS)
    formula, line = ("relu", "") if "called with" in reason else ("wrong", f"{path}:")
    assert str(error.value).startswith(f"formula {formula!r}, {line}")
    assert str(error.value).endswith(reason)


def test_a_formula_without_a_file_is_refused():
    names = {}
    exec("def wrong(x): return x", names)
    with pytest.raises(Unreadable, match="formula 'wrong' has no readable source"):
        read(names["wrong"], "float64", [1.0], NUMBERS)
