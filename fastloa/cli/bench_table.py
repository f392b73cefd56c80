"""The table of the benchmark: each operation as people write it in NumPy, and what it is fed.

An operation without a row is measured all the same, on normal numbers and without NumPy beside it; PyTorch's function
of the same name is found without a row. A key is the operation's name, with options in brackets where it has several
rows. The formulas take the array library `xp` first, so CuPy runs them too.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Formula = Callable[..., Any]
Draw = Callable[[np.random.Generator, tuple[int, ...]], tuple[Any, Any]]


def normal(rng: np.random.Generator, shape: tuple[int, ...]) -> tuple[Any, Any]:
    """Predictions and targets for any regression."""
    return rng.standard_normal(shape, np.float32), rng.standard_normal(shape, np.float32)


def logits(rng: np.random.Generator, shape: tuple[int, ...]) -> tuple[Any, Any]:
    """Logits, and labels 0.0 and 1.0."""
    return rng.standard_normal(shape, np.float32), rng.integers(0, 2, shape).astype(np.float32)


def probabilities(rng: np.random.Generator, shape: tuple[int, ...]) -> tuple[Any, Any]:
    """Probabilities away from 0 and 1, and labels."""
    return 0.01 + 0.98 * rng.random(shape, np.float32), rng.integers(0, 2, shape).astype(np.float32)


def margins(rng: np.random.Generator, shape: tuple[int, ...]) -> tuple[Any, Any]:
    """Decisions, and labels -1.0 and 1.0."""
    return rng.standard_normal(shape, np.float32), rng.choice(np.array([-1.0, 1.0], np.float32), shape)


def positive(rng: np.random.Generator, shape: tuple[int, ...]) -> tuple[Any, Any]:
    """Predictions and targets above 0."""
    return rng.exponential(1.0, shape).astype(np.float32), rng.exponential(1.0, shape).astype(np.float32)


def distributions(rng: np.random.Generator, shape: tuple[int, ...]) -> tuple[Any, Any]:
    """Logarithms of probabilities, and probabilities."""
    x, target = (0.01 + 0.98 * rng.random(shape, np.float32) for _ in range(2))
    return np.log(x), target


def classes(rng: np.random.Generator, shape: tuple[int, ...]) -> tuple[Any, Any]:
    """Scores of classes, and the number of one class for each row."""
    return rng.standard_normal(shape, np.float32), rng.integers(0, shape[-1], shape[:-1])


@dataclass(frozen=True)
class Aten:
    """PyTorch's backward of an activation: its name in ``torch.ops.aten``, and its arguments from the two tensors."""

    name: str
    arguments: Callable[[Any, Any], tuple[Any, ...]]


@dataclass(frozen=True)
class Row:
    """What the benchmark should know of one operation, or of one choice of its options.

    Parameters
    ----------
    numpy : mapping of str to callable
        For each form (value, backward, backward_from_output, value_and_grad, step) how people write it in NumPy.
    torch : mapping of str to Aten
        For each form of an activation's backward what PyTorch calls it.
    options : mapping of str to object
        Options of the call, the same for PyTorch.
    draw : callable
        For a loss, ``draw(rng, shape)`` gives predictions and targets.
    rows : bool
        Whether it takes matrices, although its kind takes any arrays.
    wanted : tuple of int
        The places of the arrays in which a loss of several has gradients, where they are not the first.
    """

    numpy: Mapping[str, Formula] = field(default_factory=dict)
    torch: Mapping[str, Aten] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    draw: Draw | None = None
    rows: bool = False
    wanted: tuple[int, ...] = ()


def _masked(xp: Any, g: Any, x: Any) -> Any:
    return g * (x > 0)


def _leaky_backward(xp: Any, g: Any, x: Any) -> Any:
    return g * xp.where(x > 0, 1.0, 0.01).astype(x.dtype)


def _sigmoid(xp: Any, x: Any) -> Any:
    return 1 / (1 + xp.exp(-x))


def _sigmoid_backward(xp: Any, g: Any, x: Any) -> Any:
    y = _sigmoid(xp, x)
    return g * y * (1 - y)


