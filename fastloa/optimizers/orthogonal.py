"""Muon, for matrices: momentum whose singular values are brought to about 1."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Unpack

import numpy as np
from fastloa_kernels.formulas import optimizer_orthogonal as formulas
from fastloa_kernels.records import Step

from fastloa import checks
from fastloa.folded import PLAIN, Folded, Folds
from fastloa.hyper import NONNEGATIVE, RATE, SWITCH, Hyper, Integer, Number, Several, kinds, sign_of
from fastloa.optimizer_operations import Optimizer, Params
from fastloa.optimizer_steps import Alone, bare_step
from fastloa.stacks import give, stacked, stacks

__all__ = ["Muon", "muon_step"]

ADJUSTMENTS = ("original", "match_rms_adamw")


def adjustment(function: str, argument: str, value: Any, *, fixed: bool) -> Any:
    """Check the name of an adjustment, or None."""
    return None if value is None else checks.choice(function, argument, value, ADJUSTMENTS)


class Matrix(Alone):
    """A matrix, its gradient and its momentum."""

    def __init__(self, function: str, names: tuple[str, ...], arrays: tuple[Any, ...], *options: Any) -> None:
        check_matrix(function, names[0], arrays[0])
        super().__init__(function, names, arrays, *options)


def move(
    some: Sequence[Matrix], record: Step, hyper: Mapping[str, Any], parameters: tuple[float, ...], folds: Folds,
    factor: Any,
) -> None:  # fmt: skip
    """Take the steps of matrices of one shape: a pass for the momentum, products of matrices, a pass for the rest."""
    lr, decay, *momentum = parameters
    part = some[0]
    # What is done to the gradient goes with the first pass, what is done with the parameter with the second.
    first = PLAIN if folds is PLAIN else replace(folds, ema=None)
    second = PLAIN if folds.ema is None else replace(PLAIN, ema=folds.ema)
    with part.on_device(), np.errstate(all="ignore"):
        owned = list(zip(*(one.operands for one in some), strict=True))
        ready, gradient = [stacked(some, own) for own in owned], part.gradient
        g, buffer = ready[gradient : gradient + 2]
        ahead = part.xp.empty(g.shape, g.dtype)
        kernel = part.engine.load(formulas.MUON_MOMENTUM, first.form, part.dtype)
        kernel((buffer, g, ahead), (), first.leading(factor), tuple(momentum))
        found = part.xp.ascontiguousarray(orthogonal(part.xp, ahead, hyper))
        rate = lr * adjusted(part.shape, hyper["adjust_lr_fn"])
        kernel = part.engine.load(record, part.form(second.form), part.dtype)
        kernel((*ready[:gradient], found, *ready[gradient + 1 :]), (), second.leading(1.0), (rate, decay))
        for i, (own, used) in enumerate(zip(owned, ready, strict=True)):
            if i != gradient or folds.zero_grad:
                give(some, own, used)


def check_matrix(function: str, name: str, p: Any) -> None:
    """Raise unless a parameter is a matrix."""
    if getattr(p, "ndim", 2) != 2:
        raise ValueError(f"{function}: {name} must have two dimensions, got shape {tuple(p.shape)}")


def orthogonal(xp: Any, matrices: Any, hyper: Mapping[str, Any]) -> Any:
    """A matrix, or some, with singular values brought to about 1, by Newton and Schulz's iteration."""
    a, b, c = hyper["ns_coefficients"]
    tall, each = matrices.shape[-2] > matrices.shape[-1], {"axis": (-2, -1), "keepdims": True}
    # In order: NumPy would lay out sums with one matrix otherwise than with some, and multiply these in other ways.
    x = xp.ascontiguousarray(matrices.swapaxes(-2, -1)) if tall else matrices
    largest = abs(x).max(**each) if x.size else xp.zeros((), x.dtype)
    largest = xp.where(largest == 0.0, xp.ones_like(largest), largest)
    x = x / largest  # whose squares are numbers
    x = x / xp.maximum(xp.sqrt((x * x).sum(**each)), (hyper["eps"] / largest).astype(x.dtype))
    for _ in range(hyper["ns_steps"]):
        gram = x @ x.swapaxes(-2, -1)
        x = a * x + (b * gram + c * (gram @ gram)) @ x
    return x.swapaxes(-2, -1) if tall else x


def adjusted(shape: tuple[int, int], how: str | None) -> float:
    """By what a rate is multiplied for a matrix of that shape."""
    if how == "match_rms_adamw":
        return 0.2 * math.sqrt(max(shape))
    return math.sqrt(max(1.0, shape[0] / max(shape[1], 1)))


