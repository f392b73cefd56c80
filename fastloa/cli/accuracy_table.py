"""What is measured of each operation: its exact results, where its operands come from, and who else computes it.

Exact results are the textbook's formulas in a wider format, arranged so that nothing cancels: float64 for results of 16
and 32 bits, NumPy's longdouble for float64. They share nothing with the library, and stand in the modules named
``exact_*.py``. An operation is measured if its name stands in `EXACT`; PyTorch's function of the same name is found
without being named.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

import fastloa as fl
from fastloa.channel_operations import ChannelActivation
from fastloa.cli import (
    exact_activations,
    exact_divergences,
    exact_gated,
    exact_joint,
    exact_label_losses,
    exact_losses,
    exact_projections,
)
from fastloa.cli.exact_activations import OPTIONS
from fastloa.cli.exact_losses import row_parts
from fastloa.gated_operations import GatedActivation, SplitActivation
from fastloa.joint_loss_operations import JointLoss
from fastloa.loss_operations import Loss
from fastloa.operations import Activation
from fastloa.row_loss_operations import RowLossOperation
from fastloa.row_operations import RowActivation

Array = Any
Draw = Callable[[np.random.Generator, int, Any], tuple[Array, ...]]


def _softmax(x: Array) -> Array:
    _, e, rest = row_parts(x)
    return e / (1 + rest)


def _log_softmax(x: Array) -> Array:
    d, _, rest = row_parts(x)
    return d - np.log1p(rest)


# Activations: value and derivative, gated ones: value and two gradients; activations of rows: value; losses:
# ``(x, target) -> (value, gradient, Hessian)``, of three arrays with two gradients and two Hessians.
EXACT: Mapping[str, Any] = {
    **exact_activations.EXACT,
    **exact_gated.EXACT,
    "softmax": (_softmax,),
    "log_softmax": (_log_softmax,),
    "softmin": (lambda x: _softmax(-x),),
    **exact_losses.EXACT,
    **exact_divergences.EXACT,
    **exact_joint.EXACT,
    **exact_label_losses.EXACT,
    **exact_projections.EXACT,
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


def _factors(rng: np.random.Generator, count: int, dtype: Any) -> tuple[Array, ...]:
    """Two numbers of any size."""
    return tuple(_mixed(rng, count, _powers(dtype), reals(rng, count, dtype)) for _ in range(2))


def _three_factors(rng: np.random.Generator, count: int, dtype: Any) -> tuple[Array, ...]:
    """Three numbers of any size."""
    return *_factors(rng, count, dtype), _factors(rng, count, dtype)[0]


def _counts(rng: np.random.Generator, count: int, dtype: Any) -> tuple[Array, ...]:
    """Any number, and a finite one that is not negative."""
    x, target = _pairs(rng, count, dtype)
    return x, np.minimum(np.abs(target), dtype.type(float_info(dtype).max))


def _sizes(rng: np.random.Generator, count: int, dtype: Any) -> tuple[Array, ...]:
    """Two numbers that are not negative."""
    x, target = _pairs(rng, count, dtype)
    return np.abs(x), np.abs(target)


def _probability(rng: np.random.Generator, count: int, dtype: Any) -> Array:
    info = float_info(dtype)
    grid = np.array([0.0, 1.0, 0.5, 1.0 - float(info.epsneg), float(info.tiny), float(info.smallest_subnormal)])
    return _mixed(rng, count, grid.astype(dtype), np.minimum(rng.random(count), 1.0 - float(info.epsneg)))


def _logits_and_probabilities(rng: np.random.Generator, count: int, dtype: Any) -> tuple[Array, ...]:
    return _mixed(rng, count, _powers(dtype), 30 * rng.normal(size=count)), _probability(rng, count, dtype)


def _probabilities(rng: np.random.Generator, count: int, dtype: Any) -> tuple[Array, ...]:
    return _probability(rng, count, dtype), _probability(rng, count, dtype)


def _margins(rng: np.random.Generator, count: int, dtype: Any) -> tuple[Array, ...]:
    """Decisions, most of them where margins bend, and labels -1 and 1."""
    z = np.where(rng.random(count) < 0.5, reals(rng, count, dtype), (2 * rng.normal(size=count)).astype(dtype))
    return z, rng.choice(np.array([-1, 1], dtype), count)


def _scores(rng: np.random.Generator, count: int, dtype: Any) -> tuple[Array]:
    """Rows of 2 to 1,000 classes, flat or steep."""
    classes = int(rng.choice([2, 3, 10, 100, 1000]))
    spread = 10.0 ** rng.uniform(-3, 2, (max(count // classes, 1), 1))
    return ((spread * rng.normal(size=(len(spread), classes))).astype(dtype),)


def _scores_and_labels(rng: np.random.Generator, count: int, dtype: Any) -> tuple[Array, ...]:
    (x,) = _scores(rng, count, dtype)
    return x, rng.integers(0, x.shape[1], len(x))


def _means_and_variances(rng: np.random.Generator, count: int, dtype: Any) -> tuple[Array, ...]:
    """Any two numbers, and a variance above the least; half of the triples are of ordinary size."""
    x, target = _pairs(rng, count, dtype)
    powers = np.abs(_powers(dtype))
    variance = _mixed(rng, count, powers[powers > 1e-5], np.exp(2 * rng.normal(size=count)))
    return x, target, variance


def _scores_and_margins(rng: np.random.Generator, count: int, dtype: Any) -> tuple[Array, ...]:
    """Two scores and a label, -1 or 1."""
    first, label = _margins(rng, count, dtype)
    return first, _margins(rng, count, dtype)[0], label


MARGINS = (
    "hinge_loss", "squared_hinge_loss", "modified_huber_loss", "exponential_loss", "soft_margin_loss",
    "hinge_embedding_loss",
)  # fmt: skip
DRAW: Mapping[str, Draw] = {
    **dict.fromkeys(MARGINS, _margins),
    **dict.fromkeys(("poisson_nll_loss", "gamma_loss", "tweedie_loss"), _counts),
    **dict.fromkeys(
        ("binary_cross_entropy_with_logits", "sigmoid_focal_loss", "kl_div", "jensen_shannon_divergence"),
        _logits_and_probabilities,
    ),
    "msle_loss": _sizes,
    "gaussian_nll_loss": _means_and_variances,
    "margin_ranking_loss": _scores_and_margins,
    "binary_cross_entropy": _probabilities,
}


@dataclass(frozen=True)
class Function:
    """One result of one operation.

    Parameters
    ----------
    operation, form : str
        The public name, and value, derivative, grad, grad_a, grad_b, hess, hess_a or hess_b.
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
        options = OPTIONS.get(name, {})
        value, derivative = partial(public, **options), partial(public.derivative, **options)
        calls: dict[str, Callable[..., Array]] = {"value": value, "derivative": derivative}
        for (form, call), formula in zip(calls.items(), exact, strict=True):
            yield Function(name, form, call, formula, _one, unary=True)
    elif isinstance(public, GatedActivation | SplitActivation | ChannelActivation):
        both = _OF_TWO.get(type(public), _of_arrays)(public)
        calls = {"value": both[0], "grad_a": _item(both[1], 0), "grad_b": _item(both[1], 1)}
        for (form, call), formula in zip(calls.items(), exact, strict=True):
            yield Function(name, form, call, formula, _factors if form == "value" else _three_factors)
    elif isinstance(public, RowActivation):
        yield Function(name, "value", public, exact[0], _scores)
    elif isinstance(public, RowLossOperation):
        calls = {"value": _with("none", public), "grad": _with("sum", public.grad)}
        for i, (form, call) in enumerate(calls.items()):
            yield Function(name, form, call, _item(exact, i), _scores_and_labels)
    elif isinstance(public, JointLoss):
        grads, hesses = _with("sum", public.grad), _item(_with("sum", public.grad_and_hess), 1)
        calls = {"value": _with("none", public)}
        calls |= {
            f"{form}_{'ab'[i]}": _item(call, i) for form, call in (("grad", grads), ("hess", hesses)) for i in range(2)
        }
        for i, (form, call) in enumerate(calls.items()):
            yield Function(name, form, call, _item(exact, i), DRAW[name])
    elif isinstance(public, Loss):
        hess = _item(_with("sum", public.grad_and_hess), 1)
        calls = {"value": _with("none", public), "grad": _with("sum", public.grad), "hess": hess}
        for i, (form, call) in enumerate(calls.items()):
            yield Function(name, form, call, _item(exact, i), DRAW.get(name, _pairs))


def _of_arrays(public: Any) -> tuple[Callable[..., Any], ...]:
    """A function of two arrays, and its backward."""
    return public, public.backward


def _of_channels(public: Any) -> tuple[Callable[..., Any], ...]:
    """The same made of one whose channels have an element each."""

    def backward(g: Array, a: Array, b: Array) -> Any:
        of_x, of_weight = public.backward(g[None], a[None], b)
        return of_x[0], of_weight

    return lambda a, b: public(a[None], b)[0], backward


def _of_halves(public: Any) -> tuple[Callable[..., Any], ...]:
    """A function of two arrays made of one of their halves, and its backward."""

    def backward(g: Array, a: Array, b: Array) -> Any:
        return np.split(public.backward(g, np.concatenate([a, b])), 2)

    return lambda a, b: public(np.concatenate([a, b])), backward


_OF_TWO: Mapping[type, Any] = {SplitActivation: _of_halves, ChannelActivation: _of_channels}


def _with(reduction: str, call: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *arrays: call(*arrays, reduction=reduction)


def _item(call: Callable[..., Any], i: int) -> Callable[..., Any]:
    return lambda *arrays: call(*arrays)[i]
