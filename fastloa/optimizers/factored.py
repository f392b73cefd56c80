"""Adafactor, which keeps of the second moments of a matrix the means of rows and columns only."""

import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Unpack

import numpy as np
from fastloa_kernels.formulas import optimizer_factored as formulas
from fastloa_kernels.formulas.folded import DESCENT_SQUARE
from fastloa_kernels.records import Step

from fastloa import backends, dtypes
from fastloa.folded import Folded, Folds
from fastloa.hyper import RATE, SWITCH, Hyper, Number, Several, kinds, sign_of
from fastloa.norms import trust
from fastloa.optimizer_operations import Optimizer, Params
from fastloa.optimizer_steps import Alone, bare_step, check_kinds, check_written_apart
from fastloa.stacks import give, stacked, stacks
from fastloa.together import together

__all__ = ["Adafactor", "adafactor_step"]

FACTORS = ("row_var", "col_var")
EPS = {"float16": 2.0**-10, "bfloat16": 2.0**-7, "float32": 2.0**-23, "float64": 2.0**-52}


class Factored(Alone):
    """A parameter, its gradient and its second moments, or what they are estimated from."""

    def __init__(
        self, function: str, names: tuple[str, ...], arrays: tuple[Any, ...], record: Step, folds: Folds,
        backend: str | None, lost: Any = None,
    ) -> None:  # fmt: skip
        library, (p, g, *states) = backends.common_library(function, dict(zip(names, arrays, strict=True))), arrays
        kind = dtypes.kind_of(function, names[0], p)
        self.record, self.factors = record, ()
        self.eps = EPS[kind.result.name if lost is None else kind.compute]
        if p.ndim > 1:
            self.record, self.factors = formulas.ADAFACTOR_MATRIX, tuple(states[:2])
            for name, own, array in zip(names[2:4], FACTORS, states[:2], strict=True):
                dtypes.of_shape(function, name, array, Adafactor.shape_of(own, p.shape))
            check_kinds(function, names, arrays, kind, zeroed=folds.zero_grad)
            check_written_apart(function, names, arrays, folds)
            with backends.device_of(p):
                estimate = backends.namespace_of(library).empty(p.shape, kind.compute)
            names, arrays = (*names[:2], f"estimate of {names[0]}", *names[4:]), (p, g, estimate, *states[2:])
        super().__init__(function, names, arrays, self.record, folds, backend, lost)


def estimate(some: Sequence[Factored], folds: Folds, factor: Any, rest2: float, least: float) -> None:
    """Draw means of rows and columns to those of the squares, and estimate second moments, of matrices of one shape."""
    part = some[0]
    xp, dtype, load = part.xp, part.dtype, part.engine.load
    with part.on_device(), np.errstate(all="ignore"):
        # In float64: a square may be too large or too small for a float32 where the mean is none of both.
        squares = part.engine.converted(stacked(some, [one.arrays[1] for one in some]), "float64")
        load(DESCENT_SQUARE, "value", "float64")((squares,), (squares,), (), (folds.grad_scale, folds.limit, 1.0))
        drawn = []
        for own, axis in zip(zip(*(one.factors for one in some), strict=True), (-1, -2), strict=True):
            mean, means = squares.mean(axis=axis, keepdims=True), stacked(some, own)
            mean = mean * (factor * factor)
            # What is too large for the dtype is kept as its largest: infinite means of rows would have no shares.
            mean = xp.where(mean < np.inf, xp.minimum(mean, float(np.finfo(dtype).max)), mean).astype(dtype)
            load(formulas.ADAFACTOR_MEAN, "step", dtype)((means, mean), (), (), (rest2,))
            give(some, own, means)
            drawn.append(means)
        rows, columns = drawn
        middle = rows.mean(axis=-2, dtype="float64", keepdims=True)
        # The quotient first: the product may be no number.
        share = (rows / xp.maximum(middle, least)).astype(dtype)
        estimates = [one.arrays[2] for one in some]
        give(some, estimates, xp.multiply(share, columns, out=stacked(some, estimates)))


