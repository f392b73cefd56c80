"""What is measured of each operation: its exact results, where its operands come from, and who else computes it.

Exact results are the textbook's formulas in a wider format, arranged so that nothing cancels: float64 for results of 16
and 32 bits, NumPy's longdouble for float64. They share nothing with the library. An operation is measured if its name
stands in `EXACT`; PyTorch's function of the same name is found without being named.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

import fastloa as fl
from fastloa.loss_operations import Loss
from fastloa.operations import Activation, RowActivation
from fastloa.row_loss_operations import RowLossOperation

Array = Any
COMPUTED = {np.dtype(np.longdouble): np.float64, np.dtype(np.float64): np.float32}  # by the wider format
Draw = Callable[[np.random.Generator, int, Any], tuple[Array, ...]]


def _decay(x: Array) -> Array:
    return np.exp(-np.abs(x))


def _times(weight: Array, value: Array) -> Array:
    return np.where(weight == 0, 0, weight * value)  # 0 log 0 = 0


def _sigmoid(x: Array) -> Array:
    return np.where(x < 0, _decay(x), 1) / (1 + _decay(x))


def _sigmoid_derivative(x: Array) -> Array:
    return _decay(x) / (1 + _decay(x)) ** 2


def _tanh_derivative(x: Array) -> Array:
    return 4 * _sigmoid_derivative(2 * x)


def _relu(x: Array) -> Array:
    return np.where(x > 0, x, 0)


def _step(x: Array) -> Array:
    return np.where(x > 0, 1, 0)


def _leaky_relu(x: Array) -> Array:
    return np.where(x > 0, x, _slope(x) * x)


def _slope(x: Array) -> Any:
    return x.dtype.type(COMPUTED[x.dtype](0.01))  # an option is taken in the format that is computed in


def _leaky_relu_derivative(x: Array) -> Array:
    return np.where(x > 0, 1, _slope(x))


def _elu(x: Array) -> Array:
    return np.where(x > 0, x, np.expm1(np.minimum(x, 0)))


def _elu_derivative(x: Array) -> Array:
    return np.where(x > 0, 1, np.exp(np.minimum(x, 0)))


def _l1(x: Array, t: Array) -> tuple[Array, ...]:
    d = x - t
    return np.abs(d), np.sign(d), np.where(np.isnan(d), d, 0)


def _mse(x: Array, t: Array) -> tuple[Array, ...]:
    d = x - t
    return d**2, 2 * d, np.where(np.isnan(d), d, 2)


def _bce(p: Array, t: Array) -> tuple[Array, ...]:
    hit, miss = np.where(t == 0, 0, t / p), np.where(t == 1, 0, (1 - t) / (1 - p))
    inside = (p > 0) & (p < 1)
    value = -_times(t, np.log(p)) - _times(1 - t, np.log1p(-p))
    second = np.where(t == 0, 0, t / p**2) + np.where(t == 1, 0, (1 - t) / (1 - p) ** 2)
    return value, np.where(inside, (p - t) / (p * (1 - p)), miss - hit), second


def _softplus(z: Array) -> Array:
    return np.maximum(z, 0) + np.log1p(_decay(z))


def _bce_with_logits(z: Array, t: Array) -> tuple[Array, ...]:
    value = _times(t, _softplus(-z)) + _times(1 - t, _softplus(z))
    # sigmoid(z) - t, from what sigmoid(z) is beyond a half where z is small.
    far, near = (1 - t) * _sigmoid(z) - t * _sigmoid(-z), np.tanh(z / 2) / 2 + (0.5 - t)
    return value, np.where(np.abs(z) < 1, near, far), _sigmoid_derivative(z)


def _row_parts(x: Array) -> tuple[Array, Array, Array]:
    """X - m, exp(x - m) and the sum of these without the greatest, whose index is the row's first maximum."""
    d = x - x.max(axis=-1, keepdims=True)
    others = np.exp(d)
    np.put_along_axis(others, np.argmax(d, axis=-1, keepdims=True), 0, axis=-1)
    return d, np.exp(d), others.sum(axis=-1, keepdims=True)