def _softmax(xp: Any, x: Any) -> Any:
    exponentials = xp.exp(x - x.max(axis=-1, keepdims=True))
    return exponentials / exponentials.sum(axis=-1, keepdims=True)


def _softmax_from_output(xp: Any, g: Any, y: Any) -> Any:
    return y * (g - (g * y).sum(axis=-1, keepdims=True))


def _log_softmax(xp: Any, x: Any) -> Any:
    shifted = x - x.max(axis=-1, keepdims=True)
    return shifted - xp.log(xp.exp(shifted).sum(axis=-1, keepdims=True))


def _log_softmax_from_output(xp: Any, g: Any, y: Any) -> Any:
    return g - xp.exp(y) * g.sum(axis=-1, keepdims=True)


def _l1(xp: Any, x: Any, t: Any) -> tuple[Any, Any]:
    return xp.abs(x - t).mean(), xp.sign(x - t) / x.size


def _mse(xp: Any, x: Any, t: Any) -> tuple[Any, Any]:
    return ((x - t) ** 2).mean(), 2 * (x - t) / x.size


def _bce(xp: Any, p: Any, t: Any) -> tuple[Any, Any]:
    return -(t * xp.log(p) + (1 - t) * xp.log(1 - p)).mean(), (p - t) / (p * (1 - p)) / p.size


def _bce_logits(xp: Any, z: Any, t: Any) -> tuple[Any, Any]:
    value = (xp.maximum(z, 0) - z * t + xp.log1p(xp.exp(-xp.abs(z)))).mean()
    return value, (_sigmoid(xp, z) - t) / z.size


def _cross_entropy(xp: Any, x: Any, labels: Any) -> tuple[Any, Any]:
    rows = xp.arange(len(x))
    logs = _log_softmax(xp, x)
    grad = xp.exp(logs)
    grad[rows, labels] -= 1
    return -logs[rows, labels].mean(), grad / len(x)


def _nll(xp: Any, x: Any, labels: Any) -> tuple[Any, Any]:
    rows, grad = xp.arange(len(x)), xp.zeros_like(x)
    grad[rows, labels] = -1 / len(x)
    return -x[rows, labels].mean(), grad


def _linear_cross_entropy(xp: Any, x: Any, weight: Any, labels: Any) -> tuple[Any, Any, Any]:
    value, slopes = _cross_entropy(xp, x @ weight.T, labels)
    return value, slopes @ weight, slopes.T @ x


def _nt_xent(xp: Any, x: Any, labels: Any) -> tuple[Any, Any]:
    length = xp.linalg.norm(x, axis=-1, keepdims=True)
    z = x / length
    e = xp.exp(z @ z.T / 0.07)
    alike = labels[:, None] == labels
    other = alike & ~xp.eye(len(x), dtype=bool)
    negatives = xp.where(alike, 0, e).sum(axis=-1, keepdims=True)
    p, weights = e / (e + negatives), xp.where(other, 1 / (e + negatives), 0).sum(axis=-1, keepdims=True)
    slopes = xp.where(other, p - 1, xp.where(alike, 0, e * weights)) / other.sum()
    g = (slopes + slopes.T) @ z / 0.07
    return -xp.log(p[other]).sum() / other.sum(), (g - z * (z * g).sum(axis=-1, keepdims=True)) / length


def _sgd(xp: Any, p: Any, g: Any) -> None:
    p -= 1e-3 * g


def _momentum(xp: Any, p: Any, g: Any, velocity: Any) -> None:
    velocity *= 0.9
    velocity += g
    p -= 1e-3 * velocity


def _adam(xp: Any, p: Any, g: Any, m: Any, v: Any) -> None:
    m *= 0.9
    m += 0.1 * g
    v *= 0.999
    v += 0.001 * g**2
    p -= 1e-3 * (m / (1 - 0.9)) / (xp.sqrt(v / (1 - 0.999)) + 1e-8)


def _adamw(xp: Any, p: Any, g: Any, m: Any, v: Any) -> None:
    p *= 1 - 1e-3 * 0.01
    _adam(xp, p, g, m, v)


