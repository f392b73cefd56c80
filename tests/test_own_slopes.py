"""The check of a derivative when an operation is defined: no false alarm, and none that is left out."""

import math

import numpy as np
import pytest

import fastloa as fl

# right, however steep, kinked or ill to compute


def relu(x):
    return max(x, 0.0)


def elu(x, alpha=1.0):
    return x if x > 0 else alpha * (math.exp(x) - 1)


def threshold(x):
    return 1 if x > 0 else 0


def threshold_elsewhere(x):
    return (x > 0.5) * 1.0


def clipped(x):
    return min(max(x, -1), 1)


def kinks(x):
    return abs(x - 0.1) + abs(x + 0.1234567)


def exponential(x):
    return math.exp(x)


def faster(x):
    return math.exp(x * x)


def reciprocal(x):
    return 1 / x


def pole(x):
    return 1 / (x - 1) ** 2


def poles(x):
    return math.tan(x)


def oscillating(x):
    return math.sin(50 * x)


def fast(x):
    return math.sin(1e6 * x)


def faster_and_faster(x):
    return math.sin(math.exp(x))


def without_limit(x):
    return math.sin(1 / x)


def sawtooth(x):
    return x - math.floor(x)


def stairs(x):
    return math.floor(1000 * x) / 1000


def rounded(x):
    return round(x * 3) / 3


def root(x):
    return np.sign(x) * math.sqrt(abs(x))


def entropy(x):
    return -x * math.log(x) - (1 - x) * math.log(1 - x)


def steep(x):
    return math.tanh(1e6 * x)


def steep_elsewhere(x):
    return 1 / (1 + math.exp(-1000 * (x - 0.5)))


def huge(x):
    return 1e300 * x


def tiny(x):
    return 1e-300 * math.tanh(x)


def constant(x):
    return 1.0


def cancelled(x):
    return (1e8 + x) - 1e8


def cancelling(x):
    return (math.exp(x) - 1 - x) / x / x


def softplus(x, beta=1):
    return math.log(1 + math.exp(beta * x)) / beta


def gelu(x):
    return 0.5 * x * (1 + math.erf(x / math.sqrt(2)))


def gelu_tanh(x):
    return 0.5 * x * (1 + math.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def powers(x, p=2.0):
    return abs(x) ** p + p**x + x**9 + x**-7


def l1(p, t):
    return abs(p - t)


def entropies(p, t):
    return -t * math.log(p) - (1 - t) * math.log(1 - p)


def logits(z, t):
    return math.log(1 + math.exp(z)) - t * z


def hinge(p, t):
    return max(0, 1 - p * t)


def percentage(p, t):
    return abs(p - t) / max(abs(t), 1e-3)


def cosh(p, t):
    return math.log(math.cosh(p - t))


def focal(z, t, gamma=2.0):
    p = 1 / (1 + math.exp(-z))
    q = p if t > 0.5 else 1 - p
    return -((1 - q) ** gamma) * math.log(q)


RIGHT = [value for value in list(globals().values()) if getattr(value, "__module__", "") == __name__]


@pytest.mark.parametrize("function", RIGHT, ids=lambda function: function.__name__)
def test_a_right_derivative_gives_no_alarm(function):
    losses = function.__code__.co_varnames[1:2] in (("t",),)
    (fl.loss if losses else fl.activation)(function)


# right or wrong derivatives of a user's own


def dish(x, scale=1.0):
    return 0.5 * x * (1.0 + x / math.sqrt(1.0 + x * x)) * scale


def dish_slope(x, scale=1.0):
    return scale * 0.5 * (1 + x / math.sqrt(1 + x * x) + x / (1 + x * x) ** 1.5)


def without_the_option(x, scale=1.0):
    return 0.5 * (1 + x / math.sqrt(1 + x * x) + x / (1 + x * x) ** 1.5)


def opposite(x, scale=1.0):
    return -dish_slope(x, scale)


def a_little_off(x, scale=1.0):
    return 1.01 * dish_slope(x, scale)


def on_one_side(x, scale=1.0):
    return dish_slope(x, scale) if x > -3 else 0


def at_the_peak(x, scale=1.0):
    return dish_slope(x, scale) + (2 < x < 3)


@pytest.mark.parametrize("slope", [without_the_option, opposite, a_little_off, on_one_side, at_the_peak])
def test_a_wrong_derivative_is_named_with_point_and_numbers(slope):
    pattern = (
        r"^dish: derivative must be (\S+) at x = (\S+), scale = (\S+) \(by differences of the formula\), got (\S+)$"
    )
    with pytest.raises(ValueError, match=pattern) as caught:
        fl.activation(derivative=slope)(dish)
    expected, x, scale, got = map(float, __import__("re").match(pattern, str(caught.value)).groups())
    assert dish_slope(x, scale) == pytest.approx(expected, rel=1e-4, abs=1e-9)
    assert slope(x, scale) == pytest.approx(got, rel=1e-4, abs=1e-9)
    assert expected != pytest.approx(got, rel=1e-3)


def test_a_right_derivative_of_the_users_is_the_one_computed():
    made = fl.activation(derivative=dish_slope)(dish)
    x = np.linspace(-3.0, 3.0, 7)
    assert made.record.derivative.__name__ == "dish_derivative"
    np.testing.assert_allclose([made.record.derivative(v, 2.0) for v in x], [dish_slope(v, 2.0) for v in x], rtol=1e-14)


def squared(p, t):
    return 0.5 * (p - t) ** 2


def difference(p, t):
    return p - t


def one(p, t):
    return 1.0


def two(p, t):
    return 2.0


def test_the_second_derivative_is_that_of_the_first():
    record = fl.loss(derivative=difference, second=one)(squared).record
    assert (record.derivative(3.0, 1.0), record.second(3.0, 1.0)) == (2.0, 1.0)
    assert fl.loss(derivative=difference)(squared).record.second(3.0, 1.0) == 1.0
    message = r"^squared: second must be 1 at p = \S+, t = \S+ \(by differences of the derivative\), got 2$"
    with pytest.raises(ValueError, match=message):
        fl.loss(second=two)(squared)


def test_a_surrogate_is_taken_without_a_check():
    def box(x):
        return 1.0 if abs(x) < 0.5 else 0.0

    with pytest.raises(ValueError, match=r"^threshold: derivative must be 0 at x = \S+ \(by differences"):
        fl.activation(derivative=box)(threshold)
    record = fl.activation(derivative=box, check=False)(threshold).record
    assert [record.derivative(x) for x in (0.2, 0.7)] == [1.0, 0.0]