class Adafactor(Optimizer):
    r"""Adafactor: steps scaled by second moments that take the memory of a row and a column for a matrix.

    .. math:: R \leftarrow \hat\beta_t R + (1 - \hat\beta_t) \overline{g^2}^{\,\text{rows}}, \quad
        C \leftarrow \hat\beta_t C + (1 - \hat\beta_t) \overline{g^2}^{\,\text{columns}}, \quad
        V = \frac{R C}{\max(\overline{R}, \epsilon_1)}, \quad \hat\beta_t = 1 - t^{\tau}

    .. math:: U = \frac{g}{\max(\sqrt{V}, \epsilon_1)}, \quad
        p \leftarrow (1 - \eta \lambda) p -
        \max(\epsilon_2, \operatorname{rms}(p)) \min\left(\eta, \frac{1}{\sqrt{t}}\right)
        \frac{U}{\max(1, \operatorname{rms}(U) / d)}

    Parameters
    ----------
    params : array, or list, tuple or dict of arrays, floating-point
        Updated in place.
    lr : float or schedule, default 1e-2
        The largest share eta of its own size that an array is changed by, at least 0.
    beta2_decay : float, default -0.8
        The exponent tau of the decays of the second moments, at most 0.
    eps : pair of float or None and float, default (None, 1e-3)
        The least root of a second moment and of the mean of R, None for the distance of 1 to the next number of the
        parameter's dtype; and the least size by which a step is multiplied. Both at least 0.
    d : float, default 1.0
        The size to which a step is brought before that if it is larger, at least 1.
    weight_decay : float or schedule, default 0.0
        The factor lambda by which parameters shrink, at least 0.
    maximize : bool, default False
        Climb instead of descend.
    **folded
        What all optimizers take: see `fastloa.optimizers`.

    Raises
    ------
    TypeError
        Not arrays, arrays of two libraries, or a dtype that is not floating-point.
    ValueError
        A read-only parameter, or an option out of its range.

    Notes
    -----
    PyTorch's convention and defaults: unlike the paper it takes eps into the step and not into the means, the rate may
    be chosen, and the weight decay goes with it. Arrays of more than two dimensions are stacks of matrices, in the last
    two; vectors keep a second moment for each element, the state ``variance``. The states of matrices are ``row_var``
    and ``col_var``. While a step is made, the estimated moments take memory of the size of all matrices, and the
    gradient's squares, in float64, that of the largest, or of some small ones of one shape.

    The root mean squares are those of each array by itself; on a GPU they stay there, and nothing waits for them. One
    that is no finite number is passed over: the step has then the size that it has for an array of zeros, or is as long
    as it is. In a matrix an element that is no number spoils all others of its row and column, and the mean of R.

    References
    ----------
    Shazeer and Stern, "Adafactor: Adaptive Learning Rates with Sublinear Memory Cost", 2018, arXiv:1804.04235.

    Examples
    --------
    >>> p = np.array([[3.0, 4.0], [0.0, 0.0]])
    >>> Adafactor(p, lr=0.5).step(np.array([[2.0, -2.0], [1.0, 1.0]]))
    >>> p
    array([[ 1.75,  5.25],
           [-1.25, -1.25]])
    """

    hyper = kinds(
        lr=RATE, beta2_decay=Number(high=0.0), eps=Several((Number(low=0.0, optional=True), Number(low=0.0))),
        d=Number(low=1.0), weight_decay=RATE, maximize=SWITCH,
    )  # fmt: skip
    records = (formulas.ADAFACTOR, formulas.ADAFACTOR_MATRIX, formulas.ADAFACTOR_MEAN)
    part = Factored

    def __init__(
        self, params: Params, lr: Hyper = 1e-2, beta2_decay: float = -0.8,
        eps: tuple[float | None, float] = (None, 1e-3), d: float = 1.0, weight_decay: Hyper = 0.0, *,
        maximize: bool = False, **folded: Unpack[Folded],
    ) -> None:  # fmt: skip
        super().__init__(
            params, folded, lr=lr, beta2_decay=beta2_decay, eps=eps, d=d, weight_decay=weight_decay, maximize=maximize
        )

    @classmethod
    def states_of(cls, record: Step, p: Any) -> tuple[str, ...]:
        """Means of rows and columns for matrices."""
        return FACTORS if getattr(p, "ndim", 0) > 1 else record.states

    @classmethod
    def shape_of(cls, state: str, shape: tuple[Any, ...]) -> tuple[Any, ...]:
        """A mean of each row, or of each column."""
        return {"row_var": (*shape[:-1], 1), "col_var": (*shape[:-2], 1, *shape[-1:])}.get(state, shape)

    @classmethod
    def parameters(cls, record: Step, hyper: Mapping[str, Any], step: int) -> tuple[float, ...]:
        """The parameters of the formula for vectors, but for eps, and the largest share of a step.

        The last two of the formula's are those of the one for matrices.
        """
        rest2, share = step ** hyper["beta2_decay"], min(hyper["lr"], 1.0 / math.sqrt(step))
        return 1.0 - rest2, rest2, hyper["lr"] * hyper["weight_decay"], sign_of(hyper), share

    @classmethod
    def trust(cls, hyper: Mapping[str, Any], xp: Any, parameter: Any, measured: Any) -> Any:
        """The size of a step over that of the update."""
        most, least = hyper["root"] * hyper["d"], hyper["root"] * hyper["eps"][1]
        size = xp.where((parameter > least) & (parameter < math.inf), parameter / hyper["root"], hyper["eps"][1])
        return hyper["share"] * size / xp.where((measured > most) & (measured < math.inf), measured / most, 1.0)

    @classmethod
    def follow(
        cls, parts: Sequence[Any], record: Step, hyper: Mapping[str, Any], parameters: tuple[float, ...],
        folds: Folds, factor: Any, shared: tuple[Any, ...],
    ) -> None:  # fmt: skip
        """Take the steps of parameters, from what is estimated of their second moments."""
        *numbers, share = parameters
        for some in _alike(parts):
            alike, eps = some[0].record, some[0].eps if hyper["eps"][0] is None else hyper["eps"][0]
            for side_by_side in stacks([part for part in some if part.factors and part.sizes]):
                estimate(side_by_side, folds, factor, numbers[1], eps)
            own = (*numbers[-2 if alike is formulas.ADAFACTOR_MATRIX else 0 :], eps)
            for one in _joined(some, folds):
                root = np.sqrt(np.maximum(one.sizes, 1))
                rule = partial(cls.trust, {**hyper, "share": share, "root": root if root.ndim else float(root)})
                one.step(alike, own, folds, factor, trust(one, alike, own, folds, factor, rule))


