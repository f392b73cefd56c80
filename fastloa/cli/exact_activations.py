"""The exact results of activations of single elements, with their default options, in the format of their argument.

The argument is a number of a narrower format: float64 holds one of float32, longdouble one of float64. Where exp would
multiply the rounding error of its argument, this is split in two, the first of them exact; where terms cancel next to a
zero, they are counted from the zero.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

Array = Any
COMPUTED = {np.dtype(np.longdouble): np.float64, np.dtype(np.float64): np.float32}  # by the wider format
OPTIONS: Mapping[str, Mapping[str, Any]] = {  # of what has no defaults, or none that all formats hold
    "threshold": {"threshold": 0.5, "value": -1.0},
    "rrelu": {"lower": 0.125, "upper": 0.375},
}
FAR = 1e5  # exp of what is beyond is 0 or infinite
# 1 / sqrt(2 pi), its square, and 4 pi.
NORMAL = (
    "0.398942280401432677939946059934381868",
    "0.159154943091895335768883763372514362",
    "12.5663706143591729538505735331180115",
)
# Zeros of derivatives in two parts, and exp of some of them.
SILU_ZERO = -1.2784645427610737, "-1.094699418309343743045045e-16", "0.278464542761073795109358739023"
QUICK_GELU_ZERO = -0.751154255441289, "4.696480973567410780682e-17"
MISH_ZERO = -1.1924312145154952, "-4.848482984803104554936137e-17", "0.30348253528152892882143674354"
GELU_ZERO = -0.7517915246935645, "1.495675917700988327320555e-17"


def _constants(x: Array, numbers: tuple[float | str, ...]) -> list[Any]:
    """Give numbers in the format of x, in all its digits."""
    return [x.dtype.type(number) for number in numbers]


def _decay(x: Array) -> Array:
    return np.exp(-np.abs(x))


def _decay_of(high: Array, low: Array) -> Array:
    """exp(-abs(x)) for an x in two parts."""
    first = _decay(high)
    return first + first * np.expm1(-np.sign(high) * low)


def _near(x: Array) -> Array:
    """Keep from x what exp cannot tell from an infinity: infinities times 0 are NaN."""
    return np.clip(x, -FAR, FAR)


def _gated(x: Array, share: Array) -> Array:
    return np.where(share == 0, np.copysign(0, x), x * share)


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x))."""
    return np.where(x < 0, _decay(x), 1) / (1 + _decay(x))


def sigmoid_derivative(x: Array) -> Array:
    """sigmoid(x) sigmoid(-x)."""
    return _decay(x) / (1 + _decay(x)) ** 2


def softplus(x: Array) -> Array:
    """log(1 + exp(x))."""
    return np.maximum(x, 0) + np.log1p(_decay(x))


def _tanh_derivative(x: Array) -> Array:
    return 4 * sigmoid_derivative(2 * x)


def _relu(x: Array) -> Array:
    return np.where(x > 0, x, 0)


def _step(x: Array) -> Array:
    return np.where(x > 0, 1, 0)


def _between(low: float, high: float) -> Callable[[Array], Array]:
    return lambda x: np.where((x > low) & (x < high), 1, 0)


def _leaky_relu(x: Array) -> Array:
    return np.where(x > 0, x, _slope(x) * x)


def _slope(x: Array) -> Any:
    return x.dtype.type(COMPUTED[x.dtype](0.01))  # an option is taken in the format that is computed in


def _leaky_relu_derivative(x: Array) -> Array:
    return np.where(x > 0, 1, _slope(x))


def _squared_relu(x: Array) -> Array:
    return _relu(x) ** 2


def _squared_relu_derivative(x: Array) -> Array:
    return 2 * _relu(x)


def _threshold(x: Array) -> Array:
    return np.where(x > 0.5, x, -1)


def _threshold_derivative(x: Array) -> Array:
    return np.where(x > 0.5, 1, 0)


def _hardsigmoid(x: Array) -> Array:
    return np.clip(x + 3, 0, 6) / 6


def _hardsigmoid_derivative(x: Array) -> Array:
    return _between(-3, 3)(x) / x.dtype.type(6)


def _hardswish(x: Array) -> Array:
    return np.where(x >= 3, x, _gated(x, _hardsigmoid(x)))


def _hardswish_derivative(x: Array) -> Array:
    return np.where(np.abs(x) < 3, (2 * x + 3) / 6, _step(x))


def _shrunk(x: Array) -> Array:
    return np.where(np.abs(x) > 0.5, 1, 0)


def _hardshrink(x: Array) -> Array:
    return _gated(x, _shrunk(x))


def _softshrink(x: Array) -> Array:
    return np.copysign(np.maximum(np.abs(x) - 0.5, 0), x)


def _sparse_plus(x: Array) -> Array:
    return np.where(x >= 1, x, (np.clip(x, -1, 1) + 1) ** 2 / 4)


def _sparse_plus_derivative(x: Array) -> Array:
    return (np.clip(x, -1, 1) + 1) / 2


