"""Optimizers for large batches, whose steps have the size of the array that they change: LAMB and LARS."""

import math
from collections.abc import Mapping
from typing import Any, Unpack

from fastloa_kernels.formulas import optimizer_trusted as formulas
from fastloa_kernels.records import Step

from fastloa.folded import Folded
from fastloa.hyper import DECAY, NONNEGATIVE, RATE, SWITCH, Hyper, decays, kinds, sign_of
from fastloa.optimizer_operations import Optimizer, Params
from fastloa.optimizer_steps import bare_step

__all__ = [
    "LAMB",
    "LARS",
    "lamb_step",
    "lars_step",
]


class LAMB(Optimizer):
    r"""LAMB: Adam's steps, for each array of parameters brought to the size of the array.

    .. math:: m \leftarrow \beta_1 m + (1 - \beta_1) g, \quad v \leftarrow \beta_2 v + (1 - \beta_2) g^2, \quad
        u = \frac{m / (1 - \beta_1^t)}{\sqrt{v / (1 - \beta_2^t)} + \epsilon} + \lambda p, \quad
        p \leftarrow p - \eta \frac{\|p\|}{\|u\|} u

    Parameters
    ----------
    params : array, or list, tuple or dict of arrays, floating-point
        Updated in place.
    lr : float or schedule, default 1e-3
        The rate eta, at least 0.
    betas : pair of float, default (0.9, 0.999)
        The decays of the moments m and v, in [0, 1).
    eps : float, default 1e-6
        Added to the root, outside it, after the bias correction; at least 0.
    weight_decay : float or schedule, default 0.01
        The factor lambda of the parameter that is added to the step, at least 0.
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
    The norms are those of each array by itself, and take two passes before the step's: one over the array, one over all
    that the step reads. Where one of them is 0 the quotient is 1, as in the authors' code, apex and optax. Defaults are
    apex's, whose gradients are moreover clipped to a norm of 1: here ``clip_norm=1.0``. On a GPU norms and quotients
    stay there, and nothing waits for them. An element that is no finite number makes a norm none: the quotient is 1.

    References
    ----------
    You, Li, Reddi, Hseu, Kumar, Bhojanapalli, Song, Demmel, Keutzer and Hsieh, "Large Batch Optimization for Deep
    Learning: Training BERT in 76 minutes", 2020, arXiv:1904.00962.

    Examples
    --------
    >>> p = np.array([3.0, 4.0])
    >>> LAMB(p, lr=0.5, eps=0.0, weight_decay=0.0).step(np.array([2.0, -0.1]))
    >>> p.round(6)
    array([1.232233, 5.767767])
    """

    hyper = kinds(lr=RATE, betas=decays(2), eps=NONNEGATIVE, weight_decay=RATE, maximize=SWITCH)
    records = (formulas.LAMB,)

    def __init__(
        self, params: Params, lr: Hyper = 1e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-6,
        weight_decay: Hyper = 0.01, *, maximize: bool = False, **folded: Unpack[Folded],
    ) -> None:  # fmt: skip
        super().__init__(params, folded, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, maximize=maximize)

    @classmethod
    def parameters(cls, record: Step, hyper: Mapping[str, Any], step: int) -> tuple[float, ...]:
        """The formula's parameters."""
        beta1, beta2 = hyper["betas"]
        return (
            hyper["lr"], 1.0 - beta1**step, 1.0 - beta1, beta2, 1.0 - beta2, math.sqrt(1.0 - beta2**step), hyper["eps"],
            hyper["weight_decay"], sign_of(hyper),
        )  # fmt: skip

    @classmethod
    def trust(cls, hyper: Mapping[str, Any], xp: Any, parameter: Any, measured: Any) -> Any:
        """The size of the parameter as a multiple of the update's."""
        return _quotient(xp, parameter, measured, measured)