def _alike(parts: Sequence[Factored]) -> list[list[Factored]]:
    """Parameters by the formula and the dtype of their steps."""
    found: dict[Any, list[Factored]] = {}
    for part in parts:
        found.setdefault((part.record.name, part.eps), []).append(part)
    return list(found.values())


def _joined(parts: list[Factored], folds: Folds) -> Sequence[Any]:
    """The same as one, where a kernel may have all of their arrays as they are; on the CPU."""
    if len(parts) > 1 and parts[0].on_cpu:
        params, grads, *states = zip(*(part.arrays for part in parts), strict=True)
        found = together(parts[0].engine, params, list(zip(*states, strict=True)), [part.lost for part in parts])
        if found and found[0].take(grads, written=folds.zero_grad):
            return found
    return parts


adafactor_step = bare_step(
    "adafactor_step",
    Adafactor,
    """
    >>> p, rows, columns = np.array([[3.0, 4.0], [0.0, 0.0]]), np.zeros((2, 1)), np.zeros((1, 2))
    >>> adafactor_step(p, np.array([[2.0, -2.0], [1.0, 1.0]]), rows, columns, step=1, lr=0.5)
    >>> p
    array([[ 1.75,  5.25],
           [-1.25, -1.25]])
    """,
    kept=(FACTORS, formulas.ADAFACTOR.states),
)