def _elu(x: Array) -> Array:
    return np.where(x > 0, x, np.expm1(np.minimum(x, 0)))


def _elu_derivative(x: Array) -> Array:
    return np.where(x > 0, 1, np.exp(np.minimum(x, 0)))


def _selu_constants(x: Array) -> list[Any]:
    """Give the scale, and what it makes of alpha."""
    return _constants(x, ("1.0507009873554804934193349852946", "1.75809934084737685994021752081231934"))


def _selu(x: Array) -> Array:
    scale, alpha = _selu_constants(x)
    return np.where(x > 0, scale * x, alpha * np.expm1(np.minimum(x, 0)))


def _selu_derivative(x: Array) -> Array:
    scale, alpha = _selu_constants(x)
    return np.where(x > 0, scale, alpha * np.exp(np.minimum(x, 0)))


def _logsigmoid(x: Array) -> Array:
    return -softplus(-x)


def _logsigmoid_derivative(x: Array) -> Array:
    return sigmoid(-x)


def _squareplus(x: Array) -> Array:
    return np.maximum(x, 0) + 2 / (np.hypot(x, 2) + np.abs(x))


def _squareplus_derivative(x: Array) -> Array:
    root = np.hypot(x, 2)
    tail = 2 / (root * (root + np.abs(x)))
    return np.where(x > 0, 1 - tail, tail)


def _tanhshrink(x: Array) -> Array:
    """(x cosh(x) - sinh(x)) / cosh(x), the numerator's series near 0, and beyond x - 1 and what tanh(x) lacks of 1."""
    near, series, decay = np.clip(x, -1, 1), 1 + 0 * x, _decay(2 * x)
    for k in range(12, 0, -1):
        series = 1 + series * near**2 / (2 * k * (2 * k + 3))
    far = (np.abs(x) - 1) + 2 * decay / (1 + decay)
    return np.where(np.abs(x) < 1, near**3 / 3 * series / np.cosh(near), np.copysign(far, x))


def _tanhshrink_derivative(x: Array) -> Array:
    return np.tanh(x) ** 2


def _softsign(x: Array) -> Array:
    return np.where(np.isinf(x), np.sign(x), x / (1 + np.abs(x)))


def _softsign_derivative(x: Array) -> Array:
    return (1 / (1 + np.abs(x))) ** 2


def _softcap(x: Array) -> Array:
    return 30 * np.tanh(x / 30)


def _softcap_derivative(x: Array) -> Array:
    x = np.minimum(np.abs(x), 15 * FAR)
    high = (x / 15).astype(COMPUTED[x.dtype]).astype(x.dtype)
    decay = _decay_of(high, (x - 15 * high) / 15)
    return 4 * decay / (1 + decay) ** 2


def _scaled(x: Array) -> tuple[Array, Array]:
    """Give 1.702 x in two parts, of which the first has few digits enough to be exact."""
    return x * 1743 / 1024, x * -19 / 128000


def _silu(x: Array) -> Array:
    return _gated(x, sigmoid(x))


def _quick_gelu(x: Array) -> Array:
    high, low = _scaled(_near(x))
    decay = _decay_of(high, low)
    return _gated(x, np.where(x < 0, decay, 1) / (1 + decay))


def _silu_derivative_of(high: Array, low: Array, beyond: Array) -> Array:
    """exp(x) (1 + x + exp(x)) / (1 + exp(x))**2, for an x in two parts that is so far beyond the zero."""
    power, beyond = high.dtype.type(SILU_ZERO[2]), np.clip(beyond, -1, 1)
    x, decay = high + low, _decay_of(high, low)
    sums = np.where(np.abs(beyond) < 1, beyond + power * np.expm1(beyond), 1 + x + decay)
    return np.where(x < 0, decay * sums, 1 + decay * (1 + x)) / (1 + decay) ** 2


def _silu_derivative(x: Array) -> Array:
    first, second, _ = _constants(x, SILU_ZERO)
    return _silu_derivative_of(_near(x), np.zeros_like(x), (x - first) - second)


def _quick_gelu_derivative(x: Array) -> Array:
    first, second = _constants(x, QUICK_GELU_ZERO)
    return _silu_derivative_of(*_scaled(_near(x)), sum(_scaled((x - first) - second)))


def _bell(x: Array) -> Array:
    """exp(-x**2 / 2)."""
    high = np.round(16 * x) / 16
    return np.exp(-(high**2) / 2) * np.exp((high - x) * (high + x) / 2)


def _normal_tail(x: Array) -> Array:
    """Give the normal distribution's share beyond x >= 0, by the midpoint rule (Matta and Reichl, 1971).

    With steps of a half it is off by exp(-78) of the share; no term is negative, and twenty of them count.
    """
    _, factor, turn = _constants(x, NORMAL)
    squares = [x.dtype.type(n + 0.5) ** 2 / 4 for n in range(20)]
    sums = sum(factor * np.exp(-s / 2) / (s + x**2) for s in reversed(squares))
    residue = np.where(x < turn, 1 / (np.exp(turn * np.minimum(x, turn)) + 1), 0)
    return x * _bell(x) * sums + residue