def _softmax(x: Array) -> Array:
    _, e, rest = _row_parts(x)
    return e / (1 + rest)


def _log_softmax(x: Array) -> Array:
    d, _, rest = _row_parts(x)
    return d - np.log1p(rest)


def _cross_entropy(x: Array, labels: Array) -> tuple[Array, ...]:
    d, e, rest = _row_parts(x)
    at = labels[:, None]
    others = np.where(np.take_along_axis(d, at, -1) == 0, rest, 1 + rest - np.take_along_axis(e, at, -1))
    grad = e / (1 + rest)
    np.put_along_axis(grad, at, -others / (1 + rest), axis=-1)
    return (np.log1p(rest) - np.take_along_axis(d, at, -1))[:, 0], grad


def _nll(x: Array, labels: Array) -> tuple[Array, ...]:
    grad = np.zeros_like(x)
    np.put_along_axis(grad, labels[:, None], -1, axis=-1)
    return -np.take_along_axis(x, labels[:, None], -1)[:, 0], grad


# Activations: value and derivative; activations of rows: value; losses: ``(x, target) -> (value, gradient, Hessian)``.
EXACT: Mapping[str, Any] = {
    "relu": (_relu, _step),
    "leaky_relu": (_leaky_relu, _leaky_relu_derivative),
    "elu": (_elu, _elu_derivative),
    "sigmoid": (_sigmoid, _sigmoid_derivative),
    "tanh": (np.tanh, _tanh_derivative),
    "softmax": (_softmax,),
    "log_softmax": (_log_softmax,),
    "l1_loss": _l1,
    "mse_loss": _mse,
    "binary_cross_entropy": _bce,
    "binary_cross_entropy_with_logits": _bce_with_logits,
    "cross_entropy": _cross_entropy,
    "nll_loss": _nll,
}