def _rmsprop(xp: Any, p: Any, g: Any, v: Any) -> None:
    v *= 0.99
    v += 0.01 * g**2
    p -= 1e-2 * g / (xp.sqrt(v) + 1e-8)


def _adagrad(xp: Any, p: Any, g: Any, s: Any) -> None:
    s += g**2
    p -= 1e-2 * g / (xp.sqrt(s) + 1e-10)


def _adadelta(xp: Any, p: Any, g: Any, v: Any, u: Any) -> None:
    v *= 0.9
    v += 0.1 * g**2
    delta = xp.sqrt(u + 1e-6) / xp.sqrt(v + 1e-6) * g
    u *= 0.9
    u += 0.1 * delta**2
    p -= delta


def _lion(xp: Any, p: Any, g: Any, m: Any) -> None:
    p -= 1e-4 * xp.sign(0.9 * m + 0.1 * g)
    m *= 0.99
    m += 0.01 * g


def _signum(xp: Any, p: Any, g: Any, m: Any) -> None:
    m *= 0.9
    m += 0.1 * g
    p -= 1e-2 * xp.sign(m)


def _aten(name: str, *numbers: Any, last: bool = False) -> Row:
    """What PyTorch calls the backward from the input, whose numbers come after the arrays or between them."""
    arguments = (lambda g, x: (g, *numbers, x)) if last else (lambda g, x: (g, x, *numbers))
    return Row(torch={"backward": Aten(f"{name}_backward", arguments)})


_MOMENTUM = {"momentum": 0.9}
_SLOPES = {"lower": 0.125, "upper": 0.375}

