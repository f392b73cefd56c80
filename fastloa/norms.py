"""Norms: of all gradients together, of parameters and of steps; sums over all arrays; whether gradients are finite."""

import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

import numpy as np
from fastloa_kernels.formulas.folded import DESCENT_SQUARE
from fastloa_kernels.formulas.totals import IDENTITY
from fastloa_kernels.records import Step

from fastloa.folded import Folds

Rule = Callable[..., Any]  # rule(xp, norm of a parameter, norm of what is measured): the trust in the step
Sums = Callable[..., Any]  # sums(lift, which): the sums of squares of some arrays times a power of two

SCALES = {"float32": (2.0**-80, 2.0**90), "float64": (2.0**-600, 2.0**700)}
LEAST = {"float32": 2.0**-102, "float64": 2.0**-969}  # a smaller mean square may have lost its small terms
FAINT = 2.0**-400  # of scales: times the least of SCALES a smaller one may be no number
ADDED = 1e-6  # to a norm, as in PyTorch


class Part(Protocol):
    """Some parameters with their gradients and states, all of one dtype."""

    dtype: str
    sizes: Any
    engine: Any
    xp: Any  # the library of their sums
    on_cpu: bool

    def on_device(self) -> AbstractContextManager[Any]:
        """Their device as the current one."""
        ...

    def sums(
        self, record: Any, form: str, rows: slice, leading: tuple[Any, ...], parameters: tuple[float, ...],
        which: Any = slice(None),
    ) -> Any:  # fmt: skip
        """The sums that a form gives for each: in float64, where the arrays are.

        The form takes the `rows` of parameters, gradients and states.
        """
        ...


def finite(parts: Sequence[Part], scale: float) -> bool:
    """Whether all gradients are finite numbers after they are unscaled; on a GPU this waits for it."""
    if parts[0].on_cpu:
        return all(bool(np.isfinite(_in_range(part, _of_gradients(part, scale, math.inf))[0]).all()) for part in parts)
    # What is too large for the first time is a number the second time, unless it is none.
    return any(math.isfinite(float(_total(parts, scale, math.inf, small=small))) for small in (False, True))


def shrinkage(parts: Sequence[Part], folds: Folds) -> tuple[Any, Any]:
    """The norm of all gradients, if it is wanted, and what they are to be multiplied by; of a GPU, 0-d arrays there."""
    if folds.clip_norm is None:
        return None, 1.0
    if parts[0].on_cpu:
        norm, scale = _norm(parts, folds.grad_scale, folds.limit)
        factor = scale * folds.clip_norm / (norm + scale * ADDED)
        return norm / scale, 1.0 if factor > 1.0 else factor
    xp = parts[0].xp
    with parts[0].on_device():
        norm = xp.sqrt(_total(parts, folds.grad_scale, folds.limit))
        return norm, xp.minimum(folds.clip_norm / (norm + ADDED), 1.0)


def _norm(parts: Sequence[Part], scale: float, limit: float) -> tuple[float, float]:
    """The norm times a factor, and the factor: where it is not 1, the norm may be no number without."""
    square = total(parts, lambda part: _of_gradients(part, scale, limit)(1.0))
    if sum(np.sum(part.sizes) * LEAST[part.dtype] for part in parts) <= square < math.inf:
        return math.sqrt(square), 1.0  # as on a GPU
    # What is not clipped before is unscaled here: gradients may be no numbers once that is done.
    apart = scale if limit == math.inf and scale > FAINT else 1.0
    found = [_in_range(part, _of_gradients(part, scale / apart, limit)) for part in parts]
    squares, factors = map(np.concatenate, zip(*found, strict=True))
    factors *= apart
    least = min(1.0, float(factors.min()))
    norms = np.sqrt(squares) * (least / factors)
    return math.nan if np.isnan(norms).any() else math.hypot(*norms.tolist()), least  # an infinity would hide a NaN


def trust(
    part: Part, record: Step, parameters: tuple[float, ...], folds: Folds, factor: Any, rule: Rule
) -> tuple[Any, ...]:  # fmt: skip
    """What the rule makes of the norms of parameters and of what is measured, if that is what a step follows from.

    These are two numbers: the first times the square of the other, a power of two, is what may be none.
    """
    if record.measured is None:
        return ()
    folding = folds.descent(factor)

    def of_parameters(lift: float, which: Any = slice(None)) -> Any:
        return part.sums(DESCENT_SQUARE, "value_summed_wide", slice(0, 1), (), (1.0, math.inf, lift), which)

    def of_measured(lift: float, which: Any = slice(None)) -> Any:
        rows = slice(0, record.arrays)
        return part.sums(record, "measured_summed", rows, (1.0, *folding, lift), parameters, which)

    if part.on_cpu:
        with np.errstate(all="ignore"):
            norms = [np.divide(np.sqrt(x), f) for x, f in (_in_range(part, s) for s in (of_parameters, of_measured))]
            return _in_two(np, rule(np, *norms))
    with part.on_device():
        norms = [part.xp.sqrt(sums(1.0)) for sums in (of_parameters, of_measured)]
        return _in_two(part.xp, rule(part.xp, *norms))


def _in_two(xp: Any, trust: Any) -> tuple[Any, Any]:
    """A number that float32 holds, and a power of two that is 1 if the trust is one already."""
    _, exponent = xp.frexp(trust)
    lift = xp.ldexp(xp.ones_like(trust), 30 * (exponent / 60.0).astype("int32"))
    return trust / lift / lift, lift


def total(parts: Sequence[Part], sums: Callable[[Part], Any]) -> Any:
    """What the sums of all arrays add up to, in an order of their own whoever adds them up; of a GPU, a 0-d array."""
    engine = parts[0].engine
    with parts[0].on_device():
        each = engine.xp.concatenate([sums(part) for part in sorted(parts, key=lambda part: part.dtype)])
        return engine.load(IDENTITY, "value_summed", "float64")((each,), (), (), ())


def _of_gradients(part: Part, scale: float, limit: float) -> Sums:
    """The squares of gradients."""

    def sums(lift: float, which: Any = slice(None)) -> Any:
        return part.sums(DESCENT_SQUARE, "value_summed_wide", slice(1, 2), (), (scale, limit, lift), which)

    return sums


def _in_range(part: Part, sums: Sums) -> tuple[Any, Any]:
    """The sums of squares of gradients times factors, and the factors: where they are not 1, they keep them numbers."""
    squares = sums(1.0)
    factors = np.ones(len(squares))
    large, small = ~(squares < math.inf), squares < part.sizes * LEAST[part.dtype]
    for wrong, factor in zip((large, small), SCALES[part.dtype], strict=True):
        if wrong.any():
            squares[wrong], factors[wrong] = sums(factor, wrong), factor
    return squares, factors


def _total(parts: Sequence[Part], scale: float, limit: float, *, small: bool = False) -> Any:
    """The sum of all squares on a GPU, of gradients made small if it is asked for."""

    def sums(part: Part) -> Any:
        return _of_gradients(part, scale, limit)(SCALES[part.dtype][0] if small else 1.0)

    return total(parts, sums)
