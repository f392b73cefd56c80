"""SparseAdam, whose gradients may be rows: of an embedding's table only those that a batch has used."""

import math
from collections.abc import Mapping
from typing import Any, Unpack

import numpy as np
from fastloa_kernels.formulas import optimizers as formulas
from fastloa_kernels.records import Step

from fastloa import backends, dtypes
from fastloa.calls import touching
from fastloa.folded import Folded, Folds
from fastloa.hyper import NONNEGATIVE, RATE, SWITCH, Hyper, decays, kinds, sign_of
from fastloa.optimizer_operations import Optimizer, Params
from fastloa.optimizer_steps import Alone, bare_step, check_written
from fastloa.together import Together

__all__ = [
    "SparseAdam",
    "sparse_adam_step",
]


class Rows(Alone):
    """Rows of a parameter, their gradient and states, for a step of their own."""

    wide = True

    def __init__(
        self, function: str, names: tuple[str, ...], whole: tuple[Any, ...], index: Any, g: Any, record: Step,
        folds: Folds, backend: str | None,
    ) -> None:  # fmt: skip
        self._whole, self._index = whole, index
        for name, array in zip((names[0], *names[2:]), whole, strict=True):
            check_written(function, name, array)
        p, *states = (x[index] for x in whole)
        self._rows = p, *states
        super().__init__(function, names, (p, g, *states), record, folds, backend)

    def step(
        self, record: Step, parameters: tuple[float, ...], folds: Folds, factor: Any, trust: tuple[Any, ...]
    ) -> None:  # fmt: skip
        """Take the step, and put the rows back."""
        super().step(record, parameters, folds, factor, trust)
        with self.on_device():
            for whole, rows in zip(self._whole, self._rows, strict=True):
                whole[self._index] = rows


class SparseAdam(Optimizer):
    r"""SparseAdam: Adam for gradients that are there for some rows only, and leave all others as they are.

    .. math:: m \leftarrow \beta_1 m + (1 - \beta_1) g, \quad v \leftarrow \beta_2 v + (1 - \beta_2) g^2, \quad
        p \leftarrow p - \eta \frac{\sqrt{1 - \beta_2^t}}{1 - \beta_1^t} \frac{m}{\sqrt{v} + \epsilon}

    Parameters
    ----------
    params : array, or list, tuple or dict of arrays, floating-point
        Updated in place.
    lr : float or schedule, default 1e-3
        The rate eta, at least 0.
    betas : pair of float, default (0.9, 0.999)
        The decays of the moments m and v, in [0, 1).
    eps : float, default 1e-8
        Added to the root, outside it, before the bias correction; at least 0.
    maximize : bool, default False
        Climb instead of descend.
    **folded
        What all optimizers take: see `fastloa.optimizers`; where a gradient is rows, neither ``ema`` nor ``zero_grad``
        nor ``compensated``.

    Raises
    ------
    TypeError
        Not arrays, arrays of two libraries, or a dtype that is not floating-point.
    ValueError
        A read-only parameter, or an option out of its range.

    Notes
    -----
    PyTorch's convention: t counts all steps, those that left a row alone too, and eps is added before the bias
    correction, unlike in `Adam`. Rows that are named several times are added up first, in the precision of the states.
    On a GPU a step with rows waits for it, to see which rows there are.

    References
    ----------
    Kingma and Ba, "Adam: A Method for Stochastic Optimization", 2015, arXiv:1412.6980.

    Examples
    --------
    >>> table = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    >>> optimizer = SparseAdam(table, lr=0.5, eps=0.0)
    >>> optimizer.step((np.array([2, 0]), np.array([[3.0, -1.0], [-2.0, 0.1]])))
    >>> table
    array([[1.5, 1.5],
           [3. , 4. ],
           [4.5, 6.5]])
    """

    hyper = kinds(lr=RATE, betas=decays(2), eps=NONNEGATIVE, maximize=SWITCH)
    records = (formulas.ADAM,)

    def __init__(
        self, params: Params, lr: Hyper = 1e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8, *,
        maximize: bool = False, **folded: Unpack[Folded],
    ) -> None:  # fmt: skip
        super().__init__(params, folded, lr=lr, betas=betas, eps=eps, maximize=maximize)

    @classmethod
    def parameters(cls, record: Step, hyper: Mapping[str, Any], step: int) -> tuple[float, ...]:
        """The formula's parameters."""
        beta1, beta2 = hyper["betas"]
        root = math.sqrt(1.0 - beta2**step)
        return (
            hyper["lr"] / (1.0 - beta1**step), 1.0 - beta1, beta2, 1.0 - beta2, root, hyper["eps"] / root, 0.0, 0.0,
            sign_of(hyper),
        )  # fmt: skip

    def step(self, grads: Params, /) -> None:
        """Take one step, in place.

        Parameters
        ----------
        grads : array or rows, or list, tuple or dict of such
            The gradients, in the structure of the parameters. One is an array like its parameter, or a pair of the
            numbers of some rows, a 1-d array of integers, and their gradients, of shape (rows, ...) and the parameter's
            dtype.

        Raises
        ------
        TypeError, ValueError
            Something does not fit, or there is no such row; nothing has been written then.
        """
        super().step(grads)

    def in_whole(self, grads: Params) -> bool:
        """Whether all gradients have the shapes of the parameters, and none is rows."""
        return not any(map(_is_rows, self._in_order(grads) or ()))

    def _taken(self, grads: Params) -> list[Together]:
        return super()._taken(grads) if self.in_whole(grads) else []

    def _one_by_one(self, grads: Params, folds: Folds) -> list[Alone]:
        ordered, function = self._in_order(grads), f"{self._name}.step"
        if ordered is None or self.in_whole(grads):
            return super()._one_by_one(grads, folds)
        unfit = {"ema": folds.ema, "zero_grad": folds.zero_grad, "compensated": self._compensated}
        for option, given in unfit.items():
            if given:
                raise ValueError(f"{function}: {option} must be left out where a gradient is rows, got {option}=")
        found: list[Alone] = []
        every = [x for label, p in self._arrays.items() for x in (p, *self._states[label].values())]
        for (label, p), given in zip(self._arrays.items(), ordered, strict=True):
            name, states = label.replace("params", "grads", 1), self._states[label]
            names = (label, name, *(f"{state} of {label}" for state in states))
            options = self._record, folds, self._backend
            if not _is_rows(given):
                backends.common_library(function, {label: p, name: given})
                g = given.copy() if touching([given], every)[0] else given
                found.append(Alone(function, names, (p, g, *states.values()), *options))
                continue
            with backends.device_of(p):
                index, g = _gathered(function, name, label, p, *given)
                g = g.copy() if touching([g], every)[0] else g
                found.append(Rows(function, names, (p, *states.values()), index, g, *options))
        return found