ROWS: dict[str, Row] = {
    "relu": Row(
        {"value": lambda xp, x: xp.maximum(x, 0), "backward": _masked, "backward_from_output": _masked},
        {
            "backward": Aten("threshold_backward", lambda g, x: (g, x, 0.0)),
            "backward_from_output": Aten("threshold_backward", lambda g, y: (g, y, 0.0)),
        },
    ),
    "leaky_relu": Row(
        {
            "value": lambda xp, x: xp.where(x > 0, x, 0.01 * x),
            "backward": _leaky_backward,
            "backward_from_output": _leaky_backward,
        },
        {
            "backward": Aten("leaky_relu_backward", lambda g, x: (g, x, 0.01, False)),
            "backward_from_output": Aten("leaky_relu_backward", lambda g, y: (g, y, 0.01, True)),
        },
    ),
    "rrelu": Row(options=_SLOPES),
    "rrelu(training=True)": Row(options={**_SLOPES, "training": True, "rng": 0}),
    "elu": Row(
        {
            "value": lambda xp, x: xp.where(x > 0, x, xp.exp(x) - 1),
            "backward": lambda xp, g, x: g * xp.where(x > 0, 1, xp.exp(x)),
            "backward_from_output": lambda xp, g, y: g * xp.where(y > 0, 1, y + 1),
        },
        {
            "backward": Aten("elu_backward", lambda g, x: (g, 1.0, 1.0, 1.0, False, x)),
            "backward_from_output": Aten("elu_backward", lambda g, y: (g, 1.0, 1.0, 1.0, True, y)),
        },
    ),
    "sigmoid": Row(
        {
            "value": _sigmoid,
            "backward": _sigmoid_backward,
            "backward_from_output": lambda xp, g, y: g * y * (1 - y),
        },
        {"backward_from_output": Aten("sigmoid_backward", lambda g, y: (g, y))},
    ),
    "tanh": Row(
        {
            "value": lambda xp, x: xp.tanh(x),
            "backward": lambda xp, g, x: g * (1 - xp.tanh(x) ** 2),
            "backward_from_output": lambda xp, g, y: g * (1 - y**2),
        },
        {"backward_from_output": Aten("tanh_backward", lambda g, y: (g, y))},
    ),
    "gumbel_softmax": Row(options={"rng": 0}, rows=True),
    "softmax": Row(
        {
            "value": _softmax,
            "backward": lambda xp, g, x: _softmax_from_output(xp, g, _softmax(xp, x)),
            "backward_from_output": _softmax_from_output,
        },
        {"backward_from_output": Aten("_softmax_backward_data", lambda g, y: (g, y, -1, g.dtype))},
    ),
    "log_softmax": Row(
        {
            "value": _log_softmax,
            "backward": lambda xp, g, x: _log_softmax_from_output(xp, g, _log_softmax(xp, x)),
            "backward_from_output": _log_softmax_from_output,
        },
        {"backward_from_output": Aten("_log_softmax_backward_data", lambda g, y: (g, y, -1, g.dtype))},
    ),
    "celu": _aten("elu", 1.0, 1.0, 1.0, False, last=True),
    "selu": _aten("elu", 1.6732632423543772, 1.0507009873554805, 1.0, False, last=True),
    "gelu": _aten("gelu"),
    "hardshrink": _aten("hardshrink", 0.5),
    "hardsigmoid": _aten("hardsigmoid"),
    "hardswish": _aten("hardswish"),
    "hardtanh": _aten("hardtanh", -1.0, 1.0),
    "logsigmoid": Row(torch={"backward": Aten("log_sigmoid_backward", lambda g, x: (g, x, (-x.abs()).exp()))}),
    "mish": _aten("mish"),
    "relu6": _aten("hardtanh", 0.0, 6.0),
    "silu": _aten("silu"),
    "softplus": _aten("softplus", 1.0, 20.0),
    "softshrink": _aten("softshrink", 0.5),
    "l1_loss": Row({"value_and_grad": _l1}),
    "mse_loss": Row({"value_and_grad": _mse}),
    "binary_cross_entropy": Row({"value_and_grad": _bce}, draw=probabilities),
    "binary_cross_entropy_with_logits": Row({"value_and_grad": _bce_logits}, draw=logits),
    "hinge_loss": Row(draw=margins),
    "squared_hinge_loss": Row(draw=margins),
    "modified_huber_loss": Row(draw=margins),
    "exponential_loss": Row(draw=margins),
    "soft_margin_loss": Row(draw=margins),
    "sigmoid_focal_loss": Row(draw=logits),
    "msle_loss": Row(draw=positive),
    "gamma_loss": Row(draw=positive),
    "poisson_nll_loss": Row(draw=positive),
    "tweedie_loss": Row(draw=positive),
    "kl_div": Row(draw=distributions),
    "jensen_shannon_divergence": Row(draw=distributions),
    "cross_entropy": Row({"value_and_grad": _cross_entropy}),
    "nll_loss": Row({"value_and_grad": _nll}),
    "linear_cross_entropy": Row({"value_and_grad": _linear_cross_entropy}),
    "nt_xent_loss": Row({"value_and_grad": _nt_xent}),
    "gaussian_nll_loss": Row(wanted=(0, 2)),
    "sgd_step": Row({"step": _sgd}),
    "sgd_step(momentum=0.9)": Row({"step": _momentum}, options=_MOMENTUM),
    "adam_step": Row({"step": _adam}),
    "adamw_step": Row({"step": _adamw}),
    "SGD": Row({"step": _sgd}),
    "SGD(momentum=0.9)": Row({"step": _momentum}, options=_MOMENTUM),
    "Adam": Row({"step": _adam}),
    "AdamW": Row({"step": _adamw}),
    "rmsprop_step": Row({"step": _rmsprop}),
    "adagrad_step": Row({"step": _adagrad}),
    "adadelta_step": Row({"step": _adadelta}),
    "lion_step": Row({"step": _lion}),
    "signum_step": Row({"step": _signum}),
    "RMSprop": Row({"step": _rmsprop}),
    "Adagrad": Row({"step": _adagrad}),
    "Adadelta": Row({"step": _adadelta}),
    "Lion": Row({"step": _lion}),
    "Signum": Row({"step": _signum}),
    "Muon": Row(rows=True),
    "muon_step": Row(rows=True),
    "adafactor_step": Row(rows=True),
}