class LARS(Optimizer):
    r"""LARS: descent with momentum, by a rate of its own for each array of parameters.

    .. math:: b \leftarrow \mu b + \eta \frac{\gamma \|p\|}{\|g\| + \lambda \|p\|} (g + \lambda p), \quad
        p \leftarrow p - b

    Parameters
    ----------
    params : array, or list, tuple or dict of arrays, floating-point
        Updated in place.
    lr : float or schedule, default 1.0
        The rate eta, at least 0.
    momentum : float, default 0.9
        The decay mu of the velocity b, in [0, 1).
    weight_decay : float or schedule, default 0.0
        The factor lambda of an L2 penalty, at least 0.
    trust_coefficient : float, default 0.001
        The factor gamma: the share of its own size that an array is changed by; at least 0.
    eps : float, default 0.0
        Added to the divisor, at least 0.
    nesterov : bool, default False
        Step by what the velocity will be.
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
    As in the paper, the rates are in the velocity, and the divisor is the sum of two norms (optax divides by the norm
    of the sum). Where the norm of the parameter or of the gradient is 0, the quotient, gamma included, is 1. Norms take
    two passes before the step's, over the array and over its gradient; on a GPU nothing waits for them. An element that
    is no finite number makes a norm none: the quotient is then 1.

    References
    ----------
    You, Gitman and Ginsburg, "Large Batch Training of Convolutional Networks", 2017, arXiv:1708.03888.

    Examples
    --------
    >>> p = np.array([3.0, 4.0])
    >>> LARS(p, lr=0.5, trust_coefficient=0.5).step(np.array([0.0, -2.0]))
    >>> p
    array([3.  , 5.25])
    """

    hyper = kinds(
        lr=RATE, momentum=DECAY, weight_decay=RATE, trust_coefficient=NONNEGATIVE, eps=NONNEGATIVE, nesterov=SWITCH,
        maximize=SWITCH,
    )  # fmt: skip
    records = (formulas.LARS, formulas.LARS_NESTEROV)

    def __init__(
        self, params: Params, lr: Hyper = 1.0, momentum: float = 0.9, weight_decay: Hyper = 0.0,
        trust_coefficient: float = 0.001, eps: float = 0.0, nesterov: bool = False, *, maximize: bool = False,
        **folded: Unpack[Folded],
    ) -> None:  # fmt: skip
        super().__init__(
            params, folded, lr=lr, momentum=momentum, weight_decay=weight_decay, trust_coefficient=trust_coefficient,
            eps=eps, nesterov=nesterov, maximize=maximize,
        )  # fmt: skip

    @classmethod
    def record(cls, hyper: Mapping[str, Any]) -> Step:
        """That with the momentum that is asked for."""
        return formulas.LARS_NESTEROV if hyper["nesterov"] else formulas.LARS

    @classmethod
    def parameters(cls, record: Step, hyper: Mapping[str, Any], step: int) -> tuple[float, ...]:
        """The formula's parameters."""
        return hyper["lr"], hyper["weight_decay"], sign_of(hyper), hyper["momentum"]

    @classmethod
    def trust(cls, hyper: Mapping[str, Any], xp: Any, parameter: Any, measured: Any) -> Any:
        """A share of the size of the parameter as a multiple of the gradient's."""
        divisor = measured + hyper["weight_decay"] * parameter + hyper["eps"]
        return _quotient(xp, parameter, measured, divisor, hyper["trust_coefficient"])


def _quotient(xp: Any, parameter: Any, measured: Any, divisor: Any, share: float = 1.0) -> Any:
    """A share of the parameter's norm over the divisor; 1 where one of the norms is 0, or no number."""
    known = (parameter > 0.0) & (measured > 0.0) & (parameter < math.inf) & (measured < math.inf)
    return xp.where(known, share * parameter / xp.where(known, divisor, 1.0), 1.0)


lamb_step = bare_step(
    "lamb_step",
    LAMB,
    """
    >>> p, m, v = np.array([3.0, 4.0]), np.zeros(2), np.zeros(2)
    >>> lamb_step(p, np.array([2.0, -0.1]), m, v, step=1, lr=0.5, eps=0.0, weight_decay=0.0)
    >>> p.round(6)
    array([1.232233, 5.767767])
    """,
)
lars_step = bare_step(
    "lars_step",
    LARS,
    """
    >>> p, b = np.array([3.0, 4.0]), np.zeros(2)
    >>> lars_step(p, np.array([0.0, -2.0]), b, lr=0.5, trust_coefficient=0.5)
    >>> p
    array([3.  , 5.25])
    """,
    first=1,
)