def _is_rows(gradient: Any) -> bool:
    return isinstance(gradient, tuple | list)


def _gathered(function: str, name: str, label: str, p: Any, *given: Any) -> tuple[Any, Any]:
    """The numbers of rows, each once, and their gradients."""
    if len(given) != 2:
        raise ValueError(f"{function}: {name} must be two arrays, of indices and of rows, got {len(given)}")
    index, rows = given
    arrays = {label: p, f"{name}[0]": index, f"{name}[1]": rows}
    xp = backends.namespace_of(backends.common_library(function, arrays))
    if index.dtype.kind not in "iu":
        raise TypeError(f"{function}: {name}[0] must hold integers, got {index.dtype}")
    if index.ndim != 1 or p.ndim < 1:
        raise ValueError(f"{function}: {name}[0] must have one dimension, got shape {tuple(index.shape)}")
    if rows.shape != (len(index), *p.shape[1:]):
        wanted = (len(index), *p.shape[1:])
        raise ValueError(f"{function}: {name}[1] must have shape {wanted}, got {tuple(rows.shape)}")
    kind = dtypes.same_kind(function, (label, f"{name}[1]"), (p, rows))
    if len(index) and not (int(index.min()) >= 0 and int(index.max()) < len(p)):
        raise ValueError(f"{function}: {name}[0] must hold rows in 0..{len(p) - 1}, got {_outside(index, len(p))}")
    own, place = xp.unique(index, return_inverse=True)
    if len(own) == len(index):
        return index, rows
    place = place.reshape(-1)
    order = xp.asarray(xp.argsort(place, kind="stable"))
    firsts = xp.searchsorted(place[order], xp.arange(len(own)))
    with np.errstate(all="ignore"):
        return own, xp.add.reduceat(rows[order].astype(kind.compute), firsts, axis=0)


def _outside(index: Any, count: int) -> int:
    low, high = int(index.min()), int(index.max())
    return low if low < 0 else high


sparse_adam_step = bare_step(
    "sparse_adam_step",
    SparseAdam,
    """
    >>> p, m, v = np.array([1.0]), np.zeros(1), np.zeros(1)
    >>> sparse_adam_step(p, np.array([3.0]), m, v, step=1, lr=0.5, eps=0.0)
    >>> p
    array([0.5])
    """,
)
