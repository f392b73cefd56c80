"""Criteria that say when to stop, for `minimize` and for any loop of one's own.

A criterion is a callable that takes a `State` and gives the reason to stop, a str, or None to go on; a function of
one's own will do. It is asked after the value and the gradients are known and before the parameters change, so the
parameters it stops at are those it judged. Criteria that remember have a ``reset()``, which `minimize` calls at the
start. Those that read the loss or the gradients of CuPy arrays wait for the GPU at every step.

Examples
--------
In a bare loop, a state needs only what the criteria read:

>>> import numpy as np
>>> from fastloa import stopping
>>> criterion = stopping.grad_norm(1e-3)
>>> p = np.array([3.0, -4.0])
>>> for step in range(1000):
...     grad = 2.0 * p
...     reason = criterion(stopping.State(step=step, grads=grad))
...     if reason:
...         break
...     p -= 0.25 * grad
>>> step, reason
(14, 'gradient norm 0.00061 <= 0.001')
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

from fastloa.checks import integer, is_cupy, leaves, namespace, number, real
from fastloa.wording import kind

__all__ = ["State", "grad_norm", "loss_change", "max_seconds", "max_steps", "non_finite", "patience", "target"]


@dataclass(slots=True)
class State:
    """What a criterion or a callback is told about a step.

    Parameters
    ----------
    step, epoch : int
        Numbers of the step and of the epoch, from 0; steps that were passed over count.
    value : float or array, shape ()
        The loss at the parameters before the step. An array of a GPU becomes a float here when a criterion first
        reads it, so that several criteria wait for it once.
    grads, params : array, sequence or dict of arrays
        The gradients at the parameters before the step, or zeros where ``zero_grad`` cleared them, and the parameters.
    seconds : float
        Time since the start, in seconds.
    """

    step: int = 0
    epoch: int = 0
    value: Any = None
    grads: Any = None
    params: Any = None
    seconds: float = 0.0


Criterion: TypeAlias = Callable[[State], str | None]


def grad_norm(tolerance: float) -> Criterion:
    r"""Stop where the gradient is almost zero.

    .. math:: \sqrt{\textstyle\sum_i g_i^2} \le \epsilon

    over all gradients together, in float64 and scaled, so that squares neither overflow nor vanish. A norm of NaN stops
    too, since no later step would bring it down.

    Parameters
    ----------
    tolerance : float
        Largest norm :math:`\epsilon` to stop at; non-negative and finite.

    Returns
    -------
    Criterion
        The criterion; it reads ``state.grads``.

    Raises
    ------
    TypeError, ValueError
        `tolerance` is not a number, or is out of its range; at the call, ``state.grads`` are not arrays.

    Notes
    -----
    The gradient of a minibatch does not go to zero at the minimum of the whole. `patience` judges such a run better.

    Examples
    --------
    >>> grad_norm(1e-3)(State(grads=[np.array([3e-4]), np.array([4e-4])]))
    'gradient norm 0.0005 <= 0.001'
    """
    return _GradNorm(number("stopping.grad_norm", "tolerance", tolerance, low=0))


def loss_change(absolute: float = 0.0, relative: float = 0.0) -> Criterion:
    r"""Stop when a step hardly changes the loss.

    .. math:: |f_t - f_{t-1}| \le \max(a, \; r \max(|f_t|, |f_{t-1}|))

    Parameters
    ----------
    absolute : float, default 0.0
        Largest change :math:`a` to stop at, in the units of the loss; non-negative and finite.
    relative : float, default 0.0
        Largest change :math:`r` to stop at, as a share of the loss; non-negative and finite.

    Returns
    -------
    Criterion
        The criterion; it reads ``state.value`` and remembers the one before.

    Raises
    ------
    TypeError, ValueError
        An argument is not a number, is out of its range, or both are zero; at the call, ``state.value`` is no scalar.

    Examples
    --------
    >>> criterion = loss_change(relative=0.01)
    >>> criterion(State(value=1.0)), criterion(State(value=0.5)), criterion(State(value=0.499))
    (None, None, 'loss change 0.001 <= 0.005')
    """
    name = "stopping.loss_change"
    absolute, relative = number(name, "absolute", absolute, low=0), number(name, "relative", relative, low=0)
    if absolute == 0.0 and relative == 0.0:
        raise ValueError(f"{name}: absolute or relative must be positive, got {absolute} and {relative}")
    return _LossChange(absolute, relative)


def patience(steps: int, min_delta: float = 0.0) -> Criterion:
    """Stop when the loss has not improved for a while.

    Parameters
    ----------
    steps : int
        Steps to wait for a better loss; at least 1.
    min_delta : float, default 0.0
        How much lower than the lowest so far a loss must be to count as better; non-negative and finite.

    Returns
    -------
    Criterion
        The criterion; it reads ``state.value``, and remembers the lowest and the steps since. NaN is never better.

    Raises
    ------
    TypeError, ValueError
        An argument is not a number of its kind, or is out of its range; at the call, ``state.value`` is no scalar.

    Examples
    --------
    >>> criterion = patience(2)
    >>> [criterion(State(value=value)) for value in (3.0, 1.0, 2.0, 1.0)]
    [None, None, None, 'no loss below 1 in 2 steps']
    """
    name = "stopping.patience"
    return _Patience(integer(name, "steps", steps, low=1), number(name, "min_delta", min_delta, low=0))


def max_steps(n: int) -> Criterion:
    """Stop after a number of steps.

    Parameters
    ----------
    n : int
        Steps; at least 1.

    Returns
    -------
    Criterion
        The criterion; it reads ``state.step``.

    Raises
    ------
    TypeError, ValueError
        `n` is not an integer, or is below 1.

    Examples
    --------
    >>> max_steps(100)(State(step=100))
    '100 steps'
    """
    return _MaxSteps(integer("stopping.max_steps", "n", n, low=1))


def max_seconds(s: float) -> Criterion:
    """Stop after a time.

    Parameters
    ----------
    s : float
        Seconds; positive and finite.

    Returns
    -------
    Criterion
        The criterion; it reads ``state.seconds``, and never stops in the middle of a step.

    Raises
    ------
    TypeError, ValueError
        `s` is not a number, or is out of its range.

    Examples
    --------
    >>> max_seconds(60)(State(seconds=61.5))
    '60 seconds'
    """
    return _MaxSeconds(number("stopping.max_seconds", "s", s, low=0, low_open=True))


def non_finite() -> Criterion:
    """Stop at a NaN or an infinity in the loss or in the gradients, before it reaches the parameters.

    Returns
    -------
    Criterion
        The criterion; it reads ``state.value`` and ``state.grads``, one of which may be None.

    Examples
    --------
    >>> criterion = non_finite()
    >>> criterion(State(value=float("nan"))), criterion(State(value=1.0, grads=np.array([1.0, np.inf])))
    ('loss is nan', 'gradient is not finite')
    """
    return _NonFinite()


def target(value: float) -> Criterion:
    """Stop when the loss is low enough.

    Parameters
    ----------
    value : float
        Largest loss to stop at; finite.

    Returns
    -------
    Criterion
        The criterion; it reads ``state.value``.

    Raises
    ------
    TypeError, ValueError
        `value` is not a finite number; at the call, ``state.value`` is no scalar.

    Examples
    --------
    >>> target(0.01)(State(value=0.0099))
    'loss 0.0099 <= 0.01'
    """
    return _Target(number("stopping.target", "value", value))


@dataclass(frozen=True, slots=True)
class _GradNorm:
    tolerance: float

    def __call__(self, state: State) -> str | None:
        norm = _global_norm(_blocks("stopping.grad_norm", state.grads))
        if math.isnan(norm):
            return "gradient norm is nan"  # it never comes down again, so a run that nothing else bounds would not end
        return f"gradient norm {norm:.3g} <= {self.tolerance:g}" if norm <= self.tolerance else None


@dataclass(slots=True)
class _LossChange:
    absolute: float
    relative: float
    previous: float = field(default=math.nan, init=False, repr=False, compare=False)

    def __call__(self, state: State) -> str | None:
        value, previous = _loss("stopping.loss_change", state), self.previous
        self.previous = value
        change, enough = abs(value - previous), max(self.absolute, self.relative * max(abs(value), abs(previous)))
        return f"loss change {change:.3g} <= {enough:.3g}" if change <= enough and change < math.inf else None

    def reset(self) -> None:
        self.previous = math.nan


@dataclass(slots=True)
class _Patience:
    steps: int
    min_delta: float
    best: float = field(default=math.inf, init=False, repr=False, compare=False)
    waited: int = field(default=0, init=False, repr=False, compare=False)

    def __call__(self, state: State) -> str | None:
        value = _loss("stopping.patience", state)
        if value < self.best - self.min_delta:
            self.best, self.waited = value, 0
            return None
        self.waited += 1
        if self.waited < self.steps:
            return None
        return f"no loss below {self.best - self.min_delta:g} in {self.steps} steps"

    def reset(self) -> None:
        self.best, self.waited = math.inf, 0


@dataclass(frozen=True, slots=True)
class _MaxSteps:
    n: int

    def __call__(self, state: State) -> str | None:
        return f"{self.n} steps" if state.step >= self.n else None


@dataclass(frozen=True, slots=True)
class _MaxSeconds:
    s: float

    def __call__(self, state: State) -> str | None:
        return f"{self.s:g} seconds" if state.seconds >= self.s else None


@dataclass(frozen=True, slots=True)
class _NonFinite:
    def __call__(self, state: State) -> str | None:
        if state.value is not None:
            value = _loss("stopping.non_finite", state)
            if not math.isfinite(value):
                return f"loss is {value}"
        if state.grads is None or _all_finite(_blocks("stopping.non_finite", state.grads)):
            return None
        return "gradient is not finite"


@dataclass(frozen=True, slots=True)
class _Target:
    value: float

    def __call__(self, state: State) -> str | None:
        value = _loss("stopping.target", state)
        return f"loss {value:.6g} <= {self.value:g}" if value <= self.value else None


def _loss(function: str, state: State) -> float:
    """Read the loss as a float, and keep it so."""
    value = state.value
    if type(value) is float:
        return value
    loss = real(value)
    if loss is not None:
        state.value = loss
        return loss
    raise TypeError(f"{function}: state.value must be a real scalar, got {kind(value)}")


def _blocks(function: str, grads: Any) -> list[Any]:
    """Cut all arrays into flat blocks: on a CPU they fit the cache, on a GPU they bound the temporaries."""
    blocks: list[Any] = []
    for leaf in leaves(grads):
        array = np.asarray(leaf) if isinstance(leaf, np.generic) else leaf
        namespace(function, "grads", array)
        if array.dtype.name != "bfloat16" and array.dtype.kind not in "fiub":
            raise TypeError(f"{function}: grads must be real, got dtype {array.dtype}")
        flat, size = array.reshape(-1), 1 << (24 if is_cupy(array) else 15)
        blocks += [flat[start : start + size] for start in range(0, flat.size, size)]
    return blocks


def _global_norm(blocks: list[Any]) -> float:
    """Compute the l2 norm in float64; the squares are scaled only where plain ones leave the safe range."""
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        squares = _sum_of_squares(blocks, 0)
        if not blocks or 1e-280 <= squares < math.inf:  # below, squares that underflowed could matter
            return math.sqrt(squares)
        largest = float(np.max([float(abs(block.astype(np.float64)).max()) for block in blocks]))  # NaN, if any is
        if largest in (0.0, math.inf):
            return largest
        exponent = math.frexp(largest)[1]
        return float(np.ldexp(math.sqrt(_sum_of_squares(blocks, exponent)), exponent))


def _sum_of_squares(blocks: list[Any], exponent: int) -> float:
    """Sum (g / 2**exponent)**2 in float64, reading the device once."""
    total: Any = 0.0
    for block in blocks:
        g = block.astype(np.float64)
        if exponent:
            g = namespace("stopping.grad_norm", "grads", g).ldexp(g, -exponent)
        total = total + (g * g).sum()
    return float(total)


def _all_finite(blocks: list[Any]) -> bool:
    finite: Any = True
    for block in blocks:
        finite = finite & namespace("stopping.non_finite", "grads", block).isfinite(block).all()
    return bool(finite)