def reals(rng: np.random.Generator, count: int, dtype: Any) -> Array:
    """Numbers of every magnitude, and as many where functions bend."""
    info = float_info(dtype)
    bits = rng.integers(0, 1 << 8 * dtype.itemsize, count // 2, np.uint64).astype(f"u{dtype.itemsize}")
    bend = np.abs(np.log(float(info.smallest_subnormal))) + 15.0  # where exp leaves the format, and a little beyond
    near = np.linspace(-bend, bend, count - count // 2) + rng.uniform(-1e-3, 1e-3, count - count // 2)
    return rng.permutation(np.concatenate([bits.view(dtype), near.astype(dtype)]))


def _one(rng: np.random.Generator, count: int, dtype: Any) -> tuple[Array]:
    return (reals(rng, count, dtype),)


def _powers(dtype: Any) -> Array:
    """0, the least numbers, powers of ten, the greatest and infinity, of both signs."""
    info = float_info(dtype)
    tens = [10.0**k for k in range(-37, 38) if float(info.tiny) < 10.0**k < float(info.max)]
    ends = [0.0, float(info.smallest_subnormal), float(info.tiny), float(info.max), np.inf]
    return np.array([sign * x for x in ends + tens for sign in (1.0, -1.0)]).astype(dtype)


def float_info(dtype: Any) -> Any:
    """What NumPy's finfo says, of bfloat16 too."""
    if dtype.kind == "f":
        return np.finfo(dtype)
    import ml_dtypes

    return ml_dtypes.finfo(dtype)  # type: ignore[no-untyped-call]


def _mixed(rng: np.random.Generator, count: int, grid: Array, others: Array) -> Array:
    """Each from the grid or from the others, by a coin."""
    return np.where(rng.random(count) < 0.5, rng.choice(grid, count), others.astype(grid.dtype))


def _pairs(rng: np.random.Generator, count: int, dtype: Any) -> tuple[Array, ...]:
    """Any two numbers."""
    return _mixed(rng, count, _powers(dtype), 10 * rng.normal(size=count)), _mixed(
        rng, count, _powers(dtype), 10 * rng.normal(size=count)
    )


def _probability(rng: np.random.Generator, count: int, dtype: Any) -> Array:
    info = float_info(dtype)
    grid = np.array([0.0, 1.0, 0.5, 1.0 - float(info.epsneg), float(info.tiny), float(info.smallest_subnormal)])
    return _mixed(rng, count, grid.astype(dtype), np.minimum(rng.random(count), 1.0 - float(info.epsneg)))


def _logits_and_probabilities(rng: np.random.Generator, count: int, dtype: Any) -> tuple[Array, ...]:
    return _mixed(rng, count, _powers(dtype), 30 * rng.normal(size=count)), _probability(rng, count, dtype)


def _probabilities(rng: np.random.Generator, count: int, dtype: Any) -> tuple[Array, ...]:
    return _probability(rng, count, dtype), _probability(rng, count, dtype)


def _scores(rng: np.random.Generator, count: int, dtype: Any) -> tuple[Array]:
    """Rows of 2 to 1,000 classes, flat or steep."""
    classes = int(rng.choice([2, 3, 10, 100, 1000]))
    spread = 10.0 ** rng.uniform(-3, 2, (max(count // classes, 1), 1))
    return ((spread * rng.normal(size=(len(spread), classes))).astype(dtype),)


def _scores_and_labels(rng: np.random.Generator, count: int, dtype: Any) -> tuple[Array, ...]:
    (x,) = _scores(rng, count, dtype)
    return x, rng.integers(0, x.shape[1], len(x))


DRAW: Mapping[str, Draw] = {
    "binary_cross_entropy": _probabilities,
    "binary_cross_entropy_with_logits": _logits_and_probabilities,
}


@dataclass(frozen=True)
class Function:
    """One result of one operation.

    Parameters
    ----------
    operation, form : str
        The public name, and value, derivative, grad or hess.
    call : callable
        fastloa's, of arrays.
    exact : callable
        The exact results of the same arrays in the wider format; labels stay integers.
    draw : callable
        Draws operands.
    unary : bool
        Whether it is a function of one number, of which all can be tried.
    """

    operation: str
    form: str
    call: Callable[..., Array]
    exact: Callable[..., Array]
    draw: Draw
    unary: bool = False

    @property
    def public(self) -> Any:
        """The operation itself."""
        return getattr(fl, self.operation)

    @property
    def name(self) -> str:
        """What it is called in tables and on the command line."""
        return self.operation if self.form == "value" else f"{self.operation}.{self.form}"


def functions() -> dict[str, Function]:
    """Everything that can be measured, by name."""
    found = (f for name in fl.__all__ if name in EXACT for f in _functions(name, getattr(fl, name)))
    return {function.name: function for function in found}


def _functions(name: str, public: Any) -> Iterator[Function]:
    exact = EXACT[name]
    if isinstance(public, Activation):
        calls: dict[str, Callable[..., Array]] = {"value": public, "derivative": public.derivative}
        for (form, call), formula in zip(calls.items(), exact, strict=True):
            yield Function(name, form, call, formula, _one, unary=True)
    elif isinstance(public, RowActivation):
        yield Function(name, "value", public, exact[0], _scores)
    elif isinstance(public, RowLossOperation):
        calls = {"value": _with("none", public), "grad": _with("sum", public.grad)}
        for i, (form, call) in enumerate(calls.items()):
            yield Function(name, form, call, _item(exact, i), _scores_and_labels)
    elif isinstance(public, Loss):
        both = _with("sum", public.grad_and_hess)
        calls = {"value": _with("none", public), "grad": _with("sum", public.grad), "hess": _item(both, 1)}
        for i, (form, call) in enumerate(calls.items()):
            yield Function(name, form, call, _item(exact, i), DRAW.get(name, _pairs))


def _with(reduction: str, call: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *arrays: call(*arrays, reduction=reduction)


def _item(call: Callable[..., Any], i: int) -> Callable[..., Any]:
    return lambda *arrays: call(*arrays)[i]