def _gelu(x: Array) -> Array:
    tail = _normal_tail(np.minimum(np.abs(x), 200))
    return _gated(x, np.where(x < 0, tail, 1 - tail))


def _gelu_derivative(x: Array) -> Array:
    x = np.clip(x, -200, 200)
    tail = _normal_tail(np.abs(x))
    found = np.where(x < 0, tail, 1 - tail) + _constants(x, NORMAL)[0] * x * _bell(x)
    near = (x > -1.5) & (x < -0.4)
    found[near] = _gelu_derivative_near(x[near])
    return found


def _gelu_derivative_near(x: Array) -> Array:
    """Integrate (2 - t**2) times the density from the zero to x, with Taylor coefficients of the middle."""
    (first, second), (density, *_) = _constants(x, GELU_ZERO), _constants(x, NORMAL)
    half = ((x - first) - second) / 2
    middle, terms = first + (half + second), 0 * x
    before, last, own = 0 * x, 0 * x, 1 + 0 * x
    for k in range(1, 34):
        if k % 2:
            terms = terms + 2 * ((2 - middle**2) * own - 2 * middle * last - before) * half**k / k
        before, last, own = last, own, -(middle * own + last) / k
    return density * _bell(middle) * terms


def _mish(x: Array) -> Array:
    e = _decay(x)
    below, above = e * (2 + e), 1 + 2 * e
    return _gated(x, np.where(x < 0, below / (below + 2), above / (above + 2 * e**2)))


def _mish_derivative(x: Array) -> Array:
    first, second, power = _constants(x, MISH_ZERO)
    x = _near(x)
    e, beyond = _decay(x), np.clip((x - first) - second, -1, 1)
    once, twice, thrice = (np.expm1(k * beyond) for k in (1, 2, 3))
    linear = (4 * first + 6) + 4 * second
    near = 4 * beyond + 4 * power**2 * twice + power**3 * thrice + power * (linear * once + 4 * beyond * np.exp(beyond))
    sums = np.where(np.abs(beyond) < 1, near, 4 * (x + 1) + e * (4 * x + 6) + 4 * e**2 + e**3)
    below = e * sums / (2 + 2 * e + e**2) ** 2
    above = (1 + 4 * e + (4 * x + 6) * e**2 + 4 * (x + 1) * e**3) / (1 + 2 * e + 2 * e**2) ** 2
    return np.where(x < 0, below, above)


def _snake(x: Array) -> Array:
    sine, cosine = np.sin(x) ** 2, np.cos(x) ** 2
    return np.where(np.isinf(x), x, np.where(sine < 0.5, x + sine, (x + 1) - cosine))


def _snake_derivative(x: Array) -> Array:
    """1 + sin(2 x), or cos(2 x)**2 / (1 - sin(2 x)): next to a zero of it the cosine has all its digits."""
    sine = np.sin(2 * x)
    return np.where(sine < 0, np.cos(2 * x) ** 2 / (1 - sine), 1 + sine)


# The value and the derivative.
EXACT: Mapping[str, Any] = {
    "relu": (_relu, _step),
    "leaky_relu": (_leaky_relu, _leaky_relu_derivative),
    "rrelu": (lambda x: np.where(x > 0, x, x / 4), lambda x: np.where(x > 0, 1, 0.25)),
    "relu6": (lambda x: np.clip(x, 0, 6), _between(0, 6)),
    "squared_relu": (_squared_relu, _squared_relu_derivative),
    "threshold": (_threshold, _threshold_derivative),
    "hardtanh": (lambda x: np.clip(x, -1, 1), _between(-1, 1)),
    "hardsigmoid": (_hardsigmoid, _hardsigmoid_derivative),
    "hardswish": (_hardswish, _hardswish_derivative),
    "hardshrink": (_hardshrink, _shrunk),
    "softshrink": (_softshrink, _shrunk),
    "sparse_plus": (_sparse_plus, _sparse_plus_derivative),
    "elu": (_elu, _elu_derivative),
    "selu": (_selu, _selu_derivative),
    "celu": (_elu, _elu_derivative),  # which differ by alpha
    "sigmoid": (sigmoid, sigmoid_derivative),
    "logsigmoid": (_logsigmoid, _logsigmoid_derivative),
    "softplus": (softplus, sigmoid),
    "squareplus": (_squareplus, _squareplus_derivative),
    "tanh": (np.tanh, _tanh_derivative),
    "tanhshrink": (_tanhshrink, _tanhshrink_derivative),
    "softsign": (_softsign, _softsign_derivative),
    "softcap": (_softcap, _softcap_derivative),
    "silu": (_silu, _silu_derivative),
    "quick_gelu": (_quick_gelu, _quick_gelu_derivative),
    "gelu": (_gelu, _gelu_derivative),
    "mish": (_mish, _mish_derivative),
    "snake": (_snake, _snake_derivative),
}