class Muon(Optimizer):
    r"""Muon: momentum made orthogonal, so that a step moves all directions of a matrix alike.

    .. math:: b \leftarrow \mu b + (1 - \mu) g, \quad X_0 = \frac{(1 - \mu) g + \mu b}{\|(1 - \mu) g + \mu b\|_F}, \quad
        X_{i+1} = a X_i + (b' X_i X_i^T + c (X_i X_i^T)^2) X_i

    .. math:: p \leftarrow (1 - \eta \lambda) p - \eta \sqrt{\max(1, n / m)} X_5

    Parameters
    ----------
    params : array, or list, tuple or dict of arrays, floating-point
        Matrices n by m, updated in place.
    lr : float or schedule, default 1e-3
        The rate eta, at least 0.
    weight_decay : float or schedule, default 0.1
        The factor lambda by which parameters shrink, at least 0.
    momentum : float or schedule, default 0.95
        The decay mu of the momentum b, in [0, 1].
    nesterov : bool, default True
        Take mu b + (1 - mu) g instead of b.
    ns_coefficients : three floats, default (3.4445, -4.775, 2.0315)
        The coefficients a, b' and c of the iteration.
    eps : float, default 1e-7
        The least that the momentum is divided by, at least 0.
    ns_steps : int, default 5
        The number of iterations, at least 0.
    adjust_lr_fn : {None, "original", "match_rms_adamw"}, default None
        How the rate goes with the shape: by the root above, which None means too, or by 0.2 times the root of the
        larger of n and m, for rates and decays that were found for AdamW.
    maximize : bool, default False
        Climb instead of descend.
    **folded
        What all optimizers take: see `fastloa.optimizers`.

    Raises
    ------
    TypeError
        Not arrays, arrays of two libraries, or a dtype that is not floating-point.
    ValueError
        A read-only parameter, one that is no matrix, or an option out of its range.

    Notes
    -----
    PyTorch's convention and defaults, but the iteration is computed in the precision of the arithmetic, where PyTorch's
    is in bfloat16: steps differ from PyTorch's by its rounding, about 1 %. With these coefficients singular values come
    to between 0.7 and 1.2, not to 1. The products of matrices are NumPy's or CuPy's, and take most of the time; their
    last bits are theirs as well, which may depend on how many threads multiply.
    Vectors, embeddings and the last layer are better left to another optimizer.

    References
    ----------
    Jordan, Jin, Boza, You, Cesista, Newhouse and Bernstein, "Muon: An optimizer for hidden layers in neural networks",
    2024, https://kellerjordan.github.io/posts/muon/; Liu, Su, Yao and others, "Muon is Scalable for LLM Training",
    2025, arXiv:2502.16982 (the second adjustment).

    Examples
    --------
    >>> p = np.array([[1.0, 2.0], [3.0, 4.0]])
    >>> Muon(p, lr=0.5, weight_decay=0.0).step(np.array([[2.0, 0.0], [0.0, 2.0]]))
    >>> p.round(3)
    array([[0.446, 2.   ],
           [3.   , 3.446]])
    """

    hyper = kinds(
        lr=RATE, weight_decay=RATE, momentum=Number(low=0.0, high=1.0, varying=True), nesterov=SWITCH,
        ns_coefficients=Several((Number(),) * 3), eps=NONNEGATIVE, ns_steps=Integer(0), adjust_lr_fn=adjustment,
        maximize=SWITCH,
    )  # fmt: skip
    records = (formulas.MUON, formulas.MUON_MOMENTUM)
    part = Matrix

    def __init__(
        self, params: Params, lr: Hyper = 1e-3, weight_decay: Hyper = 0.1, momentum: Hyper = 0.95,
        nesterov: bool = True, ns_coefficients: tuple[float, float, float] = (3.4445, -4.775, 2.0315),
        eps: float = 1e-7, ns_steps: int = 5, adjust_lr_fn: str | None = None, *, maximize: bool = False,
        **folded: Unpack[Folded],
    ) -> None:  # fmt: skip
        super().__init__(
            params, folded, lr=lr, weight_decay=weight_decay, momentum=momentum, nesterov=nesterov,
            ns_coefficients=ns_coefficients, eps=eps, ns_steps=ns_steps, adjust_lr_fn=adjust_lr_fn, maximize=maximize,
        )  # fmt: skip
        for label, p in self._arrays.items():
            check_matrix("Muon", label, p)

    @classmethod
    def parameters(cls, record: Step, hyper: Mapping[str, Any], step: int) -> tuple[float, ...]:
        """The rate and the decay of the parameter, and the parameters of the momentum's formula."""
        momentum = hyper["momentum"]
        share = momentum if hyper["nesterov"] else 1.0
        return hyper["lr"], hyper["lr"] * hyper["weight_decay"], 1.0 - momentum, share, sign_of(hyper)

    @classmethod
    def follow(
        cls, parts: Sequence[Any], record: Step, hyper: Mapping[str, Any], parameters: tuple[float, ...],
        folds: Folds, factor: Any, shared: tuple[Any, ...],
    ) -> None:  # fmt: skip
        """Take the steps of matrices."""
        for some in stacks(parts):
            move(some, record, hyper, parameters, folds, factor)


muon_step = bare_step(
    "muon_step",
    Muon,
    """
    >>> p, b = np.array([[1.0, 2.0], [3.0, 4.0]]), np.zeros((2, 2))
    >>> muon_step(p, np.array([[2.0, 0.0], [0.0, 2.0]]), b, lr=0.5, weight_decay=0.0)
    >>> p.round(3)
    array([[0.446, 2.   ],
           [3.   , 3.446]])
    """,
    first=1,
    kept=(formulas.MUON.states,),
)
